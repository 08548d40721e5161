"""ClientToken. moto keeps it and makes a second instance for the same one."""

from __future__ import annotations

import hashlib
import json

from moto.core.responses import ActionResult

from gpucloud.sandbox.aws.base import Sandboxed
from gpucloud.sandbox.aws.wire import ApiError


class ClientTokens(Sandboxed):
    def run_instances(self) -> ActionResult:
        token = self._get_param("ClientToken", "")
        if not token:
            self.params["ClientToken"] = ""
            return super().run_instances()
        book, key, digest = self.world.book.tokens, (self.region, token), self._digest()
        if key in book:
            reservation, earlier = book[key]
            if earlier != digest:
                raise ApiError(
                    "IdempotentParameterMismatch",
                    f"Arguments on this idempotent request are inconsistent with arguments used in previous request(s) "
                    f"with the client token {token}",
                )
            if all(instance.gone for instance in self.ec2_backend.reservations[reservation].instances):
                raise ApiError(
                    "IdempotentInstanceTerminated",
                    "The client token you have provided is associated with a terminated instance. Please use a "
                    "different client token.",
                )
            return ActionResult(self.ec2_backend.reservations[reservation])
        result = super().run_instances()
        book[key] = (result.result.id, digest)  # type: ignore[attr-defined]
        return result

    def _digest(self) -> str:
        fields = {name: values for name, values in self.querystring.items() if name not in ("ClientToken", "DryRun")}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

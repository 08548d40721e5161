"""From an HTTP request to the service that answers it: parse, gate, delay, dispatch, count, keep."""

from __future__ import annotations

import logging
import time
from typing import Any

from moto.core.request import Request
from moto.core.utils import get_service_model
from moto.sts.responses import TokenResponse

from gpucloud.sandbox.aws import filters, gates, instance, parameters, prices, quotas, veil
from gpucloud.sandbox.aws.ec2 import Ec2
from gpucloud.sandbox.aws.lifecycle import Lifecycle
from gpucloud.sandbox.aws.wire import ApiError, Call, Reply, error_reply, json_reply, parse
from gpucloud.sandbox.aws.world import World

WARM_REGION = "us-east-1"
log = logging.getLogger(__name__)


class ServedRequest(Request):
    """Tells moto that a real server stands in front of it, which writes the Date header."""

    from_wsgi_server = True


class Front:
    """Answers AWS calls. One call at a time changes the world; latency is spent outside the lock."""

    def __init__(self, world: World) -> None:
        self.world, self.life = world, Lifecycle(world)
        filters.install()
        instance.install(world.shared.new_address)

    def answer(self, request: ServedRequest) -> Reply:
        """The reply to a request; every failure is an error of the real API."""
        began, call, error = time.time(), None, None
        try:
            body = request.get_data(cache=True, parse_form_data=False)
            call = parse(request.headers.get("Authorization", ""), request.headers.get("X-Amz-Target", ""), body)
            reply = self._serve(call, request)
        except ApiError as refusal:
            error = refusal
        except NotImplementedError as missing:
            error = ApiError("UnsupportedOperation", f"The sandbox does not know this: {missing}")
        except Exception:
            log.exception("a call failed")
            error = ApiError("InternalError", "see the daemon's log", 500)
        if error is not None:
            reply = error_reply(call, error)
        if call is not None:
            self.world.shared.log.end(call, began, time.time() - began, reply[0], error.code if error else "")
        return reply

    def warm_up(self) -> None:
        """Load what the first EC2 call needs, so that it is as fast as the second."""
        get_service_model("ec2")
        self.world.region(WARM_REGION)

    def _serve(self, call: Call, request: ServedRequest) -> Reply:
        world = self.world
        number = world.shared.begin(call)
        gates.check(world.shared.scenario, call, number)
        with world.shared.lock:
            if call.service in ("ec2", "sts"):
                return self._moto(call, request)
            return json_reply(self._own(call))

    def _moto(self, call: Call, request: ServedRequest) -> Reply:
        url = f"https://{call.service}.{call.region}.amazonaws.com/"
        if call.service == "sts":
            told: Reply = TokenResponse()._dispatch(request, url, request.headers)
            return told
        backend, response = self.world.region(call.region), Ec2()
        response.world, response.life = self.world, self.life
        with veil.veiled(self.world, backend, call):
            reply: Reply = response._dispatch(request, url, request.headers)
        if call.mutating:
            veil.note_births(self.world, backend)
            self.world.save()
        return reply

    def _own(self, call: Call) -> dict[str, Any]:
        """SSM, Service Quotas and Pricing, which are ours and change nothing."""
        scenario = self.world.shared.scenario
        if call.service == "ssm" and call.action in parameters.ACTIONS:
            return parameters.ACTIONS[call.action](call)
        if call.service == "servicequotas" and call.action in quotas.ACTIONS:
            return quotas.ACTIONS[call.action](scenario, call)
        if call.service == "pricing" and call.action in prices.ACTIONS:
            return prices.ACTIONS[call.action](call)
        raise ApiError("UnknownOperationException", f"The sandbox does not serve {call.service}:{call.action}")

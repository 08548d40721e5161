"""A running sandbox with short ways to what its tests ask again and again: real boto3 over real HTTP."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from gpucloud.sandbox import client
from gpucloud.sandbox.aws.gates import SECRET_KEY
from gpucloud.waiting import Waiter

UBUNTU = "/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id"


@dataclass
class Sandbox:
    """The running daemon, and short ways to what the tests ask of it again and again."""

    info: client.SandboxInfo
    folder: Path
    clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str = "us-east-1", access_key: str = "") -> Any:
        """The SDK's client without retries; kept, because making one takes longer than most calls."""
        key = (service, region, access_key)
        if key not in self.clients:
            self.clients[key] = boto3.client(  # type: ignore[call-overload]  # the stubs want literal names
                service,
                region_name=region,
                endpoint_url=self.info.endpoint,
                aws_access_key_id=access_key or self.info.access_key,
                aws_secret_access_key=SECRET_KEY,
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self.clients[key]

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    def use(self, text: str) -> None:
        """Put a scenario in force, over the API-only one."""
        file = self.folder / "scenario.yaml"
        file.write_text(f"guests: none\n{text}\n")
        client._post(self.info.endpoint, "scenario", {"scenario": str(file)})

    def ask(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(f"{self.info.endpoint}/_gpucloud/{path}", method=method)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def image(self) -> str:
        return str(self.client("ssm").get_parameter(Name=UBUNTU)["Parameter"]["Value"])

    def run(self, **more: Any) -> dict[str, Any]:
        """One g4dn.xlarge, as RunInstances answers it."""
        request = {"ImageId": self.image(), "InstanceType": "g4dn.xlarge", "MinCount": 1, "MaxCount": 1, **more}
        instance: dict[str, Any] = self.ec2.run_instances(**request)["Instances"][0]
        return instance

    def describe(self, instance_id: str) -> dict[str, Any]:
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        instance: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
        return instance

    def state(self, instance_id: str) -> str:
        return str(self.describe(instance_id)["State"]["Name"])

    def reaches(self, instance_id: str, state: str, seconds: float = 10) -> bool:
        return bool(Waiter(first=0.02).until(lambda: self.state(instance_id) == state, seconds))


class Refused:
    """What `refused` found out about an API error."""

    code = ""
    status = 0
    message = ""


class refused:
    """The body must fail with this API error code, and with this HTTP status where one is given."""

    def __init__(self, code: str, status: int = 400) -> None:
        self.code, self.status = code, status

    def __enter__(self) -> Refused:
        self.found = Refused()
        return self.found

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        assert isinstance(error, ClientError), f"expected {self.code}, got {error!r}"
        self.found.code = error.response["Error"]["Code"]
        self.found.message = error.response["Error"]["Message"]
        self.found.status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert (self.found.code, self.found.status) == (self.code, self.status)
        return True

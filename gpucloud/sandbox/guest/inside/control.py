#!/usr/bin/env -S LD_LIBRARY_PATH=/usr/lib/gpucloud-guest/python/lib /usr/lib/gpucloud-guest/python/bin/python3 -IS
"""[simulated] systemctl, systemd-run, shutdown, cloud-init …: asks the service manager and prints its answer."""

import json
import os
import socket
import sys

SOCKET = "/run/gpucloud-guest/control"


def main() -> int:
    name = os.path.basename(sys.argv[0])
    if sys.argv[1:] == ["--version"]:
        print(f"{name} 255 (255 gpucloud sandbox) [simulated]")  # noqa: T201 - this is a program of the guest
        return 0
    request = {"program": name, "arguments": sys.argv[1:], "directory": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(SOCKET)
        control.sendall(json.dumps(request).encode() + b"\n")
        with control.makefile("rb") as answers:
            answer = json.loads(answers.readline() or b'{"code": 1, "err": "the guest is shutting down\\n"}')
    sys.stdout.write(answer.get("out", ""))
    sys.stdout.flush()
    sys.stderr.write(answer.get("err", ""))
    return int(answer["code"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os._exit(141)
    except OSError as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: [simulated] no service manager: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

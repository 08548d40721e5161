"""`python -m gpucloud.sandbox.guest.userns COMMAND…`: run a command as root of a user namespace of our own.

Root there is the calling user; other users are the range that /etc/subuid gives to it. It needs newuidmap and
newgidmap (package uidmap), which are set-uid programs: nobody else may map more than one user.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from pathlib import Path

from gpucloud.sandbox.guest import syscalls as sys_

NEEDED = 65536  # users and groups that a Debian system knows


def main() -> None:
    """Never returns. The map is written from outside, by a child that was forked before."""
    parent, (ready, tell) = os.getpid(), os.pipe()
    mapper = os.fork()
    if mapper == 0:
        os.close(tell)
        os.read(ready, 1)
        os._exit(write_maps(parent))
    sys_.unshare(sys_.CLONE_NEWUSER)
    os.close(tell)
    if os.waitpid(mapper, 0)[1]:
        raise OSError("newuidmap or newgidmap failed")
    os.setgroups([])
    os.execv(sys.argv[1], sys.argv[1:])


def write_maps(pid: int) -> int:
    """0, or 1 after a line on stderr."""
    try:
        for program, file, own in (
            ("newuidmap", "/etc/subuid", os.getuid()),
            ("newgidmap", "/etc/subgid", os.getgid()),
        ):
            first = first_of_range(Path(file).read_text(), getpass.getuser(), os.getuid())
            subprocess.run([program, str(pid), *f"0 {own} 1 1 {first} {NEEDED - 1}".split()], check=True)
    except (OSError, LookupError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def first_of_range(ranges: str, name: str, uid: int) -> int:
    """The start of the user's range in the text of /etc/subuid. Raises LookupError without one that is large enough."""
    for owner, first, count in (line.split(":") for line in ranges.splitlines() if line.count(":") == 2):
        if owner in (name, str(uid)) and int(count) >= NEEDED - 1:
            return int(first)
    raise LookupError(f"{name} has no range of {NEEDED} in /etc/subuid and /etc/subgid")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(str(error))

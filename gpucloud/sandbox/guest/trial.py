"""Whether guests can be made here: namespaces and one overlay, tried in a process that is gone afterwards.

`python -m gpucloud.sandbox.guest.trial [fuse]`, with the rights in question.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpucloud.sandbox.guest import rootfs
from gpucloud.sandbox.guest import syscalls as sys_


def main(kind: str) -> None:
    if kind == "fuse":
        os.close(os.open("/dev/fuse", os.O_RDWR))
    sys_.unshare(sys_.CLONE_NEWNS | sys_.CLONE_NEWUTS | sys_.CLONE_NEWIPC | sys_.CLONE_NEWPID)
    sys_.mount("none", "/", flags=sys_.MS_REC | sys_.MS_PRIVATE)
    sys_.mount("tmpfs", "/mnt", "tmpfs")
    upper, work, root = (Path("/mnt", name) for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir()
    rootfs.overlay([Path("/usr")], upper, work, root, fuse=kind == "fuse")
    (root / "bin/gpucloud-trial").touch()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or ["kernel"])
    except OSError as error:
        sys.exit(str(error))

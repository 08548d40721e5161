"""The sandbox's machines: real Linux processes in namespaces of their own, over a copy-on-write view of this host.

Outside a guest: `manager` (what the daemon calls) starts one `supervisor` process for each running guest; `rootfs`
mounts its file system out of `base` (made once: programs and /etc for every guest) and the guest's own disk.
Inside a guest: `inside`, which sees nothing of this package.
"""

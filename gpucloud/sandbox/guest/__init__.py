"""The sandbox's machines: real Linux processes in namespaces of their own, over a copy-on-write view of this host.

Outside a guest: `manager` (what the daemon calls) starts one `supervisor` process for each running guest; `rootfs`
mounts its file system out of `base` (made once: programs and /etc for every guest) and the guest's own disk.
Inside a guest: `inside`, which sees nothing of this package.

What separates a guest from the host: mount, PID, IPC and UTS namespaces; no capability beyond those that apt needs, and
no way to new ones; only readable system files of the host, copy-on-write; Landlock scopes where the kernel has them.
What does not, so that a guest is for work of one's own and no cage for strangers: it shares the host's network, and so
reaches whatever listens on loopback. That includes the daemon's API, like any program of this host does: nothing
behind it is real, and a guest that uses it can at worst end simulated machines. A guest may fill the disk that its
files are on, and memory: there are no cgroups, because they are set up in too many ways to be relied on. A user in
it has at most `supervisor.MOST_PROCESSES` processes; its root has no such limit where guests are root's (rights.py).
"""

"""What runs in a guest: init, a small service manager, cloud-init and the SSH server.

These files are copied into the guest and run there as the package `inside`, by the sandbox's Python (>= 3.11), with
the standard library, asyncssh and each other only.
"""

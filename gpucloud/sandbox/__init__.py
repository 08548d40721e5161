"""The embedded cloud. The product talks to it only through `gpucloud.sandbox.client`."""

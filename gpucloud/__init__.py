"""gpucloud: one command to a verified NVIDIA GPU machine."""

__version__ = "0.1.0"

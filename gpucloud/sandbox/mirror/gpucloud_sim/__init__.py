"""What a sandbox guest simulates: its GPUs, kernel modules and the programs that talk to them.

These files are copied into the guest (/usr/lib/gpucloud-sim) and run there: stdlib only, Python >= 3.8.
"""

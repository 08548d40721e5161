# The wheel holds a copy of gpucloud_sim/state.py under this name.
from gpucloud.sandbox.mirror.gpucloud_sim.state import compute_capability as compute_capability
from gpucloud.sandbox.mirror.gpucloud_sim.state import driver_cuda as driver_cuda
from gpucloud.sandbox.mirror.gpucloud_sim.state import driver_error as driver_error
from gpucloud.sandbox.mirror.gpucloud_sim.state import gpus as gpus
from gpucloud.sandbox.mirror.gpucloud_sim.state import loaded as loaded

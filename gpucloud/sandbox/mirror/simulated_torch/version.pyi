# Written into each wheel when it is built.
__version__: str
cuda: str | None
simulated: bool
architectures: tuple[int, ...]
oldest_driver: int

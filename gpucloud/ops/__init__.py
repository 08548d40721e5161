"""The use cases. They are also the public Python API: no terminal, no SDK, plain values in and out."""

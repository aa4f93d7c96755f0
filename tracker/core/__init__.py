"""The controller proper: synchronous, deterministic, without clock, I/O or randomness."""

"""The monitor process, which can take the beam away, and the memory page it shares."""

"""BITalino respiration belt over a serial line, a pseudo-terminal or TCP."""

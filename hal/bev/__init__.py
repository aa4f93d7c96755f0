"""Demands in beam's-eye view over UDP, for research controllers of leaves, jaws or a gimbal."""

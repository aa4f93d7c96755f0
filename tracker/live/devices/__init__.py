"""Devices as the daemon sees them, and the commands that connect, probe and simulate them."""

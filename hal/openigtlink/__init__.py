"""OpenIGTLink: receives any tracker through PLUS or 3D Slicer, publishes target and state."""

"""The surface camera: from depth pictures of the skin to the displacement of patches of it."""

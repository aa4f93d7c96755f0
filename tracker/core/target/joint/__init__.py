"""The joint model: every image corrects all three axes of the target at once."""

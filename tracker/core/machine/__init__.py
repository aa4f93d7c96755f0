"""From the predicted target to a demand: geometry, steering, guard, keep-out volumes."""

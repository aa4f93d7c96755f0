"""Make the physicist's report of one fraction, and of a patient over fractions."""

"""The checks: one file per subject, and the table that lists them."""

"""The kinds of surrogate source: one file for each kind, and one row for each in `table`."""

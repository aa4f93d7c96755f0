"""The kinds of exported objects: one file and one row of `table` for each."""

"""The kinds of treatment machine: one file a kind, and `table` with one row a kind."""

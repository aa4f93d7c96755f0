"""The file formats of an export: one file and one row each."""

"""The readers of export formats: one file each, one row each in ``table``."""

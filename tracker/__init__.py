"""The tumour-tracking controller."""

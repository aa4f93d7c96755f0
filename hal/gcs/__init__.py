"""Hexapod couch speaking PI's General Command Set 2.0, over TCP or a serial line."""

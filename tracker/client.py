"""Talks to a running daemon: hears its state, asks it for things (sync and async)."""

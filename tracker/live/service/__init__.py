"""Requests from other programs to a running daemon, and the state it publishes."""

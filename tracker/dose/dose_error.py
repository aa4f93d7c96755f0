"""The error of everything that dose cannot be computed from."""

from __future__ import annotations


class DoseError(Exception):
    """A plan, a session or a request from which no dose can be computed; the message says why."""

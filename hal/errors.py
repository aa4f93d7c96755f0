"""Errors a driver may raise; the message says what, value, limit and remedy."""

from __future__ import annotations


class DeviceError(Exception):
    """A device, or the wire to it, does not do what its protocol says."""


class ProtocolError(DeviceError):
    """Bytes that are no valid message of the protocol."""


class LinkError(DeviceError):
    """The wire could not be opened, or broke."""

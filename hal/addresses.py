"""Network addresses as a configuration writes them."""

from __future__ import annotations

from hal.errors import DeviceError


def host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; raises `DeviceError` where it is none."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise DeviceError(f"address {text!r}: write host:port")
    return host, int(port)

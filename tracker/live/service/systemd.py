"""Messages to systemd: ready, alive, stopping (the datagrams of sd_notify(3)).

Without a service manager (no ``NOTIFY_SOCKET``) nothing is sent. `Notifier.alive` is called at the
end of each tick: when the loop hangs, no message is sent, and the service manager restarts it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

_SHARE = 3
"""Alive messages in one watchdog interval; the manual recommends two at least."""


class Notifier:
    """Sends messages to the service manager, if there is one."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read the address and the watchdog interval from ``environment``."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval_us = environment.get("WATCHDOG_USEC", "")
        watched = self._socket is not None and ours and interval_us.isdigit()
        self._every_ns = int(interval_us) * 1000 // _SHARE if watched else 0
        self._last_ns: int | None = None

    def ready(self) -> None:
        """Tell that the self-test has passed and the devices are being connected."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send("STATUS=" + text.replace("\n", " "))

    def alive(self, now_ns: int) -> None:
        """Tell that a tick was handled at ``now_ns``; sends only as often as the watchdog needs."""
        if self._every_ns and (self._last_ns is None or now_ns - self._last_ns >= self._every_ns):
            self._last_ns = now_ns
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that beam and motion are being stopped."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        # A manager that has ended or does not read must not disturb tracking.
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(text.encode(), self._address)

"""Telling systemd how the daemon is: ready, alive, stopping (sd_notify(3)'s datagrams).

Without a service manager (no ``NOTIFY_SOCKET``) nothing is sent. `Notifier.alive` belongs at the
end of a tick: a loop that hangs falls silent, and the service manager restarts it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

_SHARE = 3
"""Alive messages in one watchdog interval; the manual recommends two at least."""


class Notifier:
    """The service manager's socket, if there is one."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Look where to send, and how often the manager wants to hear that all is well."""
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
        """The self-test is passed and devices are being met."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send("STATUS=" + text.replace("\n", " "))

    def alive(self, now_ns: int) -> None:
        """A tick went through at ``now_ns``; sent as often as the watchdog needs, no more."""
        if self._every_ns and (self._last_ns is None or now_ns - self._last_ns >= self._every_ns):
            self._last_ns = now_ns
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Beam and motion are being stopped."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Nothing more will be said."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        # A manager that is gone or does not read must not disturb tracking.
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(text.encode(), self._address)

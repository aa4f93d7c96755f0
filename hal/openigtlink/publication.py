"""Publish target, prediction, couch and state over OpenIGTLink, for 3D Slicer and others.

Positions become TRANSFORM messages without rotation (3D Slicer shows each as a transform node of
that name), the state a STATUS and a STRING, numbers a SENSOR. The newest message of each name is
kept for whoever connects later.
"""

from __future__ import annotations

from hal.messages import Triple
from hal.openigtlink.codec import IgtlPacket, encode
from hal.openigtlink.contents import Content, IgtlText, Sensor, Status, Transform, at

OK, NOT_READY, DISABLED = 1, 13, 15
"""STATUS codes used: beam permitted, not tracking, beam held."""


class Publication:
    """Turns what is to be shown into bytes.

    ``unix_start_ns`` is the Unix time at the run's zero. Positions of one name nearer together
    than ``least_period_ns`` are left out; states and numbers never are.
    """

    def __init__(
        self, unix_start_ns: int, *, version: int = 1, least_period_ns: int = 33_000_000
    ) -> None:
        self._unix_start_ns = unix_start_ns
        self._version = version
        self._least_period_ns = least_period_ns
        self._last_ns: dict[str, int] = {}
        self._latest: dict[str, bytes] = {}
        self._count = 0

    @property
    def latest(self) -> bytes:
        """The newest message of every name, for a client that has just connected."""
        return b"".join(self._latest.values())

    def position(self, name: str, t_ns: int, position_mm: Triple) -> bytes:
        """Return a position in the fixed frame; ``b""`` where the last one is too recent."""
        last_ns = self._last_ns.get(name)
        if last_ns is not None and 0 <= t_ns - last_ns < self._least_period_ns:
            return b""
        self._last_ns[name] = t_ns
        return self._message(name, name, t_ns, Transform(at(position_mm)))

    def numbers(self, name: str, t_ns: int, values: tuple[float, ...]) -> bytes:
        """Return a message with numbers without a unit."""
        return self._message(name, name, t_ns, Sensor(values))

    def state(self, name: str, t_ns: int, code: int, state: str, reason: str = "") -> bytes:
        """Return the session's state with the reason for it, as STATUS and as words."""
        words = f"{state}: {reason}" if reason else state
        status = self._message(f"{name} status", name, t_ns, Status(code, 0, state[:20], reason))
        return status + self._message(f"{name} text", name, t_ns, IgtlText(words))

    def _message(self, key: str, name: str, t_ns: int, content: Content) -> bytes:
        self._count += 1
        message_id = self._count & 0xFFFFFFFF if self._version >= 2 else 0
        packet = IgtlPacket(name, self._unix_start_ns + t_ns, content, self._version, message_id)
        data = encode(packet)
        self._latest[key] = data
        return data

"""The conversation with an OpenIGTLink server that sends the angles of the treatment machine.

Gantry, collimator and table come as one TRANSFORM each, a rotation about their own axis of the
fixed frame after IEC 61217: the gantry about +Y, collimator and table about +Z. The gantry's
message completes a report; collimator and table keep the angle of their last message, or 0 where
they are not configured. A SENSOR message may carry the monitor units.
"""

from __future__ import annotations

import enum
import math

import msgspec

from hal.errors import DeviceError, LinkError
from hal.events import Command
from hal.messages import BadSample, LinacStatus, Sample
from hal.openigtlink.codec import IgtlGarbled, IgtlPacket
from hal.openigtlink.contents import Matrix, Sensor, Transform
from hal.openigtlink.timed_reader import TimedReader
from hal.openigtlink.tool_status import ToolStatus

_ROUND = 1e-3
"""How far a matrix may be from a rotation about its axis."""


class IgtlLinacState(enum.Enum):
    """Where the conversation is."""

    CLOSED = "the wire is not open"
    LISTENING = "nothing came yet"
    STREAMING = "angles arrive"


class IgtlLinacSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device names of the messages that are used."""

    gantry: str = "Gantry"
    collimator: str = "Collimator"
    """Empty: it is not sent, and stands at 0."""
    table: str = "Table"
    """Empty: it is not sent, and stands at 0."""
    monitor_units: str = ""
    """Device name of a SENSOR message whose first value is the monitor units; empty: none."""
    silence_ms: float = 5000.0
    """Silence of this length closes the link; the engine judges shorter silence."""

    def __post_init__(self) -> None:
        """Refuse names under which the driver could report nothing, or mistake one for another."""
        if not self.gantry:
            raise ValueError("gantry: is empty; name the TRANSFORM of the gantry")
        names = [n for n in (self.gantry, self.collimator, self.table, self.monitor_units) if n]
        if len(set(names)) < len(names):
            raise ValueError(f"gantry, collimator, table, monitor_units: {names} name one twice")


class IgtlLinacSession:
    """`hal.ports.Conversation` with an OpenIGTLink server; reports `LinacStatus`."""

    def __init__(self, device: str, settings: IgtlLinacSettings) -> None:
        self._device = device
        self._settings = settings
        self._reader = TimedReader()
        self._state = IgtlLinacState.CLOSED
        self._heard_ns = 0
        self._forget()

    def _forget(self) -> None:
        """Forget the angles of an earlier connection."""
        self._angles: dict[str, float | None] = {
            name: None for name in (self._settings.collimator, self._settings.table) if name
        }
        self._units: float | None = None

    @property
    def ready(self) -> bool:
        """Whether angles arrive."""
        return self._state is IgtlLinacState.STREAMING

    @property
    def state(self) -> IgtlLinacState:
        """The state, for people."""
        return self._state

    @property
    def wake_ns(self) -> int | None:
        """When the silence has lasted long enough to close the link."""
        if self._state is not IgtlLinacState.STREAMING:
            return None
        return self._heard_ns + round(self._settings.silence_ms * 1e6)

    def begin(self, now_ns: int) -> None:
        """The connection is open; the server sends by itself."""
        self._reader.reset()
        self._forget()
        self._heard_ns = now_ns
        self._state = IgtlLinacState.LISTENING

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take a piece of the stream."""
        samples: list[Sample] = []
        for item in self._reader.feed(data, now_ns):
            if isinstance(item, IgtlGarbled):
                samples.append(BadSample(self._device, now_ns, "OpenIGTLink message", item.what))
            else:
                samples += self._use(item, now_ns)
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Close the link after a long silence with `LinkError`."""
        if self.wake_ns is None or now_ns < self.wake_ns:
            return []
        self._state = IgtlLinacState.CLOSED
        silence_ms = (now_ns - self._heard_ns) // 1_000_000
        raise LinkError(f"{self._device}: no angle of the gantry for {silence_ms} ms")

    def obey(self, command: Command, now_ns: int) -> None:
        """Raise `DeviceError`: it only reports."""
        raise DeviceError(f"{self._device} reports angles and cannot obey {command!r}")

    def data_to_send(self) -> bytes:
        """Return nothing: the server sends unasked."""
        return b""

    def _use(self, packet: IgtlPacket, now_ns: int) -> list[Sample]:
        """Take one message: an angle, monitor units, or nothing to us."""
        settings, name = self._settings, packet.device_name
        match packet.content:
            case Sensor(values) if name == settings.monitor_units and name:
                if not values or values[0] < 0.0:
                    return [self._bad("monitor units", f"{values[:1]}", now_ns)]
                self._units = values[0]
                return []
            case Transform(matrix) if name == settings.gantry or name in self._angles:
                if not ToolStatus(packet.metadata).measured(name):
                    return [self._bad(f"angle of {name}", "is not measured", now_ns)]
                turn = about_y if name == settings.gantry else about_z
                angle = turn(matrix)
                if angle is None:
                    axis = "Y" if turn is about_y else "Z"
                    return [self._bad(f"angle of {name}", f"is no turn about {axis}", now_ns)]
                return self._angle(name, angle, now_ns)
            case _:
                return []

    def _angle(self, name: str, angle_deg: float, now_ns: int) -> list[Sample]:
        if name != self._settings.gantry:
            self._angles[name] = angle_deg
            return []
        missing = [other for other, angle in self._angles.items() if angle is None]
        if missing:
            return []
        self._state = IgtlLinacState.STREAMING
        self._heard_ns = now_ns
        collimator = self._angles.get(self._settings.collimator) or 0.0
        table = self._angles.get(self._settings.table) or 0.0
        return [LinacStatus(self._device, now_ns, angle_deg, collimator, table, self._units)]

    def _bad(self, what: str, value: str, now_ns: int) -> BadSample:
        return BadSample(self._device, now_ns, what, value)


def about_y(matrix: Matrix) -> float | None:
    """Return the right-handed turn about +Y in degrees; ``None``: it is another motion."""
    a, _, c, _, e, _, g, _, i = matrix[:9]
    cosine, sine = (a + i) / 2.0, (g - c) / 2.0
    still = (matrix[1], matrix[3], matrix[5], matrix[7], e - 1.0, a - i, g + c)
    return _angle_of(cosine, sine, still)


def about_z(matrix: Matrix) -> float | None:
    """Return the right-handed turn about +Z in degrees; ``None``: it is another motion."""
    a, b, _, d, e, _, _, _, i = matrix[:9]
    cosine, sine = (a + e) / 2.0, (b - d) / 2.0
    still = (matrix[2], matrix[5], matrix[6], matrix[7], i - 1.0, a - e, b + d)
    return _angle_of(cosine, sine, still)


def _angle_of(cosine: float, sine: float, still: tuple[float, ...]) -> float | None:
    """Return the angle, from 0 up to 360 degrees; ``still`` holds what a turn leaves at 0."""
    if max(map(abs, still)) > _ROUND or abs(math.hypot(cosine, sine) - 1.0) > _ROUND:
        return None
    return math.degrees(math.atan2(sine, cosine)) % 360.0

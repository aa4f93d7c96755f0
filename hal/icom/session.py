"""The conversation with an Elekta linac that sends its iCOM stream: it only listens.

The linac sends about four messages a second by itself. Each becomes one report of the angles. Its
clock tells whole seconds, so a report is stamped with its arrival, and the clock only shows that
the stream is not an old one: time must not go back, and must not stand still.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command
from hal.icom.codec import (
    COLLIMATOR,
    GANTRY,
    TABLE,
    UNITS,
    IcomGarbled,
    IcomReader,
    IcomReport,
    tags_with,
)
from hal.linac_angles import FULL_TURN_DEG, MOST_UNITS, AngleScale
from hal.messages import BadSample, LinacStatus, Sample

_STANDS_NS = 3_000_000_000
"""The linac's clock shows another second every second; this long the same one is an old stream."""
_AGREEING = 3
"""So many messages in a row after a step of the linac's clock, and its new time is believed."""
_COUNTS = 256


class IcomState(enum.Enum):
    """Where the conversation is."""

    CLOSED = "the wire is not open"
    LISTENING = "nothing came yet"
    STREAMING = "angles arrive"


class IcomSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scales of the linac's angles, and times."""

    gantry: AngleScale = AngleScale()
    collimator: AngleScale = AngleScale()
    table: AngleScale = AngleScale()
    table_element: Literal["isocentric", "column"] = "isocentric"
    """Which of the two angles of the table turns it about the isocentre."""
    period_ms: Annotated[float, Meta(ge=10, le=2000)] = 250.0
    """Time between two messages of the linac."""
    silence_ms: Annotated[float, Meta(ge=100, le=60_000)] = 3000.0
    """Silence of this length closes the link; the engine judges shorter silence."""


class IcomSession:
    """`hal.ports.Conversation` with a linac; reports `LinacStatus`."""

    def __init__(self, device: str, settings: IcomSettings) -> None:
        self._device = device
        self._settings = settings
        self._reader = IcomReader(tags_with(settings.table_element))
        self._state = IcomState.CLOSED
        self._heard_ns = 0
        self._forget(0)

    def _forget(self, now_ns: int) -> None:
        """Forget the messages of an earlier connection."""
        self._count: int | None = None
        self._when: datetime | None = None
        self._stepped: datetime | None = None
        self._agreed = 0
        self._second_ns = now_ns

    @property
    def ready(self) -> bool:
        """Whether angles arrive."""
        return self._state is IcomState.STREAMING

    @property
    def state(self) -> IcomState:
        """The state, for people."""
        return self._state

    @property
    def wake_ns(self) -> int | None:
        """When the silence has lasted long enough to close the link."""
        if self._state is not IcomState.STREAMING:
            return None
        return self._heard_ns + round(self._settings.silence_ms * 1e6)

    def begin(self, now_ns: int) -> None:
        """The connection is open; the linac sends by itself."""
        self._reader.reset()
        self._forget(now_ns)
        self._heard_ns = now_ns
        self._state = IcomState.LISTENING

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take a piece of the stream; raises `LinkError` where it is no iCOM stream."""
        try:
            items = self._reader.feed(data)
        except ProtocolError as error:
            raise LinkError(f"{self._device}: {error}; is this the linac's iCOM port?") from None
        samples: list[Sample] = []
        for item in items:
            if isinstance(item, IcomGarbled):
                samples.append(self._bad(item.what, item.value, now_ns))
            else:
                samples += self._use(item, now_ns)
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Close the link after a long silence with `LinkError`."""
        if self.wake_ns is None or now_ns < self.wake_ns:
            return []
        self._state = IcomState.CLOSED
        silence_ms = (now_ns - self._heard_ns) // 1_000_000
        raise LinkError(f"{self._device}: no iCOM message with angles for {silence_ms} ms")

    def obey(self, command: Command, now_ns: int) -> None:
        """Raise `DeviceError`: it only reports."""
        raise DeviceError(f"{self._device} reports angles and cannot obey {command!r}")

    def data_to_send(self) -> bytes:
        """Return nothing: the linac sends unasked."""
        return b""

    def _use(self, report: IcomReport, now_ns: int) -> list[Sample]:
        """Turn one message into a report, or say what is wrong with it."""
        told, usable = self._counted(report.number, now_ns)
        if not usable:
            return told
        wrong = self._time_problem(report.when, now_ns) or self._range_problem(report, now_ns)
        if wrong is not None:
            return [*told, wrong]
        self._state = IcomState.STREAMING
        self._heard_ns = now_ns
        values, settings = report.values, self._settings
        status = LinacStatus(
            self._device,
            now_ns,
            settings.gantry.angle_deg(values[GANTRY]),
            settings.collimator.angle_deg(values[COLLIMATOR]),
            settings.table.angle_deg(values[TABLE]),
            values.get(UNITS),
        )
        return [*told, status]

    def _counted(self, count: int, now_ns: int) -> tuple[list[Sample], bool]:
        """Say what the counter shows, and whether the message is a new one."""
        last, self._count = self._count, count
        if last is None:
            return [], True
        step = (count - last) % _COUNTS
        if step == 0:
            return [], False  # the linac repeats a message now and then
        if step >= _COUNTS // 2:
            return [self._bad("iCOM counter went back", f"{last} to {count}", now_ns)], False
        if step > 1:
            return [self._bad("iCOM messages lost", str(step - 1), now_ns)], True
        return [], True

    def _time_problem(self, when: datetime, now_ns: int) -> BadSample | None:
        """Return what is wrong with the linac's time; it may be set anew, and is then followed."""
        last = self._when
        if last is not None and when < last:
            if self._stepped is None or when < self._stepped:
                self._agreed = 0
            self._stepped, self._agreed = when, self._agreed + 1
            if self._agreed < _AGREEING:
                return self._bad("iCOM time went back", f"{last} to {when}", now_ns)
        self._stepped, self._agreed = None, 0
        if when != last:
            self._when, self._second_ns = when, now_ns
        elif now_ns - self._second_ns >= _STANDS_NS:
            stands_ms = (now_ns - self._second_ns) // 1_000_000
            return self._bad("iCOM time stands still", f"{when} for {stands_ms} ms", now_ns)
        return None

    def _range_problem(self, report: IcomReport, now_ns: int) -> BadSample | None:
        """Return the first value out of its range."""
        for name, value in report.values.items():
            least = 0.0 if name == UNITS else -FULL_TURN_DEG
            most = MOST_UNITS if name == UNITS else FULL_TURN_DEG
            if not least <= value <= most:
                limits = f"allowed are {least:g} to {most:g}"
                return self._bad(f"iCOM {name}", f"{value:g}, {limits}", now_ns)
        return None

    def _bad(self, what: str, value: str, now_ns: int) -> BadSample:
        return BadSample(self._device, now_ns, what, value)

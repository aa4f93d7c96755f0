"""Simulate an OpenIGTLink server: a tracker behind PLUS, or a belt.

It either pushes what it is shown as TRANSFORM messages, as PLUS does, or waits for STT_TDATA /
STT_QTDATA and then sends no more often than was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from hal.driver import MARKERS
from hal.events import Command
from hal.messages import BeltSample, MarkerFrame, Sample, Triple
from hal.openigtlink.codec import IgtlGarbled, IgtlPacket, StreamReader, encode
from hal.openigtlink.contents import (
    Content,
    IgtlTool,
    Position,
    QuaternionData,
    QuaternionTool,
    Sensor,
    StartTracking,
    Status,
    StopTracking,
    TrackingAnswer,
    TrackingData,
    Transform,
    at,
)
from hal.openigtlink.driver import IgtlWire
from hal.openigtlink.session import IgtlSettings
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, marker_problem, on_wire

Push = Literal["TRANSFORM", "POSITION", "TDATA", "QTDATA"]


class IgtlTwin:
    """The server's end; ``tools`` name the markers of the frames it is shown.

    With ``push`` it sends unasked. ``unix_ns`` is its clock at the room's time zero, ``tick_ns``
    how long a tick of the samples it is shown lasts. With ``hidden_status`` (header version 2) it
    sends a hidden tool's last pose and this status in the metadata, as PLUS does; without, it
    leaves the tool out.
    """

    def __init__(
        self,
        tools: tuple[str, ...] = (),
        *,
        name: str = "Tracker",
        sensor: str = "Belt",
        push: Push | None = None,
        version: int = 1,
        unix_ns: int = 1_700_000_000_000_000_000,
        tick_ns: int = 1_000_000,
        hidden_status: str = "",
    ) -> None:
        self._tools = tools
        self._name = name
        self._sensor = sensor
        self._push = push
        self._version = version
        self._unix_ns = unix_ns
        self._tick_ns = tick_ns
        self._hidden_status = hidden_status
        self._last_seen: dict[str, Triple] = {}
        self._reader = StreamReader()
        self._out = bytearray()
        self._asked: StartTracking | None = None
        self._sent_ns: int | None = None
        self._count = 0
        self.accepts = True
        self.heard: list[IgtlPacket | IgtlGarbled] = []

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: it sends only when it is shown a sample or asked."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new client."""
        self._reader.reset()
        self._out.clear()
        self._asked = None
        self._sent_ns = None

    def show(self, sample: Sample, now_ns: int) -> None:
        """Send a sample of the tracker or the belt when one is due."""
        if isinstance(sample, BeltSample):
            self._say(self._sensor, sample.ticks, Sensor((sample.value_au,)))
        if not isinstance(sample, MarkerFrame):
            return
        form = self._push or (self._asked.form if self._asked and self._due(now_ns) else None)
        if form is None:
            return
        self._sent_ns = now_ns
        seen = [
            (name, place)
            for name, place in zip(self._tools, sample.markers_mm, strict=True)
            if place is not None
        ]
        status = {name: "OK" for name, _ in seen} if self._hidden_status else {}
        if self._hidden_status:
            self._last_seen.update(seen)
            for name in self._tools:
                if name not in status:
                    status[name] = self._hidden_status
                    seen.append((name, self._last_seen.get(name, (0.0, 0.0, 0.0))))
        if form in ("TDATA", "QTDATA"):
            told = {f"{name}Status": word for name, word in status.items()}
            self._say(self._name, sample.ticks, _rows(form, seen), told)
            return
        for name, place in seen:
            content = Transform(at(place)) if form == "TRANSFORM" else Position(place)
            word = status.get(name)
            valid = "true" if word == "OK" else "false"
            told = {"TransformValid": valid, "TransformStatus": word} if word else {}
            self._say(name, sample.ticks, content, told)

    def complain(self, status: Status, ticks: int) -> None:
        """Send a STATUS message that reports a fault."""
        self._say(self._name, ticks, status)

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Answer requests; return nothing, because none of them is for the room."""
        for item in self._reader.feed(data):
            self.heard.append(item)
            if isinstance(item, IgtlGarbled):
                continue
            if isinstance(item.content, StartTracking):
                self._asked = item.content if self.accepts else None
                self._sent_ns = None
                self._say(self._name, 0, TrackingAnswer(item.content.form, self.accepts))
            elif isinstance(item.content, StopTracking):
                self._asked = None
        return []

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: no work is ever due."""
        return []

    def data_to_send(self) -> bytes:
        """Return the bytes that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _due(self, now_ns: int) -> bool:
        """Return whether the resolution asked for has passed; half a millisecond early counts."""
        if self._asked is None or self._sent_ns is None:
            return True
        return now_ns - self._sent_ns >= self._asked.resolution_ms * 1_000_000 - 500_000

    def _say(
        self, name: str, ticks: int, content: Content, metadata: Mapping[str, str] | None = None
    ) -> None:
        self._count += 1
        unix_ns = self._unix_ns + ticks * self._tick_ns
        message_id = self._count if self._version >= 2 else 0
        packet = IgtlPacket(name, unix_ns, content, self._version, message_id, metadata or {})
        self._out += encode(packet)


def _rows(form: str, seen: list[tuple[str, Triple]]) -> Content:
    if form == "TDATA":
        return TrackingData(tuple(IgtlTool(name, at(place)) for name, place in seen))
    upright = (0.0, 0.0, 0.0, 1.0)
    return QuaternionData(tuple(QuaternionTool(name, place, upright) for name, place in seen))


def _twin(settings: IgtlWire, context: TwinContext) -> IgtlTwin:
    session = settings.session
    return IgtlTwin(
        session.tools,
        sensor=session.sensor,
        push=None if session.ask else "TRANSFORM",
        tick_ns=round(1e9 / context.rate_hz),
    )


def _problem(settings: IgtlWire, context: TwinContext) -> str:
    if context.role != MARKERS:
        return ""
    return marker_problem("session.tools", len(settings.session.tools), context)


def _alone(request: TwinRequest) -> IgtlWire:
    names = tuple(f"Marker{number + 1}" for number in range(request.markers))
    return IgtlWire(
        address=request.address("tcp://127.0.0.1:18944"), session=IgtlSettings(tools=names)
    )


OPENIGTLINK = TwinRow(
    driver="openigtlink",
    make=_twin,
    open=on_wire(_twin),
    problem=_problem,
    alone=Alone(
        name="openigtlink",
        does="tracker behind an OpenIGTLink server: Marker1, Marker2, Marker3",
        section="camera",
        settings=_alone,
    ),
)

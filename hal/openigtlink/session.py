"""The conversation with a tracker (or a belt) behind an OpenIGTLink server: PLUS, 3D Slicer.

Markers come as TDATA, QTDATA, TRANSFORM or POSITION, a belt as SENSOR. TRANSFORM and POSITION
name one tool each; those of one moment (one timestamp) are gathered into one `MarkerFrame`. A tool
whose metadata has a status other than OK was not measured: its marker is missing (`tool_status`).
OpenIGTLink numbers no frames: ``ticks`` are counted from the sender's timestamps, whole periods
of ``rate_hz`` apart, so that a lost frame leaves a gap and a repeated one is dropped; senders that
give no time have their arrivals counted. Time and name of a message lie outside its CRC, so a
timestamp that does not fit the arrivals is refused until it has come again a few times.
"""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command
from hal.messages import BadSample, BeltSample, MarkerFrame, Sample, Triple
from hal.openigtlink.bodies import NAME_BYTES, chars
from hal.openigtlink.codec import IgtlGarbled, IgtlPacket, encode
from hal.openigtlink.contents import (
    STATUS_WORDS,
    IgtlText,
    Position,
    QuaternionData,
    Sensor,
    StartTracking,
    Status,
    StopTracking,
    TrackingAnswer,
    TrackingData,
    Transform,
    position_of,
)
from hal.openigtlink.timed_reader import TimedReader
from hal.openigtlink.tool_status import ToolStatus
from hal.sender_clock import SampleCount, SenderClock


class IgtlState(enum.Enum):
    """Where the conversation is."""

    CLOSED = "the wire is not open"
    ASKED = "STT_… is sent, nothing came yet"
    LISTENING = "nothing asked, nothing came yet"
    STREAMING = "samples arrive"


class IgtlTrigger(enum.Enum):
    """What moves it."""

    BEGIN_ASKING = "open, and data must be asked for"
    BEGIN_LISTENING = "open, and data come by themselves"
    DATA = "a sample came"
    REFUSAL = "RTS_… said no"
    SILENCE = "nothing for longer than allowed"


TABLE: dict[tuple[IgtlState, IgtlTrigger], IgtlState] = {
    **{(state, IgtlTrigger.BEGIN_ASKING): IgtlState.ASKED for state in IgtlState},
    **{(state, IgtlTrigger.BEGIN_LISTENING): IgtlState.LISTENING for state in IgtlState},
    (IgtlState.ASKED, IgtlTrigger.DATA): IgtlState.STREAMING,
    (IgtlState.LISTENING, IgtlTrigger.DATA): IgtlState.STREAMING,
    (IgtlState.STREAMING, IgtlTrigger.DATA): IgtlState.STREAMING,
    (IgtlState.ASKED, IgtlTrigger.REFUSAL): IgtlState.CLOSED,
    (IgtlState.STREAMING, IgtlTrigger.REFUSAL): IgtlState.CLOSED,
    (IgtlState.STREAMING, IgtlTrigger.SILENCE): IgtlState.CLOSED,
}


class IgtlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages are used.

    ``tools`` are the markers in their order: names of TDATA rows, or device names of TRANSFORM
    or POSITION messages. ``sensor`` is the device name of SENSOR messages, ``channel`` the value
    in them.
    """

    tools: tuple[str, ...] = ()
    sensor: str = ""
    channel: int = 0
    ask: Literal["", "TDATA", "QTDATA"] = ""
    """Whether to ask the server to push; PLUS and 3D Slicer push unasked."""
    resolution_ms: int = 0
    coordinates: str = ""
    rate_hz: float = 60.0
    """Frames or samples a second, as the configuration has it for camera or belt."""
    gather_ms: float = 5.0
    """Longest wait for the other tools of a moment."""
    silence_ms: float = 5000.0
    """Silence of this length closes the link; the engine judges shorter silence."""
    clock_jump_ms: float = 500.0

    def __post_init__(self) -> None:
        """Refuse settings under which the driver could report nothing."""
        if not self.tools and not self.sensor:
            raise ValueError("OpenIGTLink: name the tools to track, or the sensor of a belt")
        if not 1.0 <= self.rate_hz <= 1000.0:
            raise ValueError(f"OpenIGTLink: rate_hz {self.rate_hz}, allowed are 1 to 1000")
        if len(set(self.tools)) != len(self.tools):
            raise ValueError(f"OpenIGTLink: tools {self.tools} name one twice")
        named = [("tools", name, NAME_BYTES) for name in self.tools]
        named += [("sensor", self.sensor, NAME_BYTES), ("coordinates", self.coordinates, 32)]
        for key, name, most in named:
            _check_fits(key, name, most)


def _check_fits(key: str, name: str, most: int) -> None:
    """Refuse a name that its field on the wire cannot carry: no message could ever have it."""
    try:
        chars(name, most)
    except ProtocolError:
        raise ValueError(
            f"OpenIGTLink: {key} {name!r} has {len(name.encode())} bytes, its field carries {most} "
            f"printable ASCII characters; PLUS cuts longer names: write {name[:most]!r} if the "
            "server sends that, or give it a shorter name there"
        ) from None


class IgtlSession:
    """`hal.ports.Conversation` with an OpenIGTLink server."""

    def __init__(self, device: str, settings: IgtlSettings) -> None:
        self._device = device
        self._settings = settings
        self._places = {name: index for index, name in enumerate(settings.tools)}
        self._frames = SampleCount(settings.rate_hz)
        self._belts = SampleCount(settings.rate_hz)
        self._reader = TimedReader()
        self._out = bytearray()
        self._state = IgtlState.CLOSED
        self._heard_ns = 0
        self._gathered: list[Triple | None] = []
        self._told: set[int] = set()
        """The tools of the gathered moment of which a message came, seen or not."""
        self._gathered_unix_ns = 0
        self._gathering_since_ns: int | None = None
        self._clock = self._new_clock()
        self.last_text = ""
        self.identity = ""
        """Who was heard, and in which version of the header; for people."""

    @property
    def ready(self) -> bool:
        """Whether samples arrive."""
        return self._state is IgtlState.STREAMING

    @property
    def state(self) -> IgtlState:
        """The state, for people."""
        return self._state

    @property
    def wake_ns(self) -> int | None:
        """When a moment's tools have been waited for, or silence has lasted, long enough."""
        if self._state is not IgtlState.STREAMING:
            return None
        silence = self._heard_ns + round(self._settings.silence_ms * 1e6)
        if self._gathering_since_ns is None:
            return silence
        return min(silence, self._gathering_since_ns + round(self._settings.gather_ms * 1e6))

    def begin(self, now_ns: int) -> None:
        """The connection is open: ask for data where that is wanted."""
        self._frames = SampleCount(self._settings.rate_hz)
        self._belts = SampleCount(self._settings.rate_hz)
        self._reader.reset()
        self._out.clear()
        self._gathering_since_ns = None
        self._clock = self._new_clock()
        self._heard_ns = now_ns
        settings = self._settings
        self._move(IgtlTrigger.BEGIN_ASKING if settings.ask else IgtlTrigger.BEGIN_LISTENING)
        if settings.ask:
            asked = StartTracking(settings.ask, settings.resolution_ms, settings.coordinates)
            self._out += encode(IgtlPacket("tidetrack", 0, asked))

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take a piece of the stream; raises `LinkError` when the server refuses to push."""
        samples: list[Sample] = []
        for item in self._reader.feed(data, now_ns):
            if isinstance(item, IgtlGarbled):
                samples.append(self._bad("OpenIGTLink message", item.what, now_ns))
            else:
                samples += self._samples_of(item, now_ns)
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Report an incomplete moment; raises `LinkError` after a long silence."""
        if self.wake_ns is None or now_ns < self.wake_ns:
            return []
        silence_ms = (now_ns - self._heard_ns) // 1_000_000
        if silence_ms >= self._settings.silence_ms:
            waiting = self._reader.waiting
            self._move(IgtlTrigger.SILENCE)
            raise LinkError(
                f"{self._device}: no OpenIGTLink sample for {silence_ms} ms "
                f"({waiting} bytes of an unfinished message); is the tracker on?"
            )
        return self._emit()

    def obey(self, command: Command, now_ns: int) -> None:
        """A tracker takes no commands."""
        raise DeviceError(f"{self._device} is a tracker and cannot obey {command!r}")

    def stop(self) -> None:
        """Ask the server to push no more."""
        if self._settings.ask:
            self._out += encode(IgtlPacket("tidetrack", 0, StopTracking(self._settings.ask)))

    def data_to_send(self) -> bytes:
        """Return all that waits."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _move(self, trigger: IgtlTrigger) -> None:
        self._state = TABLE[self._state, trigger]

    def _samples_of(self, packet: IgtlPacket, now_ns: int) -> list[Sample]:
        """Return one message: markers, belt, status, or nothing to us."""
        if not self.identity:
            self.identity = f"OpenIGTLink {packet.device_name!r}, header {packet.version}"
        match packet.content:
            case TrackingData(tools):
                rows = [(tool.name, position_of(tool.matrix)) for tool in tools]
                return self._whole_frame(packet, rows, now_ns)
            case QuaternionData(tools):
                rows = [(tool.name, tool.position_mm) for tool in tools]
                return self._whole_frame(packet, rows, now_ns)
            case Transform(matrix):
                return self._one_tool(packet, position_of(matrix), now_ns)
            case Position(position_mm):
                return self._one_tool(packet, position_mm, now_ns)
            case Sensor(values):
                return self._belt(packet, values, now_ns)
            case Status(code, _, error_name, text) if code != 1:
                words = STATUS_WORDS.get(code, "unknown code")
                value = ": ".join(part for part in (words, error_name, text) if part)
                return [self._bad("tracker status", f"{code} {value}", now_ns)]
            case IgtlText(text):
                self.last_text = text
            case TrackingAnswer(form, accepted) if not accepted:
                if self._state in (IgtlState.ASKED, IgtlState.STREAMING):
                    self._move(IgtlTrigger.REFUSAL)
                raise LinkError(f"{self._device}: the server refuses to push {form}")
            case _:
                pass
        return []

    def _whole_frame(
        self, packet: IgtlPacket, rows: list[tuple[str, Triple]], now_ns: int
    ) -> list[Sample]:
        """TDATA: all tools at once; one that is not in it, or not with status OK, was not seen."""
        if not self._places:
            return []
        named = [name for name, _ in rows if name in self._places]
        if len(set(named)) < len(named):
            twice = next(name for name in named if named.count(name) > 1)
            what = f"{twice!r}; give each tool a name that differs in its first {NAME_BYTES} bytes"
            return [self._bad("two tools of one name", what, now_ns)]
        status = ToolStatus(packet.metadata)
        places = {name: place for name, place in rows if status.measured(name)}
        samples, believed = self._off_clock(packet.unix_ns, now_ns)
        if not believed:
            return samples
        markers = tuple(places.get(name) for name in self._settings.tools)
        return samples + self._frame(markers, packet.unix_ns, now_ns)

    def _one_tool(self, packet: IgtlPacket, position_mm: Triple, now_ns: int) -> list[Sample]:
        """TRANSFORM or POSITION: gather the tools of one moment."""
        place = self._places.get(packet.device_name)
        if place is None:
            return []
        samples, believed = self._off_clock(packet.unix_ns, now_ns)
        if not believed:
            return samples
        if self._gathering_since_ns is not None and (
            packet.unix_ns != self._gathered_unix_ns or place in self._told
        ):
            samples += self._emit()
        if self._gathering_since_ns is None:
            self._gathered = [None] * len(self._places)
            self._told.clear()
            self._gathered_unix_ns = packet.unix_ns
            self._gathering_since_ns = now_ns
        self._told.add(place)
        if ToolStatus(packet.metadata).measured(packet.device_name):
            self._gathered[place] = position_mm
        if len(self._told) == len(self._places):
            samples += self._emit()
        return samples

    def _emit(self) -> list[Sample]:
        """Report the gathered moment, stamped with the arrival of its first tool."""
        since_ns, self._gathering_since_ns = self._gathering_since_ns, None
        if since_ns is None:
            return []
        return self._frame(tuple(self._gathered), self._gathered_unix_ns, since_ns)

    def _belt(self, packet: IgtlPacket, values: tuple[float, ...], now_ns: int) -> list[Sample]:
        if not self._settings.sensor or packet.device_name != self._settings.sensor:
            return []
        channel = self._settings.channel
        if channel >= len(values):
            what = f"{len(values)} values, channel {channel} is wanted"
            return [self._bad("SENSOR too short", what, now_ns)]
        if not ToolStatus(packet.metadata).measured(packet.device_name):
            said = ", ".join(f"{key} {word}" for key, word in packet.metadata.items())
            return [self._bad("belt value is not measured", said, now_ns)]
        samples, believed = self._off_clock(packet.unix_ns, now_ns)
        if not believed:
            return samples
        self._heard(now_ns)
        ticks = self._belts.step(packet.unix_ns or now_ns)
        if ticks is None:
            return samples
        return [*samples, BeltSample(self._device, now_ns, ticks, values[channel])]

    def _frame(
        self, markers: tuple[Triple | None, ...], unix_ns: int, arrival_ns: int
    ) -> list[Sample]:
        self._heard(arrival_ns)
        ticks = self._frames.step(unix_ns or arrival_ns)
        if ticks is None:  # servers faster than their tracker repeat frames
            return []
        return [MarkerFrame(self._device, arrival_ns, ticks, markers)]

    def _heard(self, now_ns: int) -> None:
        self._move(IgtlTrigger.DATA)
        self._heard_ns = now_ns

    def _new_clock(self) -> SenderClock:
        return SenderClock(round(self._settings.clock_jump_ms * 1e6))

    def _off_clock(self, unix_ns: int, now_ns: int) -> tuple[list[Sample], bool]:
        """Return what to tell of a timestamp, and whether its message is used."""
        if unix_ns == 0:
            return [], True
        stamped = self._clock.judge(unix_ns, now_ns)
        told: list[Sample] = []
        if stamped.off_ns:
            what = stamped.in_words()
            told.append(BadSample(self._device, now_ns, "timestamp jumps", what, clock=True))
        if stamped.clock_was_set:
            self._frames.shift(stamped.off_ns)
            self._belts.shift(stamped.off_ns)
        return told, stamped.believed

    def _bad(self, what: str, value: str, now_ns: int) -> BadSample:
        return BadSample(self._device, now_ns, what, value)

"""The conversation with a controller that takes demands in beam's-eye view as TRANSFORM messages.

The controller is the server. A demand is a TRANSFORM of a configured name: its translation is the
wanted shift of the aperture, X and Y of the beam limiting device at the isocentre (IEC 61217), in
millimetres; its rotation is none. A TRANSFORM of another name says where the aperture is.
OpenIGTLink has no message for a stop, so a stop is a demand for the place that was reported last.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hal.errors import DeviceError, LinkError
from hal.events import Command, SendDemand, SendStop
from hal.messages import ActuatorStatus, BadSample, Pair, Sample
from hal.motion_limits import MotionLimits
from hal.openigtlink.codec import IgtlGarbled, IgtlPacket, encode
from hal.openigtlink.contents import STATUS_WORDS, UPRIGHT, Status, Transform, at
from hal.openigtlink.timed_reader import TimedReader
from hal.openigtlink.tool_status import ToolStatus

_ALONG_MM = 0.1
"""A demand further along the beam was not meant for this machine."""
_ROUND = 1e-3
"""How far a matrix may be from one without rotation."""
_FURTHEST_MM = 500.0
_STATUS_OK = 1
Name = Annotated[str, Meta(min_length=1, max_length=20, pattern="^[ -~]+$")]


class IgtlBevState(enum.Enum):
    """Where the conversation is."""

    CLOSED = "the wire is not open"
    LISTENING = "no position came yet"
    FOLLOWING = "positions arrive"


class IgtlBevSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device names of the messages, and times."""

    demand: Name = "BevDemand"
    """Of the TRANSFORM that is sent."""
    position: Name = "BevPosition"
    """Of the TRANSFORM that says where the aperture is."""
    fault: Name = "BevFault"
    """Of STATUS messages: a code other than 1 is a fault, until one with code 1 comes."""
    version: Literal[1, 2] = 2
    """Version of the header: 1 for controllers older than OpenIGTLink 3."""
    silence_ms: Annotated[float, Meta(ge=50, le=60_000)] = 1000.0
    """Silence of this length closes the link; the engine judges shorter silence."""

    def __post_init__(self) -> None:
        """Refuse names under which one message would be taken for another."""
        names = (self.demand, self.position, self.fault)
        if len(set(names)) < len(names):
            raise ValueError(f"demand, position, fault: {', '.join(names)} name one twice")


class IgtlBevSession:
    """A `hal.ports.Conversation`: obeys `SendDemand` and `SendStop`, reports `ActuatorStatus`."""

    def __init__(self, device: str, limits: MotionLimits, settings: IgtlBevSettings) -> None:
        self._device = device
        self._limits = limits
        self._settings = settings
        self._reader = TimedReader()
        self._state = IgtlBevState.CLOSED
        self._forget(0)

    def _forget(self, now_ns: int) -> None:
        """Forget an earlier connection."""
        self._reader.reset()
        self._out = bytearray()
        self._place: Pair | None = None
        self._fault = ""
        self._heard_ns = now_ns
        self._sent_unix_ns = 0

    @property
    def ready(self) -> bool:
        """Whether the controller says where the aperture is."""
        return self._state is IgtlBevState.FOLLOWING

    @property
    def state(self) -> IgtlBevState:
        """The state, for people."""
        return self._state

    @property
    def wake_ns(self) -> int | None:
        """When the silence has lasted long enough to close the link."""
        if self._state is not IgtlBevState.FOLLOWING:
            return None
        return self._heard_ns + round(self._settings.silence_ms * 1e6)

    def begin(self, now_ns: int) -> None:
        """The connection is open; the first position is answered with a stop."""
        self._forget(now_ns)
        self._state = IgtlBevState.LISTENING

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take a piece of the stream."""
        samples: list[Sample] = []
        for item in self._reader.feed(data, now_ns):
            if isinstance(item, IgtlGarbled):
                samples.append(self._bad("OpenIGTLink message", item.what, now_ns))
            else:
                samples += self._use(item, now_ns)
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Close the link after a long silence with `LinkError`."""
        if self.wake_ns is None or now_ns < self.wake_ns:
            return []
        self._state = IgtlBevState.CLOSED
        silent_ms = (now_ns - self._heard_ns) // 1_000_000
        raise LinkError(
            f"{self._device}: no new {self._settings.position} for {silent_ms} ms; "
            "is the controller running?"
        )

    def obey(self, command: Command, now_ns: int) -> None:
        """Queue a demand or a stop; raises `DeviceError` for what it must not send."""
        match command:
            case SendDemand(position_mm=(x, y, z)):
                if self._state is not IgtlBevState.FOLLOWING:
                    raise DeviceError(f"{self._device} does not answer yet; the demand is not sent")
                if abs(z) > _ALONG_MM or not self._limits.encloses((x, y, z)):
                    raise DeviceError(
                        f"{self._device}: demand {x:.3f}, {y:.3f}, {z:.3f} mm is outside its limits"
                    )
                self._send((x, y), now_ns)
            case SendStop():
                self._stop(now_ns)
            case _:
                raise DeviceError(f"{self._device} moves leaves and cannot obey {command!r}")

    def data_to_send(self) -> bytes:
        """Return the bytes that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _stop(self, now_ns: int) -> None:
        if self._place is not None:  # else nothing was demanded either
            self._send(self._place, now_ns)

    def _send(self, place: Pair, now_ns: int) -> None:
        """Send a demand; its time is that of this program's run, which begins at 0."""
        content = Transform(at((*place, 0.0)))
        version = self._settings.version
        self._out += encode(IgtlPacket(self._settings.demand, now_ns, content, version))

    def _use(self, packet: IgtlPacket, now_ns: int) -> list[Sample]:
        """Take one message: a position, a fault, or nothing to us."""
        settings, name = self._settings, packet.device_name
        match packet.content:
            case Transform() as transform if name == settings.position:
                return self._position(packet, transform, now_ns)
            case Status(code, _, error_name, text) if name == settings.fault:
                self._fault = "" if code == _STATUS_OK else _words(code, error_name, text)
                return []
            case _:
                return []

    def _position(self, packet: IgtlPacket, content: Transform, now_ns: int) -> list[Sample]:
        name, matrix = packet.device_name, content.matrix
        if not ToolStatus(packet.metadata).measured(name):
            return [self._bad(name, "is not measured", now_ns)]
        if max(abs(a - b) for a, b in zip(matrix[:9], UPRIGHT[:9], strict=True)) > _ROUND:
            return [self._bad(name, "is turned; the aperture only shifts", now_ns)]
        x, y, z = matrix[9:]
        if max(abs(x), abs(y)) > _FURTHEST_MM or abs(z) > _ALONG_MM:
            limits = f"allowed are {_FURTHEST_MM:g} mm, along the beam {_ALONG_MM:g} mm"
            return [self._bad(name, f"{x:g}, {y:g}, {z:g}; {limits}", now_ns)]
        if 0 < packet.unix_ns <= self._sent_unix_ns:
            if packet.unix_ns == self._sent_unix_ns:
                return []  # the same position again says nothing new
            back_ms = (self._sent_unix_ns - packet.unix_ns) / 1e6
            return [self._bad(name, f"is {back_ms:.0f} ms older than the last one", now_ns)]
        self._sent_unix_ns = packet.unix_ns
        first = self._place is None
        self._place = (x, y)
        self._state = IgtlBevState.FOLLOWING
        self._heard_ns = now_ns
        if first:
            self._stop(now_ns)  # whatever an earlier run left behind
        return [ActuatorStatus(self._device, now_ns, (x, y, 0.0), self._fault)]

    def _bad(self, what: str, value: str, now_ns: int) -> BadSample:
        return BadSample(self._device, now_ns, what, value)


def _words(code: int, error_name: str, text: str) -> str:
    """Return the fault of a STATUS message in words."""
    said = [STATUS_WORDS.get(code, f"code {code}"), error_name, text]
    return ": ".join(part for part in said if part)[:200]

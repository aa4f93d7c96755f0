"""The conversation with a receiver of demands in beam's-eye view.

It begins with a stop, which tells the receiver where to send its status, and repeats it until a
status comes. Demands are absolute, so a lost datagram is made good by the next one.
"""

from __future__ import annotations

import enum
from collections import deque

import msgspec

from hal.bev.codec import VERSION, BevDemand, BevStatus, BevStop, decode_message, encode_message
from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command, SendDemand, SendStop
from hal.messages import ActuatorStatus, BadSample, Sample
from hal.motion_limits import MotionLimits

_ALONG_MM = 0.1
"""A demand further along the beam was not meant for this machine."""


class BevState(enum.Enum):
    """Where the conversation is."""

    CLOSED = "the wire is not open"
    ASKED = "a stop is sent, no status came yet"
    FOLLOWING = "status arrives"


class BevSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times of the conversation."""

    ask_again_ms: float = 200.0
    """The first stop is repeated after this while nothing comes."""
    silence_ms: float = 1000.0
    """Silence of this length closes the link; the engine judges shorter silence."""

    def __post_init__(self) -> None:
        """Refuse times that cannot be kept."""
        for key, value in (("ask_again_ms", self.ask_again_ms), ("silence_ms", self.silence_ms)):
            if not 10.0 <= value <= 60_000.0:
                raise ValueError(f"{key} {value:g}: allowed are 10 to 60000")


class BevSession:
    """A `hal.ports.Conversation`: obeys `SendDemand` and `SendStop`, reports `ActuatorStatus`."""

    def __init__(self, device: str, limits: MotionLimits, settings: BevSettings) -> None:
        self._device = device
        self._limits = limits
        self._ask_ns = round(settings.ask_again_ms * 1e6)
        self._silence_ns = round(settings.silence_ms * 1e6)
        self._state = BevState.CLOSED
        self._out: deque[bytes] = deque()
        self._number = 0
        self._asked_ns = self._heard_ns = 0

    @property
    def ready(self) -> bool:
        """Whether the receiver answers."""
        return self._state is BevState.FOLLOWING

    @property
    def state(self) -> BevState:
        """The state, for people."""
        return self._state

    @property
    def wake_ns(self) -> int | None:
        """When the stop is to be repeated, or the receiver has been silent for too long."""
        match self._state:
            case BevState.CLOSED:
                return None
            case BevState.ASKED:
                return self._asked_ns + self._ask_ns
            case BevState.FOLLOWING:
                return self._heard_ns + self._silence_ns

    def begin(self, now_ns: int) -> None:
        """The wire is open: say where the status is to go, and that nothing moves."""
        self._out.clear()
        self._number = 0
        self._state = BevState.ASKED
        self._ask(now_ns)

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take one datagram."""
        if self._state is BevState.CLOSED:
            return []
        try:
            message = decode_message(data)
        except ProtocolError as error:
            return [BadSample(self._device, now_ns, "beam's-eye view status", str(error))]
        if not isinstance(message, BevStatus):
            what = f"{type(message).__name__} of another sender"
            return [BadSample(self._device, now_ns, "beam's-eye view status", what)]
        if message.number > self._number:
            what = f"answers message {message.number}, {self._number} were sent"
            return [BadSample(self._device, now_ns, "beam's-eye view status", what)]
        self._state = BevState.FOLLOWING
        self._heard_ns = now_ns
        position = (message.x_mm, message.y_mm, 0.0)
        return [ActuatorStatus(self._device, now_ns, position, message.fault)]

    def wake(self, now_ns: int) -> list[Sample]:
        """Repeat the stop while nothing came; raises `LinkError` after a long silence."""
        wake_ns = self.wake_ns
        if wake_ns is None or now_ns < wake_ns:
            return []
        if self._state is BevState.ASKED:
            self._ask(now_ns)
            return []
        self._state = BevState.CLOSED
        silent_ms = (now_ns - self._heard_ns) // 1_000_000
        raise LinkError(f"{self._device}: no status for {silent_ms} ms; is the receiver running?")

    def obey(self, command: Command, now_ns: int) -> None:
        """Queue a demand or a stop; raises `DeviceError` for what it must not send."""
        match command:
            case SendDemand(position_mm=(x, y, z)):
                if self._state is not BevState.FOLLOWING:
                    raise DeviceError(f"{self._device} does not answer yet; the demand is not sent")
                if abs(z) > _ALONG_MM or not self._limits.encloses((x, y, z)):
                    raise DeviceError(
                        f"{self._device}: demand {x:.3f}, {y:.3f}, {z:.3f} mm is outside its limits"
                    )
                self._number += 1
                self._out.append(encode_message(BevDemand(VERSION, self._number, x, y)))
            case SendStop():
                self._send_stop()
            case _:
                raise DeviceError(f"{self._device} moves leaves and cannot obey {command!r}")

    def data_to_send(self) -> bytes:
        """Return the next datagram."""
        return self._out.popleft() if self._out else b""

    def _ask(self, now_ns: int) -> None:
        self._asked_ns = now_ns
        self._number = 0
        self._send_stop()

    def _send_stop(self) -> None:
        self._number += 1
        self._out.append(encode_message(BevStop(VERSION, self._number)))

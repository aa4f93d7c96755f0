"""The belt's twin: a BITalino that turns the belt samples it is shown into frames.

By default each sample shown is one frame, numbered by its ``ticks``, so that a sample the room
loses is lost on the wire too. ``free_running``: the device samples what it was last shown by
its own clock, at the rate it was told.
"""

from __future__ import annotations

from hal.bitalino import codec
from hal.bitalino.codec import BitalinoFrame
from hal.bitalino.driver import BitalinoWire
from hal.events import Command
from hal.messages import BeltSample, Sample
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

_SECOND = 1_000_000_000


class BitalinoTwin:
    """The device end; other channels than the belt's read half scale."""

    def __init__(
        self, *, belt_channel: int = 1, free_running: bool = False, version: str = "5.1"
    ) -> None:
        self._belt_channel = belt_channel
        self._free_running = free_running
        self._version = version
        self.rate_hz = 1000
        self.channels: tuple[int, ...] = ()
        """The channels that are being sent; an idle device sends none."""
        self.lines = 0
        self.mute = False
        """Whether the device is switched off or out of Bluetooth range: it then never answers."""
        self._value = 512
        self._sequence = 0
        self._due_ns: int | None = None
        self._out = bytearray()
        self._skip = 0

    @property
    def ready(self) -> bool:
        """Whether the device sends frames."""
        return bool(self.channels)

    @property
    def wake_ns(self) -> int | None:
        """The time of the next sample by the device's own clock."""
        return self._due_ns

    def begin(self, now_ns: int) -> None:
        """Start with a new client; a device that was sending continues to send."""
        self._out.clear()

    def show(self, sample: Sample, now_ns: int) -> None:
        """Keep the belt's newest value, in counts."""
        if not isinstance(sample, BeltSample):
            return
        self._value = min(1023, max(0, round(sample.value_au)))
        if self.channels and not self._free_running:
            self._send(sample.ticks)

    def data_to_send(self) -> bytes:
        """Return the frames and replies that wait to be sent."""
        data = b"" if self.mute else bytes(self._out)
        self._out.clear()
        return data

    def wake(self, now_ns: int) -> list[Command]:
        """Make every sample that is due by the device's own clock."""
        while self._due_ns is not None and now_ns >= self._due_ns:
            self._send(self._sequence)
            self._sequence += 1
            self._due_ns += _SECOND // self.rate_hz
        return []

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Obey each command byte; return nothing, because a belt gives the room no commands."""
        for byte in data:
            self._obey(byte, now_ns)
        return []

    def _obey(self, byte: int, now_ns: int) -> None:
        if self._skip:
            self._skip -= 1
            return
        name, numbers = codec.read_command(byte)
        if name == "stop":
            self.channels, self._due_ns = (), None
        elif name == "pwm":
            self._skip = 1
        elif name == "digital":
            self.lines = self.lines & 0b1100 | numbers[0] << 1 | numbers[1]
        elif self.channels:
            return  # live mode knows no other command
        elif name == "version":
            self._out += codec.version_reply(self._version)
        elif name == "sampling":
            (self.rate_hz,) = numbers
        elif name == "state":
            self._out += bytes(16)
        elif name == "start" and numbers:
            self.channels = numbers
            self._sequence = 0
            if self._free_running:
                self._due_ns = now_ns + _SECOND // self.rate_hz

    def _send(self, number: int) -> None:
        counts = [512 if channel <= 4 else 32 for channel in self.channels]
        if self._belt_channel in self.channels:
            at = self.channels.index(self._belt_channel)
            counts[at] = self._value if at < 4 else self._value >> 4
        self._out += codec.encode_frame(BitalinoFrame(number % 16, tuple(counts), self.lines))


def _twin(settings: BitalinoWire, context: TwinContext) -> BitalinoTwin:
    return BitalinoTwin()


def _alone(request: TwinRequest) -> BitalinoWire:
    return BitalinoWire(address=request.address("pty:"))


BITALINO = TwinRow(
    driver="bitalino",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(name="bitalino", does="breathing belt", section="belt", settings=_alone),
)

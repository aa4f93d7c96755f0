"""A belt that sends ``B,<count>,<value>*<sum>``: codec, conversation and row, for the example."""

from __future__ import annotations

import re
from functools import reduce

from hal.driver import BELT, AddressedSettings, Clock, DriverContext, DriverRow, OnWire
from hal.errors import DeviceError, LinkError
from hal.events import Command
from hal.messages import BadSample, BeltSample, Sample

MS = 1_000_000
SILENCE_NS = 100 * MS  # five samples
GIVE_UP_NS = 1000 * MS
LONGEST_LINE = 40
_LINE = re.compile(rb"(B,(\d{1,9}),(\d{1,4}))\*([0-9A-F]{2})")


def checksum(text: bytes) -> int:
    """Return the exclusive or of all bytes."""
    return reduce(lambda a, b: a ^ b, text, 0)


def encode(count: int, value: int) -> bytes:
    """Return one line as the belt sends it; the twin's half of the codec."""
    text = b"B,%d,%d" % (count, value)
    return text + b"*%02X\n" % checksum(text)


def decode(line: bytes) -> tuple[int, int] | None:
    """Return count and value; ``None`` where the line is damaged."""
    found = _LINE.fullmatch(line)
    if found is None or checksum(found.group(1)) != int(found.group(4), 16):
        return None
    return int(found.group(2)), int(found.group(3))


class LineBelt:
    """A `hal.ports.Conversation` with the belt."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.begin(0)

    def begin(self, now_ns: int) -> None:
        self._out = b"GO\n"
        self._held = b""
        self._last: int | None = None
        self._heard_ns = now_ns
        self._told = False

    @property
    def ready(self) -> bool:
        return self._last is not None

    @property
    def wake_ns(self) -> int | None:
        return self._heard_ns + (GIVE_UP_NS if self._told else SILENCE_NS)

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        samples: list[Sample] = []
        *lines, self._held = (self._held + data).split(b"\n")
        if len(self._held) > LONGEST_LINE:
            samples.append(self._bad(now_ns, "belt line without an end", self._held[:16]))
            self._held = b""
        for line in lines:
            decoded = decode(line)
            if decoded is None:
                samples.append(self._bad(now_ns, "belt line damaged", line[:16]))
            else:
                samples += self._sampled(*decoded, now_ns)
        return samples

    def _sampled(self, count: int, value: int, now_ns: int) -> list[Sample]:
        samples: list[Sample] = []
        if self._last is not None and count != self._last + 1:
            if count <= self._last:
                raise LinkError(f"{self._device}: count went back, {self._last} to {count}")
            lost = str(count - self._last - 1).encode()
            samples.append(self._bad(now_ns, "belt samples lost", lost))
        self._last, self._heard_ns, self._told = count, now_ns, False
        return [*samples, BeltSample(self._device, now_ns, count, float(value))]

    def wake(self, now_ns: int) -> list[Sample]:
        age_ms = (now_ns - self._heard_ns) // MS
        if now_ns - self._heard_ns >= GIVE_UP_NS:
            raise LinkError(f"{self._device}: no belt sample for {age_ms} ms; look at its cable")
        if now_ns - self._heard_ns >= SILENCE_NS and not self._told:
            self._told = True
            return [self._bad(now_ns, "no belt sample", b"%d ms" % age_ms)]
        return []

    def obey(self, command: Command, now_ns: int) -> None:
        raise DeviceError(f"{self._device}: a belt cannot obey {type(command).__name__}")

    def data_to_send(self) -> bytes:
        data, self._out = self._out, b""
        return data

    def _bad(self, now_ns: int, what: str, value: bytes) -> BadSample:
        return BadSample(self._device, now_ns, what, value.decode("ascii", "replace"))


class LineBeltWire(AddressedSettings, frozen=True, kw_only=True, tag="line-belt"):
    """What a configuration says of this belt: its name ("line-belt") and its address."""


def build(settings: LineBeltWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation; a driver with settings of its own gives them to it here."""
    return OnWire(LineBelt(context.device), settings.address)


LINE_BELT = DriverRow(
    does="breathing belt of the example",
    roles=(BELT,),
    settings=LineBeltWire,
    wires=("serial", "tcp"),
    build=build,
)

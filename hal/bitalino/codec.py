"""BITalino on the wire: one-byte commands, and frames of packed ADC counts with CRC4.

A CRC of four bits misses one damaged frame in sixteen. A frame must therefore agree with its
neighbours as well: sequence, digital lines, unused bits, and a change of the belt's value that a
chest can make in one sample. A frame that does not agree waits for the next frame, which shows
which of the two was right. Source: BITalino (r)evolution MCU firmware data sheet, as spoken by open
clients.
"""

from __future__ import annotations

import re

import msgspec

STOP = b"\x00"
VERSION = b"\x07"
STATE = b"\x0b"
_RATE_CODE = {1: 0, 10: 1, 100: 2, 1000: 3}
RATES = tuple(_RATE_CODE)
CHANNELS = 6
CONFIRMING = 4
"""Frames in a row that must agree before a boundary is believed."""


def sampling(rate_hz: int) -> bytes:
    """Return the command that sets the sampling rate (1, 10, 100 or 1000 Hz)."""
    return bytes([_RATE_CODE[rate_hz] << 6 | 0x03])


def start(channels: tuple[int, ...]) -> bytes:
    """Return the command that starts live mode with these channels (1 to 6)."""
    return bytes([sum(1 << (1 + channel) for channel in channels) | 0x01])


def read_command(byte: int) -> tuple[str, tuple[int, ...]]:
    """Return what a command byte means to the device: its name and numbers."""
    if byte in (0x00, 0xFF):
        return "stop", ()
    if byte == VERSION[0]:
        return "version", ()
    if byte == STATE[0]:
        return "state", ()
    if byte & 0x3F == 0x03:
        return "sampling", (RATES[byte >> 6],)
    if byte & 0x03 in (0x01, 0x02):
        return "start", tuple(c for c in range(1, 7) if byte >> (1 + c) & 1)
    if byte & 0xF3 == 0xB3:
        return "digital", (byte >> 2 & 1, byte >> 3 & 1)
    if byte == 0xA3:
        return "pwm", ()
    return "threshold" if byte & 0x03 == 0 else "unknown", (byte >> 2,)


def frame_bytes(channels: int) -> int:
    """Return the length of a frame with so many channels, in bytes."""
    bits = 12 + 10 * channels if channels <= 4 else 52 + 6 * (channels - 4)
    return -(-bits // 8)


def _crc_table() -> tuple[tuple[int, ...], ...]:
    """Return, for each remainder and byte, the remainder after the byte's eight bits."""
    rows: list[tuple[int, ...]] = []
    for remainder in range(16):
        row: list[int] = []
        for byte in range(256):
            x = remainder
            for bit in range(7, -1, -1):
                x <<= 1
                if x & 0x10:
                    x ^= 0x03
                x = (x ^ (byte >> bit & 1)) & 0x0F
            row.append(x)
        rows.append(tuple(row))
    return tuple(rows)


_CRC = _crc_table()


def crc4(frame: bytes) -> int:
    """Return the CRC of a frame (polynomial x^4+x+1), its own CRC nibble taken as zero."""
    x = 0
    for byte in frame[:-1]:
        x = _CRC[x][byte]
    return _CRC[x][frame[-1] & 0xF0]


class BitalinoFrame(msgspec.Struct, frozen=True, gc=False):
    """One sample of all channels in counts; ``lines`` is I1 I2 O1 O2, ``t_ns`` its arrival."""

    sequence: int
    counts: tuple[int, ...]
    lines: int = 0
    t_ns: int = 0


# Bits from the frame's end: 4 CRC, 4 sequence, 4 lines are above the first channel; channels
# follow downwards in a little-endian number, ten bits each, the fifth and sixth six bits.
_WIDTHS = (10, 10, 10, 10, 6, 6)


def encode_frame(frame: BitalinoFrame) -> bytes:
    """Return a frame with its CRC."""
    size = frame_bytes(len(frame.counts))
    at = 8 * size - 12
    number = (frame.sequence & 0x0F) << (8 * size - 4) | (frame.lines & 0x0F) << at
    for width, count in zip(_WIDTHS, frame.counts, strict=False):
        at -= width
        number |= (count & ((1 << width) - 1)) << at
    data = bytearray(number.to_bytes(size, "little"))
    data[-1] |= crc4(bytes(data))
    return bytes(data)


def decode_frame(data: bytes, channels: int, t_ns: int = 0) -> BitalinoFrame | None:
    """Return the frame, or ``None`` where its CRC or its unused bits are wrong."""
    if crc4(data) != data[-1] & 0x0F:
        return None
    at = 8 * len(data) - 12
    number = int.from_bytes(data, "little")
    lines = number >> at & 0x0F
    counts: list[int] = []
    for width in _WIDTHS[:channels]:
        at -= width
        counts.append(number >> at & ((1 << width) - 1))
    if number & ((1 << at) - 1):
        return None
    return BitalinoFrame(data[-1] >> 4, tuple(counts), lines, t_ns)


class BitalinoTrouble(msgspec.Struct, frozen=True, gc=False):
    """A defect found in the stream: what is wrong, and which bytes or how many."""

    what: str
    value: str


class Found(msgspec.Struct, frozen=True, gc=False):
    """A frame that is good; ``resynchronised``: the first one after the boundary was lost."""

    frame: BitalinoFrame
    resynchronised: bool = False


class Frames:
    """Cut a stream into frames; find the frame boundary again, byte by byte, when it is lost.

    ``belt`` is the index of the channel whose value may change by ``largest_step`` at most
    from one sample to the next; a larger one counts once the following sample confirms it.
    """

    def __init__(self, channels: int, belt: int = 0, largest_step: int = 8) -> None:
        self._channels = channels
        self._belt = belt
        self._step = largest_step
        self._size = frame_bytes(channels)
        self._held = bytearray()
        self._last: BitalinoFrame | None = None
        self._suspect: BitalinoFrame | None = None
        self._suspect_bytes = b""
        self._skipped = 0

    @property
    def synchronised(self) -> bool:
        """Whether the boundary is known."""
        return self._last is not None

    def drop(self) -> None:
        """Forget everything, as after a reconnection."""
        self._held.clear()
        self._last = self._suspect = None
        self._suspect_bytes = b""
        self._skipped = 0

    def feed(self, data: bytes, t_ns: int) -> list[Found | BitalinoTrouble]:
        """Add bytes; return the frames they complete, stamped ``t_ns``, and the defects found."""
        self._held += data
        found: list[Found | BitalinoTrouble] = []
        while True:
            if self._last is None:
                if not self._seek(found, t_ns):
                    return found
            elif len(self._held) < self._size:
                return found
            else:
                self._use(found, t_ns)

    def _follows(self, before: BitalinoFrame, after: BitalinoFrame, steps: int) -> bool:
        """Return whether ``after`` can be the frame so many samples after ``before``."""
        change = abs(after.counts[self._belt] - before.counts[self._belt])
        return (
            after.sequence == (before.sequence + steps) % 16
            and after.lines == before.lines
            and change <= steps * self._step
        )

    def _use(self, found: list[Found | BitalinoTrouble], t_ns: int) -> None:
        last = self._last
        if last is None:
            return
        data = bytes(self._held[: self._size])
        del self._held[: self._size]
        frame = decode_frame(data, self._channels, t_ns)
        if not self._suspect_bytes:
            if frame is not None and self._follows(last, frame, 1):
                self._last = frame
                found.append(Found(frame))
            else:
                self._suspect, self._suspect_bytes = frame, data
            return
        suspect, suspect_bytes = self._suspect, self._suspect_bytes
        self._suspect, self._suspect_bytes = None, b""
        if frame is not None and suspect is not None and self._follows(suspect, frame, 1):
            found += [Found(suspect), Found(frame)]
            self._last = frame
        elif frame is not None and self._follows(last, frame, 2):
            found += [BitalinoTrouble("belt frame damaged", suspect_bytes.hex()), Found(frame)]
            self._last = frame
        else:
            found.append(BitalinoTrouble("belt lost synchronisation", suspect_bytes.hex()))
            self._last = None
            self._held[:0] = suspect_bytes[1:] + data
            self._skipped = 1

    def _seek(self, found: list[Found | BitalinoTrouble], t_ns: int) -> bool:
        """Move on byte by byte until some frames in a row agree.

        Only the newest of them has its true stamp.
        """
        window = CONFIRMING * self._size
        while len(self._held) >= window:
            frame = self._agreed(window, t_ns)
            if frame is not None:
                del self._held[:window]
                if self._skipped:
                    found.append(BitalinoTrouble("belt bytes skipped", str(self._skipped)))
                self._skipped = 0
                self._last = frame
                found.append(Found(frame, resynchronised=True))
                return True
            del self._held[0]
            self._skipped += 1
        return False

    def _agreed(self, window: int, t_ns: int) -> BitalinoFrame | None:
        """Return the last of the frames at the front, if they all agree."""
        before: BitalinoFrame | None = None
        for at in range(0, window, self._size):
            frame = decode_frame(bytes(self._held[at : at + self._size]), self._channels, t_ns)
            if frame is None or (before is not None and not self._follows(before, frame, 1)):
                return None
            before = frame
        return before


_VERSION = re.compile(rb"BITalino_v(\d+(?:\.\d+)*)\n")


def find_version(data: bytes) -> str | None:
    """Return the firmware's version from bytes that may begin with the end of live frames."""
    found = _VERSION.search(data)
    return found.group(1).decode() if found else None


def version_reply(version: str) -> bytes:
    """Return the answer to the version command."""
    return f"BITalino_v{version}\n".encode("ascii")

"""GCS 2.0 on the wire: text commands and answers, and the control bytes, both ways.

A command is a line; an answer has one line per axis, all but the last ending in a blank before
the line feed. Control bytes act at once and have no line feed. Set commands are not answered:
``ERR?`` gives the code of the last error and clears it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

from hal.errors import ProtocolError

MOTION_STATUS = b"\x05"
READY = b"\x07"
STOP_ALL = b"\x18"
READY_BYTE, BUSY_BYTE = 0xB1, 0xB0
CONTROL = frozenset({0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x18})
TRAJECTORY_SOURCE = 0x19001900
STOPPED = 10

ERRORS = {
    0: "no error",
    1: "parameter syntax error",
    2: "unknown command",
    5: "cannot move: not referenced, or servo off",
    7: "position out of limits",
    8: "velocity out of limits",
    10: "stopped by command",
    15: "invalid axis",
    17: "parameter out of range",
    23: "illegal axis",
    24: "wrong number of parameters",
    -7: "time-out",
}
_LONGEST = 4096
RESOLUTION_MM = 1e-4
"""Resolution of a ``MOV`` line."""


def meaning(code: int) -> str:
    """Return an error code in words."""
    return f"error {code}, {ERRORS.get(code, 'not in the table')}"


def command(name: str, *words: str) -> bytes:
    """Return a command or query as a line."""
    return " ".join([name, *words]).encode("ascii") + b"\n"


def axis_values(values: Mapping[str, float]) -> list[str]:
    """Return axis and value pairs as a set command carries them, to 0.1 micrometre."""
    return [word for axis, value in values.items() for word in (axis, f"{value:.4f}")]


def read_move(line: bytes) -> dict[str, float]:
    """Return axes and numbers of a ``MOV`` line, as the device reads it; raises `ProtocolError`."""
    name, *words = line.decode("ascii").split()
    if name != "MOV" or len(words) % 2 or not line.endswith(b"\n"):
        raise ProtocolError(f"GCS line is no MOV: {line[:40]!r}")
    numbers = words[1::2]
    if not all(re.fullmatch(_NUMBER, number) for number in numbers):
        raise ProtocolError(f"GCS MOV with what is no number: {line[:40]!r}")
    return dict(zip(words[::2], map(float, numbers), strict=True))


_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_ASSIGNED = re.compile(rf"([A-Z0-9]{{1,8}})=({_NUMBER})")


def read_values(lines: list[str], axes: tuple[str, ...]) -> dict[str, float]:
    """Return one number per axis, in the order asked; raises `ProtocolError` for anything else."""
    values: dict[str, float] = {}
    for line in lines:
        found = _ASSIGNED.fullmatch(line.strip())
        if found is None:
            raise ProtocolError(f"GCS answer is no axis=number: {line[:30]!r}")
        values[found.group(1)] = float(found.group(2))
    if tuple(values) != axes or len(lines) != len(axes):
        raise ProtocolError(f"GCS answer for axes {' '.join(values)}, asked {' '.join(axes)}")
    if not all(map(math.isfinite, values.values())):
        raise ProtocolError(f"GCS answer is not finite: {values}")
    return values


def read_flags(lines: list[str], axes: tuple[str, ...]) -> dict[str, bool]:
    """Return one 0 or 1 per axis."""
    values = read_values(lines, axes)
    if not set(values.values()) <= {0.0, 1.0}:
        raise ProtocolError(f"GCS answer is no 0 or 1: {lines}")
    return {axis: value == 1.0 for axis, value in values.items()}


def read_error(lines: list[str]) -> int:
    """Return the code in an answer to ``ERR?``."""
    if len(lines) != 1 or re.fullmatch(r"-?\d{1,5}", lines[0].strip()) is None:
        raise ProtocolError(f"GCS answer is no error code: {lines!r}")
    return int(lines[0])


def answer(lines: list[str]) -> bytes:
    """Return an answer of one or more lines."""
    return " \n".join(lines).encode("ascii") + b"\n"


class GcsAnswer(msgspec.Struct, frozen=True, gc=False):
    """The lines of one answer, without their ends."""

    lines: list[str]


class Ready(msgspec.Struct, frozen=True, gc=False):
    """The answer to #7."""

    ready: bool


class Answers:
    """Cut the bytes of a controller into answers; raise `ProtocolError` where they are none."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._lines: list[str] = []

    def drop(self) -> None:
        """Forget the beginning of an answer."""
        self._held.clear()
        self._lines.clear()

    def feed(self, data: bytes) -> list[GcsAnswer | Ready]:
        """Add bytes and return the answers they complete."""
        self._held += data
        answers: list[GcsAnswer | Ready] = []
        while (end := self._held.find(b"\n")) >= 0:
            line = bytes(self._held[:end])
            del self._held[: end + 1]
            if line in (b"\xb0", b"\xb1") and not self._lines:
                answers.append(Ready(line[0] == READY_BYTE))
                continue
            if re.fullmatch(rb"[\x20-\x7e]*\r?", line) is None:
                raise ProtocolError(f"GCS answer is no text: {line[:20]!r}")
            self._lines.append(line.decode("ascii").rstrip("\r"))
            if not line.endswith(b" "):
                answers.append(GcsAnswer([kept.rstrip() for kept in self._lines]))
                self._lines = []
        if len(self._held) > _LONGEST or len(self._lines) > 200:
            raise ProtocolError(f"GCS answer without an end: {self._held[:20]!r}")
        return answers


class Commands:
    """Cut the bytes of a client into lines and control bytes, in the order they came."""

    def __init__(self) -> None:
        self._held = bytearray()

    def drop(self) -> None:
        """Forget the beginning of a line."""
        self._held.clear()

    def feed(self, data: bytes) -> list[str | int]:
        """Add bytes; return lines as text (blanks trimmed) and control bytes as numbers."""
        commands: list[str | int] = []
        for byte in data:
            if byte in CONTROL:
                commands.append(byte)
            elif byte == 0x0A:
                commands.append(self._held.decode("ascii", "replace").strip())
                self._held.clear()
            elif len(self._held) < _LONGEST:
                self._held.append(byte)
        return commands

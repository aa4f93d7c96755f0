"""The registers in which a Modbus device holds the angles of a linac, and how they are read.

A value has one register or two. It is an integer, signed (two's complement) or not; multiplied by a
factor it is degrees or monitor units. All are read with one request, so the two registers of a
value, and the angles of one report, belong together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hal.linac_angles import FULL_TURN_DEG, AngleScale

MOST_READ = 125
"""Registers in one answer, by the protocol."""
WORD = 0x10000
WordOrder = Literal["big", "little"]
"""Which register of a pair comes first: the one with the high bits, or the one with the low bits.
"""
Register = Annotated[int, Meta(ge=0, le=65_535)]
Factor = Annotated[float, Meta(ge=-360, le=360)]


class AngleRegister(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an angle is: angle (IEC 61217, degrees) = ``zero_deg`` + ``factor`` x integer."""

    register: Register
    words: Literal[1, 2] = 1
    signed: bool = False
    factor: Factor = 0.1
    """Degrees for each count; below 0 where the linac's angle grows the other way."""
    zero_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0

    @property
    def scale(self) -> AngleScale:
        """Return the scale; raises ``ValueError`` for a factor of 0."""
        return AngleScale(factor=self.factor, zero_deg=self.zero_deg)


class UnitsRegister(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the monitor units are: units = ``factor`` x integer, which has no sign."""

    register: Register
    words: Literal[1, 2] = 2
    factor: Annotated[float, Meta(gt=0, le=1000)] = 0.01


class LinacRegisters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which registers are read, and how often."""

    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    area: Literal["input", "holding"] = "input"
    """Input registers (function 4) or holding registers (function 3)."""
    word_order: WordOrder = "big"
    gantry: AngleRegister
    collimator: AngleRegister | None = None
    """Left out: it is not told, and stands at 0. The same holds for the table."""
    table: AngleRegister | None = None
    monitor_units: UnitsRegister | None = None
    counter: Register | None = None
    """A register that the device counts up whenever it has new angles; left out: there is none."""
    still_ms: Annotated[float, Meta(ge=20, le=5000)] = 200.0
    """A counter that stands still for so long shows that the angles are old."""
    period_ms: Annotated[float, Meta(ge=5, le=1000)] = 20.0
    """Time between two readings."""
    deadline_ms: Annotated[float, Meta(ge=5, le=5000)] = 100.0
    """An answer that is later is told, and not used."""
    give_up_ms: Annotated[float, Meta(ge=50, le=60_000)] = 1000.0
    """No answer for so long closes the link."""

    def __post_init__(self) -> None:
        """Refuse registers that overlap, or lie too far apart for one request."""
        for name, angle in self.angles():
            if angle.factor == 0.0:
                raise ValueError(f"{name}.factor 0: every value would be the same angle")
        taken: dict[int, str] = {}
        for name, first, words in self.places():
            for register in range(first, first + words):
                if register in taken or register >= WORD:
                    other = taken.get(register, "no register, the last is 65535")
                    raise ValueError(f"{name}: register {register} is {other}; choose another")
                taken[register] = name
        first, count = self.span
        if count > MOST_READ:
            last = first + count - 1
            raise ValueError(
                f"registers {first} to {last}: {count} are too many for one request, at most "
                f"{MOST_READ}; let the device map them closer together"
            )
        if self.give_up_ms <= self.deadline_ms:
            raise ValueError(
                f"give_up_ms {self.give_up_ms:g}: must be above deadline_ms {self.deadline_ms:g}"
            )

    def angles(self) -> Iterator[tuple[str, AngleRegister]]:
        """Yield name and register of each angle that is configured."""
        for name in ("gantry", "collimator", "table"):
            angle: AngleRegister | None = getattr(self, name)
            if angle is not None:
                yield name, angle

    def places(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, first register and number of registers of each value."""
        yield from ((name, angle.register, angle.words) for name, angle in self.angles())
        if self.monitor_units is not None:
            yield "monitor_units", self.monitor_units.register, self.monitor_units.words
        if self.counter is not None:
            yield "counter", self.counter, 1

    @property
    def span(self) -> tuple[int, int]:
        """The first register of the one request, and how many it reads."""
        first = min(at for _, at, _ in self.places())
        return first, max(at + words for _, at, words in self.places()) - first


def number_in(words: Sequence[int], order: WordOrder, *, signed: bool) -> int:
    """Return the integer in the registers of one value."""
    value = 0
    for word in words if order == "big" else reversed(words):
        value = value * WORD + word
    whole = WORD ** len(words)
    return value - whole if signed and value >= whole // 2 else value


def words_of(value: int, count: int, order: WordOrder) -> list[int]:
    """Return the registers that hold an integer; the twin's half."""
    value %= WORD**count
    low_first = [value // WORD**k % WORD for k in range(count)]
    return low_first if order == "little" else low_first[::-1]


def nearest_count(angle: AngleRegister, angle_deg: float) -> int:
    """Return the integer that reports an angle; the twin's half.

    It lies within half a turn of 0 where the register has a sign, else it is 0 or more.
    """
    count = round(angle.scale.value(angle_deg))
    turn = round(FULL_TURN_DEG / abs(angle.factor))
    return count if angle.signed or count >= 0 else count + turn

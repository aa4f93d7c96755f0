"""The book of active faults: when each appears, and by which rule of its row it ends.

The controller's checks say at each tick which conditions hold. The book turns them into faults
with hysteresis and latches. Of several faults at once the most severe reaction counts.
"""

from __future__ import annotations

from typing import NamedTuple

from tracker.core.safety.fault_table import FAULTS, Ends, Fault, FaultTable, Reaction
from tracker.core.types import FaultChanged

Conditions = dict[str, str]
"""What is wrong at a tick: the fault's name, and its detail with value and limit."""


class Calm(NamedTuple):
    """What faults wait for besides time: regular breaths, and shots that agree with the model."""

    breaths: int = 0
    """Whole breaths since the session began."""
    regular: int = 0
    """How many of the last ones were regular, in a row."""
    agreed_ns: int = -1
    """Exposure of the newest shot that agreed with the model; -1: none."""


class _Entry:
    """An active fault: its row, and what its end depends on."""

    __slots__ = ("breaths", "clear_ns", "detail", "last_seen_ns", "released", "row")

    def __init__(self, row: Fault, now_ns: int, detail: str, breaths: int) -> None:
        self.row = row
        self.clear_ns = row.clear_s * 1e9
        self.last_seen_ns = now_ns
        self.detail = detail
        self.breaths = breaths
        """How many breaths had been counted when the condition was last seen."""
        self.released = False
        """A person has resumed since: regular breaths need not be waited for."""

    def is_gone(self, now_ns: int, calm: Calm) -> bool:
        """Tell whether the condition was absent for long enough, and a shot agreed if need be."""
        if now_ns - self.last_seen_ns <= self.clear_ns:
            return False
        return not self.row.recheck or calm.agreed_ns > self.last_seen_ns


class FaultBook:
    """Which faults are active."""

    def __init__(self, regular_breaths: int = 3, table: FaultTable = FAULTS) -> None:
        """Start without a fault; ``regular_breaths`` in a row end an irregularity."""
        self._regular_breaths = regular_breaths
        self._table = table
        self._active: dict[str, _Entry] = {}

    def update(
        self, now_ns: int, conditions: Conditions, calm: Calm | None = None
    ) -> list[FaultChanged]:
        """Take the conditions that hold now; return which faults appeared and which ended.

        Raises ``KeyError`` for a name that is not in the table.
        """
        active = self._active
        if not conditions and not active:
            return []
        calm = calm or Calm()
        changes: list[FaultChanged] = []
        for name, detail in conditions.items():
            entry = active.get(name)
            if entry is None:
                # Plain text, because names go into records that are compared and encoded.
                name = str(name)
                entry = active[name] = _Entry(self._table[name], now_ns, detail, calm.breaths)
                changes.append(_change(now_ns, name, entry, active=True))
            else:
                entry.last_seen_ns = now_ns
                entry.breaths = calm.breaths
                entry.released = False
        over = [
            name
            for name, entry in active.items()
            if name not in conditions and self._is_over(entry, now_ns, calm)
        ]
        changes += [_change(now_ns, name, active.pop(name), active=False) for name in over]
        return changes

    def _is_over(self, entry: _Entry, now_ns: int, calm: Calm) -> bool:
        """Tell whether a fault whose condition is gone has met the rule that ends it."""
        row = entry.row
        if row.latched or not entry.is_gone(now_ns, calm):
            return False
        if row.ends is Ends.BY_CYCLES and not entry.released:
            since = min(calm.regular, calm.breaths - entry.breaths)
            return since >= self._regular_breaths
        return True

    def waits_for_shot(self, conditions: Conditions) -> bool:
        """Tell whether a fault whose condition is gone is kept until a shot agrees."""
        return bool(self._active) and any(
            entry.row.recheck and name not in conditions for name, entry in self._active.items()
        )

    def release(
        self, now_ns: int, conditions: Conditions, calm: Calm | None = None
    ) -> list[FaultChanged]:
        """End the faults that a person who resumes may end; return them.

        A fault whose condition still holds stays. A fault that needs a shot still needs it: a
        person cannot see whether the surrogate still tells where the target is.
        """
        calm = calm or Calm()
        for name, entry in self._active.items():
            if name not in conditions and entry.row.ends is Ends.BY_CYCLES:
                entry.released = True
        let_go = [name for name in self._active if self._yields(name, now_ns, conditions, calm)]
        return [_change(now_ns, name, self._active.pop(name), active=False) for name in let_go]

    def _yields(self, name: str, now_ns: int, conditions: Conditions, calm: Calm) -> bool:
        """Tell whether an active fault would end if a person resumed now."""
        entry = self._active[name]
        if name in conditions:
            return False
        if entry.row.latched:
            return True
        return entry.row.ends is Ends.BY_CYCLES and entry.is_gone(now_ns, calm)

    def unyielding(
        self, now_ns: int, conditions: Conditions, calm: Calm, at_least: Reaction
    ) -> tuple[str, ...]:
        """Give the faults at least as severe as this that would stay if a person resumed now."""
        return tuple(
            name
            for name in self.names(at_least)
            if not self._yields(name, now_ns, conditions, calm)
        )

    def clear(self, now_ns: int) -> list[FaultChanged]:
        """End every fault, because the session is over; return them."""
        changes = [
            _change(now_ns, name, entry, active=False) for name, entry in self._active.items()
        ]
        self._active.clear()
        return changes

    def __bool__(self) -> bool:
        """Tell whether any fault is active."""
        return bool(self._active)

    def __contains__(self, name: str) -> bool:
        """Tell whether a fault is active."""
        return name in self._active

    @property
    def worst(self) -> Reaction | None:
        """The most severe reaction among the active faults; ``None``: no fault is active."""
        if not self._active:
            return None
        return max(entry.row.reaction for entry in self._active.values())

    def names(self, at_least: Reaction) -> tuple[str, ...]:
        """Give the active faults at least as severe as this, in the order they appeared."""
        if not self._active:
            return ()
        return tuple(n for n, entry in self._active.items() if entry.row.reaction >= at_least)

    def sentences(self, names: tuple[str, ...]) -> str:
        """Give what the operator reads of these faults."""
        return " ".join(self._table[name].sentence for name in names)


def _change(now_ns: int, name: str, entry: _Entry, *, active: bool) -> FaultChanged:
    return FaultChanged(now_ns, name, active, entry.row.reaction.name, entry.detail)

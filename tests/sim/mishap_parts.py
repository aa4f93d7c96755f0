"""One mishap of each kind, of a size that shows."""

from __future__ import annotations

from sim.scenario import Mishap

SECOND = 1_000_000_000
AT_S, END_S = 4.5, 6.5

SIZES = {"delay": 50.0, "reorder": 30.0, "clock_step": 500.0, "unit_error": 10.0, "lag": 100.0,
         "runaway": 15.0, "skew": 50.0, "clock_drift": 50.0, "phase_shift": 200.0}  # fmt: skip


def mishap(kind: str, on: str, **changes) -> Mishap:
    size = SIZES.get(kind, 3.0)
    fields = {"at_s": AT_S, "duration_s": END_S - AT_S, "size": size, **changes}
    return Mishap(kind=kind, on=on, **fields)  # pyright: ignore[reportArgumentType]

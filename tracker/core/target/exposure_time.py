"""Judge whether the time at which an image says it was exposed can be right (H03)."""

from __future__ import annotations

_CLOCK_NS = 20_000_000
"""How far the imager's clock may be off the host's."""


def out_of_time(shot_id: int, asked_ns: int, exposed_ns: int, arrived_ns: int) -> str:
    """Return what is wrong with an exposure time; empty: it lies between request and arrival.

    ``asked_ns`` is when the shot was asked for, ``exposed_ns`` when the imager says it was exposed,
    ``arrived_ns`` when it arrived.
    """
    if asked_ns - _CLOCK_NS <= exposed_ns <= arrived_ns + _CLOCK_NS:
        return ""
    return (
        f"shot {shot_id} says it was exposed {(exposed_ns - asked_ns) / 1e6:.0f} ms after it "
        f"was asked for, and came after {(arrived_ns - asked_ns) / 1e6:.0f} ms"
    )

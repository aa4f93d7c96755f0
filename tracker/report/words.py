"""Format numbers for a person."""

from __future__ import annotations


def millimetres(value: float) -> str:
    """Return a length with its unit."""
    return f"{value:.2f} mm"


def percent(share: float) -> str:
    """Return a share as per cent."""
    return f"{share * 100:.0f} %"


def seconds(value: float) -> str:
    """Return a duration: seconds, or minutes and seconds when it is long."""
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"

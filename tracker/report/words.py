"""Numbers as a person reads them."""

from __future__ import annotations


def millimetres(value: float) -> str:
    """A length with its unit."""
    return f"{value:.2f} mm"


def percent(share: float) -> str:
    """A share as per cent."""
    return f"{share * 100:.0f} %"


def seconds(value: float) -> str:
    """A duration: seconds, or minutes and seconds when it is long."""
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"

"""How a check writes a value beside its limit."""

from __future__ import annotations


def above(value: float, limit: float) -> str:
    """Write a value that is over its limit with so many decimals that one sees it is over."""
    for decimals in (1, 2, 3, 4):
        text = f"{value:.{decimals}f}"
        if not float(text) <= limit:
            return text
    return repr(value)

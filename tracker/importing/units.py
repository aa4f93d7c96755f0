"""The units that exports name, and what they are in the project's units."""

from __future__ import annotations

import re
from typing import NamedTuple


class SourceUnit(NamedTuple):
    """The project's unit (``mm``, ``deg``, ``au``) and the factor to it."""

    unit: str
    factor: float


LENGTHS = {
    "mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "millimeters": 1.0, "millimetres": 1.0,
    "cm": 10.0, "centimeter": 10.0, "centimetre": 10.0, "centimeters": 10.0, "centimetres": 10.0,
    "m": 1000.0, "meter": 1000.0, "metre": 1000.0, "meters": 1000.0, "metres": 1000.0,
    "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3,
    "inch": 25.4, "inches": 25.4,
}  # fmt: skip
ANGLES = {
    "deg": 1.0, "degree": 1.0, "degrees": 1.0, "°": 1.0, "grad°": 1.0,
    "rad": 57.29577951308232, "radian": 57.29577951308232, "radians": 57.29577951308232,
}  # fmt: skip
ARBITRARY = (
    "au", "a.u.", "a.u", "arb", "arb.", "arbitrary", "n", "newton", "newtons", "v", "volt", "volts",
    "mv", "uv", "µv", "μv", "%", "percent", "counts", "count", "cts", "adc", "raw", "lsb", "bit",
    "bits", "norm", "normalized", "normalised", "ohm", "kohm", "l", "ml", "kpa", "pa", "mbar",
    "nu", "ul", "unitless", "digit", "digits",
)  # fmt: skip
"""Units of belts and other sensors that measure no length."""
TIMES_S = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "sekunden": 1.0, "sek": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3, "millis": 1e-3,
    "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "usec": 1e-6, "microseconds": 1e-6, "microsecond": 1e-6,
    "ns": 1e-9, "nsec": 1e-9, "nanoseconds": 1e-9, "nanosecond": 1e-9,
    "d": 86_400.0, "day": 86_400.0, "days": 86_400.0,
    "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip
_BRACKETED = re.compile(r"[\[({<]\s*([^\])}>]{0,30}?)\s*[\])}>]")
_LAST = re.compile(r"(?:^|[\s_/.,:-])([A-Za-zµμ%°.]+)$")


def motion_unit(text: str) -> SourceUnit | None:
    """Return what a unit of motion is in the project's units; ``None``: unknown."""
    name = text.strip().strip("[](){}<>").strip().lower()
    if name in LENGTHS:
        return SourceUnit("mm", LENGTHS[name])
    if name in ANGLES:
        return SourceUnit("deg", ANGLES[name])
    if name in ARBITRARY:
        return SourceUnit("au", 1.0)
    return None


def time_factor(text: str) -> float | None:
    """Return how many seconds a unit of time is; ``None``: unknown."""
    return TIMES_S.get(text.strip().strip("[](){}<>").strip().lower())


def is_unit(text: str) -> bool:
    """Return whether a text is a known unit, of time or motion."""
    return motion_unit(text) is not None or time_factor(text) is not None


def split_header(header: str) -> tuple[str, str]:
    """Return name and unit of a header such as ``Time [ms]``, ``AP (cm)``, ``x/mm`` or ``t_ms``.

    A unit in brackets counts wherever it stands; without brackets it must be the last word, apart
    from the name, and not be the whole name. ``m``, ``n``, ``v``, ``l`` and ``h`` are units in
    brackets or behind ``/`` or ``_`` only.
    """
    for found in _BRACKETED.finditer(header):
        if is_unit(found[1]):
            name = (header[: found.start()] + " " + header[found.end() :]).strip()
            return " ".join(name.split()), found[1].strip()
    last = _LAST.search(header.strip())
    if last is not None and last.start() > 0 and is_unit(last[1]):
        mark = header.strip()[last.start()]
        if len(last[1]) > 1 or mark in "/_" or (last[1] == "s" and mark in " ,"):
            return header.strip()[: last.start()].rstrip(" _/,:.-"), last[1]
    return header.strip(), ""

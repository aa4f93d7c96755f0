"""Published dose limits that the report compares with, each with its source.

A limit is a row: for which role or structure, for how many fractions, what is measured, and the
value. They are shown for orientation. A clinic has its own.

The numbers of TG-101 were compared with two independent transcriptions of its table. Bowel is what
the table calls jejunum and ileum; duodenum, stomach and colon have other limits there.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tracker.dose.volumes import DoseVolume

TG101 = "AAPM TG-101, Med Phys 37 (2010) 4078, table III"
SCHEFTER = "Schefter et al., IJROBP 62 (2005) 1371"
QUANTEC = "Pan et al., QUANTEC, IJROBP 76 (2010) S94"

LIVER_LIMIT_GY = 15.0
LIVER_LIMIT_PER_FRACTION_GY = 5.0
LIVER_SPARED_CC = 700.0

Measure = Literal["cc below", "cc at most", "maximum"]


class Limit(NamedTuple):
    """One limit on a structure's dose.

    ``cc below``: at least ``value`` cm³ get less than ``dose_gy``.
    ``cc at most``: at most ``value`` cm³ get more than ``dose_gy``.
    ``maximum``: no point gets more than ``dose_gy``.
    """

    structure: str
    fractions: tuple[int, ...]
    measure: Measure
    dose_gy: float
    value: float
    source: str


LIMITS: tuple[Limit, ...] = (
    Limit("liver", (3,), "cc below", LIVER_LIMIT_GY, LIVER_SPARED_CC, SCHEFTER),
    Limit("liver", (4, 5), "cc below", LIVER_LIMIT_GY, LIVER_SPARED_CC, QUANTEC),
    Limit("liver", (1,), "cc below", 9.1, LIVER_SPARED_CC, TG101),
    Limit("liver", (3,), "cc below", 19.2, LIVER_SPARED_CC, TG101),
    Limit("liver", (5,), "cc below", 21.0, LIVER_SPARED_CC, TG101),
    Limit("spinal cord", (1,), "maximum", 14.0, 0.0, TG101),
    Limit("spinal cord", (3,), "maximum", 21.9, 0.0, TG101),
    Limit("spinal cord", (5,), "maximum", 30.0, 0.0, TG101),
    Limit("spinal cord", (3,), "cc at most", 18.0, 0.35, TG101),
    Limit("spinal cord", (5,), "cc at most", 23.0, 0.35, TG101),
    Limit("bowel", (3,), "cc at most", 17.7, 5.0, TG101),
    Limit("bowel", (5,), "cc at most", 19.5, 5.0, TG101),
    Limit("bowel", (1,), "maximum", 15.4, 0.0, TG101),
    Limit("bowel", (3,), "maximum", 25.2, 0.0, TG101),
    Limit("bowel", (5,), "maximum", 35.0, 0.0, TG101),
)

POINT_CC = 0.035
"""The volume that stands for a point, where a limit is a maximum."""


class LimitFinding(NamedTuple):
    """A limit, what was found, and whether it is kept."""

    limit: Limit
    found: float
    is_kept: bool


def compare(structure: str, role: str, fractions: int, histogram: DoseVolume) -> list[LimitFinding]:
    """Return the limits for a structure and number of fractions; none if none is published here."""
    found: list[LimitFinding] = []
    for limit in LIMITS:
        if limit.structure not in (structure, role) or fractions not in limit.fractions:
            continue
        if limit.measure == "cc below":
            volume = histogram.cc_below(limit.dose_gy)
            found.append(LimitFinding(limit, volume, volume >= limit.value))
        elif limit.measure == "cc at most":
            volume = histogram.volume_cc * histogram.share_of_at_least(limit.dose_gy)
            found.append(LimitFinding(limit, volume, volume <= limit.value))
        else:
            dose = histogram.dose_at_cc(POINT_CC)
            found.append(LimitFinding(limit, dose, dose <= limit.dose_gy))
    return found

"""Set the range in which the tuner searches each parameter, around its default.

The bounds in the predictor's table say what is allowed; most of that is of no use. A parameter is
searched within a factor of ``REACH`` of its default, on a logarithmic scale, inside its bounds. A
parameter whose default is zero is searched from zero to one. ``--range`` sets another range.
Parameters that improve accuracy at the cost of time per step are not searched: the room decides how
long a step may take, not the archive.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracker.core.prediction.registry import METHODS, parameter_record
from tracker.offline.tuning.errors import TuningError

REACH = 6.0
COSTS_TIME = frozenset({"waves", "most_lags", "none"})
_DIGITS = 5


class Range(NamedTuple):
    """The range in which one parameter is searched."""

    default: float
    low: float
    high: float
    logarithmic: bool


def ranges_of(predictor: str, asked: Sequence[str] = ()) -> dict[str, Range]:
    """Return the ranges of a predictor's parameters; texts ``NAME=LOW:HIGH`` overrule them."""
    if predictor not in METHODS:
        near = difflib.get_close_matches(predictor, METHODS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(METHODS)}"
        raise TuningError(f"--predictor {predictor}: no such predictor; {advice}")
    bounds = METHODS[predictor].bounds
    defaults: dict[str, float] = parameter_record(predictor)._asdict()
    ranges = {
        name: _around(defaults[name], low, high)
        for name, (low, high) in bounds.items()
        if name not in COSTS_TIME and low < high
    }
    problems: list[str] = []
    for text in asked:
        try:
            name, chosen = _read(text, predictor, defaults)
        except TuningError as error:
            problems.extend(error.problems)
        else:
            ranges[name] = chosen
    if problems:
        raise TuningError(problems)
    ranges = {name: item for name, item in ranges.items() if item.low < item.high}
    if not ranges:
        raise TuningError(f"--predictor {predictor}: has no parameter to tune; name another")
    return ranges


def _around(default: float, low: float, high: float) -> Range:
    if default > 0.0:
        return Range(default, max(low, default / REACH), min(high, default * REACH), low > 0.0)
    return Range(default, low, min(high, max(low, 0.0) + 1.0), False)


def _read(text: str, predictor: str, defaults: Mapping[str, float]) -> tuple[str, Range]:
    number = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    found = re.fullmatch(rf"(\w+)={number}:{number}", text)
    if found is None:
        raise TuningError(f"--range {text}: not understood; write NAME=LOW:HIGH, e.g. fade=0.5:3")
    name, low, high = found[1], float(found[2]), float(found[3])
    if name not in defaults:
        near = difflib.get_close_matches(name, defaults, n=1)
        advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(defaults)}"
        raise TuningError(f"--range {text}: {predictor} has no parameter {name}; {advice}")
    allowed = METHODS[predictor].bounds[name]
    if not allowed[0] <= low <= high <= allowed[1]:
        raise TuningError(
            f"--range {text}: must ascend within {allowed[0]:g} to {allowed[1]:g}; narrow it"
        )
    if not low <= defaults[name] <= high:
        raise TuningError(
            f"--range {text}: leaves out the default {defaults[name]:g}, which every trial is "
            "compared with; widen it"
        )
    return name, Range(defaults[name], low, high, low > 0.0 and high >= 10.0 * low)


def rounded(parameters: Mapping[str, float], ranges: Mapping[str, Range]) -> dict[str, float]:
    """Return values as the artefact has them: five digits, the default to the bit."""
    values: dict[str, float] = {}
    for name, value in parameters.items():
        place = ranges[name]
        short = min(max(float(f"{value:.{_DIGITS}g}"), place.low), place.high)
        values[name] = place.default if value == place.default else short
    return values


def between(
    start: Mapping[str, float],
    end: Mapping[str, float],
    share: float,
    ranges: Mapping[str, Range],
) -> dict[str, float]:
    """Return the point at a ``share`` of the way from ``start`` to ``end``, on each scale."""
    values: dict[str, float] = {}
    for name, place in ranges.items():
        first, last = start[name], end[name]
        if place.logarithmic:
            values[name] = first * (last / first) ** share
        else:
            values[name] = first + share * (last - first)
    return rounded(values, ranges)


def away(parameters: Mapping[str, float], ranges: Mapping[str, Range]) -> float:
    """Return the distance from the defaults.

    It is the root mean square of the distances as shares of the ranges, each on its scale.
    """
    shares: list[float] = []
    for name, place in ranges.items():
        value = parameters[name]
        if place.logarithmic:
            shares.append(math.log(value / place.default) / math.log(place.high / place.low))
        else:
            shares.append((value - place.default) / (place.high - place.low))
    return math.sqrt(sum(share * share for share in shares) / len(shares))

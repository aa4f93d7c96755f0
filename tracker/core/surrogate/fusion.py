"""Fusion: one breathing state out of any number of sources, each with its own rate and noise.

`tracker.core.surrogate.fusion_kernel` holds the filter and its rewinding. This file lays out the
kernel's arrays, chooses process noise and says how old and how sure the state is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tracker.core.settings import Fusion
from tracker.core.surrogate import fusion_kernel as kernel
from tracker.core.surrogate.breathing import BreathingState

_SMALLEST_SPREAD_MM = 0.5
_ANYWHERE = 400.0
"""Variance a displacement (mm^2) and a velocity (mm^2/s^2) start with."""
_HIDDEN_NS = 100_000_000
"""Time without a sample after which a source of points is hidden."""
_HIDDEN_SAMPLES = 3.0
"""The same in its own samples, for a slow source."""
_FEWEST = 16
"""Samples that the buffer holds at least."""


class Points(NamedTuple):
    """A source of points in the filter: how many, the noise of one (mm), samples a second."""

    points: int
    noise_mm: float
    rate_hz: float = 60.0


class Value(NamedTuple):
    """A source of a value in the filter: its noise (au), and its gain (au/mm) and offset (au).

    The sigmas say how well gain and offset are known at the start; the walks are the standard
    deviations by which they wander in a second.
    """

    noise_au: float
    gain: float
    offset: float
    gain_sigma: float
    offset_sigma: float
    gain_walk: float
    offset_walk: float


class MotionModel(NamedTuple):
    """What the learning phase found: how the points move together, and what each source gives.

    ``amplitudes`` are the points' motions relative to their mean; ``weights`` make the common
    amplitude y = sum w_i s_i the least-squares one (s_i = a_i y). ``spread_mm`` is the standard
    deviation of y over the learning phase. ``sources`` lie in the order of their numbers; their
    points lie in ``amplitudes`` one source after the other. Without a source of points there is
    one point that nobody sees: the common amplitude itself.
    """

    amplitudes: tuple[float, ...]
    weights: tuple[float, ...]
    spread_mm: float
    sources: tuple[Points | Value, ...]


class SurrogateFilter:
    """The Kalman filter over all sources, with a bounded buffer for late samples."""

    def __init__(self, model: MotionModel, fusion: Fusion, rate_hz: float, start_ns: int) -> None:
        """Start at ``start_ns`` with the points anywhere near zero.

        ``rate_hz`` is how many samples a second come from all sources together.
        """
        self._channels = channels = len(model.amplitudes)
        values = [source for source in model.sources if isinstance(source, Value)]
        layout, first, number = list[int](), 0, 0
        for source in model.sources:
            if isinstance(source, Points):
                layout += [kernel.POINTS, first, source.points]
                first += source.points
            else:
                layout += [kernel.VALUE, number, 1]
                number += 1
        width = max(1, *layout[2::3]) if layout else 1
        length = max(_FEWEST, math.ceil(rate_hz * fusion.history_ms / 1000.0))
        capacity = kernel.ROOM * length
        ints, floats = kernel.sizes(channels, len(values), len(model.sources), capacity, width)
        self._ints = np.zeros(ints, np.int64)
        self._floats = np.zeros(floats)
        header = [0, 0, 0, 0, channels, len(values), len(model.sources), capacity, width, *layout]
        self._ints[: len(header)] = header
        spread = max(model.spread_mm, _SMALLEST_SPREAD_MM)
        params = [
            (fusion.agility_per_s2 * spread) ** 2,
            (fusion.own_agility_per_s2 * spread) ** 2,
            fusion.gate_sigma,
            *model.amplitudes,
            *model.weights,
            *(_noise(source) ** 2 for source in model.sources),
            *(walk**2 for value in values for walk in (value.gain_walk, value.offset_walk)),
        ]
        self._floats[: len(params)] = params
        self._open_views()
        parts = kernel.views(self._ints, self._floats)
        times, covariances = parts[1], parts[9]
        x, p = self._states[0], covariances[0]
        for i in range(2 * channels):
            p[i, i] = _ANYWHERE
        for k, value in enumerate(values):
            at = 2 * (channels + k)
            x[at], x[at + 1] = value.gain, value.offset
            p[at, at], p[at + 1, at + 1] = value.gain_sigma**2, value.offset_sigma**2
        self._z[:] = math.nan
        times[0] = start_ns
        self._ints[kernel.COUNT] = 1
        self._newest_ns = [-1] * len(model.sources)
        self._amplitudes = np.array(model.amplitudes)
        self._hidden_after_ns = {
            number: max(_HIDDEN_NS, round(_HIDDEN_SAMPLES * 1e9 / source.rate_hz))
            for number, source in enumerate(model.sources)
            if isinstance(source, Points) and source.points
        }
        self._visible = set(self._hidden_after_ns)
        self._hidden: list[tuple[int, float]] = []
        """Number and relative amplitude of each point that nobody sees."""

    def _open_views(self) -> None:
        """Name the parts of the two arrays that are read and written here."""
        parts = kernel.views(self._ints, self._floats)
        self._z, self._out, self._states = parts[5], parts[6], parts[8]
        first = kernel.FIXED + self._channels
        self._weights = self._floats[first : first + self._channels]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy; its views must look into its own arrays."""
        self.__dict__.update(state)
        self._open_views()

    @property
    def applied(self) -> int:
        """How many components of the last sample the gate let through."""
        return int(self._ints[kernel.APPLIED])

    @property
    def rejected(self) -> int:
        """How many components of the last sample the gate kept out."""
        return int(self._ints[kernel.REJECTED])

    def add(self, source: int, t_ns: int, values: Sequence[float]) -> bool:
        """Apply a sample of the source with this number; False when it is too old.

        ``values``: the displacement of each point (mm), NaN for an unseen one; or the one value.
        ``t_ns`` is the moment of exposure.
        """
        z = self._z
        for i, value in enumerate(values):
            z[i] = value
        if not kernel.insert(self._ints, self._floats, t_ns, source):
            return False
        if t_ns > self._newest_ns[source] and self._ints[kernel.APPLIED]:
            self._newest_ns[source] = t_ns
            if len(self._hidden_after_ns) > 1:
                self._weigh_visible(t_ns)
        return True

    def _weigh_visible(self, t_ns: int) -> None:
        """Let the common amplitude rest on the sources of points that are seen at ``t_ns``.

        A point that nobody sees soon is anywhere. With every source hidden nothing changes.
        """
        visible = {
            number
            for number, after_ns in self._hidden_after_ns.items()
            if t_ns - self._newest_ns[number] <= after_ns
        }
        if not visible or visible == self._visible:
            return
        self._visible = visible
        layout = kernel.views(self._ints, self._floats)[0]
        shares = np.zeros_like(self._amplitudes)
        for number in visible:
            _, first, points = layout[number].tolist()
            shares[first : first + points] = self._amplitudes[first : first + points]
        self._weights[:] = shares / float(np.sum(shares**2))
        unseen = np.flatnonzero(shares == 0.0).tolist()
        self._hidden = [(point, float(self._amplitudes[point])) for point in unseen]

    def newest_of(self, source: int) -> int:
        """Return the exposure time of the newest sample of a source; -1 before the first."""
        return self._newest_ns[source]

    @property
    def newest_ns(self) -> int:
        """Time of the newest sample the state rests on; -1 before the first."""
        return max(self._newest_ns)

    def state_at(self, t_ns: int) -> BreathingState | None:
        """Return the state at ``t_ns``; ``None`` when that is before the buffer."""
        if not kernel.read(self._ints, self._floats, t_ns):
            return None
        found: list[float] = self._out.tolist()
        y, v, yy, vv, yv = found[:5]
        points = found[5:]
        for point, amplitude in self._hidden:  # it is taken to move with the others
            points[point] = amplitude * y
        return BreathingState(t_ns, y, v, yy, vv, yv, tuple(points))

    def gain_of(self, value: int) -> float:
        """Return the present gain (au/mm) of the value with this number, from 0."""
        last = int(self._ints[kernel.COUNT]) - 1
        return float(self._states[last, 2 * (self._channels + value)])


def _noise(source: Points | Value) -> float:
    return source.noise_mm if isinstance(source, Points) else source.noise_au

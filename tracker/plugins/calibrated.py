"""Wrap a predictor of one's own so that the controller and the benchmark can use it.

The wrapper keeps the samples and the errors made, as compiled predictors do, and so supplies the
covariance where the predictor gives none. What goes wrong in the predictor (an exception, a value
that is not finite, a wrong shape, a step over its time budget) makes the answer "no number": the
controller then holds the beam, and the reason is told once.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tracker.core.prediction.calibration import (
    Calibration,
    answer,
    begin_calibration,
    publish,
    score_all,
)
from tracker.core.prediction.protocol import Matrix, PredictedChannels, Vector
from tracker.core.prediction.stepwise import copy_state
from tracker.core.prediction.stream import NEWEST, NOT_FINITE, Stream, admit, begin_stream
from tracker.plugins.loading import said
from tracker.plugins.plain_predictor import PlainPredictor

Tell = Callable[[str], None]
_SYMMETRY = 1e-9


def tell_nobody(text: str) -> None:
    """Tell nobody."""


class PluginUse(NamedTuple):
    """How a predictor of one's own is used: its name, its time budget, and who is told.

    ``budget_ns``: longest time of a step; ``None``: any, as in the benchmark and in a replay.
    """

    name: str
    tell: Tell = tell_nobody
    budget_ns: int | None = None


class CalibratedPlugin:
    """A `Predictor` around a `PlainPredictor`; ``problem`` says why it gave no number."""

    def __init__(
        self,
        plugin: PlainPredictor,
        use: PluginUse,
        *,
        channels: int,
        rate_hz: float,
        horizon_ns: int,
        begun: bool = False,
    ) -> None:
        self._plugin, self._use, self._rate_hz = plugin, use, rate_hz
        self._channels, self._horizon_ns = channels, horizon_ns
        self._stream: Stream = begin_stream(channels, rate_hz, horizon_ns, 1)
        self._calibration: Calibration = begin_calibration(channels, self._stream)
        self.problem = ""
        self._answered = False
        self._told = ""
        if not begun:
            self._guarded("begin", lambda: plugin.begin(channels, rate_hz, horizon_ns))

    @property
    def channels(self) -> int:
        """The number of channels of every sample."""
        return self._channels

    @property
    def horizon_ns(self) -> int:
        """The distance from newest sample to asked moment the predictor is made for."""
        return self._horizon_ns

    def learn(self, t_ns: int, position: Vector) -> None:
        """Learn from one sample of shape (channels,) measured at ``t_ns``.

        Raises ``ValueError`` when a value is not finite or ``t_ns`` is not after the last.
        """
        sample = np.array(position, dtype=np.float64)
        if sample.shape != (self._channels,):
            raise ValueError(
                f"sample has shape {sample.shape}, the predictor {self._channels} channel(s)"
            )
        slot = admit(self._stream, t_ns, sample)
        if slot < 0:
            why = "is not finite" if slot == NOT_FINITE else "is not after the newest one"
            raise ValueError(f"sample at {t_ns} ns {why}; leave it out")
        score_all(self._stream, self._calibration)
        if self._answered:  # a problem of an earlier sample has been seen by then
            self.problem, self._answered = "", False
        started_ns = time.perf_counter_ns()
        self._guarded("learn", lambda: self._plugin.learn(t_ns, sample.copy()))
        asked = None if self.problem else self._asked(t_ns + self._horizon_ns)
        self._keep_budget(started_ns)
        self._stream.predicted[slot] = sample if asked is None else asked[0]
        publish(self._stream, self._calibration, slot)

    def predict(self, at_ns: int) -> PredictedChannels | None:
        """Predict the moment ``at_ns``; ``None`` while nothing is known.

        The mean is no number while ``problem`` says why.
        """
        mean: Vector = np.empty(self._channels)
        covariance: Matrix = np.empty((self._channels, self._channels))
        if not answer(self._stream, self._calibration, at_ns, mean, covariance):
            return None
        made_ns = int(self._stream.clock[NEWEST])
        self._answered = True
        started_ns = time.perf_counter_ns()
        asked = None if self.problem else self._asked(at_ns)
        self._keep_budget(started_ns)
        if self.problem:
            return PredictedChannels(made_ns, at_ns, np.full(self._channels, np.nan), covariance)
        if asked is None:
            return None
        own = asked[1]
        return PredictedChannels(made_ns, at_ns, asked[0], covariance if own is None else own)

    def clone(self) -> CalibratedPlugin:
        """Return an independent predictor in the same state, by save and load where there are."""
        other = CalibratedPlugin(
            copied(self._plugin, self._channels, self._rate_hz, self._horizon_ns),
            self._use,
            channels=self._channels,
            rate_hz=self._rate_hz,
            horizon_ns=self._horizon_ns,
            begun=True,
        )
        other._stream = copy_state(self._stream)
        other._calibration = copy_state(self._calibration)
        other.problem = self.problem
        return other

    def _asked(self, at_ns: int) -> tuple[Vector, Matrix | None] | None:
        """Return what the predictor says, checked; ``None`` where it says nothing or fails."""
        found: Any = self._guarded("predict", lambda: self._plugin.predict(at_ns))
        if found is None:
            return None
        try:
            mean, own = found
            mean = np.array(mean, dtype=np.float64)
            own = None if own is None else np.array(own, dtype=np.float64)
        except (TypeError, ValueError):
            self._fail("predict returned no pair of mean and covariance")
            return None
        if mean.shape != (self._channels,):
            self._fail(f"predict returned a mean of shape {mean.shape}, not ({self._channels},)")
        elif not np.isfinite(mean).all():
            self._fail(f"predict returned {mean.tolist()}, which is not finite")
        elif own is not None and not _is_covariance(own, self._channels):
            self._fail(
                "predict returned a covariance that is none: symmetric, no negative variance"
            )
        return None if self.problem else (mean, own)

    def _guarded(self, what: str, call: Callable[[], Any]) -> Any:
        """Call the predictor; what it raises is a problem, and no exception."""
        try:
            return call()
        except Exception as error:  # whatever somebody else's code raises
            self._fail(f"{what} raised {said(error)}")
            return None

    def _keep_budget(self, started_ns: int) -> None:
        """Fail where a step that began at this moment took too long."""
        took_ns, budget_ns = time.perf_counter_ns() - started_ns, self._use.budget_ns
        if budget_ns is not None and took_ns > budget_ns:
            self._fail(f"a step took {took_ns / 1e6:.1f} ms, allowed {budget_ns / 1e6:g} ms")

    def _fail(self, why: str) -> None:
        self.problem = f"predictor {self._use.name}: {why}"
        kind = why.partition(" took ")[0]
        if kind != self._told:
            self._told = kind
            self._use.tell(self.problem)


def copied(
    plugin: PlainPredictor, channels: int, rate_hz: float, horizon_ns: int
) -> PlainPredictor:
    """Return an independent predictor in the same state."""
    save, load = getattr(plugin, "save", None), getattr(plugin, "load", None)
    if not (callable(save) and callable(load)):
        return copy.deepcopy(plugin)
    other: Any = copy.copy(plugin)
    other.begin(channels, rate_hz, horizon_ns)
    other.load(copy.deepcopy(save()))
    return other


def _is_covariance(own: Matrix, channels: int) -> bool:
    """Return whether a matrix is finite, symmetric and without negative variances."""
    if own.shape != (channels, channels) or not np.isfinite(own).all():
        return False
    scale = float(np.abs(own).max())
    if float(np.abs(own - own.T).max()) > _SYMMETRY * scale:
        return False
    return float(np.linalg.eigvalsh(own)[0]) >= -_SYMMETRY * scale

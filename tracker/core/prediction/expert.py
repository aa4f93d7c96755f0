"""Implement one regression expert: ridge on faded lag differences, with or without waves.

The best predictors of breathing in this package are this regression with different settings. Inputs
are the differences x(s) - x(s - i) of every channel, weighted by exp(-fade * age) and scaled to
unit mean square, and x(s) - centre with its own weight. Features are those inputs (a linear
predictor) and, when there are waves, random Fourier features of a Gaussian kernel on them (Rahimi &
Recht 2007), which make it a Gaussian process of fixed size: breathing of the same shape goes on the
same way. The target is x(s + h) - x(s). Lags are every period at first and geometrically farther
apart later, so that three seconds of history cost as little at 30 Hz as at 10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.regression import absorb, restart
from tracker.core.prediction.stream import PERIOD, Stream

Reals = NDArray[np.float64]

_SEED = 20240229
_SCALE_MEMORY_S = 60.0
_START = 0.3  # of the penalty: what the first samples have against them
_DENSE_LAGS = 8
_FEWEST_LAGS = 10
_MOST_LAGS = 20
_MOST_INPUTS = 240

# places in Expert.settings
MEMORY_S, LINEAR, NOISE, ABSOLUTE, EVERY, SCALE = range(6)
# places in Expert.cursor
TRAINED, PULLED, READ = range(3)


class Expert(NamedTuple):
    """``settings`` (6,), see the places above (``SCALE`` is learned); ``lags`` (lags,): periods.

    ``fades`` (lags,); ``frequencies`` (inputs, waves); ``inverse`` (n, n), ``weights`` (n,
    channels); ``features`` (ring, n): of the windows that wait for their labels. ``inputs``,
    ``phases``, ``gain``, ``pull``, ``target``: work space.
    """

    settings: Reals
    cursor: NDArray[np.int64]
    lags: NDArray[np.int64]
    fades: Reals
    frequencies: Reals
    inverse: Reals
    weights: Reals
    features: Reals
    inputs: Reals
    phases: Reals
    gain: Reals
    pull: Reals
    target: Reals


def lag_places(history_s: float, rate_hz: float, channels: int) -> NDArray[np.int64]:
    """Return lags in periods: 1 to 8, then growing steps, at most 20; fewer for many channels."""
    most = max(_FEWEST_LAGS, min(_MOST_LAGS, _MOST_INPUTS // channels))
    last = max(_DENSE_LAGS, round(history_s * rate_hz))
    if last <= most:
        return np.arange(1, last + 1)
    dense = min(_DENSE_LAGS, most // 2)
    growing = np.round(np.geomspace(dense, last, most - dense + 1))
    return np.unique(np.concatenate([np.arange(1, dense + 1), growing])).astype(np.int64)


def begin_expert(
    channels: int,
    rate_hz: float,
    lags: NDArray[np.int64],
    ring: int,
    *,
    fade: float,
    memory_s: float,
    waves: int,
    length: float,
    linear: float,
    noise: float,
    absolute: float,
    every: int = 1,
    draw: int = 0,
) -> Expert:
    """Return an expert that has learned nothing and predicts that the position holds.

    ``lags`` as from ``lag_places``; ``ring``: slots of the stream it will read.
    It will be trained on every ``every``-th sample; its memory in seconds allows for that. Experts
    side by side get another ``draw`` of waves each.
    """
    inputs = channels * (lags.size + 1)
    source = np.random.Generator(np.random.PCG64(_SEED + draw))
    size = inputs + 2 * waves
    return Expert(
        settings=np.array([memory_s, linear, noise, absolute, float(every), 0.0]),
        cursor=np.zeros(3, np.int64),
        lags=lags,
        fades=np.exp(-fade * lags / rate_hz),
        frequencies=source.standard_normal((inputs, waves)) / length,
        inverse=np.zeros((size, size)),
        weights=np.zeros((size, channels)),
        features=np.zeros((ring, size)),
        inputs=np.zeros(inputs),
        phases=np.zeros(waves),
        gain=np.zeros(size),
        pull=np.zeros(size),
        target=np.zeros(channels),
    )


@compiled
def _read_inputs(expert: Expert, stream: Stream, slot: int) -> float:
    """Fill the inputs from a window; return their squared size."""
    window, inputs, lags = stream.windows[slot], expert.inputs, expert.lags
    channels = window.shape[1]
    absolute = expert.settings[ABSOLUTE]
    squared = 0.0
    place = 0
    for channel in range(channels):
        newest = window[0, channel]
        for k in range(lags.size):
            value = (newest - window[lags[k], channel]) * expert.fades[k]
            inputs[place] = value
            squared += value * value
            place += 1
        value = (newest - stream.centre[channel]) * absolute
        inputs[place] = value
        squared += value * value
        place += 1
    return squared


@compiled
def _read_features(expert: Expert, features: Reals) -> None:
    inputs, phases, frequencies = expert.inputs, expert.phases, expert.frequencies
    waves = phases.size
    small = 1.0 / np.sqrt(expert.settings[SCALE] + 1e-300)
    linear = np.sqrt(expert.settings[LINEAR])
    phases[:] = 0.0
    for k in range(inputs.size):
        value = small * inputs[k]
        features[k] = linear * value
        for wave in range(waves):
            phases[wave] += frequencies[k, wave] * value
    height = 1.0 / np.sqrt(float(waves))
    place = inputs.size
    for wave in range(waves):
        features[place + wave] = height * np.cos(phases[wave])
        features[place + waves + wave] = height * np.sin(phases[wave])


@compiled
def ready(expert: Expert, stream: Stream, slot: int) -> bool:
    """Return whether the window of ``slot`` was measured for the expert's whole history."""
    return stream.filled[slot] > expert.lags[-1]


@compiled
def foresee(expert: Expert, stream: Stream, slot: int, position: Reals) -> None:
    """Read the features of the newest ``slot`` and write the position one horizon after it.

    It writes the position itself without its whole history or before it has learned anything.
    """
    settings, cursor = expert.settings, expert.cursor
    for channel in range(position.size):
        position[channel] = stream.windows[slot, 0, channel]
    if not ready(expert, stream, slot):
        return
    squared = _read_inputs(expert, stream, slot)
    period_s = stream.clock[PERIOD] * 1e-9
    cursor[READ] += 1
    rate = max(1.0 / cursor[READ], min(1.0, period_s / _SCALE_MEMORY_S))
    settings[SCALE] += rate * (squared - settings[SCALE])
    features = expert.features[slot]
    _read_features(expert, features)
    if cursor[TRAINED] == 0:
        return
    for k in range(features.size):
        feature = features[k]
        for channel in range(position.size):
            position[channel] += expert.weights[k, channel] * feature


@compiled
def train(expert: Expert, stream: Stream, slot: int) -> None:
    """Learn what followed the window of ``slot``, now that its label is known."""
    settings, cursor = expert.settings, expert.cursor
    period_s = stream.clock[PERIOD] * 1e-9 * settings[EVERY]
    size = expert.gain.size
    forgetting = np.exp(-period_s / settings[MEMORY_S])
    penalty = settings[NOISE] * (1.0 - forgetting)
    start = max(_START * settings[NOISE], penalty)
    if cursor[TRAINED] == 0:
        restart(expert.inverse, start)
    for channel in range(stream.label.size):
        expert.target[channel] = stream.label[channel] - stream.windows[slot, 0, channel]
    learned = absorb(
        expert.inverse,
        expert.weights,
        expert.features[slot],
        expert.target,
        forgetting,
        cursor[PULLED],
        penalty * size,
        expert.gain,
        expert.pull,
    )
    if not learned:
        restart(expert.inverse, start)
    cursor[TRAINED] += 1
    cursor[PULLED] = (cursor[PULLED] + 1) % size

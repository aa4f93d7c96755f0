"""Traces of the benchmark: recordings read and gridded, and a predictor replayed over one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording import Recording, load_recording
from sim.recording_files import find_recordings
from tracker.core.prediction.registry import (
    METHODS,
    MOST_CHANNELS,
    RATE_HZ,
    parameter_record,
)
from tracker.plugins.calibrated import CalibratedPlugin, PluginUse
from tracker.plugins.loading import PluginError, load_plugin

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]
WARMUP_S = 60.0
_SHORT_SHARE = 0.4
FEWEST_SCORED = 10


class BenchError(Exception):
    """The benchmark cannot do what was asked; the message says value, limit and remedy."""


class Trace(NamedTuple):
    """A recording as the benchmark sees it; blanks are NaN."""

    name: str
    channels: tuple[str, ...]
    times_ns: Integers
    positions: Reals
    rate_hz: float
    scored: NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    """What a person should be told of how the file was read."""


class Replayed(NamedTuple):
    """The predictions of one trace: row i was made at sample i, for sample i + ahead."""

    means: Reals
    covariances: Reals
    step_us: float


def trace_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Return the named recordings, and those in named folders and below, sorted by name."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = find_recordings(path)
        if not found.files:
            raise BenchError(f"{path}: no recording (*.csv, *.vxp) in this folder; name another")
        if remark := found.remark(path):
            print(remark, file=sys.stderr)
        yield from found.files


def read_trace(path: Path, warmup_s: float = WARMUP_S) -> Trace:
    """Read one recording and keep its motion channels; raises what `load_recording` raises."""
    return trace_of(load_recording(path), path, warmup_s)


def trace_of(recording: Recording, path: Path | str, warmup_s: float = WARMUP_S) -> Trace:
    """Return the motion channels of a recording; ``path`` names it in a `BenchError`."""
    keep = [column for column, name in enumerate(recording.channels) if is_motion(name)]
    if not keep:
        raise BenchError(
            f"{path}: no motion channel among {', '.join(recording.channels)}; "
            "need one whose name ends in _mm or _au"
        )
    if len(keep) > MOST_CHANNELS:
        raise BenchError(
            f"{path}: {len(keep)} motion channels, at most {MOST_CHANNELS} can be predicted "
            "together; leave some out"
        )
    positions = np.ascontiguousarray(recording.values[:, keep])
    times_s = recording.times_s
    rate_hz = 1.0 / float(np.median(np.diff(times_s)))
    if not RATE_HZ[0] <= rate_hz <= RATE_HZ[1]:
        limits = f"{RATE_HZ[0]:g} to {RATE_HZ[1]:g} Hz"
        raise BenchError(f"{path}: {rate_hz:g} Hz is outside {limits}; resample the recording")
    count = times_s.size
    start = int(warmup_s * rate_hz)
    if count / rate_hz < 2.0 * warmup_s:
        start = int(_SHORT_SHARE * count)
    scored = np.arange(count) >= start
    for begin_s, end_s in recording.gaps:
        scored &= (times_s < begin_s) | (times_s > end_s)
    return Trace(
        name=recording.name,
        channels=tuple(recording.channels[column] for column in keep),
        times_ns=np.round(times_s * 1e9).astype(np.int64),
        positions=positions,
        rate_hz=rate_hz,
        scored=scored,
        notes=recording.notes,
    )


def is_motion(channel: str) -> bool:
    """Return whether a channel is scored: lengths and belt units, no angle, phase or reference."""
    derived = "phase" in channel or "pca" in channel or channel.startswith("ref_")
    return channel.endswith(("_mm", "_au")) and not derived


def steps_ahead(trace: Trace, horizon_ms: float) -> int:
    """Return how many samples ahead a horizon is; at least one."""
    return max(1, round(horizon_ms * 1e-3 * trace.rate_hz))


def replay(trace: Trace, name: str, ahead: int) -> Replayed:
    """Run a predictor over the whole trace, asked at each sample for ``ahead`` later.

    Raises `PluginError` when a predictor of one's own gives no number.
    """
    if name not in METHODS:
        return _replay_plugin(trace, name, ahead)
    method, record = METHODS[name], parameter_record(name)
    count, channels = trace.positions.shape
    horizon_ns, asked_ns = _asked(trace, ahead)
    means = np.full((count, channels), np.nan)
    covariances = np.full((count, channels, channels), np.nan)
    warm = method.begin(record, channels, trace.rate_hz, horizon_ns)
    method.run(
        record, warm, trace.times_ns[:2], trace.positions[:2], asked_ns[:2], means, covariances
    )
    state = method.begin(record, channels, trace.rate_hz, horizon_ns)
    start = time.perf_counter()
    method.run(record, state, trace.times_ns, trace.positions, asked_ns, means, covariances)
    step_us = (time.perf_counter() - start) / count * 1e6
    return Replayed(means, covariances, step_us)


def _asked(trace: Trace, ahead: int) -> tuple[int, Integers]:
    """Return the usual horizon, and the moment that each sample is asked for."""
    horizon_ns = int(np.median(trace.times_ns[ahead:] - trace.times_ns[:-ahead]))
    asked_ns = trace.times_ns + horizon_ns
    asked_ns[:-ahead] = trace.times_ns[ahead:]
    return horizon_ns, asked_ns


def _replay_plugin(trace: Trace, name: str, ahead: int) -> Replayed:
    """Run a predictor of one's own; a row with a blank is a sample that did not come."""
    count, channels = trace.positions.shape
    horizon_ns, asked_ns = _asked(trace, ahead)
    wrapped = CalibratedPlugin(
        load_plugin(name),
        PluginUse(name),
        channels=channels,
        rate_hz=trace.rate_hz,
        horizon_ns=horizon_ns,
    )
    means = np.full((count, channels), np.nan)
    covariances = np.full((count, channels, channels), np.nan)
    start = time.perf_counter()
    for row in range(count):
        t_ns, position = int(trace.times_ns[row]), trace.positions[row]
        if np.isfinite(position).all():
            wrapped.learn(t_ns, position)
        found = wrapped.predict(int(asked_ns[row]))
        if wrapped.problem:
            raise PluginError(f"{wrapped.problem}, at sample {row} ({t_ns * 1e-9:.3f} s)")
        if found is not None:
            means[row], covariances[row] = found.mean, found.covariance
        elif np.isfinite(position).all():
            means[row] = position
            covariances[row] = np.eye(channels)
    return Replayed(means, covariances, (time.perf_counter() - start) / count * 1e6)

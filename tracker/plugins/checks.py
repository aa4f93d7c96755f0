"""The list of checks for a predictor of one's own; a failed check names the sample.

Causality is checked to the bit, twice: alter what comes after a sample, and what was predicted
before must stay; and feed a recording with a little noise, whose clean future no predictor can know
unless it reads it elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.plugins.calibrated import CalibratedPlugin, PluginUse, copied
from tracker.plugins.loading import said
from tracker.plugins.plain_predictor import PlainPredictor

Reals = NDArray[np.float64]
Make = Callable[[], PlainPredictor]

RATE_HZ = 20.0
HORIZON_NS = 230_000_000
STEP_NS = 50_000_000
CHANNELS = 2
_SEED = 20
_LONG = 6000
_NOISE = 0.02
_FAR_MM = 100.0


class CheckFinding(NamedTuple):
    """What one check found: ``problem`` is empty where it passed."""

    check: str
    problem: str


class CheckedTrace(NamedTuple):
    """A recording for the check of its future: times (ns) and positions (samples, channels)."""

    name: str
    times_ns: NDArray[np.int64]
    positions: Reals
    rate_hz: float


class _CheckFailedError(Exception):
    """A check failed; the message names the sample."""


def check_plugin(name: str, make: Make, traces: Sequence[CheckedTrace] = ()) -> list[CheckFinding]:
    """Run every check on fresh predictors; an exception in one is its problem."""
    checks: list[tuple[str, Callable[[], None]]] = [
        (title, lambda check=check: check(name, make)) for title, check in CHECKS.items()
    ]
    checks += [
        (f"future of {trace.name}", lambda trace=trace: _recorded_future(name, make, trace))
        for trace in traces
    ]
    findings: list[CheckFinding] = []
    for title, check in checks:
        try:
            check()
            findings.append(CheckFinding(title, ""))
        except _CheckFailedError as failed:
            findings.append(CheckFinding(title, str(failed)))
        except Exception as error:  # whatever somebody else's code raises
            findings.append(CheckFinding(title, said(error)))
    return findings


def breathing(samples: int, channels: int = CHANNELS) -> Reals:
    """Return drawn breathing of 8 mm with changing period, drift and noise (samples, channels)."""
    draw = np.random.Generator(np.random.PCG64(_SEED))
    t_s = np.arange(samples) / RATE_HZ
    turn = np.cumsum(2.0 * np.pi / (4.0 + 0.4 * np.sin(t_s / 17.0)) / RATE_HZ)
    waves = [4.0 * np.sin(turn + 0.6 * k) + 0.5 * np.sin(t_s / 40.0 + k) for k in range(channels)]
    return np.stack(waves, axis=1) + 0.05 * draw.standard_normal((samples, channels))


def _wrapped(name: str, make: Make, channels: int = CHANNELS) -> CalibratedPlugin:
    return CalibratedPlugin(
        make(), PluginUse(name), channels=channels, rate_hz=RATE_HZ, horizon_ns=HORIZON_NS
    )


def _fed(wrapped: CalibratedPlugin, positions: Reals, begin: int = 0) -> list[bytes]:
    """Feed samples and return the answer after each as bits; fails where there is no number."""
    answers: list[bytes] = []
    for row, position in enumerate(positions):
        t_ns = (begin + row) * STEP_NS
        wrapped.learn(t_ns, position)
        found = wrapped.predict(t_ns + HORIZON_NS)
        if wrapped.problem:
            raise _CheckFailedError(f"{_at(begin + row, t_ns)}: {wrapped.problem}")
        answers.append(b"" if found is None else found.mean.tobytes())
    return answers


def _at(row: int, t_ns: int) -> str:
    return f"sample {row} ({t_ns * 1e-9:.3f} s)"


def _causality(name: str, make: Make) -> None:
    """Alter everything after a sample: what was predicted up to it stays the same to the bit."""
    positions = breathing(600)
    altered = positions.copy()
    altered[400:] = 1e3 * np.sin(np.arange(200.0))[:, None]
    one, other = _wrapped(name, make), _wrapped(name, make)
    for row in range(400):
        t_ns = row * STEP_NS
        if _fed(one, positions[row : row + 1], row) != _fed(other, altered[row : row + 1], row):
            raise _CheckFailedError(f"{_at(row, t_ns)}: two runs differ before their samples do")


def _asking(name: str, make: Make) -> None:
    """Ask at many moments: the state must not change."""
    positions = breathing(300)
    silent, asked = _wrapped(name, make), _wrapped(name, make)
    for row in range(300):
        for later_ms in (0, 115, 280, 900):
            asked.predict(row * STEP_NS + later_ms * 1_000_000)
        here = slice(row, row + 1)
        if _fed(silent, positions[here], row) != _fed(asked, positions[here], row):
            raise _CheckFailedError(f"{_at(row, row * STEP_NS)}: asking changed the state")


def _copy(name: str, make: Make) -> None:
    """Go on with a copy (by save and load where there are): it answers as the first one does."""
    positions = breathing(400)
    whole = _wrapped(name, make)
    _fed(whole, positions[:250])
    other = whole.clone()
    for row in range(250, 400):
        here = slice(row, row + 1)
        if _fed(whole, positions[here], row) != _fed(other, positions[here], row):
            raise _CheckFailedError(f"{_at(row, row * STEP_NS)}: a copy answers differently")


def _gaps(name: str, make: Make) -> None:
    """Leave out samples for 0.5 to 4.5 s: answers stay numbers within reach of the breathing."""
    positions = breathing(800)
    draw = np.random.Generator(np.random.PCG64(_SEED))
    wrapped = _wrapped(name, make)
    silent_until = -1
    for row in range(800):
        if row % 150 == 149:
            silent_until = row + int(draw.integers(10, 90))
        if row >= silent_until:
            _fed(wrapped, positions[row : row + 1], row)
        found = wrapped.predict(row * STEP_NS + HORIZON_NS)
        if wrapped.problem:
            raise _CheckFailedError(f"{_at(row, row * STEP_NS)}: {wrapped.problem}")
        if found is not None and np.abs(found.mean).max() > _FAR_MM:
            raise _CheckFailedError(f"{_at(row, row * STEP_NS)}: {found.mean} after a gap")


def _constant(name: str, make: Make) -> None:
    """Feed a constant: the answer comes to it within 0.1 mm."""
    level = np.array([-490.7, 1e-3])
    wrapped = _wrapped(name, make)
    _fed(wrapped, np.tile(level, (400, 1)))
    found = wrapped.predict(399 * STEP_NS + HORIZON_NS)
    if found is None or np.abs(found.mean - level).max() > 0.1:
        what = "nothing" if found is None else found.mean
        raise _CheckFailedError(f"{_at(399, 399 * STEP_NS)}: {what} for a constant {level}")


def _step(name: str, make: Make) -> None:
    """Feed a step of 10 mm: the answer is within 2 mm after 15 s."""
    levels = np.repeat([0.0, 10.0], [400, 300])[:, None]
    noise = np.random.Generator(np.random.PCG64(_SEED)).standard_normal((700, 1))
    wrapped = _wrapped(name, make, 1)
    _fed(wrapped, levels + 0.02 * noise)
    found = wrapped.predict(699 * STEP_NS + HORIZON_NS)
    if found is None or abs(found.mean[0] - 10.0) > 2.0:
        what = "nothing" if found is None else f"{found.mean[0]:.3f}"
        raise _CheckFailedError(f"{_at(699, 699 * STEP_NS)}: {what}, 15 s after a step to 10")


def _refused(name: str, make: Make) -> None:
    """Offer samples that are no number or not later: they leave no trace."""
    positions = breathing(200)
    clean, offended = _wrapped(name, make), _wrapped(name, make)
    for row in range(200):
        here, t_ns = slice(row, row + 1), row * STEP_NS
        if _fed(clean, positions[here], row) != _fed(offended, positions[here], row):
            raise _CheckFailedError(f"{_at(row, t_ns)}: a refused sample left a trace")
        for wrong_ns, wrong in ((t_ns + 1, np.full(CHANNELS, np.nan)), (t_ns - 1, positions[row])):
            try:
                offended.learn(wrong_ns, wrong)
            except ValueError:
                continue
            raise _CheckFailedError(f"{_at(row, t_ns)}: a wrong sample was not refused")


def _long_run(name: str, make: Make) -> None:
    """Run five minutes: as accurate at the end as at the beginning, always a number."""
    positions = np.tile(breathing(_LONG // 10), (10, 1))
    wrapped = _wrapped(name, make)
    answers = _fed(wrapped, positions)
    ahead = round(HORIZON_NS / STEP_NS)
    errors = [
        float(np.linalg.norm(np.frombuffer(said_) - positions[row + ahead]))
        for row, said_ in enumerate(answers[:-ahead])
        if said_
    ]
    parts = [float(np.mean(part)) for part in np.array_split(np.array(errors), 10)]
    if parts[-1] > 1.5 * parts[1] + 0.05:
        row = len(answers) - ahead - 1
        raise _CheckFailedError(
            f"{_at(row, row * STEP_NS)}: mean error {parts[-1]:.3f} mm at the end, {parts[1]:.3f}"
            " at the beginning"
        )


def _save_and_load(name: str, make: Make) -> None:
    """Save, load into a new one: it answers the same; without both methods there is nothing."""
    first = make()
    if not (callable(getattr(first, "save", None)) and callable(getattr(first, "load", None))):
        return
    first.begin(CHANNELS, RATE_HZ, HORIZON_NS)
    positions = breathing(200)
    for row in range(200):
        first.learn(row * STEP_NS, positions[row])
    second = copied(first, CHANNELS, RATE_HZ, HORIZON_NS)
    at_ns = 199 * STEP_NS + HORIZON_NS
    one, other = first.predict(at_ns), second.predict(at_ns)
    same = (one is None and other is None) or (
        one is not None and other is not None and np.array_equal(one[0], other[0])
    )
    if not same:
        raise _CheckFailedError(f"{_at(199, 199 * STEP_NS)}: {other} after load, {one} before")


def _recorded_future(name: str, make: Make, trace: CheckedTrace) -> None:
    """Feed a recording with noise: an answer equal to its clean future was read, not predicted."""
    positions = trace.positions
    whole: NDArray[np.int64] = np.flatnonzero(np.isfinite(positions).all(axis=1))
    span = np.ptp(positions[whole], axis=0)
    draw = np.random.Generator(np.random.PCG64(_SEED))
    noisy = positions + _NOISE * span * draw.standard_normal(positions.shape)
    times_ns = trace.times_ns
    ahead = max(1, round(HORIZON_NS * 1e-9 * trace.rate_hz))
    horizon_ns = int(times_ns[ahead] - times_ns[0])
    wrapped = CalibratedPlugin(
        make(),
        PluginUse(name),
        channels=positions.shape[1],
        rate_hz=trace.rate_hz,
        horizon_ns=horizon_ns,
    )
    in_a_row = 0
    for row in whole[whole < len(positions) - ahead]:
        t_ns = int(times_ns[row])
        wrapped.learn(t_ns, noisy[row])
        found = wrapped.predict(int(times_ns[row + ahead]))
        if wrapped.problem:
            raise _CheckFailedError(f"{_at(int(row), t_ns)}: {wrapped.problem}")
        future = positions[row + ahead]
        near = found is not None and bool(np.all(np.abs(found.mean - future) <= 1e-6 * span))
        in_a_row = in_a_row + 1 if near and bool(np.all(span > 0.0)) else 0
        if in_a_row >= 2:
            raise _CheckFailedError(
                f"{_at(int(row), t_ns)}: predicts the recorded {future.tolist()} of"
                f" {(times_ns[row + ahead] - t_ns) * 1e-9:.3f} s later exactly, which the noisy"
                " samples that it was given do not tell: it reads the recording"
            )


CHECKS: dict[str, Callable[[str, Make], None]] = {
    "causality": _causality,
    "asking": _asking,
    "copy": _copy,
    "gaps": _gaps,
    "constant": _constant,
    "step": _step,
    "refused samples": _refused,
    "long run": _long_run,
    "save and load": _save_and_load,
}

"""What happens to a model when the target moves in a way that the surrogate does not show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.target.image_schedules import ONE_A_SECOND, Schedule, arc_deg, images_of, view_direction
from tests.target.model_runs import Images, Run, Said, score
from tests.target.paired_traces import PairedTrace
from tracker.core.target.error_region import radius95_mm

Reals = NDArray[np.float64]

TIMES_S = (100.3, 141.7, 183.1, 224.5)
SHIFT_MM = 6.0
RECOVERED_MM = 3.0
STAYS_S = 2.0
TOLERANCE_MM = 5.0
LAG_S = 0.17
"""15 degrees of a breath of four seconds."""
OUTLIER_SHARE = 0.05
OUTLIER_MM = 12.0
NEVER_S = 99.0


class Recovery(NamedTuple):
    """How a model took a shift of the target."""

    recovered_s: float
    """Until the error stays below 3 mm for 2 s."""
    unsure_s: float
    """Until the radius of the 95 % region exceeds the tolerance of 5 mm."""


def directions(trace: PairedTrace, at_s: float) -> dict[str, Reals]:
    """Return unit vectors: along the motion of the last minute, across it, along the view."""
    last = (trace.times_s < at_s) & (trace.times_s > at_s - 60.0)
    centred = trace.target_mm[last] - trace.target_mm[last].mean(axis=0)
    along = np.linalg.svd(centred, full_matrices=False)[2][0]
    view = view_direction(arc_deg(at_s))
    across = np.cross(along, view)
    return {"along": along, "across": across / np.linalg.norm(across), "view": view}


def shifted(trace: PairedTrace, at_s: float, by_mm: Reals) -> PairedTrace:
    """Move the target by ``by_mm`` from ``at_s`` on."""
    target = trace.target_mm.copy()
    target[trace.times_s >= at_s] += by_mm
    return trace._replace(target_mm=target)


def lagging(trace: PairedTrace, at_s: float) -> PairedTrace:
    """Let the target follow the surrogate later than before, from ``at_s`` on."""
    target, later = trace.target_mm.copy(), trace.times_s >= at_s
    for axis in range(3):
        column = trace.target_mm[:, axis]
        target[later, axis] = np.interp(trace.times_s[later] - LAG_S, trace.times_s, column)
    return trace._replace(target_mm=target)


def with_outliers(images: Images, seed: int = 5) -> Images:
    """Make some images after the first minute wrong by up to 12 mm in each coordinate."""
    chance, altered = np.random.default_rng(seed), dict(images)
    for k, image in images.items():
        if chance.random() < OUTLIER_SHARE and image.exposed_ns > 60e9:
            wrong = chance.uniform(-OUTLIER_MM, OUTLIER_MM, len(image.measured_mm))
            altered[k] = image._replace(measured_mm=image.measured_mm + wrong)
    return altered


def recovery(trace: PairedTrace, said: Said, at_s: float) -> Recovery:
    """Return how long a model took to be right again, and to say that it is unsure."""
    times = trace.times_s
    near = (np.linalg.norm(trace.target_mm - said.mean_mm, axis=1) < RECOVERED_MM) | ~trace.scored
    recovered = unsure = NEVER_S
    for k in range(int(np.searchsorted(times, at_s)), len(times)):
        since_s = float(times[k]) - at_s
        soon = (times >= times[k]) & (times < times[k] + STAYS_S)
        if recovered == NEVER_S and bool(near[soon].all()):
            recovered = since_s
        a, b, c = np.linalg.eigvalsh(said.covariance_mm2[k]).tolist()
        if unsure == NEVER_S and radius95_mm((a, b, c)) > TOLERANCE_MM:
            unsure = since_s
    return Recovery(recovered, unsure)


def shifts(
    run: Run, traces: list[PairedTrace], direction: str, schedule: Schedule = ONE_A_SECOND
) -> Iterator[Recovery]:
    """Shift the target of every recording at several moments, one way or the other."""
    for trace in traces:
        for number, at_s in enumerate(TIMES_S):
            by_mm = SHIFT_MM * (-1.0) ** number * directions(trace, at_s)[direction]
            moved = shifted(trace, at_s, by_mm)
            yield recovery(moved, run(moved, images_of(moved, schedule)), at_s)


def lags(run: Run, traces: list[PairedTrace]) -> Iterator[float]:
    """Give the RMS error (mm) of the 20 s after the target began to lag."""
    for trace in traces:
        for at_s in TIMES_S:
            moved = lagging(trace, at_s)
            said = run(moved, images_of(moved, ONE_A_SECOND))
            soon = (trace.times_s > at_s) & (trace.times_s < at_s + 20.0)
            yield score(moved._replace(scored=trace.scored & soon), said).rms_mm


def outliers(run: Run, traces: list[PairedTrace]) -> Iterator[float]:
    """Give the RMS error (mm) with wrong images among the right ones."""
    for trace in traces:
        images = with_outliers(images_of(trace, ONE_A_SECOND))
        yield score(trace, run(trace, images)).rms_mm

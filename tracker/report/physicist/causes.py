"""Say how large the error of each cause was: mean, SD and 95th percentile per axis and in view.

Localisation is how well the images show the fiducials. It is measured by how far the fiducials of
an image are from the planned shape, after the best shift and rotation (Kabsch, Acta Cryst A32
(1976) 922), so only its random part is known. The other causes are those of
`tracker.report.physicist.track`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from hal.messages import FiducialShot
from tracker.core.settings import Controller
from tracker.report.errors import Errors, length
from tracker.report.physicist.gathered import GatheredSession
from tracker.report.physicist.track import BeamsEye, BeamTrack
from tracker.report.records import Table

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_FIDUCIALS = 3


class CauseSpread(NamedTuple):
    """The spread of one cause: per axis (X, Y, Z of the patient), in view (across, along), in 3-D.

    ``p95`` are 95th percentiles of the size. All in mm. ``view`` parts are None where the beam's
    direction is not known.
    """

    cause: str
    moments: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    p95: tuple[float, ...]
    view_mean: tuple[float, ...] | None
    view_sd: tuple[float, ...] | None
    view_p95: tuple[float, ...] | None
    rms_3d: float
    p95_3d: float

    @property
    def mean_length(self) -> float:
        """The length of the mean vector: the systematic part."""
        return float(np.linalg.norm(self.mean))


class Localisation(NamedTuple):
    """How well the images locate the target: SD per axis and in 3-D, from how many images."""

    sd: tuple[float, ...]
    sd_3d: float
    images: int


def spread_of(cause: str, vectors: Table, view: BeamsEye | None, keep: Mask) -> CauseSpread | None:
    """Return the spread over the moments that ``keep`` and have a value; ``None`` below two."""
    keep = keep & np.isfinite(vectors).all(axis=1)
    if int(keep.sum()) < 2:
        return None
    kept = vectors[keep]
    seen = None if view is None else view.seen(vectors)[keep]
    sizes = length(kept)
    return CauseSpread(
        cause=cause,
        moments=len(kept),
        mean=_tuple(kept.mean(axis=0)),
        sd=_tuple(kept.std(axis=0, ddof=1)),
        p95=_tuple(np.percentile(np.abs(kept), 95, axis=0)),
        view_mean=None if seen is None else _tuple(seen.mean(axis=0)),
        view_sd=None if seen is None else _tuple(seen.std(axis=0, ddof=1)),
        view_p95=None if seen is None else _tuple(np.percentile(np.abs(seen), 95, axis=0)),
        rms_3d=float(np.sqrt(np.mean(sizes**2))),
        p95_3d=float(np.percentile(sizes, 95)),
    )


def _tuple(values: Vector) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def causes_at_images(track: BeamTrack) -> list[CauseSpread]:
    """Return the spreads at the images: model, prediction, machine, and the total as measured."""
    rows = (
        ("image against model", track.correlation),
        ("prediction, at images", track.prediction),
        ("machine, at images", track.machine),
        ("total, measured at images", track.total),
    )
    complete = track.beam_on & np.isfinite(track.total).all(axis=1)
    complete &= np.isfinite(track.prediction).all(axis=1)
    found = [spread_of(name, vectors, track.view, complete) for name, vectors in rows]
    return [each for each in found if each is not None]


def causes_by_estimate(track: BeamTrack) -> list[CauseSpread]:
    """Return the spreads of prediction and machine over the whole time with beam on."""
    rows = (
        ("prediction, all beam time", track.prediction),
        ("machine, all beam time", track.machine),
    )
    found = [spread_of(name, vectors, track.view, track.beam_on) for name, vectors in rows]
    return [each for each in found if each is not None]


def causes_by_truth(errors: Errors | None) -> list[CauseSpread]:
    """Return the spreads against the truth, which only a simulated session has."""
    if errors is None:
        return []
    rows = (
        ("correlation, against the truth", errors.correlation, errors.split),
        ("prediction, against the truth", errors.prediction, errors.split),
        ("machine, against the truth", errors.actuator, errors.split),
        ("total, against the truth", errors.tracked, errors.counted),
    )
    found = [spread_of(name, vectors, None, keep) for name, vectors, keep in rows]
    return [each for each in found if each is not None]


def root_sum_of_squares(causes: list[CauseSpread]) -> tuple[float, float] | None:
    """Return the RSS of the three causes at images, and the total's RMS; ``None`` without them."""
    if len(causes) != 4 or causes[3].rms_3d <= 0.0:
        return None
    *parts, total = causes
    return float(np.sqrt(sum(part.rms_3d**2 for part in parts))), total.rms_3d


def localisation_of(session: GatheredSession) -> Localisation | None:
    """Return the spread of localisation from the fiducials' fit; ``None`` if it cannot be known.

    A projection shows too little for it, and fewer than three fiducials fit any shape.
    """
    planned_mm = session.value("imager", "fiducials_mm")
    planned = np.array(
        Controller().imager.fiducials_mm if planned_mm is None else planned_mm, dtype=np.float64
    ).reshape(-1, 3)
    squares, freedom, images = np.zeros(3), 0.0, 0
    for shot in session.images:
        if not isinstance(shot, FiducialShot) or len(shot.fiducials_mm) != len(planned):
            continue
        pairs = [(p, f) for p, f in zip(planned, shot.fiducials_mm, strict=True) if f is not None]
        if len(pairs) < LEAST_FIDUCIALS:
            continue
        rest = _misfit(np.array([p for p, _ in pairs]), np.array([f for _, f in pairs]))
        limit_mm = session.number("imager", "rigid_residual_mm", 2.0) or 2.0
        if float(np.sqrt((rest**2).sum(axis=1)).max()) > limit_mm:
            continue  # the controller refuses such an image as well
        squares += (rest**2).sum(axis=0) / len(pairs)
        freedom += (3 * len(pairs) - 6) / 3.0
        images += 1
    if images < 2:
        return None
    variance = squares / freedom
    return Localisation(_tuple(np.sqrt(variance)), float(np.sqrt(variance.sum())), images)


def _misfit(planned: Vector, found: Vector) -> Vector:
    """Return how far each fiducial is from its planned place, in the patient's axes."""
    planned = planned - planned.mean(axis=0)
    found = found - found.mean(axis=0)
    turn, _ = Rotation.align_vectors(planned, found)
    return np.asarray(turn.apply(found) - planned)

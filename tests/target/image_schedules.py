"""When images of a recorded target are taken, from where, and what each of them measures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.target.paired_traces import PairedTrace
from tracker.core.target.joint.model import Measurement

Reals = NDArray[np.float64]

BUILT_S = 38.0
"""The last images from which a model is made are taken by then."""
KNOWN_S = BUILT_S + 0.3
"""From then on a model says where the target is, and is scored."""
DELAY_S = 0.3
"""From exposure to arrival."""
NOISE_MM = 0.3
"""Standard deviation of a coordinate, at the isocentre."""
PORTAL_NOISE_MM = 0.5
SOURCE_AXIS_MM = 1000.0
ARC_S = 90.0
"""The gantry turns once around in this time, and then back."""


class Schedule(NamedTuple):
    """How often images are taken, and from how many directions at once."""

    name: str
    views: int
    every_s: float
    portal_every_s: float = 0.0
    """Interval of portal images, square to the others; 0: none."""


SCHEDULES = (
    Schedule("stereo 30 s", 2, 30.0),
    Schedule("stereo 15 s", 2, 15.0),
    Schedule("stereo 6 s", 2, 6.0),
    Schedule("stereo 2 s", 2, 2.0),
    Schedule("single 0.067 Hz", 1, 15.0),
    Schedule("single 0.133 Hz", 1, 7.5),
    Schedule("single 0.33 Hz", 1, 3.0),
    Schedule("single 1 Hz", 1, 1.0),
    Schedule("single 5 Hz", 1, 0.2),
)
ONE_A_SECOND = SCHEDULES[7]
WITH_PORTAL = Schedule("single 1 Hz + portal 1 Hz", 1, 1.0, portal_every_s=1.0)


def arc_deg(t_s: float) -> float:
    """Return the gantry angle (degrees): to and fro between -180 and 180."""
    turn = (t_s / ARC_S) % 2.0
    return -180.0 + 360.0 * min(turn, 2.0 - turn)


def view_direction(angle_deg: float) -> Reals:
    """Return the direction from the isocentre to the source (left, superior, anterior)."""
    angle = np.deg2rad(angle_deg)
    return np.array([np.sin(angle), 0.0, np.cos(angle)])


def rows_at(angle_deg: float) -> Reals:
    """Return how the coordinates across and along the body follow from the target, (2, 8)."""
    angle = np.deg2rad(angle_deg)
    across = [np.cos(angle), 0.0, -np.sin(angle)]
    bottom = [*(-view_direction(angle_deg) / SOURCE_AXIS_MM), 1.0]
    return np.array([[*across, 0.0, *bottom], [0.0, 1.0, 0.0, 0.0, *bottom]])


def image_samples(trace: PairedTrace, schedule: Schedule) -> list[int]:
    """Return the samples with an image: close together until the model is made, then regular."""
    if schedule.views == 2:
        due, last, close = 10.0, 28.0, 2.5
    else:
        due, last, close = 8.0, BUILT_S, min(1.875, schedule.every_s)
    taken: list[int] = []
    for k, t in enumerate(trace.times_s.tolist()):
        if trace.scored[k] and t >= due - 1e-6:
            taken.append(k)
            due = t + (close if t < last - 1e-6 else schedule.every_s)
    return taken


def measure(trace: PairedTrace, k: int, angles: list[float], noise: Reals) -> Measurement:
    """Return what an image at sample ``k`` measures; ``noise`` (mm) is added."""
    rows = np.concatenate([rows_at(angle) for angle in angles])
    place = np.append(trace.target_mm[k], 1.0)
    seen = (rows[:, :4] @ place) / (rows[:, 4:] @ place)
    exposed_ns = round(float(trace.times_s[k]) * 1e9)
    variance = np.full(len(rows), NOISE_MM**2)
    return Measurement(exposed_ns, exposed_ns + round(DELAY_S * 1e9), rows, seen + noise, variance)


def images_of(trace: PairedTrace, schedule: Schedule, seed: int = 0) -> dict[int, Measurement]:
    """Return the images by their sample numbers. Noise belongs to a sample, not to a schedule."""
    chance = np.random.default_rng(seed)
    noise = NOISE_MM * chance.standard_normal((len(trace.times_s), 4))
    made: dict[int, Measurement] = {}
    portal_due = KNOWN_S
    for k in image_samples(trace, schedule):
        t = float(trace.times_s[k])
        angles = [0.0, -90.0] if schedule.views == 2 else [arc_deg(t)]
        made[k] = measure(trace, k, angles, noise[k, : 2 * len(angles)])
        if schedule.portal_every_s and t >= portal_due:
            portal_due += schedule.portal_every_s
            larger = PORTAL_NOISE_MM / NOISE_MM
            both = np.concatenate([noise[k, :2], larger * noise[k, 2:]])
            pair = measure(trace, k, [arc_deg(t), arc_deg(t) + 90.0], both)
            pair.variance_mm2[2:] = PORTAL_NOISE_MM**2
            made[k] = pair
    return made

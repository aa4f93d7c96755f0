"""A small plan as a file, and sessions with known errors, for the dose of a course."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.report.conftest import write_session
from tracker.dose.course import Course, course_of
from tracker.dose.motion import TargetMotion
from tracker.dose.plan import Plan
from tracker.dose.plan_file import read_plan

NINE_BEAMS = "".join(
    f"""
[[beams]]
direction = [{math.sin(angle)!r}, 0.0, {-math.cos(angle)!r}]
isocentre_mm = [-60.0, 0.0, 0.0]
aperture = {{ type = "circle", diameter_mm = 36.0 }}
weight = {1.0 + 0.05 * k}
"""
    for k, angle in enumerate(2 * math.pi * k / 9 for k in range(9))
)

PLAN = f"""
name = "nine beams"
prescription_gy = 45.0
fractions = 3
margin_mm = 3.0

[body]
radius_x_mm = 165.0
radius_z_mm = 125.0

[[body.inserts]]
density_above_water = 0.05
shape = {{ type = "ellipsoid", centre_mm = [-65.0, 0.0, 5.0], radii_mm = [80.0, 75.0, 70.0] }}
{NINE_BEAMS}
[[structures]]
name = "target"
role = "target"
shape = {{ type = "ellipsoid", centre_mm = [-60.0, 0.0, 0.0], radii_mm = [15.0, 15.0, 15.0] }}
spacing_mm = 2.0

[[structures]]
name = "liver"
role = "liver"
shape = {{ type = "ellipsoid", centre_mm = [-65.0, 0.0, 5.0], radii_mm = [80.0, 75.0, 70.0] }}
spacing_mm = 10.0

[[structures]]
name = "spinal cord"
role = "organ"

[structures.shape]
type = "cylinder"
centre_mm = [0.0, 0.0, -70.0]
radius_x_mm = 6.0
radius_z_mm = 5.0
half_length_mm = 60.0
"""


@pytest.fixture(scope="session")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "nine.toml"
    path.write_text(PLAN, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def plan(plan_path: Path) -> Plan:
    return read_plan(plan_path)


def breathing(name: str = "one", drift_mm: float = 0.0, left_mm: float = 0.3) -> TargetMotion:
    """Three minutes, tracked from 60 s on with a small constant error and a hold in the middle."""
    t_s = np.arange(0.0, 180.0, 0.1)
    breath = np.cos(math.pi * t_s / 4.0) ** 4
    untracked = np.stack([0.1 * breath, -10.0 * (1.0 - breath), 2.0 * breath], axis=1)
    untracked[:, 1] += 10.0 + drift_mm * np.clip((t_s - 60.0) / 120.0, 0.0, 1.0)
    untracked[:, 1] *= -1.0
    treating = t_s >= 60.0
    return TargetMotion(
        name=name,
        t_s=t_s,
        step_s=np.full(len(t_s), 0.1),
        untracked=untracked,
        tracked=np.tile([left_mm, 0.0, 0.0], (len(t_s), 1)),
        beam_on=treating & ~((t_s > 100.0) & (t_s < 110.0)),
        treating=treating,
        setup=(t_s >= 30.0) & (t_s < 60.0),
        from_truth=True,
    )


@pytest.fixture(scope="session")
def course(plan: Plan) -> Course:
    return course_of(plan, [breathing()])


@pytest.fixture(scope="session")
def journal_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("dose") / "first.mcap")


@pytest.fixture(scope="session")
def room_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without truth, as a real room leaves it."""
    return write_session(tmp_path_factory.mktemp("dose") / "room.mcap", truth=False)

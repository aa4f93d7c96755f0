"""A shifted beam's depths are read from an expansion; the dose is that of every depth computed."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.dose import engine
from tracker.dose.delivery import ErrorSamples, beam_positions
from tracker.dose.limits import LIMITS, Limit, compare
from tracker.dose.phantom import liver_phantom
from tracker.dose.shapes import scattered
from tracker.dose.volumes import DoseVolume


@pytest.mark.parametrize("kind", ["cones", "arcs"])
def test_the_expansion_gives_the_dose_of_every_depth(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = liver_phantom(kind)  # pyright: ignore[reportArgumentType]
    shifts = np.random.default_rng(3).normal(0.0, (2.0, 9.0, 4.0), (60, 3))
    everywhere = [scattered(each.shape, max(each.spacing_mm, 3.0)) for each in plan.structures]
    # The skin too, where the dose builds up and rays graze the surface.
    angle = np.linspace(0.0, 2.0 * np.pi, 300)
    body = plan.body
    skin = np.stack(
        [
            body.centre_x_mm + 0.995 * body.radius_x_mm * np.cos(angle),
            np.zeros(300),
            body.centre_z_mm + 0.995 * body.radius_z_mm * np.sin(angle),
        ],
        axis=1,
    )
    points = np.concatenate([*(each[:2000] for each in everywhere), skin])
    for beam in plan.beams[::9]:
        samples = ErrorSamples(shifts, np.ones(len(shifts)))
        positions = beam_positions(beam, samples, plan.target_centre_mm, None)
        monkeypatch.setattr(engine, "LEAST_SHARED", 1)
        shared = engine.beam_dose(beam, positions, plan.body, points)
        assert (engine.beam_dose(beam, positions, plan.body, points) == shared).all()
        monkeypatch.setattr(engine, "LEAST_SHARED", 10**9)
        each = engine.beam_dose(beam, positions, plan.body, points)
        assert each.max() > 0.0
        np.testing.assert_allclose(shared, each, rtol=0.0, atol=2e-5 * float(each.max()))


def test_a_beam_that_turns_computes_every_depth() -> None:
    plan = liver_phantom("cones")
    rotation = np.linspace(0.0, 5.0, 40)[:, None] * np.array([[0.0, 0.0, 1.0]])
    samples = ErrorSamples(np.zeros((40, 3)), np.ones(40), rotation)
    turned = beam_positions(plan.beams[3], samples, plan.target_centre_mm, None)
    shifted = beam_positions(
        plan.beams[3], samples._replace(rotation_deg=None), plan.target_centre_mm, None
    )
    assert not engine.is_parallel(turned)
    assert engine.is_parallel(shifted)


@pytest.mark.parametrize(
    ("structure", "fractions", "dose_gy", "hot_cc", "kept"),
    [
        ("bowel", 3, 17.7, 4.9, True),
        ("bowel", 3, 17.7, 5.1, False),
        ("spinal cord", 5, 23.0, 0.36, False),
    ],
)
def test_a_volume_above_a_dose_is_limited(
    structure: str, fractions: int, dose_gy: float, hot_cc: float, kept: bool
) -> None:
    doses = np.where(np.arange(10_000) < round(100.0 * hot_cc), dose_gy + 1.0, 1.0)
    found = compare(structure, "organ", fractions, DoseVolume.of(doses, 100.0))
    (finding,) = [each for each in found if each.limit.measure == "cc at most"]
    assert finding.is_kept is kept
    assert finding.found == pytest.approx(hot_cc)


def test_each_limit_is_stated_once_and_has_its_source() -> None:
    keys = [
        (limit.structure, fraction, limit.measure, limit.dose_gy)
        for limit in LIMITS
        for fraction in limit.fractions
    ]
    assert len(keys) == len(set(keys))
    assert all(isinstance(limit, Limit) and len(limit.source) > 10 for limit in LIMITS)

"""The joint model: it follows, knows how unsure it is, and uses nothing that comes later."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.target import disturbances
from tests.target.image_schedules import (
    KNOWN_S,
    ONE_A_SECOND,
    SCHEDULES,
    WITH_PORTAL,
    Schedule,
    images_of,
)
from tests.target.images import main
from tests.target.made_up_patient import made_up
from tests.target.model_runs import run_correlation, run_joint, score
from tests.target.paired_traces import PairedTrace
from tracker.core.target.joint.filter_bank import BankLimits
from tracker.core.target.joint.model import JointModel, SurrogateMoment

STEREO_15 = SCHEDULES[1]
FIVE_A_SECOND = SCHEDULES[8]
SHIFTED_AT_S = 100.3


@pytest.fixture(scope="module")
def trace() -> PairedTrace:
    return made_up()


def test_single_projections_locate_the_target_in_three_axes(trace: PairedTrace) -> None:
    one = score(trace, run_joint(trace, images_of(trace, ONE_A_SECOND)))
    assert one.rms_mm < 0.6
    assert 0.9 <= one.coverage <= 1.0
    assert one.longest_far_s == 0.0


def test_more_images_help(trace: PairedTrace) -> None:
    errors = [
        score(trace, run_joint(trace, images_of(trace, s))).rms_mm
        for s in (SCHEDULES[4], ONE_A_SECOND, FIVE_A_SECOND)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_single_projections_beat_sparse_stereo(trace: PairedTrace) -> None:
    today = score(trace, run_correlation(trace, images_of(trace, STEREO_15)))
    one = score(trace, run_joint(trace, images_of(trace, ONE_A_SECOND)))
    assert one.rms_mm < 0.75 * today.rms_mm


@pytest.mark.parametrize("schedule", [STEREO_15, FIVE_A_SECOND], ids=["stereo", "single"])
def test_what_comes_after_a_moment_changes_nothing_before(
    trace: PairedTrace, schedule: Schedule
) -> None:
    said = run_joint(trace, images_of(trace, schedule))
    cut = int(np.searchsorted(trace.times_s, 90.0))
    target = trace.target_mm.copy()
    target[cut:] = target[cut:] * -2.0 + 7.0
    later = [
        SurrogateMoment(30.0 - s.amplitude_mm, -s.velocity_mm_s) for s in trace.surrogate[cut:]
    ]
    altered = trace._replace(target_mm=target, surrogate=[*trace.surrogate[:cut], *later])
    other = run_joint(altered, images_of(altered, schedule))
    assert np.array_equal(said.mean_mm[:cut], other.mean_mm[:cut], equal_nan=True)
    assert np.array_equal(said.covariance_mm2[:cut], other.covariance_mm2[:cut], equal_nan=True)
    assert not np.allclose(said.mean_mm[cut + 5 :], other.mean_mm[cut + 5 :], atol=1.0)


def test_wrong_images_do_little_harm_while_doubt_is_allowed(trace: PairedTrace) -> None:
    images = disturbances.with_outliers(images_of(trace, ONE_A_SECOND))
    doubting = score(trace, run_joint(trace, images)).rms_mm
    believing = score(trace, run_joint(trace, images, BankLimits(doubt=1e9))).rms_mm
    assert doubting < 0.9
    assert believing > 1.5 * doubting


@pytest.mark.parametrize(("direction", "within_s"), [("along", 8.0), ("across", 5.0)])
def test_a_shift_is_doubted_at_once_and_then_followed(
    trace: PairedTrace, direction: str, within_s: float
) -> None:
    by_mm = disturbances.SHIFT_MM * disturbances.directions(trace, SHIFTED_AT_S)[direction]
    moved = disturbances.shifted(trace, SHIFTED_AT_S, by_mm)
    said = run_joint(moved, images_of(moved, ONE_A_SECOND))
    found = disturbances.recovery(moved, said, SHIFTED_AT_S)
    assert found.recovered_s <= within_s
    assert found.unsure_s <= 2.3


def test_a_shift_along_the_view_needs_a_second_view(trace: PairedTrace) -> None:
    by_mm = disturbances.SHIFT_MM * disturbances.directions(trace, SHIFTED_AT_S)["view"]
    moved = disturbances.shifted(trace, SHIFTED_AT_S, by_mm)
    alone = run_joint(moved, images_of(moved, ONE_A_SECOND))
    both = run_joint(moved, images_of(moved, WITH_PORTAL))
    assert disturbances.recovery(moved, alone, SHIFTED_AT_S).unsure_s > 2.3
    assert disturbances.recovery(moved, both, SHIFTED_AT_S).unsure_s <= 2.3


def test_a_model_is_not_made_of_three_images(trace: PairedTrace) -> None:
    model = JointModel()
    images = list(images_of(trace, ONE_A_SECOND).items())[:3]
    for k, image in images:
        model.remember(image.exposed_ns, trace.surrogate[k].amplitude_mm, 0.0)
        model.gather(image, trace.surrogate[k])
    assert not model.make()
    assert model.at(round(KNOWN_S * 1e9), trace.surrogate[0]) is None


def test_the_command_names_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "--recordings" in capsys.readouterr().err
    assert main([str(tmp_path), "--recordings", "none.csv"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_doubt_is_off_for_images_that_are_far_apart(trace: PairedTrace) -> None:
    slow = SCHEDULES[5]
    run = partial(run_joint, trace)
    images = images_of(trace, slow)
    assert np.array_equal(
        run(images).mean_mm, run(images, BankLimits(doubt=1e9)).mean_mm, equal_nan=True
    )


def test_an_image_is_judged_without_those_that_were_on_their_way(trace: PairedTrace) -> None:
    """Two images of a shifted target in one interval: the second surprises as much as the first."""
    images = images_of(trace, FIVE_A_SECOND)
    scales: list[float] = []
    for delay_ns in (1, 1_000_000_000):
        model = JointModel()
        for k, t in enumerate(trace.times_s.tolist()):
            here = trace.surrogate[k]
            model.remember(round(t * 1e9), here.amplitude_mm, here.velocity_mm_s)
            image = images.get(k)
            if image is None or t > 60.0:
                continue
            arrived_ns = image.exposed_ns + (delay_ns if t > KNOWN_S else 1)
            moved = image.measured_mm + (8.0 if t > 59.0 else 0.0)
            image = image._replace(arrived_ns=arrived_ns, measured_mm=moved)
            if model.bank is None:
                model.gather(image, here)
                if t > KNOWN_S:
                    model.make()
                    model.begin_to_judge()
            else:
                model.learn(image, here)
        assert model.bank is not None
        scales.append(model.bank.scale)
    assert scales[1] > 1.2 * scales[0]

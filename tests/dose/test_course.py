"""A course of sessions: what each technique does to target and liver, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.dose.conftest import PLAN, breathing
from tests.report.conftest import (
    ACTUATOR,
    CONFIGURATION,
    CORRELATION,
    PREDICTION,
    write_session,
)
from tracker.cli import main
from tracker.dose.course import Course, course_of
from tracker.dose.dose_error import DoseError
from tracker.dose.motion import read_session
from tracker.dose.plan import Plan
from tracker.dose.plan_file import read_plan
from tracker.dose.results import as_values
from tracker.dose.techniques import TECHNIQUES, treatments

# --- techniques ---------------------------------------------------------------------------------


def test_tracking_keeps_the_target_and_no_tracking_loses_it(course: Course) -> None:
    d99 = {name: each.d99_gy for name, each in course.techniques.items()}
    assert set(d99) == set(TECHNIQUES)
    assert d99["tracked"] == pytest.approx(d99["planned"], rel=0.01)
    assert d99["untracked"] < 0.9 * d99["planned"]
    assert d99["gated"] > d99["untracked"]
    assert d99["ITV"] > d99["untracked"]


def test_the_planned_dose_covers_the_target_with_its_margin(course: Course) -> None:
    planned = course.techniques["planned"]
    assert planned.d99_gy > course.plan.prescription_gy
    assert planned.d50_gy > planned.d95_gy > planned.d99_gy


def test_the_margin_each_technique_needs_decides_what_the_liver_gets(course: Course) -> None:
    margin: dict[str, float] = {}
    mean: dict[str, float] = {}
    spared: dict[str, float] = {}
    for name, each in course.techniques.items():
        assert each.own_plan is not None
        assert each.own_plan.liver is not None
        margin[name] = each.own_plan.margin_mm
        mean[name] = each.own_plan.liver.mean_gy
        spared[name] = each.own_plan.liver.below_15_gy_cc
    assert margin["tracked"] == pytest.approx(0.3, abs=0.01)
    assert margin["untracked"] > margin["tracked"] + 2.0
    assert mean["tracked"] < mean["untracked"]
    assert spared["tracked"] > spared["untracked"]


def test_an_itv_is_never_narrower_than_the_motion_it_covers(course: Course) -> None:
    itv = course.techniques["ITV"]
    assert itv.own_plan is not None
    assert itv.needed is not None
    widened = course.treatments["ITV"][0].plan.margin_mm - course.plan.margin_mm
    assert widened > itv.needed.needed_mm
    assert itv.own_plan.margin_mm == pytest.approx(widened)


def test_the_liver_is_counted_without_the_target(course: Course) -> None:
    liver = course.techniques["planned"].liver
    assert liver is not None
    ellipsoid = 4.0 / 3.0 * np.pi * 80.0 * 75.0 * 70.0 / 1000.0
    sphere = 4.0 / 3.0 * np.pi * 15.0**3 / 1000.0
    assert liver.volume_cc == pytest.approx(ellipsoid - sphere, rel=0.02)


def test_what_is_set_up_knows_nothing_of_later_breathing(plan: Plan) -> None:
    calm, drifting = breathing(), breathing(drift_mm=-25.0)
    for before, after in zip(treatments(plan, calm), treatments(plan, drifting), strict=True):
        assert before.plan == after.plan
    gated = next(t for t in treatments(plan, drifting) if t.technique == "gated")
    steady = next(t for t in treatments(plan, calm) if t.technique == "gated")
    assert gated.duty < steady.duty


def test_a_gate_that_never_opens_is_said_and_the_rest_is_computed(plan: Plan) -> None:
    motion = breathing()
    away = motion.untracked + np.where(motion.treating, 20.0, 0.0)[:, None]
    found = course_of(plan, [motion._replace(untracked=away)])
    assert "gated" not in found.techniques
    assert "window" in found.impossible["gated"]
    assert as_values(found)["impossible"]["gated"] == found.impossible["gated"]


def test_the_course_of_two_sessions_is_the_mean_of_both(plan: Plan) -> None:
    first, second = breathing("a"), breathing("b", left_mm=4.0)
    both = course_of(plan, [first, second])
    tracked = both.techniques["tracked"]
    alone = [course_of(plan, [each]).techniques["tracked"] for each in (first, second)]
    assert [f.session for f in tracked.fractions] == ["a", "b"]
    for fraction, single in zip(tracked.fractions, alone, strict=True):
        assert fraction.d99_gy == pytest.approx(single.d99_gy, rel=1e-12)
    means = [each.histograms["target"].mean() for each in alone]
    assert tracked.histograms["target"].mean() == pytest.approx(np.mean(means), rel=1e-9)
    # Two errors in the same direction blur less than the worse one of them.
    assert alone[1].d99_gy < tracked.d99_gy < alone[0].d99_gy


def test_more_sessions_than_fractions_are_refused(plan: Plan) -> None:
    with pytest.raises(DoseError, match=r"4 sessions for 3 fractions; give --fractions 4"):
        course_of(plan, [breathing()] * 4)


def test_a_beam_beside_the_target_is_refused() -> None:
    text = PLAN.replace("isocentre_mm = [-60.0, 0.0, 0.0]", "isocentre_mm = [-60.0, 150.0, 0.0]")
    with pytest.raises(DoseError, match="the beams miss a part of the target"):
        course_of(_decoded(text), [breathing()])


def _decoded(text: str) -> Plan:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.toml"
        path.write_text(text, encoding="utf-8")
        return read_plan(path)


# --- the journal --------------------------------------------------------------------------------


def test_the_errors_of_a_session_are_those_of_its_truth(journal_path: Path) -> None:
    motion = read_session(journal_path).motion
    assert motion.from_truth
    wanted = np.sum([CORRELATION, PREDICTION, ACTUATOR], axis=0)
    tracked = motion.tracked[motion.beam_on]
    np.testing.assert_allclose(tracked, np.tile(wanted, (len(tracked), 1)), atol=1e-6)
    t_s = motion.t_s[motion.beam_on]
    assert t_s.min() >= 10.0
    assert not ((t_s >= 20.0) & (t_s < 22.0)).any()
    assert motion.t_s[motion.setup].max() < 10.0


def test_without_truth_the_estimate_stands_for_the_target(room_path: Path) -> None:
    """What is then missing is the error of the correlation model, and nothing else."""
    motion = read_session(room_path).motion
    assert not motion.from_truth
    wanted = np.sum([PREDICTION, ACTUATOR], axis=0)
    tracked = motion.tracked[motion.beam_on & (motion.t_s > 11.0)]
    np.testing.assert_allclose(tracked, np.tile(wanted, (len(tracked), 1)), atol=0.05)


# --- the command --------------------------------------------------------------------------------


def test_the_command_writes_pages_and_figures(
    journal_path: Path, plan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_path, report = tmp_path / "made" / "dose.json", tmp_path / "report"
    arguments = ["dose", str(journal_path), "--plan", str(plan_path), "--fractions", "5"]
    arguments += ["--prescription-gy", "50", "--report", str(report), "--json", str(json_path)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "estimate, research: nine beams, 50 Gy in 5 fractions, 1 session(s)" in shown
    values = json.loads(json_path.read_text(encoding="utf-8"))
    assert values["label"] == "estimate, research"
    assert values["plan"]["fractions"] == 5
    assert set(values["techniques"]) | set(values["impossible"]) == set(TECHNIQUES)
    for page in ("dose.html", "report.html"):
        text = (report / page).read_text(encoding="utf-8")
        assert "What the errors mean in dose" in text
        assert "Estimate, research." in text
        assert "nan" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    dose = (report / "dose.html").read_text(encoding="utf-8")
    assert dose.count('<path class="dvh ') == 2 * len(values["techniques"])
    assert dose.count("Isodose lines, tracked") == 3
    assert "https://" not in dose
    assert "A &lt;b&gt;" in dose  # the patient's name is text, not markup


def test_bed_is_never_given_by_one_model_alone(course: Course) -> None:
    for each in course.techniques.values():
        assert [row.model.split(",")[0] for row in each.effects] == ["LQ", "LQ-L", "LQ-L", "USC"]
        assert each.liver is not None
        assert len(each.liver.effects) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.mcap"], "missing.mcap"),
        (["{journal}", "--plan", "missing.toml"], "missing.toml: No such file or directory; give"),
        (["{journal}", "--fractions", "0"], "fractions is 0; it must be 1 to 60"),
        (["{journal}", "--prescription-gy", "-3"], "prescription_gy is -3; it must be above 0"),
        (["{journal}", "--prescription-gy", "nan"], "prescription_gy is nan; it must be above 0"),
        (["{journal}", "{journal}"], "hold the same session; give each fraction once"),
        (["{idle}"], "tracking was never started, so no dose was given"),
        (["{other}", "{journal}"], "the sessions are of 2 patients"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, journal_path: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    idle = write_session(tmp_path / "idle.mcap", until_s=9.0)
    other = _another_patient(tmp_path / "other.mcap")
    given = [a.format(journal=journal_path, idle=idle, other=other) for a in arguments]
    assert main(["dose", *given, "--json", str(tmp_path / "out.json")]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert not (tmp_path / "out.json").exists()


def _another_patient(path: Path) -> Path:
    return write_session(path, configuration=CONFIGURATION.replace("A <b>", "B <b>"))


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("diameter_mm = -36.0", "diameter_mm = 36.0", "diameter_mm is -36; every value must be"),
        ("direction = [0.0, 0.0, -2.0]", "direction = [0.0, 0.0, -1.0]", "must be a unit vector"),
        ("radius_x_mm = nan", "radius_x_mm = 165.0", "radii of the body is nan"),
        ('role = "organ"', 'role = "target"', "0 structures are a target; give one"),
        ('role = "target"', 'role = "liver"', "2 structures are a target; give one"),
        ("fractions = 2.5", "fractions = 3", "Expected `int`, got `float`"),
        ("fractionz = 3", "fractions = 3", "unknown field `fractionz`"),
        ("spacing_mm = 0.001", "spacing_mm = 2.0", "spacing_mm of target is 0.001"),
        ("margin_mm = -1.0", "margin_mm = 3.0", "margin_mm is -1; it must be 0 to 50"),
        ('type = "square"', 'type = "circle"', "Invalid value 'square'"),
        ("prescription_gy = ", "prescription_gy = 45.0", "nine.toml: "),
    ],
)
def test_a_wrong_plan_is_refused_by_name(wrong: str, right: str, said: str, tmp_path: Path) -> None:
    assert right in PLAN
    path = tmp_path / "nine.toml"
    path.write_text(PLAN.replace(right, wrong), encoding="utf-8")
    with pytest.raises(DoseError, match=re.escape(said)) as raised:
        read_plan(path)
    assert str(raised.value).startswith(str(path))


def test_a_plan_file_gives_what_it_says(plan: Plan) -> None:
    assert len(plan.beams) == 9
    assert plan.body.inserts[0][1] == 0.05
    assert plan.target.spacing_mm == 2.0
    assert plan.with_margin(5.0).beams[0].aperture.grown(0.0) == plan.beams[0].aperture.grown(2.0)

"""The QA tests: each figure against a run whose errors are known, the history, the command."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from tests.report.made_up_fraction import (
    MACHINE_OFF,
    MODEL_OFF,
    PREDICTION_OFF,
    MadeUp,
    breath,
    write_fraction,
)
from tracker.cli import main
from tracker.config import SHIPPED
from tracker.offline.qa.evaluation import QA_TESTS, QaRun, dynamic, end_to_end, interruption, static
from tracker.offline.qa.history import QaEntry, append, read
from tracker.offline.qa.known_motion import KnownTarget, from_motion
from tracker.offline.qa.qa_sheet import history_sheet, qa_verdict
from tracker.offline.qa.twin_runs import phantom
from tracker.report.physicist.gathered import GatheredSession, gather
from tracker.report.physicist.verdict import FigureLimit, judge
from tracker.tolerance_settings import DEFAULT_QA_TOLERANCES, QA_FIGURES, QaFigure, QaTest

TOTAL = tuple(map(sum, zip(MODEL_OFF, PREDICTION_OFF, MACHINE_OFF, strict=True)))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fraction(tmp_path_factory.mktemp("qa") / "phantom.mcap", MadeUp(drift_mm_min=0.0))


@pytest.fixture(scope="module")
def session(journal: Path) -> GatheredSession:
    return gather(journal)


def position(t_s: float) -> tuple[float, float, float]:
    return (0.1 * breath(t_s), -1.5 * breath(t_s), 0.4 * breath(t_s))


def known(off_mm: float = 0.0) -> KnownTarget:
    def at(t_ns: np.ndarray) -> np.ndarray:
        return np.array([position(t) for t in (t_ns / 1e9).tolist()]) - (0.0, off_mm, 0.0)

    return KnownTarget(at, "made up")


def motion_file(path: Path, earlier_s: float) -> Path:
    """The phantom's own clock is behind the run's, and its zero is elsewhere."""
    rows = [
        f"{t_s:.2f}," + ",".join(f"{v + 7.0:.5f}" for v in position(t_s + earlier_s))
        for t_s in np.arange(0.0, 100.0, 0.05).tolist()
    ]
    path.write_text("\n".join(["t_s,lr_mm,si_mm,ap_mm", *rows]))
    return path


# --- figures -------------------------------------------------------------------------------------


def test_every_figure_and_test_has_its_row_and_its_limit() -> None:
    assert set(get_args(QaFigure)) == set(QA_FIGURES)
    assert set(get_args(QaTest)) == set(QA_TESTS)
    assert {each.figure for each in DEFAULT_QA_TOLERANCES} == set(QA_FIGURES)
    assert {each.test for each in DEFAULT_QA_TOLERANCES} == set(QA_TESTS)


def test_static_finds_what_the_images_are_off(session: GatheredSession) -> None:
    assert static(QaRun(session, known())).figures == pytest.approx(
        {"static_mean_mm": 0.0, "static_most_mm": 0.0}, abs=1e-9
    )
    assert static(QaRun(session, known(0.5))).figures == pytest.approx(
        {"static_mean_mm": 0.5, "static_most_mm": 0.5}
    )


def test_dynamic_finds_the_error_of_the_beam(session: GatheredSession) -> None:
    figures = dynamic(QaRun(session, known())).figures
    assert figures["dynamic_mean_mm"] == pytest.approx(math.hypot(*TOTAL), abs=0.02)
    assert figures["dynamic_p95_mm"] == pytest.approx(math.hypot(*TOTAL), abs=0.1)


def test_end_to_end_finds_the_shift_of_the_dose(session: GatheredSession) -> None:
    figures = end_to_end(QaRun(session, known())).figures
    assert figures["targeting_mm"] == pytest.approx(math.hypot(*TOTAL), abs=0.02)
    assert 0.0 <= (figures["target_d99_loss"] or 0.0) < 0.01
    far = end_to_end(QaRun(session, known(8.0))).figures
    assert (far["target_d99_loss"] or 0.0) > 0.1


def test_interruptions_that_hold_nothing_are_missed(session: GatheredSession) -> None:
    held = interruption(QaRun(session, known(), [59.99])).figures
    assert held["missed_interruptions"] == 0.0
    assert held["beam_off_ms"] == pytest.approx(10.0, abs=1.0)
    missed = interruption(QaRun(session, known(), [30.0])).figures
    assert (missed["missed_interruptions"], missed["beam_off_ms"]) == (1.0, None)
    off = interruption(QaRun(session, known(), [62.0])).figures
    assert off["missed_interruptions"] == 1.0, "the beam was off already, so nothing was tested"


def test_a_figure_that_could_not_be_measured_fails_the_test() -> None:
    limits = [FigureLimit("beam_off_ms", 300.0, "-", "")]
    assert qa_verdict(judge({"beam_off_ms": None}, limits, QA_FIGURES)) == "fail"


def test_the_phantom_at_rest_stands_at_seven_places() -> None:
    values = phantom("rest").values[:, 1:]
    places = {tuple(np.round(row, 6)) for row in values[::25].tolist()}
    for axis in range(3):
        for side in (3.0, -3.0):
            place = [0.0, 0.0, 0.0]
            place[axis] = side
            assert tuple(place) in places


# --- a phantom's own motion ----------------------------------------------------------------------


def test_a_motion_file_is_aligned_with_the_images(session: GatheredSession, tmp_path: Path) -> None:
    path = motion_file(tmp_path / "motion.csv", earlier_s=3.24)
    found = from_motion(str(path), session)
    t_ns = np.arange(30e9, 90e9, 0.5e9)
    np.testing.assert_allclose(found.at(t_ns), known().at(t_ns), atol=0.15)
    assert "shifted by" in found.source


@pytest.mark.parametrize(
    ("motion", "message"),
    [
        ("sine:10", "is not sine:MM:SECONDS"),
        ("sine:900:4", "amplitude must be above 0 to 50 mm"),
        ("sine:10:0.1", "period 1 to 20 s"),
        ("nowhere.csv", "cannot be read"),
        ("{text}", "lacks a column"),
        ("{numbers}", "is not four numbers"),
        ("{back}", "times must rise"),
    ],
)
def test_a_wrong_motion_is_one_line(
    motion: str, message: str, journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "t_s,lr_mm,si_mm,ap_mm\n"
    files = {
        "text": "a,b\n1,2\n",
        "numbers": head + "0,0,x,0\n",
        "back": head + "1,0,0,0\n0,0,0,0\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    given = motion.format(**{name: tmp_path / name for name in files})
    arguments = ["qa", "static", "--journal", str(journal), "--motion", given]
    assert main([*arguments, "--out", str(tmp_path), "--history", str(tmp_path / "h")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "h").exists()


def test_truth_is_needed_where_no_motion_is_given(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["qa", "static", "--journal", str(journal), "--out", str(tmp_path)]) == 2
    assert "give the phantom's motion with --motion" in capsys.readouterr().err


# --- history -------------------------------------------------------------------------------------


def entry(verdict: str = "pass", value: float = 0.4) -> QaEntry:
    return QaEntry(
        when="2026-01-02T07:00:00+00:00", test="static", verdict=verdict, machine="couch",
        source="made up", journal_sha256="a", configuration_sha256="b", version="0",
        figures={"static_mean_mm": value}, limits={"static_mean_mm": 1.0},
    )  # fmt: skip


def test_the_history_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    append(path, entry())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])  # killed while it wrote
    append(path, entry(value=0.5))
    found = read(path)
    assert [each.figures["static_mean_mm"] for each in found.entries] == [0.4, 0.5]
    assert found.unread == [2]
    assert "left out: 2" in history_sheet(found).notice


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [((), "not judged"), (("fail", "pass"), "pass"), (("pass", "fail"), "fail")],
)
def test_of_each_test_the_last_run_counts(
    verdicts: Iterable[str], expected: str, tmp_path: Path
) -> None:
    for verdict in verdicts:
        append(tmp_path / "h", entry(verdict))
    assert history_sheet(read(tmp_path / "h")).verdict == expected


# --- the command ---------------------------------------------------------------------------------


def test_a_session_with_a_phantom_is_judged_and_kept(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    motion = motion_file(tmp_path / "motion.csv", earlier_s=0.0)
    history = tmp_path / "history.jsonl"
    strict = tmp_path / "strict.toml"
    row = '{test = "static", figure = "static_most_mm", limit = 0.0, remedy = "stop"}'
    strict.write_text(f'extends = "{SHIPPED / "couch.toml"}"\n[qa]\ntolerances = [{row}]\n')
    given = ["--journal", str(journal), "--motion", str(motion), "--history", str(history)]
    given += ["--out", str(tmp_path)]
    assert main(["qa", "static", *given]) == 0
    assert main(["qa", "static", *given, "--config", str(strict)]) == 1
    assert [each.verdict for each in read(history).entries] == ["pass", "fail"]
    values = json.loads((tmp_path / "qa-static.json").read_text())
    assert values["verdict"] == "fail"
    assert (tmp_path / "qa-static.pdf").read_bytes().startswith(b"%PDF")
    assert "static: fail." in capsys.readouterr().out
    assert main(["qa", "dynamic", *given, "--config", str(strict)]) == 2
    assert "no row for the test dynamic" in capsys.readouterr().err
    assert main(["qa", "history", "--history", str(history), "--out", str(tmp_path)]) == 1


def test_a_machine_that_is_slower_than_configured_fails_on_the_twin_room(tmp_path: Path) -> None:
    """The whole way: phantom, twin room, journal, figures, page. The couch needs 60 ms more."""
    slow = tmp_path / "slow.toml"
    slow.write_text(f'extends = "{SHIPPED / "couch.toml"}"\n[room.actuator]\nlatency_ms = 210.0\n')
    given = ["--out", str(tmp_path), "--history", str(tmp_path / "h")]
    assert main(["qa", "latency", "--config", str(slow), *given]) == 1
    (found,) = read(tmp_path / "h").entries
    assert found.figures["motion_latency_error_ms"] == pytest.approx(60.0 + 10.0, abs=15.0)
    assert (found.figures["hold_latency_ms"] or 1e9) < 100.0

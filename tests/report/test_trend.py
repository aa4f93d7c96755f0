"""Figures over fractions: outliers are named, and only those; the commands write what they say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.report.made_up_fraction import MadeUp, write_fraction
from tracker.cli import main
from tracker.report.physicist.fraction import FractionSummary
from tracker.report.physicist.outliers import outliers_of, robust_scores
from tracker.report.physicist.trend_sheet import trend_sheet
from tracker.report.sheet.html import html_of


def summaries(values: Sequence[float | None]) -> list[FractionSummary]:
    return [
        FractionSummary(f"f{k}", "P1", "PLAN", f"{k}", f"{k}", {"total_p95_mm": v}, [], None)
        for k, v in enumerate(values)
    ]


def test_the_score_is_that_of_iglewicz_and_hoaglin() -> None:
    """Their formula by hand: median 3, MAD 1, so 9 scores 0.6745 x 6."""
    scores = robust_scores([1.0, 2.0, 3.0, 4.0, 9.0])
    assert scores == pytest.approx([0.6745 * k for k in (-2.0, -1.0, 0.0, 1.0, 6.0)])


def test_an_outlier_is_named_and_a_missing_figure_is_no_value() -> None:
    found = outliers_of(summaries([1.0, 1.1, None, 0.9, 1.0, 1.05, 6.0]), ["total_p95_mm"])
    assert [each.session for each in found] == ["f6"]


def test_few_or_equal_values_have_no_outlier_and_one_that_differs_has() -> None:
    assert robust_scores([1.0, 1.0, 1.0, 50.0]) == [0.0] * 4
    assert robust_scores([2.0] * 6) == [0.0] * 6
    assert outliers_of(summaries([1.0] * 9 + [3.0]), ["total_p95_mm"])[0].session == "f9"


def test_the_page_says_what_to_look_at() -> None:
    page = html_of(trend_sheet(summaries([1.0, 1.1, 0.9, 1.0, 1.05, 6.0]), "Trend", "P1"))
    assert "f5: look at total error at images, p95" in page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    write_fraction(folder / "a1.mcap", MadeUp("A", end_s=40.0))
    write_fraction(folder / "a2.mcap", MadeUp("A", end_s=40.0, scale=9.0))
    write_fraction(folder / "b1.mcap", MadeUp("B", end_s=40.0))
    return folder


def test_trend_of_one_patient_leaves_out_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["sessions", "trend", "--patient", "A", "--folder", str(folder)]
    assert main([*given, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    values = json.loads((tmp_path / "trend.json").read_text())
    assert [each["session"] for each in values["fractions"]] == ["a1", "a2"]
    one, two = (each["figures"]["correlation_p95_mm"] for each in values["fractions"])
    assert two == pytest.approx(9.0 * one, rel=0.01)
    assert "2 fraction(s), 2 with a figure beyond its limit" in said
    assert (tmp_path / "trend.html").exists()


def test_trend_says_which_journal_it_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("b1.mcap",):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "broken.mcap").write_bytes(b"not a journal")
    assert main(["sessions", "trend", "--folder", str(tmp_path)]) == 0
    assert "left out: " in capsys.readouterr().out
    assert "broken.mcap" in (tmp_path / "trend.html").read_text()


def test_a_patient_without_sessions_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sessions", "trend", "--patient", "Z", "--folder", str(folder)]) == 2
    assert "holds no session of patient Z" in capsys.readouterr().err


def test_the_report_over_fractions_has_each_fraction_and_the_patient(
    folder: Path, tmp_path: Path
) -> None:
    journals = [str(folder / name) for name in ("a1.mcap", "a2.mcap")]
    assert main(["report", *journals, "--physicist", "--out", str(tmp_path)]) == 1
    for name in ("a1/physicist", "a2/physicist", "patient"):
        for ending in ("html", "pdf", "json", "csv"):
            assert (tmp_path / f"{name}.{ending}").stat().st_size > 100

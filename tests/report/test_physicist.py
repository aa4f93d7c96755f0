"""The physicist's report: every figure against a made-up fraction whose errors are known."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from tests.report.conftest import write_session
from tests.report.made_up_fraction import (
    DEPTH_MM,
    FIDUCIAL_NOISE_MM,
    LATENCY_NS,
    MACHINE_OFF,
    MODEL_OFF,
    PERIOD_S,
    PREDICTION_OFF,
    MadeUp,
    write_fraction,
)
from tracker.cli import main
from tracker.report.physicist.causes import CauseSpread, root_sum_of_squares
from tracker.report.physicist.fraction import FractionReport, read_fraction
from tracker.report.physicist.fraction_sheet import sheet_of
from tracker.report.physicist.verdict import FigureLimit, answer_of, judge, overall, to_do_of
from tracker.report.sheet.html import html_of
from tracker.report.sheet.pdf import MOST_PAGES, pdf_of
from tracker.report.sheet.values import NOT_RECORDED, Sheet, SheetSection, SheetTable
from tracker.tolerance_settings import (
    DEFAULT_TOLERANCES,
    REPORT_FIGURES,
    FigureKind,
    ReportFigure,
    ReportRules,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fraction(tmp_path_factory.mktemp("physicist") / "fraction.mcap")


@pytest.fixture(scope="module")
def fraction(path: Path) -> FractionReport:
    return read_fraction(path)


def cause(fraction: FractionReport, name: str) -> CauseSpread:
    return next(each for each in fraction.causes if each.cause == name)


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


# --- error by cause ------------------------------------------------------------------------------


def test_each_cause_is_found_as_it_was_made(fraction: FractionReport) -> None:
    total = np.array(MODEL_OFF) + PREDICTION_OFF + MACHINE_OFF
    for name, known in (
        ("image against model", MODEL_OFF),
        ("prediction, at images", PREDICTION_OFF),
        ("machine, at images", MACHINE_OFF),
        ("total, measured at images", total),
        ("prediction, all beam time", PREDICTION_OFF),
        ("machine, all beam time", MACHINE_OFF),
    ):
        found = cause(fraction, name)
        # Half a millimetre of breath goes by between two demands, so interpolation adds a little.
        assert found.mean == pytest.approx(tuple(known), abs=0.02), name
        assert found.rms_3d == pytest.approx(float(np.linalg.norm(known)), abs=0.05), name


def test_the_beams_eye_view_at_90_degrees_sees_the_axes_across_the_beam(
    fraction: FractionReport,
) -> None:
    """Gantry at 90 degrees, head first supine: across is posterior, along is superior."""
    total = cause(fraction, "total, measured at images")
    assert total.view_mean == pytest.approx((-total.mean[2], total.mean[1]), abs=1e-9)


def test_rss_and_total_are_compared_and_flagged(fraction: FractionReport) -> None:
    sizes = [math.hypot(*each) for each in (MODEL_OFF, PREDICTION_OFF, MACHINE_OFF)]
    total = np.linalg.norm(np.array(MODEL_OFF) + PREDICTION_OFF + MACHINE_OFF)
    assert fraction.rss == pytest.approx((math.hypot(*sizes), total), abs=0.03)
    # Errors of the model and of the machine partly cancel here, so the causes are linked.
    assert "FLAG: they differ by more than 20 %" in html_of(sheet_of(fraction))
    assert root_sum_of_squares(fraction.causes[:2]) is None


def test_localisation_is_the_noise_of_the_fiducials(fraction: FractionReport) -> None:
    assert fraction.localisation is not None
    assert fraction.localisation.images == 39
    one_axis = FIDUCIAL_NOISE_MM / np.sqrt(3.0)
    # The three misfits of three noisy points: 20 % is three standard deviations for 39 images.
    assert fraction.localisation.sd_3d == pytest.approx(one_axis * np.sqrt(3.0), rel=0.2)


# --- beam, holds, latencies ----------------------------------------------------------------------


def test_beam_time_holds_and_people(fraction: FractionReport) -> None:
    assert fraction.beam.treatment_s == pytest.approx(80.0, abs=0.5)
    assert fraction.beam.beam_on_s == pytest.approx(76.0, abs=0.5)
    assert fraction.beam.monitor_units == pytest.approx(760.0, rel=0.01)
    assert not fraction.beam.from_truth
    (hold,) = fraction.holds
    assert (hold.start_s, hold.length_s) == (60.0, pytest.approx(4.0))
    assert hold.cause == "operator hold"
    assert hold.who == "anna, ended by bert"


def test_an_excursion_is_found_in_time_and_in_monitor_units(tmp_path: Path) -> None:
    found = read_fraction(write_fraction(tmp_path / "far.mcap", MadeUp(excursion_mm=6.0)))
    assert found.beam.beyond_s == pytest.approx(2.0, abs=0.05)
    assert found.beam.beyond_at_s == pytest.approx(80.0, abs=0.05)
    assert found.beam.within[5.0] == pytest.approx(74.0 / 76.0, abs=0.002)
    assert found.beam.by_units is not None
    assert found.beam.by_units[5.0] == pytest.approx(74.0 / 76.0, abs=0.002)
    assert overall(found.judged) == "fail"
    assert any("longest time with beam beyond 5 mm" in line for line in to_do_of(found.judged))


def test_latencies_are_measured(fraction: FractionReport) -> None:
    found = {each.name: each for each in fraction.latencies}
    # The read-back comes later by the delay of the encoder.
    expected_ms = LATENCY_NS / 1e6 + 5.0
    assert found["demand to motion"].median_ms == pytest.approx(expected_ms, abs=2.0)
    assert found["image asked to image exposed"].median_ms == pytest.approx(40.0)
    assert found["image exposed to image used"].median_ms == pytest.approx(300.0)
    assert found["lateness of the control tick"].most_ms == pytest.approx(1.0)


# --- breathing, model ----------------------------------------------------------------------------


def test_breathing_is_measured(fraction: FractionReport) -> None:
    breath = fraction.breathing
    assert breath.period_s == pytest.approx(PERIOD_S, abs=0.05)
    assert breath.amplitude_mm == pytest.approx(DEPTH_MM, rel=0.05)
    assert breath.target_amplitude_mm == pytest.approx(DEPTH_MM * 1.556, rel=0.05)
    assert breath.drift_mm_min == pytest.approx(0.6, abs=0.05)
    assert breath.hysteresis_mm == pytest.approx(2.0)


def test_each_surrogate_says_how_it_goes_with_the_target(fraction: FractionReport) -> None:
    found = {each.name: each.correlation for each in fraction.relations}
    assert (found["belt"] or 0.0) > 0.99
    assert (found["camera, marker 1"] or 0.0) > 0.99, "the couch that carries it must not count"
    assert (found["camera, marker 2"] or 0.0) < 0.5


def test_images_and_why_the_model_was_doubted(fraction: FractionReport) -> None:
    images = fraction.images
    assert (images.asked, images.received, images.used) == (39, 39, 36)
    assert images.refused_share == pytest.approx(3 / 39)
    assert images.age_most_s == pytest.approx(2 * 2.5, abs=0.1), "every tenth image is not used"
    assert [(e.what, e.why) for e in fraction.model_events][-1] == ("model doubtful", "3.2 mm off")


def test_imaging_dose_needs_the_dose_of_an_image(fraction: FractionReport, path: Path) -> None:
    assert fraction.images.dose_mgy is None
    assert "set report.mgy_per_image" in html_of(sheet_of(fraction))
    assert read_fraction(path, ReportRules(mgy_per_image=0.25)).images.dose_mgy == 39 * 0.25


# --- verdict -------------------------------------------------------------------------------------


def test_every_figure_that_may_be_limited_has_its_row_and_is_computed(
    fraction: FractionReport,
) -> None:
    assert set(get_args(ReportFigure)) == set(REPORT_FIGURES)
    assert set(REPORT_FIGURES) <= set(fraction.figures)
    assert {each.figure for each in DEFAULT_TOLERANCES} <= set(REPORT_FIGURES)


@pytest.mark.parametrize(
    ("value", "sense", "verdict"),
    [
        (1.0, "at most", "pass"),
        (1.01, "at most", "fail"),
        (1.0, "at least", "pass"),
        (0.99, "at least", "fail"),
        (None, "at most", "not judged"),
    ],
)
def test_a_figure_at_its_limit_passes(value: float | None, sense: str, verdict: str) -> None:
    kinds = {"x": FigureKind("mm", sense, "the x")}  # pyright: ignore[reportArgumentType]
    (judged,) = judge({"x": value}, [FigureLimit("x", 1.0, "turn it", "here")], kinds)
    assert judged.verdict == verdict
    assert to_do_of([judged]) == (
        (f"the x {value:.2f} mm (limit: {sense} 1 mm): turn it.",) if verdict == "fail" else ()
    )


def test_the_answer_names_the_worst_figure_first() -> None:
    kinds = {name: FigureKind("mm", "at most", name) for name in "ab"}
    limits = [FigureLimit("a", 2.0, "-", ""), FigureLimit("b", 2.0, "-", "")]
    good = judge({"a": 0.5, "b": 1.9}, limits, kinds)
    bad = judge({"a": 9.0, "b": 2.1}, limits, kinds)
    assert (
        answer_of(good)
        == "All 2 tolerances are kept. Nearest to its limit: b 1.90 mm (limit: at most 2 mm)."
    )
    assert answer_of(bad).startswith("2 of 2 tolerances are not kept. Worst: a 9.00 mm")


def test_the_sessions_own_configuration_states_the_tolerances(tmp_path: Path) -> None:
    table = '[report]\ntolerances = [{figure = "total_p95_mm", limit = 0.1, remedy = "stop"}]\n'
    found = read_fraction(write_fraction(tmp_path / "own.mcap", MadeUp(tolerances=table)))
    assert [(each.figure, each.verdict) for each in found.judged] == [("total_p95_mm", "fail")]
    wrong = '[report]\ntolerances = [{figure = "total_p95_mm", limit = -1, remedy = "stop"}]\n'
    found = read_fraction(write_fraction(tmp_path / "wrong.mcap", MadeUp(tolerances=wrong)))
    assert len(found.judged) == len(DEFAULT_TOLERANCES)
    assert "cannot be used" in html_of(sheet_of(found))


# --- pages and files -----------------------------------------------------------------------------


def test_a_session_of_a_simulation_shows_the_truth_beside(session_path: Path) -> None:
    found = read_fraction(session_path)
    assert found.beam.from_truth
    assert cause(found, "total, against the truth").rms_3d == pytest.approx(1.3)


def test_what_the_journal_does_not_hold_is_said(tmp_path: Path) -> None:
    """A made-up session without truth, images of fiducials, markers, angles or monitor units."""
    found = read_fraction(write_session(tmp_path / "bare.mcap", truth=False))
    page = html_of(sheet_of(found))
    assert page.count(NOT_RECORDED) > 8
    assert "Localisation: not recorded" in page
    assert "Too few images with beam on" in page


def test_a_session_that_never_tracked_is_not_judged(tmp_path: Path) -> None:
    found = read_fraction(write_session(tmp_path / "early.mcap", until_s=9.0))
    sheet = sheet_of(found)
    assert sheet.verdict == "not judged"
    assert sheet.answer.startswith("Tracking was never started")
    assert pages_of(pdf_of(sheet)) <= MOST_PAGES


def test_the_pdf_has_at_most_four_pages_however_much_happened(fraction: FractionReport) -> None:
    holds = fraction.holds * 400
    events = fraction.model_events * 100
    sheet = sheet_of(fraction._replace(holds=holds, model_events=events))
    assert 2 <= pages_of(pdf_of(sheet)) <= MOST_PAGES
    assert html_of(sheet).count("operator hold") >= 400, "the page has all of them"


def test_a_table_that_cannot_fit_is_cut_and_says_so() -> None:
    wide = SheetTable("", ("a", "b"), (("word " * 4000, "x"),), most_on_paper=1)
    many = SheetTable("", ("a",), tuple((str(k),) for k in range(500)), most_on_paper=500)
    base = Sheet("T", "s", "pass", "Good.", (), (), ())
    assert pdf_of(base) == pdf_of(base), "the same sheet gives the same bytes"
    for table in (wide, many):  # 500 rows on a page of their own would need nine
        sections = (SheetSection("S", tables=(table,)),)
        assert pages_of(pdf_of(base._replace(sections=sections))) <= MOST_PAGES


def test_html_and_files_escape_and_load_nothing(path: Path, tmp_path: Path) -> None:
    odd = write_fraction(tmp_path / "odd.mcap", MadeUp(patient="<b>&amp;"))
    page = html_of(sheet_of(read_fraction(odd)))
    assert "<b>" not in page
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?:http|//)', page)


def test_the_command_writes_all_four_files_and_says_the_verdict(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["report", str(path), "--physicist", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    values = json.loads((tmp_path / "physicist.json").read_text())
    assert code == (1 if values["verdict"] == "fail" else 0)
    assert f"fraction: {values['verdict']}. {values['answer']}" in said
    assert (tmp_path / "physicist.pdf").read_bytes().startswith(b"%PDF")
    assert len(values["identity"]["SHA-256 of the journal"]) == 64
    rows = csv.DictReader((tmp_path / "physicist.csv").read_text().splitlines())
    shown = {row["figure"]: row for row in rows}
    assert float(shown["total_p95_mm"]["value"]) == pytest.approx(
        values["figures"]["total_p95_mm"], rel=1e-4
    )
    assert shown["total_p95_mm"]["limit"] == "3.0"
    assert shown["imaging_dose_mgy"]["value"] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{one}", "{one}"], "Add --physicist"),
        (["{one}", "--tolerances", "x.toml"], "add --physicist"),
        (["{one}", "--physicist", "--tolerances", "x.toml"], "no such file"),
        (["{one}", "{one}", "--physicist"], "give each fraction once"),
        (["{one}", "{other}", "--physicist"], "give the fractions of one patient"),
        (["{one}", "--physicist", "--out", "{one}"], "name a place that can be written"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str],
    message: str,
    path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = write_fraction(tmp_path / "other.mcap", MadeUp(patient="P2", end_s=24.0))
    given = [each.format(one=path, other=other) for each in arguments]
    given += [] if "--out" in given else ["--out", str(tmp_path / "out")]
    assert main(["report", *given]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1

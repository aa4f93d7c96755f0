"""The page: complete in itself, honest about what it does not know, and safe to open."""

from __future__ import annotations

import argparse
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.journal import JournalError
from tracker.report import command, save_report, summarise, write_report
from tracker.report.errors import errors_of
from tracker.report.figures import envelope, runs
from tracker.report.records import collect
from tracker.report.setting import setting_of
from tracker.report.svg import ticks
from tracker.report.timeline import TOLERANCE_MM, _differences, thinned, timeline_of, unpacked

from .conftest import write_session

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Outline(HTMLParser):
    """Gathers tags, attributes and ids, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(html: str) -> Outline:
    parsed = Outline()
    parsed.feed(html)
    assert parsed.open == []
    return parsed


@pytest.fixture(scope="module")
def html(session_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_report(session_path, tmp_path_factory.mktemp("out") / "new" / "folder")
    assert path.name == "report.html"
    return path.read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    for _, name, value in outline(html).attributes:
        assert name not in ("src", "href", "srcset", "data", "poster", "action", "background")
        assert "//" not in value
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|WebSocket|importScripts", html)
    assert "default-src 'none'" in html


def test_the_answer_comes_first(html: str) -> None:
    text = " ".join(outline(html).text)
    answer = text.index("it missed the target by")
    assert "1.30 mm" in text[answer : answer + 200]
    for words in (
        "Research software, not a medical device",
        "The session at a glance",
        "What happened when",
        "From breathing signal to target",
        "How large the errors were",
        "Where the errors came from",
        "When and why the beam was held",
        "irregular breathing",
        "70 mm/s, limit 60 mm/s",
        "The whole configuration",
        "Permission is hereby granted, free of charge",
    ):
        assert words in text


def test_the_page_says_what_the_gate_judges_in_beams_eye_view(html: str, tmp_path: Path) -> None:
    said = "In beam's-eye view, which is what the gate judges here, it missed by 0.50 mm."
    assert said not in " ".join(outline(html).text)
    gated = write_session(tmp_path / "gate.mcap", configuration='[actuator]\nkind = "gate"\n')
    page = write_report(gated, tmp_path / "out").read_text(encoding="utf-8")
    assert said in " ".join(outline(page).text)


def test_words_from_outside_are_escaped(html: str) -> None:
    assert "A &lt;b&gt;&amp;amp; B" in html
    assert "A <b>" not in html
    assert "&lt;no fiducial&gt;" in html


def test_every_figure_speaks_to_those_who_do_not_see(html: str) -> None:
    assert html.count("<svg") == html.count('role="img" aria-label="') - html.count('class="chart"')
    ids = [value for _, name, value in outline(html).attributes if name == "id"]
    assert len(ids) == len(set(ids))


def embedded(html: str) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_curves_are_those_of_the_journal(html: str, session_path: Path) -> None:
    data = embedded(html)
    records, _ = collect(read(session_path))
    times = np.array(unpacked(data["t"]), dtype=float) / 1e3
    truth = np.array(unpacked(data["curves"]["truth_y"]), dtype=float) / 100
    expected = np.interp(times, records.truth[:, 0] / 1e9, records.truth[:, 2])
    assert np.abs(truth - expected).max() < 0.006
    assert data["holds"] == [[20.0, 22.0, "irregular breathing"]]
    assert len(data["shots"]) == 2
    assert data["unknown"] == []
    assert [chart["id"] for chart in data["charts"]][:2] == ["error", "surrogate"]
    named = {line["curve"] for chart in data["charts"] for line in chart["lines"]}
    assert named == set(data["curves"])
    assert data["curves"]["tracked"][0] is None


def read(path: Path) -> Any:
    from tracker.journal import read_journal

    return read_journal(path)


def test_a_gap_in_the_recording_is_shown(session_path: Path, tmp_path: Path) -> None:
    records, _ = collect(read(session_path))
    records.truth[1500:1600, 15] = 0.0
    summary = summarise(read(session_path))
    path = save_report(tmp_path, records, summary, read(session_path).header)
    html = path.read_text(encoding="utf-8")
    outline(html)
    assert "gap in the recording" in html
    assert embedded(html)["unknown"] == [[15.0, 16.0]]


def test_without_truth_the_page_claims_nothing(live_path: Path, tmp_path: Path) -> None:
    html = write_report(live_path, tmp_path).read_text(encoding="utf-8")
    outline(html)
    assert "is not known: this was a real room" in html
    assert "at a glance" not in html
    assert "truth_x" not in embedded(html)["curves"]


def test_a_session_that_never_tracked_says_so(idle_path: Path, tmp_path: Path) -> None:
    html = write_report(idle_path, tmp_path).read_text(encoding="utf-8")
    outline(html)
    assert "Tracking was never started" in html


def test_a_torn_journal_is_named_on_the_page(session_path: Path, tmp_path: Path) -> None:
    data = session_path.read_bytes()
    for share in (0.02, 0.3, 0.35, 0.9):
        path = tmp_path / "torn.mcap"
        path.write_bytes(data[: 40_000 + int(len(data) * share)])
        html = write_report(path, tmp_path).read_text(encoding="utf-8")
        outline(html)
        assert "The journal is not whole: torn after" in html


def test_the_command_writes_both_files(
    session_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args([str(session_path), "--out", str(tmp_path / "here")])
    assert command.run(args) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "here" / "report.html"),
        str(tmp_path / "here" / "summary.json"),
    ]
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["tracked"]["rms_mm"] == 1.3


def test_a_bad_journal_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "session.mcap"
    path.write_text("no journal")
    with pytest.raises(JournalError):
        write_report(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_thinned_curves_stray_no_further_than_allowed(session_path: Path) -> None:
    records, _ = collect(read(session_path))
    errors = errors_of(records, "HFS")
    assert errors is not None
    timeline = timeline_of(records, errors)
    assert len(timeline.t_s) < len(errors.t_s) / 3
    for axis, name in enumerate("xyz"):
        drawn = np.interp(errors.t_s, timeline.t_s, timeline.curves[f"truth_{name}"])
        assert np.abs(drawn - errors.untracked[:, axis]).max() <= timeline.stray_mm


def test_a_spike_survives_thinning() -> None:
    t_s = np.arange(0, 100, 0.01)
    curve = np.sin(t_s)
    curve[4321] = 9.0
    kept, stray_mm = thinned(t_s, [curve, np.full(len(t_s), np.nan)], 5000)
    assert 4321 in kept
    assert len(kept) < 2100
    assert stray_mm == TOLERANCE_MM


def test_a_long_restless_session_is_drawn_coarser_and_says_so() -> None:
    t_s = np.arange(0, 1000, 0.01)
    curve = np.random.default_rng(1).normal(0, 0.3, len(t_s))
    kept, stray_mm = thinned(t_s, [curve], 20000)
    assert len(kept) <= 20000
    assert stray_mm > TOLERANCE_MM
    assert np.abs(np.interp(t_s, t_s[kept], curve[kept]) - curve).max() <= stray_mm


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(10**6), 10**6)), max_size=50))
def test_differences_come_back(values: list[int | None]) -> None:
    numbers = np.array([np.nan if v is None else v for v in values], dtype=float)
    assert unpacked(_differences(numbers)) == values


def test_runs_and_envelope() -> None:
    t_s = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    mask = np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    assert runs(mask, t_s) == [(0.0, 1.0), (2.0, 2.5)]
    assert runs(np.zeros(0, dtype=bool), np.zeros(0)) == []
    times, low, high = envelope(t_s, np.array([1.0, 5, 2, 0, 3, 4]), 2)
    assert (times.tolist(), low.tolist(), high.tolist()) == ([0, 1.5], [1, 0], [5, 4])


@pytest.mark.parametrize("span", [(0, 1), (-3.2, 17), (0, 1e-3), (5, 5), (-1e4, 1e4)])
def test_ticks_are_round_and_few(span: tuple[float, float]) -> None:
    found = ticks(span, 5)
    assert 1 <= len(found) <= 12
    assert all(span[0] - 1e-9 <= tick <= span[1] + 1e-9 for tick in found)


def test_settings_of_a_configuration_nobody_reads_any_more() -> None:
    assert setting_of("not = [toml").orientation == "HFS"
    assert setting_of('[session]\norientation = "SIDEWAYS"\nplan_id = "P"\n').plan_id == "P"
    assert setting_of("session = 3").patient_id == "PHANTOM"
    assert setting_of('[actuator]\nkind = "robot"').actuator == "robot"

"""The command: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tracker.cli import main
from tracker.offline.compare.outcome import ErrorSpread, Minutes, TechniqueOutcome
from tracker.offline.compare.page import page
from tracker.offline.compare.table import HEAD, cells_of
from tracker.offline.compare.verdict import judge, sentence


def outcome(technique: str = "robot", **changes: object) -> TechniqueOutcome:
    fields: dict[str, object] = {
        "trace": "breath",
        "technique": technique,
        "words": f"{technique} tracking",
        "beams_eye": ErrorSpread(rms_mm=1.0, p95_mm=2.0, max_mm=4.0),
        "within": (0.9, 0.95, 1.0),
        "duty": 0.9,
        "minutes": Minutes(expected=3.0, low=2.6, high=3.4),
        "margins_mm": (0.5, 1.5, 1.0),
        "holds": {"not in position": 2},
        "limited_by": "correlation model (0.9 mm)",
    }
    return TechniqueOutcome(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"beams_eye": ErrorSpread(rms_mm=2.0, p95_mm=5.1, max_mm=9.0)},
            "error 5.1 mm (95 %), tolerance 5 mm",
        ),
        ({"unsafe_ms": 620.0}, "once 0.6 s beyond 5 mm, limit 0.5 s"),
        ({"duty": 0.15}, "beam on 15 % of the time, limit 20 %"),
        ({"minutes": Minutes(expected=31.0, low=29.0, high=33.0)}, "31 min, limit 30 min"),
        ({"motion_mm": (1.0, 12.0, 3.0)}, "the target moves 12.0 mm, limit 5 mm (AAPM TG-76)"),
        ({"beams_eye": None, "why_not": "too short"}, "too short"),
    ],
)
def test_what_does_not_suit_says_why_with_value_and_limit(changes, reason) -> None:
    verdict = judge(outcome(**changes), 5.0)
    assert not verdict.suits
    assert any(reason in each for each in verdict.reasons)
    assert judge(outcome(), 5.0).suits


def test_the_sentence_names_the_smallest_error_first_and_what_does_not_suit() -> None:
    near = outcome("robot", beams_eye=ErrorSpread(rms_mm=0.6, p95_mm=1.2, max_mm=2.0))
    slow = outcome("gate", duty=0.1, words="gating")
    said = sentence([judge(each, 5.0) for each in (outcome("couch"), slow, near)])
    assert said == (
        "Robot tracking (1.2 mm, 3 min) and couch tracking (2.0 mm, 3 min) suit this patient. "
        "Gating does not suit: beam on 10 % of the time, limit 20 %."
    )
    nothing = sentence([judge(slow, 5.0)])
    assert nothing.startswith("No technique keeps the tolerance")


def test_the_page_shows_every_technique_and_escapes_names() -> None:
    verdicts = [
        judge(outcome(), 5.0),
        judge(outcome("gate", why_not="too short", beams_eye=None), 5.0),
    ]
    shown = page({"<a>": verdicts, "b": verdicts}, 5.0, 120.0)
    assert "<a>" not in shown
    assert shown.count("robot tracking") >= 3
    assert len(cells_of(verdicts[1])) == len(HEAD)


def test_a_breath_is_compared_on_two_techniques(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = np.arange(0.0, 110.0, 0.1)
    si = -5.0 * (1.0 - np.cos(2.0 * np.pi * times / 4.0))
    lines = ["time_s,int_lr_mm,int_si_mm,int_ap_mm,ext_mm"]
    lines += [f"{t:.1f},0,{s:.4f},0,{-s:.4f}" for t, s in zip(times, si, strict=True)]
    file, out = tmp_path / "breath.csv", tmp_path / "c.json"
    file.write_text("\n".join(lines) + "\n")
    arguments = ["--machines", "itv", "robot", "--workers", "1", "--json", str(out)]
    assert main(["compare", str(file), *arguments, "--report", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "robot tracking" in shown
    assert "Internal target volume does not suit" in shown
    found = json.loads(out.read_text())["traces"]["breath"]["techniques"]
    assert found["robot"]["suits"]
    assert found["robot"]["beams_eye"]["rms_mm"] < 0.3 * found["itv"]["beams_eye"]["rms_mm"]
    assert found["itv"]["motion_mm"][1] == pytest.approx(10.0, abs=0.2)
    assert (tmp_path / "compare.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "nowhere.csv: does not exist"),
        (["--beam-on-s", "0"], "--beam-on-s 0: allowed 1 to 3600"),
        (["--tolerance-mm", "-1"], "--tolerance-mm -1: allowed 0.1 to 50"),
        (["--workers", "0"], "--workers 0: allowed 1 to 256"),
        (["--seed", "-3"], "--seed -3: allowed 0 to"),
        (["--machines", "carriage"], "carriage"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["compare", *arguments])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_a_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "belt.csv").write_text(
        "time_s,ext_mm\n" + "".join(f"{i / 10},{i % 7}\n" for i in range(600))
    )
    assert main(["compare", str(tmp_path)]) == 2

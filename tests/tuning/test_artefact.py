"""The parameter artefact: written, read back, refused when wrong or unfit for the room."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

import msgspec
import pytest

from tracker.artefact import (
    Artefact,
    ArtefactError,
    Dataset,
    HeldOut,
    Scores,
    Tuned,
    Versions,
    as_changes,
    check_fits,
    load_artefact,
    save_artefact,
)
from tracker.cli import main
from tracker.config import SHIPPED, altered, load_configuration

SHA = "0" * 64
GOOD = Artefact(
    format=1,
    made="2026-01-02T03:04:05Z",
    prediction=Tuned(
        predictor="rls", latency_ms=150.0, rate_hz=25.0, parameters={"memory_s": 123.4}
    ),
    scores=Scores(rms=0.4, default_rms=0.5, loss=0.6, default_loss=0.7, trials=9, study="s"),
    held_out=(HeldOut(subject="a", rms=0.4, default_rms=0.5, loss=0.6, default_loss=0.7),),
    datasets=(Dataset(trace="t", subject="a", sha256=SHA, rate_hz=5.0, ahead_ms=200.0),),
    versions=Versions(
        tidetrack="0.1", python="3.11", numpy="2", numba="0", optuna="4", kernels_sha256=SHA
    ),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tuned.toml"
    save_artefact(path, GOOD)
    return path


def test_what_is_written_is_read(file: Path) -> None:
    assert load_artefact(file) == GOOD
    assert [path.name for path in file.parent.iterdir()] == ["tuned.toml"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("format = 1", "format = 2", "format 2, this version reads 1; tune again"),
        ('"rls"', '"sorcery"', "prediction.predictor: 'sorcery' is not one of hold, "),
        ("memory_s", "memory", "predictor rls has no parameter 'memory'"),
        ("123.4", "-1.0", "memory_s = -1.0 is outside 1 to 3600"),
        ("123.4", "nan", "parameters.memory_s: not finite"),
        ("latency_ms = 150.0", "latency_ms = 0.0", "latency_ms: too small: 0.0"),
        ("latency_ms = 150.0", "", "prediction.latency_ms: missing; add it"),
        ("latency_ms = 150.0", 'latency_ms = "x"', "prediction.latency_ms: wrong type"),
        ("[scores]", "[score]", "score: unknown section; did you mean scores?"),
        (SHA, "0" * 63, "sha256"),
        ("format = 1", "format = ", "not TOML"),
    ],
)
def test_a_damaged_artefact_is_refused(file: Path, old: str, new: str, line: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ArtefactError) as refused:
        load_artefact(file)
    assert any(line in problem for problem in refused.value.problems), refused.value.problems
    assert all(problem.startswith(f"{file}: ") for problem in refused.value.problems)


def test_what_is_no_artefact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no such file; `tidetrack tune` writes one"):
        load_artefact(tmp_path / "none.toml")
    with pytest.raises(ArtefactError, match="cannot be read: Is a directory"):
        load_artefact(tmp_path)
    (tmp_path / "image").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtefactError, match="not UTF-8 text"):
        load_artefact(tmp_path / "image")


@pytest.mark.parametrize(
    ("latency_ms", "rate_hz"), [(150.0, 25.0), (165.0, 25.0), (135.0, 22.5), (150.0, 27.5)]
)
def test_a_room_like_the_one_it_was_tuned_for_fits(latency_ms: float, rate_hz: float) -> None:
    check_fits(GOOD, latency_ms, rate_hz)


@pytest.mark.parametrize(
    ("latency_ms", "rate_hz", "lines"),
    [
        (165.1, 25.0, ["tuned for a latency of 150 ms, timing.latency_ms is 165.1"]),
        (134.9, 25.0, ["tuned for a latency of 150 ms, timing.latency_ms is 134.9"]),
        (0.0, 25.0, ["tuned for a latency of 150 ms, timing.latency_ms is 0"]),
        (150.0, 27.6, ["tuned at 25 Hz, prediction.learn_hz is 27.6"]),
        (150.0, 22.4, ["tuned at 25 Hz, prediction.learn_hz is 22.4"]),
        (300.0, 50.0, ["latency of 150 ms", "at 25 Hz"]),
    ],
)
def test_another_room_is_refused(latency_ms: float, rate_hz: float, lines: list[str]) -> None:
    with pytest.raises(ArtefactError) as refused:
        check_fits(GOOD, latency_ms, rate_hz)
    assert len(refused.value.problems) == len(lines)
    for line, problem in zip(lines, refused.value.problems, strict=True):
        assert line in problem
        assert "more than 10% off; tune with" in problem


def test_a_configuration_takes_the_parameters() -> None:
    shipped = load_configuration(SHIPPED / "couch.toml")
    tuned = altered(shipped, as_changes(GOOD)).controller.prediction
    assert (tuned.predictor, tuned.parameters) == ("rls", {"memory_s": 123.4})
    assert tuned.learn_hz == shipped.controller.prediction.learn_hz


def test_the_file_says_what_it_is_before_anything_else(file: Path) -> None:
    assert file.read_text().startswith("# Parameters of a predictor, written by `tidetrack tune`")
    assert msgspec.toml.decode(file.read_bytes())["prediction"]["predictor"] == "rls"


def test_reading_needs_nothing_of_the_tuners(file: Path) -> None:
    code = (
        "import sys; from tracker.artefact import load_artefact; load_artefact(sys.argv[1]);"
        "assert not {'optuna', 'distributed', 'sqlalchemy'} & set(sys.modules)"
    )
    run([sys.executable, "-c", code, str(file)], check=True)


def test_simulate_refuses_an_artefact_of_another_latency(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--latency-ms", "300", "--parameters", str(file)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "150" in line
    assert "300" in line

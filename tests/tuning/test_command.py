"""The command `tidetrack tune`: what it writes, what it refuses, and that Ctrl-C loses nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tuning.breaths import write_archive
from tracker.artefact import check_fits, load_artefact
from tracker.cli import main

pytest.importorskip("optuna")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive", subjects=7, length_s=40.0)


def command(archive: Path, *more: str) -> list[str]:
    return [
        "tune", str(archive), "--latency-ms", "300", "--rate-hz", "10", "--predictor", "kalman_cv",
        "--out", str(archive.parent / "out" / "cv.toml"), *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_it_writes_an_artefact_that_fits_its_room_and_a_page(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = archive.parent / "out" / "cv.toml"
    assert main(command(archive, "--trials", "40", "--workers", "2")) == 0
    said = capsys.readouterr()
    assert "7 recordings of 7 subjects:" in said.out
    assert "0 of 40 trials done" in said.out
    assert "best " in said.err
    artefact = load_artefact(out)
    check_fits(artefact, 300.0, 10.0)
    assert artefact.prediction.predictor == "kalman_cv"
    assert [fold.subject for fold in artefact.held_out] == [f"patient{n}" for n in range(7)]
    assert artefact.scores.loss <= artefact.scores.default_loss * 1.01
    page = out.with_suffix(".html").read_text()
    assert page.count("<svg") == 3
    assert "patient3" in page
    assert "agility" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page), "the page asks for the network"
    assert sorted(file.name for file in out.parent.iterdir()) == [
        "cv.html",
        "cv.study.jsonl",
        "cv.toml",
    ]
    # again: nothing is left to do, and the answer is the same
    assert main(command(archive, "--trials", "40", "--workers", "1")) == 0
    assert "40 of 40 trials done" in capsys.readouterr().out
    again = load_artefact(out)
    assert (again.prediction, again.held_out) == (artefact.prediction, artefact.held_out)


@pytest.mark.slow
def test_interrupted_it_keeps_what_is_finished_and_goes_on(archive: Path) -> None:
    program = [sys.executable, "-m", "tracker"]
    study = archive.parent / "out" / "cv.study.jsonl"
    arguments = command(archive, "--trials", "2000", "--workers", "1")
    running = subprocess.Popen(
        [*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60.0
    while time.monotonic() < until and running.poll() is None:
        if study.exists() and study.read_text().count('"scores"') > 8:
            break
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30.0)
    assert running.returncode == 130, (out, err)
    assert "Traceback" not in err
    found = re.search(r"^(\d+) of 2000 trials are kept; the same command goes on$", err, re.M)
    assert found is not None, err
    kept = int(found[1])
    assert kept >= 8
    arguments[arguments.index("2000")] = str(kept + 3)
    resumed = subprocess.run([*program, *arguments], capture_output=True, text=True, check=True)
    assert f"{kept} of {kept + 3} trials done" in resumed.stdout
    assert re.search(r"^3 trials in ", resumed.stdout, re.M)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--latency-ms", "0"], "--latency-ms 0: is outside 1 to 800"),
        (["--latency-ms", "nan"], "--latency-ms nan: is outside 1 to 800"),
        (["--rate-hz", "1000"], "--rate-hz 1000: is outside 2 to 100"),
        (["--trials", "0"], "--trials 0: is outside 1 to 1e+06"),
        (["--workers", "0"], "--workers 0: is outside 1 to 512"),
        (["--workers", "2", "--dask", "tcp://x:1"], "--workers: has no meaning with --dask"),
        (["--out", "tuned.json"], "--out tuned.json: is to be a file; name it like tuned.toml"),
        (["--predictor", "kalman_vc"], "no such predictor; did you mean kalman_cv?"),
        (["--range", "agility=5"], "--range agility=5: not understood"),
        (["--storage", "mysql://x/y"], "--storage mysql://x/y: unknown kind mysql; give a file"),
        (["--storage", "."], "--storage .: is a directory; name a file in it"),
        (["--dask", "somewhere"], "--dask somewhere: not an address; write it like tcp://HOST"),
        (["--dask", "tcp://127.0.0.1:9"], "--dask tcp://127.0.0.1:9: Connection refused"),
        (["--trails", "9"], "unrecognized arguments: --trails 9"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_computed(
    archive: Path, capsys: pytest.CaptureFixture[str], more: list[str], line: str
) -> None:
    assert main(command(archive, *more)) == 2
    said = capsys.readouterr().err.strip()
    assert line in said
    assert len(said.splitlines()) == 1
    assert not (archive.parent / "out" / "cv.toml").exists()


def test_a_file_that_is_no_study_is_refused(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = archive.parent / "notes.txt"
    file.write_text("not a study\n")
    assert main(command(archive, "--storage", str(file))) == 2
    assert "notes.txt: is no study of Optuna's" in capsys.readouterr().err
    assert file.read_text() == "not a study\n"

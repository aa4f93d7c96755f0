"""Bad input: one clear line each, exit 2, no traceback, and nothing written over."""

from __future__ import annotations

import pytest
from mcap.writer import Writer

from tracker.cli import main
from tracker.config import SHIPPED

HEADER = "time_s,ext_mm\n"
ROWS = [f"{k * 0.2:.1f},{(k % 20) * 0.5:.2f}\n" for k in range(300)]


def trace_of(text):
    def write(folder):
        path = folder / "trace.csv"
        path.write_text(text)
        return path

    return write


def with_row(row, at=50):
    return trace_of(HEADER + "".join([*ROWS[:at], row, *ROWS[at:]]))


TRACES = {
    "wrong header": (trace_of("zeit,wert\n" + "".join(ROWS)), ["trace.csv", "time_s"]),
    "no header": (trace_of("".join(ROWS)), ["trace.csv", "time_s"]),
    "text in a number": (with_row("10.1,abc\n"), ["52", "abc"]),
    "nan": (with_row("10.1,nan\n"), ["52", "nan"]),
    "infinite": (with_row("10.1,inf\n"), ["52", "inf"]),
    "unsorted times": (with_row("3.0,1.0\n"), ["52", "3 s", "sort"]),
    "duplicate times": (with_row(ROWS[49]), ["52", "9.8"]),
    "empty": (trace_of(""), ["trace.csv", "empty"]),
    "header only": (trace_of(HEADER), ["trace.csv"]),
    "too few columns": (with_row("10.1\n"), ["52"]),
    "too short": (trace_of(HEADER + "".join(ROWS[:100])), ["19.8 s", "longer"]),
    "unknown unit": (trace_of("time_s,ext_furlong\n" + "".join(ROWS)), ["ext_furlong", "_mm"]),
    "nothing that moves": (
        trace_of("time_s,int_rsi_deg\n" + "".join(ROWS)),
        ["trace.csv"],
    ),
    "binary": (lambda folder: _written(folder / "trace.csv", bytes(range(256))), ["trace.csv"]),
    "missing file": (lambda folder: folder / "none.csv", ["none.csv"]),
    "directory": (lambda folder: folder, []),
}


def _written(path, data):
    path.write_bytes(data)
    return path


CONFIGURATIONS = {
    "unknown key": ("[timing]\nlatency_mss = 9\n", ["timing.latency_mss", "latency_ms"]),
    "out of range": ("[timing]\nlatency_ms = 9000.0\n", ["timing.latency_ms", "9000", "800"]),
    "wrong type": ('[timing]\ntick_hz = "fast"\n', ["timing.tick_hz", "fast"]),
    "unknown section": ("[timings]\ntick_hz = 100.0\n", ["timings", "timing"]),
    "not TOML": ("[timing\n", [":1:", "TOML"]),
    "unknown predictor": ('[prediction]\npredictor = "crystal"\n', ["crystal", "mix"]),
    "no room": ("[timing]\ntick_hz = 100.0\n", ["[room]"]),
}


@pytest.fixture
def outputs(tmp_path):
    """Files a run would write, already there from an earlier one."""
    there = {}
    for option, name in (("--journal", "old.mcap"), ("--json", "old.json")):
        there[option] = tmp_path / name
        there[option].write_text("precious")
    report = tmp_path / "report"
    report.mkdir()
    (report / "report.html").write_text("precious")
    there["--report"] = report
    return there


def refused(capsys, outputs, arguments, words):
    options = [str(part) for option in outputs.items() for part in option]
    assert main(["simulate", *arguments, *options]) == 2
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert "Traceback" not in said.err
    assert len(lines) == 1, said.err
    for word in words:
        assert word in lines[0]
    assert outputs["--journal"].read_text() == "precious"
    assert outputs["--json"].read_text() == "precious"
    assert (outputs["--report"] / "report.html").read_text() == "precious"


@pytest.mark.parametrize("name", TRACES)
def test_a_bad_trace(name, tmp_path, capsys, outputs):
    make, words = TRACES[name]
    folder = tmp_path / "input"
    folder.mkdir()
    refused(capsys, outputs, [str(make(folder))], words)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_bad_configuration(name, tmp_path, capsys, outputs):
    text, words = CONFIGURATIONS[name]
    path = tmp_path / "bad.toml"
    path.write_text(text)
    refused(capsys, outputs, ["--config", str(path)], words)


def test_every_wrong_key_is_named_at_once(tmp_path, capsys):
    path = tmp_path / "bad.toml"
    path.write_text("[timing]\nlatency_mss = 9\ntick_hz = 1.0\n[gate]\nlease_ms = 9000.0\n")
    assert main(["check", str(path)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert all(str(path) in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "none.toml"], ["none.toml"]),
        (["--seed", "-1"], ["-1"]),
        (["--seed", "x"], ["x"]),
        (["--latency-ms", "5000"], ["5000", "800"]),
        (["--predictor", "crystal"], ["crystal", "mix"]),
        (["--speed"], ["--speed"]),
    ],
)
def test_bad_options(arguments, words, capsys, outputs):
    refused(capsys, outputs, arguments, words)


def foreign(path):
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        writer.finish()


JOURNALS = {
    "missing": (lambda path: None, "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "not MCAP": (lambda path: path.write_text("time_s,ext_mm\n"), "MCAP"),
    "foreign MCAP": (foreign, "tidetrack"),
    "cut inside its head": (lambda path: path.write_bytes(b"\x89MCAP0\r\n\x01"), "header"),
    "directory": (lambda path: path.mkdir(), "directory"),
}


@pytest.mark.parametrize("command", ["replay", "report"])
@pytest.mark.parametrize("name", JOURNALS)
def test_a_bad_journal(command, name, tmp_path, capsys):
    make, word = JOURNALS[name]
    path = tmp_path / "session.mcap"
    make(path)
    assert main([command, str(path)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "session.mcap" in lines[0]
    assert word in lines[0]
    assert [each.name for each in tmp_path.iterdir() if each != path] == []


def test_the_shipped_configurations_are_right(capsys):
    assert main(["check", *(str(path) for path in SHIPPED.glob("*.toml"))]) == 0
    assert capsys.readouterr().out.count("right") >= 3

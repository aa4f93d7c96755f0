"""A whole room and a whole run on real wires and in real time, each in its own process.

The one test of the suite that takes its time: Polaris and belt on pseudo-terminals, X-ray pair
over GigE, robot over RSI, gate over Modbus; learning, modelling, tracking with beam on, SIGTERM.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tracker.cli import main
from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.session import State

LIMIT_S = 60.0
BEAM_SECONDS = 3
"""Seconds of beam on that are enough."""


def free_ports(count: int, kind: socket.SocketKind) -> list[int]:
    held = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()


def written(folder: Path) -> Path:
    """The shipped room with wires of the test's own and a session that is soon ready."""
    left, right, robot = free_ports(3, socket.SOCK_DGRAM)
    (gate,) = free_ports(1, socket.SOCK_STREAM)
    changes: dict[str, dict[str, Any]] = {
        "fusion": {"learning_s": 4.0},
        "correlation": {
            "modelling_shots": 5,
            "modelling_interval_s": 1.1,
            "phase_coverage": 0.4,
            "extrapolation": 1.0,
        },
        "gating": {"tolerance_mm": 8.0},
        "wires.camera": {"address": f"serial://{folder}/camera"},
        "wires.belt": {"address": f"serial://{folder}/belt"},
        "wires.imager": {"left": f"127.0.0.1:{left}", "right": f"127.0.0.1:{right}"},
        "wires.actuator": {"address": f"udp://:{robot}"},
        "wires.gate": {"address": f"tcp://127.0.0.1:{gate}"},
        "room": {"duration_s": 120.0},
    }
    file = folder / "room.toml"
    file.write_text(altered(load_configuration(SHIPPED / "room-twin.toml"), changes).text)
    (folder / "rsi-ethernet.xml").write_bytes((SHIPPED / "rsi-ethernet.xml").read_bytes())
    return file


@contextmanager
def tidetrack(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    try:
        with process:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(10.0)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def follow(process: subprocess.Popen[str], enough: Callable[[str], bool]) -> list[str]:
    """Its lines, up to the first that is enough."""
    lines: list[str] = []
    until = time.monotonic() + LIMIT_S
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip())
        if enough(line):
            return lines
        assert time.monotonic() < until, "\n".join(lines[-30:])
    raise AssertionError("ended:\n" + "\n".join(lines[-30:]))


def children_of(pid: int) -> set[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(text) for text in found.read_text().split()} if found.exists() else set()


@pytest.mark.slow
def test_a_room_on_wires_is_tracked_with_beam_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path)
    journal, truth = tmp_path / "live.mcap", tmp_path / "truth.mcap"
    figures = tmp_path / "figures.json"
    seconds = 0

    def beam_was_on(line: str) -> bool:
        nonlocal seconds
        seconds += f"{State.TRACKING.value}   beam on" in line
        return seconds >= BEAM_SECONDS

    with tidetrack("room", file, "--truth", truth, "--priority", 10) as room:
        follow(room, lambda line: line.startswith("ready"))
        with tidetrack(
            "run", file, "--journal", journal, "--operator", "auto", "--figures", figures
        ) as run:
            follow(run, beam_was_on)
            children = children_of(run.pid)
            assert len(children) == 2, "robot and imager in processes of their own"
        assert run.returncode == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert room.returncode == 0

    capsys.readouterr()
    assert main(["replay", str(journal)]) == 0
    assert capsys.readouterr().out.startswith("identical")
    assert main(["score", str(journal), str(truth), "--json", str(tmp_path / "s.json")]) == 0
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["beam"]["duty"] > 0.5
    assert summary["tracked"]["rms_mm"] < 0.6 * summary["untracked"]["rms_mm"]

    measured = json.loads(figures.read_text())
    devices = {device["device"]: device for device in measured["devices"]}
    assert devices["robot"]["cycles"] > 500
    # The machine of a test may be busy; how late is measured in the documents, not here.
    assert devices["robot"]["late_replies"] <= 0.1 * devices["robot"]["cycles"]
    assert devices["camera"]["counts"]["bad_samples"] == 0
    assert measured["sample_to_demand"]["p50_us"] < 20_000.0


def test_a_room_without_wires_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["room", str(SHIPPED / "couch.toml")]) == 2
    assert "has no [wires]" in capsys.readouterr().err
    assert main(["run", str(SHIPPED / "couch.toml")]) == 2
    assert main(["probe", str(SHIPPED / "couch.toml")]) == 2

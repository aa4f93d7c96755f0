"""The command in processes of its own: started, read line by line, ended by SIGTERM."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.session import SessionState

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 150.0

SOON: dict[str, dict[str, Any]] = {
    "fusion": {"learning_s": 4.0},
    "correlation": {
        "modelling_shots": 5,
        "modelling_interval_s": 1.1,
        "phase_coverage": 0.4,
        "extrapolation": 1.0,
    },
    "gating": {"tolerance_mm": 8.0},
    "room": {"duration_s": 400.0},
    "service": {"enabled": False},
}
"""A session that is soon ready."""


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[int]:
    held = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()


def written(
    folder: Path,
    soon: dict[str, dict[str, Any]] = SOON,
    changes: dict[str, dict[str, Any]] | None = None,
) -> Path:
    """The shipped room with wires of its own and a session that is soon ready."""
    left, right, robot = free_ports(3, socket.SOCK_DGRAM)
    (gate,) = free_ports(1)
    wires: dict[str, dict[str, Any]] = {
        "wires.camera": {"address": f"serial://{folder}/camera"},
        "wires.belt": {"address": f"serial://{folder}/belt"},
        "wires.imager": {"left": f"127.0.0.1:{left}", "right": f"127.0.0.1:{right}"},
        "wires.actuator": {"address": f"udp://:{robot}"},
        "wires.gate": {"address": f"tcp://127.0.0.1:{gate}"},
    }
    configuration = altered(load_configuration(SHIPPED / "room-twin.toml"), soon | wires)
    for section, keys in (changes or {}).items():
        configuration = altered(configuration, {section: keys})
    file = folder / "room.toml"
    file.write_text(configuration.text)
    (folder / "rsi-ethernet.xml").write_bytes((SHIPPED / "rsi-ethernet.xml").read_bytes())
    return file


def beam_seconds(enough: int) -> Callable[[str], bool]:
    """Tells from a run's lines when the beam has been on for so many seconds."""
    seconds = 0

    def enough_now(line: str) -> bool:
        nonlocal seconds
        seconds += f"{SessionState.TRACKING.value}   beam on" in line
        return seconds >= enough

    return enough_now


def children_of(pid: int) -> set[int]:
    """The processes that any thread of another has started and not yet taken leave of."""
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            found.update(map(int, thread.read_text().split()))
    return found


@contextmanager
def tidetrack(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    with process:  # which waits for its end, so it must come to one also when a test fails
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(15.0)
        finally:
            process.kill()


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

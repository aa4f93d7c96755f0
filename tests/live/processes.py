"""The command in processes of its own: started, read line by line, ended by SIGTERM."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

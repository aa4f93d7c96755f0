"""The page server beside a run: its address comes through its own pipe, also after a restart."""

from __future__ import annotations

import os
import queue
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.live.processes import children_of
from tests.live.web.stand import configured
from tracker.config import load_configuration
from tracker.live.web.child import PageServer, console_key

pytestmark = pytest.mark.realtime

LIMIT_S = 60.0


def page_servers() -> list[int]:
    return [
        pid
        for pid in children_of(os.getpid())
        if b"console" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]


def test_the_address_is_told_again_after_a_restart(tmp_path: Path) -> None:
    file = configured(tmp_path)
    console_key(load_configuration(file))
    addresses: queue.Queue[str] = queue.Queue()
    lines: list[str] = []
    with PageServer(file, "tcp://127.0.0.1:9", lines.append, addresses.put):
        first = addresses.get(timeout=LIMIT_S)
        with urllib.request.urlopen(f"{first}/login") as reply:
            assert reply.status == 200
        (pid,) = page_servers()
        os.kill(pid, signal.SIGKILL)
        second = addresses.get(timeout=LIMIT_S)
        with urllib.request.urlopen(f"{second}/login") as reply:
            assert reply.status == 200
        (other,) = page_servers()
        assert other != pid
    assert page_servers() == []
    assert any("ended with -9" in line for line in lines)
    assert f"console: {first}" in lines, "what the child prints is said by the run"
    assert f"console: {second}" in lines


def test_a_child_that_cannot_serve_tells_no_address(tmp_path: Path) -> None:
    file = configured(tmp_path, {"console": {"host": "192.0.2.7"}})
    console_key(load_configuration(file))
    addresses: queue.Queue[str] = queue.Queue()
    lines: queue.Queue[str] = queue.Queue()
    with PageServer(file, "tcp://127.0.0.1:9", lines.put, addresses.put):
        said = [lines.get(timeout=LIMIT_S)]
        while "started again" not in said[-1]:
            said.append(lines.get(timeout=LIMIT_S))
    assert any("console.certificate" in line for line in said)
    assert addresses.empty()

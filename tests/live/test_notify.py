"""What the service manager hears, on a socket like its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tracker.live.service.systemd import Notifier

SECOND = 1_000_000_000


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(0.2)
        yield heard


def said(manager: socket.socket) -> list[str]:
    lines: list[str] = []
    manager.setblocking(False)
    while True:
        try:
            lines.append(manager.recv(4096).decode())
        except BlockingIOError:
            return lines


def test_ready_status_and_stopping_are_said(manager: socket.socket) -> None:
    with closing(Notifier({"NOTIFY_SOCKET": manager.getsockname()})) as notifier:
        notifier.ready()
        notifier.status("two\nlines")
        notifier.stopping()
    assert said(manager) == ["READY=1", "STATUS=two lines", "STOPPING=1"]


def test_alive_is_said_three_times_an_interval_and_only_with_a_watchdog(
    manager: socket.socket,
) -> None:
    place = {"NOTIFY_SOCKET": manager.getsockname()}
    for environment, expected in (
        (place, 0),
        ({**place, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": "1"}, 0),
        ({**place, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": str(os.getpid())}, 10),
    ):
        with closing(Notifier(environment)) as notifier:
            for tick in range(200):
                notifier.alive(tick * SECOND // 100)
        assert said(manager) == ["WATCHDOG=1"] * expected


def test_a_manager_that_is_gone_disturbs_nothing(tmp_path: Path) -> None:
    with closing(Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})) as notifier:
        notifier.ready()
    with closing(Notifier({})) as notifier:
        notifier.ready()

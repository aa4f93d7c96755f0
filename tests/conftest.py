"""What all tests share: the recordings' folder, and that no test leaves anything running."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

REPOSITORY = Path(__file__).parent.parent

# A loaded machine is slow, not wrong; and a CI run must fail, or not, by the code alone.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow real-time tests first, so that the short ones fill the gaps at the end."""
    items.sort(key=lambda item: not _slow_in_real_time(item))


def _slow_in_real_time(item: pytest.Item) -> bool:
    return all(item.get_closest_marker(name) for name in ("slow", "realtime"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of recordings: TRACKER_DATA, else ../shared/data beside the checkout."""
    named = os.environ.get("TRACKER_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recordings: {folder} is not a folder; set TRACKER_DATA to theirs")
    return folder


def _open_sockets() -> set[str]:
    """The process's sockets by number; empty where the system does not list them."""
    links: set[str] = set()
    try:
        descriptors = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return links
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:"):
            links.add(target)
    return links


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a thread, a socket or an asyncio task behind."""
    left_tasks: list[str] = []
    cancel_all = asyncio.runners._cancel_all_tasks  # pyright: ignore[reportAttributeAccessIssue]

    def note_and_cancel_all(loop: Any) -> None:
        left_tasks.extend(task.get_name() for task in asyncio.all_tasks(loop))
        cancel_all(loop)

    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", note_and_cancel_all)
    threads, sockets = _threads(), _open_sockets()
    yield
    until = time.monotonic() + 1.0
    while time.monotonic() < until and (_threads() - threads or _open_sockets() - sockets):
        time.sleep(0.01)  # what is on its way out may go
    left = [f"thread {thread.name}" for thread in _threads() - threads]
    left += [f"socket {link}" for link in _open_sockets() - sockets]
    left += [f"task {name}" for name in left_tasks]
    if left:
        pytest.fail(f"left behind: {', '.join(sorted(left))}", pytrace=False)

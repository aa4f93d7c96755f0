"""A room, a run and its page server in processes of their own, for a person at the console."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.processes import SOON, children_of, follow, free_ports, tidetrack, written
from tracker.api.schema import Role
from tracker.config import altered, load_configuration
from tracker.live.web.tokens import new_token

TRUTH, FIGURES = "truth.mcap", "figures.json"
PERSON = "anna"

Changes = Mapping[str, dict[str, Any]]


class Stand(NamedTuple):
    """A room, a run and its page server."""

    folder: Path
    file: Path
    address: str
    """Of the page."""
    requests: str
    """Of the run's requests."""
    token: str
    """An operator's."""
    run: subprocess.Popen[str]
    lines: list[str]
    """What the run has said so far."""

    @property
    def page_server(self) -> int:
        """Its process."""
        for pid in children_of(self.run.pid):
            if b"console" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        raise AssertionError("the run has no page server")

    @property
    def journal(self) -> Path:
        """Where the run is recorded."""
        (found,) = (self.folder / "sessions").glob("*.mcap")
        return found


def configured(folder: Path, changes: Changes | None = None, *, soon: bool = True) -> Path:
    """The shipped room with wires, keys, tokens, ports and sessions of its own.

    ``soon``: a session that is soon ready; else all else is as it is shipped.
    """
    file = written(folder, SOON if soon else {"service": {"enabled": False}})
    requests, publish, port = free_ports(3)
    ours: dict[str, dict[str, Any]] = {
        "records": {"folder": str(folder / "sessions")},
        "service": {
            "enabled": True,
            "requests": f"tcp://127.0.0.1:{requests}",
            "publish": f"tcp://127.0.0.1:{publish}",
            "keys_folder": str(folder / "keys"),
        },
        "console": {
            "start": "child",
            "port": port,
            "key": str(folder / "keys" / "console.key"),
            "tokens": str(folder / "tokens"),
        },
    }
    text = altered(altered(load_configuration(file), ours), dict(changes or {})).text
    file.write_text(text)
    return file


@contextlib.contextmanager
def stand(
    folder: Path,
    changes: Changes | None = None,
    options: Sequence[object] = (),
    *,
    soon: bool = True,
) -> Iterator[Stand]:
    """Start everything, with so many options for the run; ended by SIGTERM, in order."""
    file = configured(folder, changes, soon=soon)
    token = new_token(folder / "tokens", PERSON, Role.OPERATOR, 1)
    requests = load_configuration(file).operation.service.requests
    figures = ("--figures", folder / FIGURES)
    with tidetrack("room", file, "--truth", folder / TRUTH, "--priority", 10) as room:
        follow(room, lambda line: line.startswith("ready"))
        with tidetrack("run", file, "--no-self-test", *figures, *options) as run:
            lines = follow(run, lambda line: line.startswith("console: http"))
            address = lines[-1].removeprefix("console: ")
            with read(room, []), read(run, lines):
                yield Stand(folder, file, address, requests, token, run, lines)


@contextlib.contextmanager
def read(process: subprocess.Popen[str], lines: list[str]) -> Iterator[None]:
    """Take a process's lines meanwhile, or its pipe is full; then have it end."""
    stdout = process.stdout
    assert stdout is not None
    thread = threading.Thread(
        target=lambda: lines.extend(line.rstrip() for line in stdout), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15.0)
        thread.join(5.0)

"""A room, a run and its page server in processes of their own, for a person at the console."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.processes import (
    SOON,
    Process,
    children_of,
    serving_room,
    tidetrack,
    written,
)
from tracker.api.schema import Role
from tracker.api.tokens import new_token
from tracker.config import altered, load_configuration
from tracker.live.ready_file import ReadyProgram

TRUTH, FIGURES = "truth.mcap", "figures.json"
PERSON = "anna"

Changes = Mapping[str, dict[str, Any]]


class Stand(NamedTuple):
    """A room, a run and its page server."""

    folder: Path
    file: Path
    token: str
    """An operator's."""
    run: Process
    ready: ReadyProgram
    """Where page and requests are, as the run's ready file says."""

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
        return Path(self.ready.journal)


def configured(folder: Path, changes: Changes | None = None, *, soon: bool = True) -> Path:
    """The shipped room with wires, keys, tokens, ports and sessions of its own.

    ``soon``: a session that is soon ready; else all else is as it is shipped.
    """
    file = written(folder, SOON if soon else {"service": {"enabled": False}})
    ours: dict[str, dict[str, Any]] = {
        "records": {"folder": str(folder / "sessions")},
        "service": {
            "enabled": True,
            "requests": "tcp://127.0.0.1:*",
            "publish": "tcp://127.0.0.1:*",
            "keys_folder": str(folder / "keys"),
        },
        "console": {
            "start": "child",
            "port": 0,
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
    figures = ("--figures", folder / FIGURES)
    with (
        serving_room(file, folder / TRUTH),
        tidetrack("run", file, "--no-self-test", *figures, *options) as run,
    ):
        yield Stand(folder, file, token, run, run.ready())

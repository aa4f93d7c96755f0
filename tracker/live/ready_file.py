"""The ready file: where other programs read how to reach a program, once it can be reached.

`--ready-file FILE` names it. It holds one JSON object and is written in one piece: a reader finds
either no file or a complete one. It is removed when the program ends in order.
"""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

import msgspec

from tracker.config import ConfigurationError


class ReadyProgram(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a program can be reached; a field that does not apply to it is left out."""

    program: str
    """The command: run, console, room or twin."""
    pid: int
    run_id: str = ""
    journal: str = ""
    """Path of the run's journal."""
    page: str = ""
    """Address of the console page."""
    requests: str = ""
    """Address at which the run takes requests."""
    state: str = ""
    """Address at which the run publishes its state."""
    gateway: str = ""
    """``host:port`` at which the run serves OpenIGTLink clients."""
    devices: Mapping[str, str] = {}
    """Where each simulated device of a room, or a twin, waits for its driver."""


class ReadyFile:
    """Writes the file once everything that is waited for is known; a context manager.

    Several threads may call `add`. After the first time the file is written again whenever
    something changes, for example the page's address after a restart of the page server.
    """

    def __init__(
        self,
        path: Path | None,
        program: str,
        waits_for: Iterable[str] = (),
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """``path``: ``None`` writes nothing. ``waits_for``: names of fields of `ReadyProgram`.

        Removes an older file at ``path``. Raises `ConfigurationError` where none can be written.
        ``say`` is told when a later write fails.
        """
        self.path = path
        self._ready = ReadyProgram(program=program, pid=os.getpid())
        self._missing = set(waits_for)
        self._say = say
        self._lock = threading.Lock()
        self._closed = False
        if path is not None:
            try:
                path.unlink(missing_ok=True)
                self._draft.write_bytes(b"")
                self._draft.unlink()
            except OSError as error:
                line = f"--ready-file {path}: cannot be written ({error.strerror}); name another"
                raise ConfigurationError([line]) from None

    def add(self, **facts: str | Mapping[str, str]) -> None:
        """Set fields of `ReadyProgram`, and write the file if nothing is missing any more."""
        with self._lock:
            self._ready = msgspec.structs.replace(self._ready, **facts)
            self._missing -= facts.keys()
            if self.path is None or self._missing or self._closed:
                return
            try:
                self._draft.write_bytes(msgspec.json.encode(self._ready) + b"\n")
                self._draft.replace(self.path)
            except OSError as error:
                self._say(f"warning: ready file {self.path}: not written ({error.strerror})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            if self.path is not None:
                self.path.unlink(missing_ok=True)

    @property
    def _draft(self) -> Path:
        assert self.path is not None
        return self.path.with_name(f".{self.path.name}.{os.getpid()}")


def add_ready_file(parser: argparse.ArgumentParser) -> None:
    """Declare ``--ready-file``."""
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="write addresses and process id there, as JSON, once this program can be reached",
    )


def read_ready(path: Path) -> ReadyProgram:
    """Read a ready file. Raises `ConfigurationError` where there is none, or another file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReadyProgram)
    except OSError as error:
        line = f"{path}: {error.strerror}; see whether the program runs and is ready"
        raise ConfigurationError([line]) from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError([f"{path}: not a ready file ({error}); name another"]) from None

"""Lines for the terminal and for a log; a thread writes them, so that no tick waits.

The log has one JSON object per line: the time (``wall``, UTC), ``level`` (info, warning, alarm),
``kind`` (the first word of the line: session, fault, request, …), ``run_id`` and the ``text``.
"""

from __future__ import annotations

import datetime
import queue
import sys
import threading
import time
from typing import NamedTuple, Self, TextIO

import msgspec

MOST_WAITING = 500
LEVELS = {"alarm": "alarm", "warning": "warning", "fault": "warning"}
"""First word of a line -> its level; any other line is info."""
KINDS = (*LEVELS, "session", "request", "recording", "service", "gateway", "console", "self-test")


class _Line(NamedTuple):
    at_s: float
    text: str


class Console:
    """Writes lines; a context manager. Lines the terminal cannot take are dropped and counted."""

    def __init__(self, stream: TextIO | None = None, log: TextIO | None = None) -> None:
        """``stream`` gets text, ``log`` the same as JSON; with neither, the terminal gets text."""
        self.dropped = 0
        self.run_id = ""
        self._stream = sys.stdout if stream is None and log is None else stream
        self._log = log
        self._lines: queue.Queue[_Line | None] = queue.Queue()
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)

    def say(self, line: str) -> None:
        """Queue a line; returns at once."""
        if self._lines.qsize() >= MOST_WAITING:
            self.dropped += 1
        else:
            self._lines.put(_Line(time.time(), line))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.put(None)
        self._thread.join(2.0)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            last = self._lines.empty()
            if self._stream is not None:
                self._stream = _written(self._stream, line.text, last)
            if self._log is not None:
                self._log = _written(self._log, as_json(line.at_s, line.text, self.run_id), last)
        for stream in (self._stream, self._log):
            if stream is not None:
                stream.flush()


def as_json(at_s: float, text: str, run_id: str) -> str:
    """Return a line of the log: one JSON object."""
    begin = text.partition(":")[0]
    kind = begin if begin in KINDS else ""
    over = kind == "fault" and ": over" in text
    when = datetime.datetime.fromtimestamp(at_s, datetime.UTC)
    record = {
        "wall": when.isoformat(timespec="milliseconds"),
        "level": "info" if over else LEVELS.get(kind, "info"),
        "kind": kind,
        "run_id": run_id,
        "text": text,
    }
    return msgspec.json.encode(record).decode()


def _written(stream: TextIO, text: str, flush: bool) -> TextIO | None:
    """Write a line; return the stream, or ``None`` once it cannot be written any more."""
    try:
        print(text, file=stream, flush=flush)
    except OSError:
        return None
    return stream

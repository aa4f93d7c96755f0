"""Lines for a person at the terminal, written by a thread: one that hangs delays no tick."""

from __future__ import annotations

import queue
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

MOST_WAITING = 500


class Console:
    """Use as a context manager; lines beyond what the terminal takes are dropped and counted."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.dropped = 0
        self._stream = stream or sys.stdout
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)

    def say(self, line: str) -> None:
        """Have a line written, soon."""
        if self._lines.qsize() >= MOST_WAITING:
            self.dropped += 1
        else:
            self._lines.put(line)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.put(None)
        self._thread.join(2.0)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                print(line, file=self._stream, flush=self._lines.empty())
            except OSError:
                return  # nobody reads any more
        self._stream.flush()

"""The known keys; a thread reads them anew each second, so that a slow disk delays no tick.

The same thread reads the free space on the disk of the journal, for the same reason.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tracker.api.keys import KnownKey, known_keys

EVERY_S = 1.0


class KnownKeys:
    """The keys of a folder and the free disk space; a context manager."""

    def __init__(self, folder: Path, records: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._records = records
        self._say = say
        self._problems: tuple[str, ...] = ()
        self._keys: dict[str, KnownKey] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="known keys", daemon=True)
        self.disk_free_bytes: int | None = None
        self._read()

    def of(self, public: str) -> KnownKey | None:
        """Return the known key with this public half; ``None`` if it is not known."""
        return self._keys.get(public)

    def __len__(self) -> int:
        return len(self._keys)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(2.0)

    def _follow(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._read()

    def _read(self) -> None:
        found = known_keys(self._folder)
        self._keys = found.keys
        for problem in found.problems:
            if problem not in self._problems:
                self._say(f"warning: {problem}")
        self._problems = found.problems
        try:
            self.disk_free_bytes = shutil.disk_usage(self._records).free
        except OSError:
            self.disk_free_bytes = None

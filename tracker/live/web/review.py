"""Past sessions: their list, and each one as data for the page or as its report.

Reading the journal of an hour takes half a minute. A process of low priority does it, one journal
at a time; the result is kept as long as the journal does not change.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Literal

from tracker.catalogue import Catalogue, CatalogueError, CatalogueRow

Kind = Literal["session", "report"]

LONGEST_S = 300.0
MOST_KEPT = 6


class ReviewError(Exception):
    """A past session cannot be shown; the message says why."""


class Review:
    """Reads the journals of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[tuple[object, ...], bytes] = {}
        self._one_at_a_time = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    def sessions(self) -> list[CatalogueRow]:
        """Return every session, newest first; blocks. Raises `ReviewError`."""
        try:
            with Catalogue(self._folder) as catalogue:
                return catalogue.rows()
        except CatalogueError as error:
            raise ReviewError(str(error)) from error

    async def session(self, name: str) -> bytes:
        """Return a session as JSON packed with gzip; ``last`` names the newest."""
        return await self._read("session", name)

    async def report(self, name: str) -> bytes:
        """Return the report of a session, HTML packed with gzip."""
        return await self._read("report", name)

    async def report_of_run(self, run_id: str) -> bytes:
        """Return the report, so far, of a run that goes on; it must be the newest recorded here."""
        return await self._read("report", "last", run_id)

    async def close(self) -> None:
        """End the process if it is still reading."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _read(self, kind: Kind, name: str, run_id: str = "") -> bytes:
        path = await asyncio.to_thread(self._path_of, name)
        found = path.stat()
        key = (kind, path.name, run_id, found.st_mtime_ns, found.st_size)
        async with self._one_at_a_time:
            if key not in self._kept:
                packed = await self._computed(kind, path, run_id)
                while len(self._kept) >= MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = packed
            return self._kept[key]

    def _path_of(self, name: str) -> Path:
        """Return the journal of a name in the catalogue; the name itself never becomes a path."""
        try:
            with Catalogue(self._folder) as catalogue:
                path = catalogue.journal_of(catalogue.find(name))
        except CatalogueError as error:
            raise ReviewError(str(error)) from error
        if not path.is_file() or path.is_symlink():
            raise ReviewError(f"{name}: its journal is not there any more")
        return path

    async def _computed(self, kind: Kind, path: Path, run_id: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tracker.live.web.recorded",
            kind,
            str(path),
            run_id,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._process = process
        try:
            async with asyncio.timeout(LONGEST_S):
                packed, said = await process.communicate()
        except TimeoutError:
            raise ReviewError(f"{path.name}: not read after {LONGEST_S:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            last = said.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise ReviewError(f"{path.name}: cannot be shown: {last[0][:300]}")
        return packed

"""The page server beside a run: a child process, started again when it ends by itself.

The child tells its address through a pipe of its own, and what it prints is said by the run. So
nothing is read from a terminal, and lines of both processes never mix within a line.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from tracker.api.keys import new_key
from tracker.api.schema import Role
from tracker.config import Configuration, ConfigurationError
from tracker.live.ready_file import ReadyProgram

AGAIN_S = 2.0
ENDING_S = 5.0


def console_key(configuration: Configuration) -> Path:
    """Return the key file of the page server; make the key and make it known where there is none.

    Raises `ConfigurationError` without ``[service]``.
    """
    operation = configuration.operation
    if not operation.service.enabled:
        raise ConfigurationError(
            [
                f"{configuration.path}: console.start: needs service.enabled = true; set it, or"
                " start off"
            ]
        )
    path = Path(operation.console.key)
    if not path.exists():
        new_key(Path(operation.service.keys_folder), path.stem, [Role.SERVICE], path)
    return path


class PageServer:
    """Keeps the page server running; a context manager around the run."""

    def __init__(
        self,
        path: Path,
        requests: str,
        say: Callable[[str], None],
        on_address: Callable[[str], None] = lambda address: None,
    ) -> None:
        """``on_address`` is called with the page's address each time the page can be opened.

        It is called from a thread of this object; so is ``say``, with each line of the child.
        """
        self._command = [
            *(sys.executable, "-m", "tracker", "console", str(path)),
            *("--requests", requests, "--parent", str(os.getpid())),
        ]
        self._say = say
        self._on_address = on_address
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep_running, name="page server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(ENDING_S)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _keep_running(self) -> None:
        while not self._ended.is_set():
            code = self._serve_once()
            if self._ended.wait(AGAIN_S):
                return
            self._say(f"warning: the console's page server ended with {code}; it is started again")

    def _serve_once(self) -> int:
        """Start the page server, wait for its end and return its exit code."""
        reading, writing = os.pipe()
        try:
            process = self._process = subprocess.Popen(
                [*self._command, "--ready-fd", str(writing)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                pass_fds=(writing,),
            )
        finally:
            os.close(writing)
        readers = [
            threading.Thread(target=target, args=arguments, name="page server", daemon=True)
            for target, arguments in (
                (self._read_address, (reading,)),
                (self._repeat_lines, (process,)),
            )
        ]
        for reader in readers:
            reader.start()
        if self._ended.is_set():
            process.terminate()
        code = process.wait()
        for reader in readers:
            reader.join(1.0)  # a process that the page server left behind may hold the pipes
        return code

    def _read_address(self, reading: int) -> None:
        with os.fdopen(reading, "rb") as told:
            data = told.read()
        if data:  # nothing: it ended before it could be reached
            self._on_address(msgspec.json.decode(data, type=ReadyProgram).page)

    def _repeat_lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._say(line.rstrip())

"""The page server beside a daemon: a child process, started again when it ends by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from os import getpid
from pathlib import Path
from typing import Self

from tracker.api.keys import new_key
from tracker.api.schema import Role
from tracker.config import Configuration, ConfigurationError

AGAIN_S = 2.0
ENDING_S = 5.0


def console_key(configuration: Configuration) -> Path:
    """The key the page server speaks with, made and made known where there is none.

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
    """A context manager around the run."""

    def __init__(self, path: Path, requests: str, say: Callable[[str], None]) -> None:
        self._command = [
            *(sys.executable, "-m", "tracker", "console", str(path)),
            *("--requests", requests, "--parent", str(getpid())),
        ]
        self._say = say
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="page server", daemon=True)

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

    def _keep(self) -> None:
        while not self._ended.is_set():
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            if self._ended.is_set():
                self._process.terminate()
            code = self._process.wait()
            if self._ended.wait(AGAIN_S):
                return
            self._say(f"warning: the console's page server ended with {code}; started again")

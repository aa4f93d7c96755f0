"""What a reader of a format is: one row, with how to recognise its files and how to read them."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from tracker.importing.choices import Choices
from tracker.importing.errors import ImportRefusedError, refused
from tracker.importing.source_table import SourceTable

HEAD_BYTES = 4096


class ReaderRow(NamedTuple):
    """One format.

    ``recognises`` gets the path and the first bytes and must not read further. ``read`` returns
    one table for each recording in the file and raises `ImportRefusedError`.
    """

    name: str
    does: str
    recognises: Callable[[Path, bytes], bool]
    read: Callable[[Path, Choices], Sequence[SourceTable]]


def needed(path: Path, package: str) -> ModuleType:
    """Return a package of the extra ``import``; raises `ImportRefusedError` where it is missing."""
    try:
        with quiet_library():
            return importlib.import_module(package)
    except ImportError:
        what = f"needs the Python package {package}; pip install 'tidetrack[import]'"
        raise ImportRefusedError(f"{path}: {what}") from None


@contextmanager
def quiet_library() -> Generator[None]:
    """Keep a library from warning and logging about a file: what matters is its error."""
    level = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)


def library_failed(path: Path, library: str, error: Exception) -> ImportRefusedError:
    """Return the one-line error for whatever a library raised about a file."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    what = " ".join(lines[0].split())[:160]
    return refused(path, f"{library} cannot read it ({what}); export it again")

"""The error of an export."""

from __future__ import annotations

import importlib
from types import ModuleType


class ExportError(Exception):
    """A session cannot be exported; one line says what is wrong and what to do."""


def needed_for(what: str, package: str, extra: str) -> ModuleType:
    """Return a package that ``what`` needs; raises `ExportError` where it is not installed."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ExportError(
            f"{what} needs the Python package {package}; pip install 'tidetrack[{extra}]'"
        ) from None

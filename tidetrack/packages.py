"""Import the packages that come with extras, and say how to get one that is missing."""

from __future__ import annotations

import importlib
from typing import Any


class MissingPackageError(ImportError):
    """A package that a feature needs is not installed; the message says how to get it."""


def needed(what: str, package: str) -> Any:
    """Return a package of the extra ``notebook``; raises `MissingPackageError` without it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise MissingPackageError(
            f"{what} needs the Python package {package}; pip install 'tidetrack[notebook]'",
            name=package,
        ) from None

"""Find a predictor of one's own by its name: a file, a module, or an installed package.

``./mine.py:Hold`` is a class in a file, ``package.module:Hold`` one in a module; a package
registers one under a plain name by an entry point of the group ``tidetrack.predictors``. Loading
runs the code that is named, so it happens only where a predictor is used, never where a
configuration is read.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from tracker.plugins.plain_predictor import PlainPredictor

GROUP = "tidetrack.predictors"
_NEEDED = ("begin", "learn", "predict")


class PluginError(ValueError):
    """A predictor of one's own cannot be used; one line says which, why and what to do."""


def is_plugin(name: str) -> bool:
    """Return whether a name is that of a predictor of one's own; nothing is loaded."""
    return ":" in name or name in _entry_points()


def name_problem(name: str) -> str:
    """Return what is wrong with a name ``WHERE:CLASS`` or with its file; or nothing."""
    where, _, what = name.rpartition(":")
    if ":" not in name:
        return ""
    if not where or not what.isidentifier():
        return f"predictor {name}: write ./file.py:Class or package.module:Class"
    if where.endswith(".py") and not Path(where).is_file():
        return f"predictor {name}: no such file {where}; paths are relative to where you start"
    return ""


def load_plugin(name: str, parameters: Mapping[str, float] | None = None) -> PlainPredictor:
    """Return a new predictor of that name, made with ``parameters`` as keywords.

    Raises `PluginError`.
    """
    problem = name_problem(name)
    if problem:
        raise PluginError(problem)
    try:
        made = _class_of(name)(**dict(parameters or {}))
    except PluginError:
        raise
    except Exception as error:  # whatever somebody else's code raises
        raise PluginError(f"predictor {name}: {said(error)}; mend it, or name another") from None
    missing = [each for each in _NEEDED if not callable(getattr(made, each, None))]
    if missing or not isinstance(made, PlainPredictor):
        raise PluginError(f"predictor {name}: has no {', '.join(missing)}; write these methods")
    return made


def _class_of(name: str) -> type:
    """Return the class that a name stands for."""
    where, _, what = name.rpartition(":")
    if not where:
        points = _entry_points()
        if name not in points:
            raise PluginError(f"predictor {name}: is not installed as a {GROUP}")
        return points[name].load()
    module = _module_of_file(Path(where)) if where.endswith(".py") else _module(where)
    if not isinstance(getattr(module, what, None), type):
        raise PluginError(f"predictor {name}: no class {what} in {where}; name one that is there")
    return getattr(module, what)


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)


def _module_of_file(path: Path) -> ModuleType:
    """Run a file as a module; the folder it lies in may be imported from."""
    spec = importlib.util.spec_from_file_location(f"tidetrack_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise PluginError(f"predictor in {path}: is no Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def said(error: Exception) -> str:
    """Return an error as one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200].rstrip(": ")

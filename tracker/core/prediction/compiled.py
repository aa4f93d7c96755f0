"""Compile every kernel here alike: nopython, strict floating point, cached beside its source.

Numba renews a cached kernel when its own file changes, but not when a kernel it calls has
changed in another file. The stamp of the cache is therefore that of the whole folder: edit one
kernel and all of them are compiled again, so that what runs is always what is written.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder, SourceFileLoader
from typing import Any, ParamSpec, TypeVar, cast

import numba

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _folder_stamp() -> tuple[tuple[str, float, int], ...]:
    folder = [__file__.rpartition("/")[0]]
    stamps: list[tuple[str, float, int]] = []
    for module in pkgutil.iter_modules(folder):
        spec = PathFinder.find_spec(module.name, folder)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            stats = spec.loader.path_stats(spec.loader.path)
            stamps.append((module.name, float(stats["mtime"]), int(stats["size"])))
    return tuple(sorted(stamps))


_STAMP = (_folder_stamp(), numba.__version__, sys.version)


def compiled(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Compile ``function`` on first call (or load it from the cache) and release the GIL in it.

    Division by zero gives an infinity as in numpy and never an exception; the order of
    floating point operations is the written one, so one machine always gives the same bits.

    Without numba's runtime (``_nrt``) a kernel cannot allocate, which none of them should, and
    does not count references to arrays its caller holds anyway: a third of a sample's time went
    there. Copy rows in a loop; ``a[i] = b`` would allocate, and numba says so.
    """
    options: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
    dispatcher = numba.njit(cache=True, nogil=True, **options)(function)
    cache_file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if cache_file is not None and hasattr(cache_file, "_source_stamp"):
        setattr(cache_file, "_source_stamp", _STAMP)  # noqa: B010 - a private name of numba
    return cast("Callable[_Arguments, _Result]", dispatcher)


def entry(kernel: Callable[..., _Result], *arguments: Any) -> Callable[..., _Result]:
    """Return the machine code of a kernel for arguments of these types, compiled if need be.

    Calling it skips the look at every array's type, a fifth of a sample's time for a state of a
    hundred arrays. Nobody checks any more: the types must stay those of ``arguments``.
    """
    compile_for = getattr(kernel, "compile", None)  # without one, numba is switched off
    if compile_for is None:
        return kernel
    typeof = cast("Callable[[Any], Any]", numba.typeof)
    return compile_for(tuple(map(typeof, arguments)))

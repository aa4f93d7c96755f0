"""Look for what a feature needs: packages, programs, and rights of this process."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import resource
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Lacking(NamedTuple):
    """One thing that is not there, and how to get it."""

    what: str
    remedy: str


def packages(*modules: str, extra: str) -> list[Lacking]:
    """Return the modules that cannot be imported; they come with an extra."""
    lacking: list[Lacking] = []
    for module in modules:
        why = _why_not(module)
        if why:
            lacking.append(Lacking(why, f"pip install 'tidetrack[{extra}]'"))
    return lacking


def _why_not(module: str) -> str:
    """Return why a module cannot be imported; empty: it can.

    It is imported, because some packages load a library of the system that may be missing.
    """
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        return f"the Python package {module}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(module)
    except Exception as error:  # whatever somebody else's package raises
        said = " ".join(str(error).split())[:120] or type(error).__name__
        return f"{module}, which is installed but cannot be loaded ({said})"
    return ""


def requirements(distribution: str) -> list[Lacking]:
    """Return the packages that the program itself requires and that are missing."""
    try:
        required = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return [Lacking(f"the installed package {distribution}", "pip install tidetrack")]
    names = [re.split(r"[\[<>=!~; ]", each)[0] for each in required if "extra ==" not in each]
    return [
        Lacking(f"the Python package {name}", f"pip install {name}")
        for name in names
        if not _is_installed(name)
    ]


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def python(least: tuple[int, int]) -> list[Lacking]:
    """Return a lack where this Python is older than the program needs."""
    if sys.version_info >= least:
        return []
    named = ".".join(map(str, least))
    return [Lacking(f"Python {named} or newer (this is {sys.version.split()[0]})", "install it")]


def program(name: str, debian: str) -> list[Lacking]:
    """Return a lack where a program is not on the path; ``debian``: the package that has it."""
    if shutil.which(name) is not None:
        return []
    return [Lacking(f"the program {name}", f"apt-get install {debian}")]


def cache_folder(package: str) -> list[Lacking]:
    """Return a lack where compiled kernels cannot be kept, so that each start compiles them."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    spec = importlib.util.find_spec(package)
    folders = [Path(named)] if named else [Path(each) for each in _folders(spec)]
    if all(os.access(_nearest(folder), os.W_OK) for folder in folders):
        return []
    remedy = "name a folder that can be written: export NUMBA_CACHE_DIR=~/.cache/tidetrack"
    return [Lacking(f"the right to write compiled kernels to {folders[0]}", remedy)]


def _folders(spec: object) -> Sequence[str]:
    return list(getattr(spec, "submodule_search_locations", None) or [])


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above that exists."""
    return next(each for each in (folder, *folder.absolute().parents) if each.exists())


def real_time_priority(wanted: int) -> list[Lacking]:
    """Return a lack where this user may not give a process a real-time priority."""
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if os.geteuid() == 0 or soft == resource.RLIM_INFINITY or soft >= wanted:
        return []
    remedy = (
        f"'LimitRTPRIO={wanted}' in the systemd unit, or 'rtprio {wanted}' for the user in "
        "/etc/security/limits.conf"
    )
    return [Lacking(f"the right to a real-time priority (limit {soft}, useful {wanted})", remedy)]


def serial_ports() -> list[Lacking]:
    """Return a lack where this machine has serial ports that this user may not open."""
    ports = sorted(
        port for pattern in ("ttyUSB*", "ttyACM*") for port in Path("/dev").glob(pattern)
    )
    closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if not closed:
        return []
    remedy = "add the user to the group that owns it, on Debian: adduser USER dialout"
    return [Lacking(f"the right to open {closed[0]}", remedy)]

"""Mutation tests: each small change of a file of the controller must fail one of its unit tests.

    python -m tests.safety.mutants NAME... [--every N] [--workers N] [--write]

NAME is a file or a folder below tracker/core, whole (``machine/guard``, ``target``) or its last
part (``guard``). Every file of core/machine, core/safety and core/target, and those of `FILES`,
can be named; without a name all are run. The command prints one line a file and every survivor
that docs/safety/mutants.md does not name with a reason. It returns 1 when too few are killed.
``--write`` puts the figures of the files it ran into that page.

The tests of ``machine/guard`` are tests/core/test_guard.py, and any test_guard_*.py beside it.
They may also stand in a folder of the same name (tests/core/machine/test_guard.py). Where two
files have the same name, the folder comes before it: test_checks_target.py. A test file with the
name of a folder belongs to every file in it that has none of its own. The tests run in this
process, without fixtures, on the changed module; a warning is an error, as in the suite. Compiled
functions run as plain Python. A mutant that never ends counts as killed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import itertools
import multiprocessing
import os
import re
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from numba.core import config

from tests.safety.mutations import Mutant, mutants

REPOSITORY = Path(__file__).parent.parent.parent
CORE = REPOSITORY / "tracker" / "core"
TESTS = (REPOSITORY / "tests" / "core", REPOSITORY / "tests" / "target")
PAGE = REPOSITORY / "docs" / "safety" / "mutants.md"
FOLDERS = ("machine", "safety", "target")
FILES = ("frames", "session", "surrogate/timebase")
ALL = ("frames", "session", "machine/guard", "machine/steering")
ALL_OF_FOLDER = "safety/fault"
"""Files of which every mutant must be killed, and how the names of others of them begin."""
LIMIT_PERCENT = 97.0
"""What must be killed of every other file."""
HANG_S = 20
_NUMBA: Any = config


def limit_of(name: str) -> float:
    """Return which share of the mutants of a file must be killed (percent)."""
    return 100.0 if name in ALL or name.startswith(ALL_OF_FOLDER) else LIMIT_PERCENT


# Which files, and which tests are theirs -----------------------------------------------------


@cache
def modules() -> dict[str, Path]:
    """Return every file that is mutated: its name below tracker/core -> its path."""
    paths = [CORE / f"{name}.py" for name in FILES]
    for folder in FOLDERS:
        paths += sorted((CORE / folder).rglob("*.py"))
    found: dict[str, Path] = {}
    for path in paths:
        below = path.relative_to(CORE).with_suffix("")
        if path.stem != "__init__":
            found[below.as_posix()] = path
        elif mutants(path.read_text(encoding="utf-8")):
            found[below.parent.as_posix()] = path
    return found


def named(words: list[str]) -> list[str]:
    """Return the files that are meant; raises ``ValueError`` for a name that is none."""
    found: list[str] = []
    for word in words:
        wanted = word.removesuffix(".py").strip("/").replace(".", "/")
        here = [name for name in modules() if f"/{wanted}/" in f"/{name}/"]
        if not here:
            raise ValueError(f"{word} is no file or folder of: {', '.join(modules())}")
        found += here
    return list(dict.fromkeys(found)) if words else list(modules())


def _fit(name: str, path: Path) -> int:
    """Return how much of a test file's name is the name of this module; 0: it is not its test."""
    (folder,) = (path.parent.relative_to(r).as_posix() for r in TESTS if path.is_relative_to(r))
    if folder != "." and not name.startswith(f"{folder}/"):
        return 0
    parts, file = name.split("/"), f"{path.stem.removeprefix('test_')}_"
    ends = itertools.combinations(range(len(parts) + 1), 2)  # the module, its folder, ...
    stems = ["_".join(parts[start:end]) for start, end in ends]
    return max(len(stem) if file.startswith(f"{stem}_") else 0 for stem in stems)


@cache
def unit_tests_of(name: str) -> list[Path]:
    """Return the test files of a module: those whose names fit no other module better.

    Of files with the name alone and files with the folder before it, the latter are taken.
    """
    fits = {
        path: fit
        for root in TESTS
        for path in sorted(root.rglob("test_*.py"))
        if 0 < (fit := _fit(name, path)) == max(_fit(each, path) for each in modules())
    }
    return [path for path, fit in fits.items() if fit == max(fits.values())]


# Running the tests on a mutant ---------------------------------------------------------------


@cache
def _compiled(path: Path) -> types.CodeType:
    return compile(path.read_text(encoding="utf-8"), str(path), "exec")


def cases(module: types.ModuleType) -> list[tuple[str, Callable[[], object]]]:
    """Return the tests of a module with their parameters, hypothesis last; none has fixtures."""
    quick: list[tuple[str, Callable[[], object]]] = []
    slow: list[tuple[str, Callable[[], object]]] = []
    for name, test in vars(module).items():
        if not name.startswith("test_"):
            continue
        if hasattr(test, "hypothesis"):
            slow.append((name, test))
            continue
        for number, values in enumerate(_parameters(test)):
            quick.append((f"{name} {number}", _call(test, values)))
    return [*quick, *slow]


def _call(test: Callable[..., object], values: dict[str, Any]) -> Callable[[], object]:
    missing = set(inspect.signature(test).parameters) - set(values)
    assert not missing, f"{test.__name__} needs fixtures: {missing}"
    return lambda: test(**values)


def _parameters(test: Any) -> Iterator[dict[str, Any]]:
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for chosen in itertools.product(*(list(mark.args[1]) for mark in marks)):
        values: dict[str, Any] = {}
        for mark, value in zip(marks, chosen, strict=True):
            names = mark.args[0]
            names = re.split(r"[,\s]+", names) if isinstance(names, str) else list(names)
            value = getattr(value, "values", value)  # of pytest.param
            single = len(names) == 1 and not hasattr(value, "_fields")
            values |= dict(zip(names, [value] if single else value, strict=True))
        yield values


@cache
def _import_all() -> None:
    """Import every module, so that none is imported first while a mutant stands beside it."""
    for each in modules():
        importlib.import_module(f"tracker.core.{each.replace('/', '.')}")


@contextlib.contextmanager
def _in_place_of(name: str, text: str) -> Iterator[None]:
    """Put a module made of this source in the place of the real one, for whoever imports it."""
    full = f"tracker.core.{name.replace('/', '.')}"
    _import_all()
    kept = importlib.import_module(full)
    above, _, last = full.rpartition(".")
    folder = sys.modules[above]
    module = types.ModuleType(full)
    module.__spec__, module.__package__ = kept.__spec__, kept.__package__
    if hasattr(kept, "__path__"):
        module.__path__ = kept.__path__
    sys.modules[full] = module
    setattr(folder, last, module)
    try:
        exec(compile(text, f"mutant of {name}", "exec"), module.__dict__)
        yield
    finally:
        sys.modules[full] = kept
        setattr(folder, last, kept)


@contextlib.contextmanager
def _uncompiled() -> Iterator[None]:
    """Run compiled functions as plain Python, which checks indices and does not corrupt memory."""
    compiled = [
        (module, name, value)
        for full, module in list(sys.modules.items())
        if full.startswith("tracker.core.")
        for name, value in list(vars(module).items())
        if hasattr(value, "py_func")
    ]
    before = _NUMBA.DISABLE_JIT
    try:
        _NUMBA.DISABLE_JIT = 1
        for module, name, value in compiled:
            setattr(module, name, value.py_func)
        yield
    finally:
        _NUMBA.DISABLE_JIT = before
        for module, name, value in compiled:
            setattr(module, name, value)


class HangsError(Exception):
    """A mutant never ends."""


def _ring(number: int, frame: object) -> None:
    raise HangsError


class Killers:
    """The tests of one module, those that killed a mutant last first: they often kill the next."""

    def __init__(self, name: str) -> None:
        """Find the tests; a module without any has mutants that all survive."""
        self.name = name
        self.paths = unit_tests_of(name)
        self._latest: list[str] = []

    def survives(self, text: str) -> bool:
        """Tell whether all tests pass with this source in the module's place."""
        before = signal.signal(signal.SIGALRM, _ring)
        signal.alarm(HANG_S)
        running = ""
        try:
            with warnings.catch_warnings(), _uncompiled(), _in_place_of(self.name, text):
                warnings.simplefilter("error")
                for each, case in self._cases():
                    running = each
                    case()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if running:
                self._latest = [running, *(each for each in self._latest if each != running)]
            return False
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        return True

    def _cases(self) -> list[tuple[str, Callable[[], object]]]:
        found: list[tuple[str, Callable[[], object]]] = []
        for path in self.paths:
            tests = types.ModuleType(f"mutants_of_{path.stem}")
            tests.__file__ = str(path)
            exec(_compiled(path), tests.__dict__)
            found += [(f"{path.stem} {each}", case) for each, case in cases(tests)]
        first = {each: number for number, each in enumerate(self._latest)}
        return sorted(found, key=lambda case: first.get(case[0], len(first)))


_killers = cache(Killers)


def _try(job: tuple[str, int]) -> bool:
    name, number = job
    return _killers(name).survives(mutants_of(name)[number].text)


# Results -------------------------------------------------------------------------------------


class Result(NamedTuple):
    """What came of the mutants of one file."""

    name: str
    total: int
    alive: list[Mutant]
    excused: frozenset[str]

    @property
    def unnamed(self) -> list[Mutant]:
        """The survivors that the page does not name with a reason."""
        return [mutant for mutant in self.alive if mutant.name not in self.excused]

    @property
    def killed(self) -> int:
        """How many a test noticed."""
        return self.total - len(self.alive)

    @property
    def percent(self) -> float:
        """The share killed of those that the page does not name."""
        counted = self.killed + len(self.unnamed)
        return 100.0 * self.killed / counted if counted else 100.0

    @property
    def good(self) -> bool:
        """Whether enough are killed."""
        return self.percent >= limit_of(self.name)

    def row(self) -> str:
        """Return the row of the page's table."""
        share = 100.0 * self.killed / self.total if self.total else 100.0
        return f"| {self.name} | {self.total} | {self.killed} | {share:.1f} % | {len(self.alive)} |"


def source_of(name: str) -> str:
    """Return a file as it is."""
    return modules()[name].read_text(encoding="utf-8")


@cache
def mutants_of(name: str) -> list[Mutant]:
    """Return the mutants of a file."""
    return mutants(source_of(name))


def excused(name: str) -> frozenset[str]:
    """Return the mutants of a file that the page names with the reason why they may live."""
    rows = re.findall(rf"^\| {name} \| `(.*?)` \|", PAGE.read_text(encoding="utf-8"), re.M)
    return frozenset(row.replace("\\|", "|") for row in rows)


def shown() -> list[str]:
    """Return the files that the page's table shows: those that have been brought to the limit."""
    rows = re.findall(r"^\| ([\w/]+) \| \d+ \|", PAGE.read_text(encoding="utf-8"), re.M)
    return [row for row in rows if row in modules()]


def result(name: str, *, every: int = 1, workers: int = 1) -> Result:
    """Run the tests of a file on each ``every``-th of its mutants."""
    tried = mutants_of(name)[::every]
    jobs = [(name, number) for number in range(0, len(mutants_of(name)), every)]
    if not unit_tests_of(name):
        alive = [True] * len(jobs)
    elif workers == 1:
        alive = [_try(job) for job in jobs]
    else:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            alive = pool.map(_try, jobs, chunksize=4)
    left = [mutant for mutant, lives in zip(tried, alive, strict=True) if lives]
    return Result(name, len(tried), left, excused(name))


def write(results: list[Result]) -> None:
    """Put the rows of these files into the page's table."""
    text = PAGE.read_text(encoding="utf-8")
    head, rows, tail = re.split(r"((?:^\| [\w/]+ \| \d+ \|.*\n)+)", text, maxsplit=1, flags=re.M)
    kept = {row.split(" | ")[0].removeprefix("| "): row for row in rows.splitlines()}
    kept |= {each.name: each.row() for each in results}
    whole = [kept[name] for name in modules() if name in kept]
    PAGE.write_text(head + "\n".join(whole) + "\n" + tail, encoding="utf-8")


def main() -> int:
    """Run the mutants of the named files; 1 when too few of any are killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="files or folders of tracker/core")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try each N-th only")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help="put the figures into the page")
    args = parser.parse_args()
    if args.write and args.every != 1:
        parser.error("--write needs all mutants; leave --every out")
    try:
        names = named(args.names)
    except ValueError as error:
        parser.error(str(error))
    print(f"{'file':34}{'mutants':>8}{'killed':>8}{'share':>9}{'limit':>9}{'named':>7}")
    results: list[Result] = []
    for name in names:
        if unit_tests_of(name) and not Killers(name).survives(source_of(name)):
            print(f"{name}: the tests fail without any mutation; mend them first")
            return 2
        found = result(name, every=args.every, workers=args.workers)
        results.append(found)
        shares = f"{found.percent:7.1f} %{limit_of(name):7.0f} %"
        known = len(found.alive) - len(found.unnamed)
        print(f"{name:34}{found.total:8}{found.killed:8}{shares}{known:7}", flush=True)
        for mutant in found.unnamed:
            print(f"    SURVIVES line {mutant.line}, {mutant.name}")
        gone = found.excused - {mutant.name for mutant in found.alive}
        for change in sorted(gone) if args.every == 1 else ():
            print(f"    KILLED, but named on the page as alive: {change}")
    if args.write:
        write([each for each in results if each.good and each.total])
    return int(not all(each.good for each in results))


if __name__ == "__main__":
    sys.exit(main())

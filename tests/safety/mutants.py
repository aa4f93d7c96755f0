"""Mutants of frames, guard and session: each small change must fail a test of the file.

    python -m tests.safety.mutants frames|guard|session [--every N]

prints every survivor by line and change. The tests of the file are run in this process on the
mutated module, the quick ones first; a mutant that hangs is stopped and counts as killed. What
may survive, and why, stands in docs/safety/mutants.md, one row each.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.util
import inspect
import itertools
import multiprocessing
import os
import re
import signal
import sys
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).parent.parent.parent
FILES = {"frames": "frames", "guard": "machine.guard", "session": "session"}
"""Name -> module below `tracker.core`; its tests stand in ``tests/core/test_NAME.py``."""
EXCUSED = REPOSITORY / "docs" / "safety" / "mutants.md"
HANG_S = 20
COMPARE = {ast.LtE: ast.Lt, ast.Lt: ast.LtE, ast.GtE: ast.Gt, ast.Gt: ast.GtE}
COMPARE |= {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
CELLS = ("REFUSED", "_I", "_M", "_R", "_T", "_H", "_S")
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OTHER_FUNCTION = {"sin": "cos", "cos": "sin", "isfinite": "isnan", "abs": "float"}
NOT_EXECUTED = {"annotation", "returns", "decorator_list", "bases"}
AXES = (0, 1, 2)


class Mutant(NamedTuple):
    """One change: where and what, and the source it makes."""

    name: str
    text: str


def changes(node: ast.expr, place: str) -> Iterator[ast.expr]:
    """Every way one expression is changed; ``place`` is the field of its parent it stands in."""
    yield from _operators(node)
    yield from _values(node)
    if isinstance(node, ast.Tuple | ast.List) and not _without_order(node, place):
        for i, j in itertools.combinations(range(len(node.elts)), 2):
            yield _exchanged(node, "elts", i, j)
        yield from _transposes(node)
    elif isinstance(node, ast.Call):
        for i, j in itertools.combinations(range(len(node.args)), 2):
            yield _exchanged(node, "args", i, j)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name in OTHER_FUNCTION:
            new = copy.deepcopy(node)
            whole = ast.unparse(node.func).replace(name, OTHER_FUNCTION[name])
            new.func = ast.parse(whole, mode="eval").body
            yield new
    signed = isinstance(node, ast.Name | ast.Subscript | ast.BinOp | ast.Call | ast.Attribute)
    if signed and place in ("left", "right", "elts", "args", "value"):
        context = getattr(node, "ctx", None)
        if context is None or isinstance(context, ast.Load):
            yield ast.UnaryOp(ast.USub(), copy.deepcopy(node))


def _without_order(node: ast.Tuple | ast.List, place: str) -> bool:
    """Names (of slots, say), and what a loop merely walks."""
    return place == "iter" or all(
        isinstance(each, ast.Constant) and isinstance(each.value, str) for each in node.elts
    )


def _operators(node: ast.expr) -> Iterator[ast.expr]:
    new = copy.deepcopy(node)
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            if type(operator) in COMPARE:
                other = copy.deepcopy(node)
                other.ops[at] = COMPARE[type(operator)]()
                yield other
    elif isinstance(new, ast.BinOp) and type(new.op) in ARITHMETIC:
        new.op = ARITHMETIC[type(new.op)]()
        yield new
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        yield new
    elif isinstance(new, ast.UnaryOp):
        yield new.operand


def _values(node: ast.expr) -> Iterator[ast.expr]:
    new = copy.deepcopy(node)
    if isinstance(new, ast.Constant) and isinstance(new.value, int | float):
        new.value = not new.value if isinstance(new.value, bool) else new.value + 1
        yield new
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value:
            yield ast.UnaryOp(ast.USub(), copy.deepcopy(node))
    elif isinstance(new, ast.Name) and isinstance(new.ctx, ast.Load) and new.id in CELLS:
        for cell in CELLS:
            if cell != new.id:
                yield ast.Name(cell, ast.Load())
    elif isinstance(new, ast.Subscript) and isinstance(new.slice, ast.Constant):
        for axis in AXES:
            if new.slice.value in AXES and axis != new.slice.value:
                other = copy.deepcopy(new)
                other.slice = ast.Constant(axis)
                yield other


def _exchanged(node: Any, field: str, i: int, j: int) -> ast.expr:
    new = copy.deepcopy(node)
    items = getattr(new, field)
    items[i], items[j] = items[j], items[i]
    return new


def _transposes(node: ast.Tuple | ast.List) -> Iterator[ast.expr]:
    """The rows of a square matrix with the two entries beside a place of its diagonal exchanged."""
    rows = node.elts
    if not all(isinstance(row, ast.Tuple) and len(row.elts) == len(rows) for row in rows):
        return
    for i, j in itertools.combinations(range(len(rows)), 2):
        new = copy.deepcopy(node)
        one, two = new.elts[i], new.elts[j]
        assert isinstance(one, ast.Tuple)
        assert isinstance(two, ast.Tuple)
        one.elts[j], two.elts[i] = two.elts[i], one.elts[j]
        yield new


def _spots(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Every expression that is executed: its parent, field, place in a list, and itself."""
    for field, value in ast.iter_fields(tree):
        if field in NOT_EXECUTED or isinstance(tree, ast.JoinedStr):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST):
                continue
            typing_only = isinstance(tree, ast.Subscript) and isinstance(child, ast.Tuple)
            if isinstance(child, ast.expr) and not typing_only:
                yield tree, field, index if isinstance(value, list) else None, child
            if not typing_only:
                yield from _spots(child)


def _put(parent: ast.AST, field: str, index: int | None, child: ast.expr) -> None:
    if index is None:
        setattr(parent, field, child)
    else:
        getattr(parent, field)[index] = child


def _statements(tree: ast.AST) -> Iterator[tuple[list[ast.stmt], int]]:
    """Every statement of a function that does something, as its list and its place there."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.If | ast.For):
            continue
        for body in (node.body, getattr(node, "orelse", [])):
            for index, statement in enumerate(body):
                constant = getattr(statement, "value", None)
                words = isinstance(statement, ast.Expr) and isinstance(constant, ast.Constant)
                nothing = (
                    isinstance(statement, ast.Return) and ast.unparse(statement) == "return None"
                )
                if not words and not (
                    nothing and index == len(body) - 1 and isinstance(node, ast.FunctionDef)
                ):
                    yield body, index


def mutants(source: str) -> Iterator[Mutant]:
    """Each different source one change makes: an expression altered, or a statement left out."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    for parent, field, index, child in list(_spots(tree)):
        for new in changes(child, field):
            _put(parent, field, index, new)
            text = ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, field, index, child)
            if text not in seen:
                seen.add(text)
                was, now = _short(ast.unparse(child)), _short(ast.unparse(new))
                yield Mutant(f"line {child.lineno}: {was} -> {now}", text)
    for body, index in list(_statements(tree)):
        statement = body[index]
        body[index] = ast.Pass()
        text = ast.unparse(ast.fix_missing_locations(tree))
        body[index] = statement
        if text not in seen:
            seen.add(text)
            was = _short(ast.unparse(statement).replace("\n", " "))
            yield Mutant(f"line {statement.lineno}: {was} -> pass", text)


def _short(text: str) -> str:
    return text if len(text) < 100 else f"{text[:97]}..."


# Running a file's tests on a mutant ---------------------------------------------------------


@cache
def _compiled(path: Path) -> types.CodeType:
    return compile(path.read_text(encoding="utf-8"), str(path), "exec")


def cases(module: types.ModuleType) -> list[Callable[[], object]]:
    """Its tests with their parameters filled in, hypothesis last; none may use fixtures."""
    quick: list[Callable[[], object]] = []
    slow: list[Callable[[], object]] = []
    for name, test in vars(module).items():
        if not name.startswith("test_"):
            continue
        if hasattr(test, "hypothesis"):
            slow.append(test)
            continue
        for values in _parameters(test):
            quick.append(_call(test, values))
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
            values |= dict(zip(names, [value] if len(names) == 1 else value, strict=True))
        yield values


@contextlib.contextmanager
def _in_place_of(name: str, text: str) -> Iterator[None]:
    """The module with this source, for whoever imports it now."""
    full = f"tracker.core.{FILES[name]}"
    kept = sys.modules[full]
    module = types.ModuleType(full)
    sys.modules[full] = module
    try:
        exec(compile(text, f"mutant of {name}", "exec"), module.__dict__)
        yield
    finally:
        sys.modules[full] = kept


class HangsError(Exception):
    """A mutant that never ends."""


def _ring(number: int, frame: object) -> None:
    raise HangsError


def survives(name: str, text: str) -> bool:
    """Whether all tests of the file pass with this source in the module's place."""
    importlib.import_module(f"tracker.core.{FILES[name]}")
    path = REPOSITORY / "tests" / "core" / f"test_{name}.py"
    before = signal.signal(signal.SIGALRM, _ring)
    signal.alarm(HANG_S)
    try:
        with _in_place_of(name, text):
            tests = types.ModuleType(f"mutants_of_{name}")
            tests.__file__ = str(path)
            exec(_compiled(path), tests.__dict__)
            for case in cases(tests):
                case()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return False
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return True


def source_of(name: str) -> str:
    """The file as it is."""
    path = f"{FILES[name].replace('.', '/')}.py"
    return (REPOSITORY / "tracker" / "core" / path).read_text(encoding="utf-8")


def excused(name: str) -> set[str]:
    """The mutants of a file that docs/safety/mutants.md names as no change of what it does."""
    rows = re.findall(rf"^\| {name} \| `(.*?)` \|", EXCUSED.read_text(encoding="utf-8"), re.M)
    return {row.replace("\\|", "|") for row in rows}


def without_line(mutant: str) -> str:
    """A mutant's change alone: lines move, the change stays."""
    return mutant.partition(": ")[2]


def _try(job: tuple[str, Mutant]) -> str | None:
    name, mutant = job
    return mutant.name if survives(name, mutant.text) else None


def survivors(name: str, *, every: int = 1, workers: int = 1) -> tuple[int, list[str]]:
    """How many mutants were tried (each ``every``-th) and which of them no test noticed."""
    jobs = [(name, mutant) for mutant in mutants(source_of(name))][::every]
    if workers == 1:
        found = [_try(job) for job in jobs]
    else:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            found = pool.map(_try, jobs, chunksize=4)
    return len(jobs), [each for each in found if each is not None]


def main() -> int:
    """Run all mutants of one file; 1 when any survives that is not excused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FILES)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try each N-th only")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if not survives(args.name, source_of(args.name)):
        print("the tests fail without any mutation; mend them first")
        return 2
    total, alive = survivors(args.name, every=args.every, workers=args.workers)
    known = excused(args.name)
    unknown = [each for each in alive if without_line(each) not in known]
    print(f"{args.name}: {total} mutants, {total - len(alive)} killed, {len(alive)} alive")
    for each in alive:
        print("  excused " if each not in unknown else "  SURVIVES", each)
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main())

"""Mutants of guard and session: each small change of those files must fail a test of theirs.

python -m tests.safety.mutants guard|session     prints every survivor, by line and change; a
mutant that hangs is stopped after a few seconds and counts as killed.
"""

from __future__ import annotations

import ast
import copy
import importlib
import os
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = {"guard": "tests/core/test_guard.py", "session": "tests/core/test_session.py"}
HANG_S = 20
COMPARE = {ast.LtE: ast.Lt, ast.Lt: ast.LtE, ast.GtE: ast.Gt, ast.Gt: ast.GtE}
COMPARE |= {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn}
CELLS = ("REFUSED", "_I", "_M", "_R", "_T", "_H", "_S")
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Every way one node is changed."""
    new = copy.deepcopy(node)
    if isinstance(new, ast.Compare) and type(new.ops[0]) in COMPARE:
        new.ops[0] = COMPARE[type(new.ops[0])]()
        yield new
    elif isinstance(new, ast.BinOp) and type(new.op) in ARITHMETIC:
        new.op = ARITHMETIC[type(new.op)]()
        yield new
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        yield new
    elif isinstance(new, ast.UnaryOp):
        yield new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, int | float):
        new.value = not new.value if isinstance(new.value, bool) else new.value + 1
        yield new
    elif isinstance(new, ast.Name) and isinstance(new.ctx, ast.Load) and new.id in CELLS:
        new.id = "_S" if new.id != "_S" else "REFUSED"
        yield new


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Name and source of each mutant."""
    tree = ast.parse(source)
    spots = [
        (parent, field, index, child)
        for parent in ast.walk(tree)
        if not isinstance(parent, ast.JoinedStr | ast.FormattedValue)
        for field, value in ast.iter_fields(parent)
        for index, child in enumerate(value if isinstance(value, list) else [value])
        if isinstance(child, ast.expr)
    ]
    for parent, field, index, child in spots:
        for new in changes(child):
            siblings = getattr(parent, field)
            if isinstance(siblings, list):
                siblings[index] = new
            else:
                setattr(parent, field, new)
            text = ast.unparse(ast.fix_missing_locations(tree))
            if isinstance(siblings, list):
                siblings[index] = child
            else:
                setattr(parent, field, child)
            yield f"line {child.lineno}: {ast.unparse(child)} -> {ast.unparse(new)}", text


def survives(name: str, text: str) -> bool:
    """Whether the tests pass with this source in the module's place."""
    child = os.fork()
    if child == 0:
        signal.alarm(HANG_S)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        try:
            module = types.ModuleType(f"tracker.core.{name}")
            sys.modules[module.__name__] = module
            exec(compile(text, "mutant", "exec"), module.__dict__)
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", TESTS[name]])
        except BaseException:
            code = 1
        os._exit(int(code != 0))
    return os.waitpid(child, 0)[1] == 0


def main(name: str) -> int:
    """Run all mutants of one file; 1 when any survives."""
    source = Path(f"tracker/core/{name}.py").read_text(encoding="utf-8")
    importlib.import_module("tracker.core")
    if not survives(name, source):
        print("the tests fail without any mutation; mend them first")
        return 2
    total, survivors = 0, []
    for what, text in mutants(source):
        total += 1
        if survives(name, text):
            survivors.append(what)
    print(f"{name}: {total} mutants, {total - len(survivors)} killed", *survivors, sep="\n")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Mutations: every small change of a Python source that a good test should notice.

A change is a wrong sign, axis, operator, value or function, two things exchanged, or a statement
left out. `mutants` gives the changed sources, each with a name that stays the same when lines
move: the function it lies in, the expression before and after, and a number where the same change
is possible at several places of one function.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

COMPARE = {ast.LtE: ast.Lt, ast.Lt: ast.LtE, ast.GtE: ast.Gt, ast.Gt: ast.GtE}
COMPARE |= {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
CELLS = ("REFUSED", "_I", "_M", "_R", "_T", "_H", "_S")
"""Names of the cells of the session table; each is replaced by each other."""
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OTHER_FUNCTION = {"sin": "cos", "cos": "sin", "isfinite": "isnan", "abs": "float"}
NOT_EXECUTED = {"annotation", "returns", "decorator_list", "bases"}
AXES = (0, 1, 2)


class Mutant(NamedTuple):
    """One changed source."""

    name: str
    """Function, expression before and after; unique within the file."""
    line: int
    text: str


class _Spot(NamedTuple):
    """An expression that is executed, and where it stands."""

    scope: str
    parent: ast.AST
    field: str
    index: int | None
    child: ast.expr


def changes(node: ast.expr, place: str) -> Iterator[ast.expr]:
    """Yield every change of one expression; ``place`` is the field of its parent that holds it."""
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
    """Tell whether order means nothing: names (of slots), or what a loop goes through."""
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
    """Yield a square matrix with two entries exchanged that mirror each other at its diagonal."""
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


def _spots(tree: ast.AST, scope: str = "") -> Iterator[_Spot]:
    """Yield every expression that is executed."""
    for field, value in ast.iter_fields(tree):
        if field in NOT_EXECUTED or isinstance(tree, ast.JoinedStr):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST):
                continue
            typing_only = isinstance(tree, ast.Subscript) and isinstance(child, ast.Tuple)
            if isinstance(child, ast.expr) and not typing_only:
                yield _Spot(scope, tree, field, index if isinstance(value, list) else None, child)
            if not typing_only:
                yield from _spots(child, _inner(scope, child))


def _inner(scope: str, node: ast.AST) -> str:
    """Return the scope inside a node: functions, classes and names outside functions make one."""
    name = None
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        name = node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign) and not scope.endswith(")"):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        name = ast.unparse(target)
    if name is None:
        return scope
    whole = f"{scope.removesuffix('()')}.{name}".removeprefix(".")
    return f"{whole}()" if isinstance(node, ast.FunctionDef) else whole


def _put(spot: _Spot, child: ast.expr) -> None:
    if spot.index is None:
        setattr(spot.parent, spot.field, child)
    else:
        getattr(spot.parent, spot.field)[spot.index] = child


def _statements(tree: ast.AST, scope: str = "") -> Iterator[tuple[str, list[ast.stmt], int]]:
    """Yield every statement of a function that does something: scope, list, place in the list."""
    for node in ast.iter_child_nodes(tree):
        inner = _inner(scope, node)
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if not isinstance(body, list) or isinstance(node, ast.ClassDef):
                continue
            for index, statement in enumerate(body):
                last = isinstance(node, ast.FunctionDef) and index == len(body) - 1
                if not _does_nothing(statement, last):
                    yield inner, body, index
        yield from _statements(node, inner)


def _does_nothing(statement: ast.stmt, last: bool) -> bool:
    """Tell whether a statement is a docstring, or a return of ``None`` at a function's end."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    return last and ast.unparse(statement) == "return None"


def _changed(source: str) -> Iterator[tuple[str, int, str]]:
    """Yield each different source that one change makes, with the change and its line."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    for spot in list(_spots(tree)):
        for new in changes(spot.child, spot.field):
            _put(spot, new)
            text = ast.unparse(ast.fix_missing_locations(tree))
            _put(spot, spot.child)
            if text not in seen:
                seen.add(text)
                was, now = _short(ast.unparse(spot.child)), _short(ast.unparse(new))
                yield f"{spot.scope}: {was} -> {now}", spot.child.lineno, text
    for scope, body, index in list(_statements(tree)):
        statement = body[index]
        body[index] = ast.Pass()
        text = ast.unparse(ast.fix_missing_locations(tree))
        body[index] = statement
        if text not in seen:
            seen.add(text)
            was = _short(ast.unparse(statement).replace("\n", " "))
            yield f"{scope}: {was} -> pass", statement.lineno, text


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a source; a change possible several times in a scope is numbered."""
    made = list(_changed(source))
    times = Counter(change for change, _, _ in made)
    count: Counter[str] = Counter()
    found: list[Mutant] = []
    for change, line, text in made:
        count[change] += 1
        name = change if times[change] == 1 else f"{change} #{count[change]}"
        found.append(Mutant(name, line, text))
    return found


def _short(text: str) -> str:
    return text if len(text) < 100 else f"{text[:97]}..."

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
EVEN = ("abs", "cos", "hypot", "len")
"""Functions that do not see the sign of an argument."""
BLANK = ("empty", "zeros")
"""Functions whose result has no sign yet."""
SYMMETRIC = ("min", "max", "abs", "dist", "hypot")
"""Functions that do not see the order of their arguments."""
NOT_EXECUTED = {"annotation", "returns", "decorator_list", "bases"}
TYPES = ("bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple")
AXES = (0, 1, 2)


class _Spot(NamedTuple):
    """An expression that is executed, or a statement, and where it stands."""

    scope: str
    statement: ast.stmt
    """The innermost statement that holds the expression."""
    parent: ast.AST
    field: str
    index: int | None
    child: ast.expr | ast.stmt

    def put(self, child: ast.expr | ast.stmt) -> None:
        """Put another expression or statement in its place."""
        if self.index is None:
            setattr(self.parent, self.field, child)
        else:
            getattr(self.parent, self.field)[self.index] = child


class Mutant(NamedTuple):
    """One changed source; the text is made when it is asked for."""

    name: str
    """Function, expression before and after; unique within the file."""
    tree: ast.AST
    spot: _Spot
    new: ast.expr | ast.stmt

    @property
    def line(self) -> int:
        """The line of the change in the source."""
        return self.spot.child.lineno

    @property
    def text(self) -> str:
        """The changed source."""
        self.spot.put(self.new)
        text = ast.unparse(ast.fix_missing_locations(self.tree))
        self.spot.put(self.spot.child)
        return text


def changes(node: ast.expr, place: str, *, even: bool = False) -> Iterator[ast.expr]:
    """Yield every change of one expression; ``place`` is the field of its parent that holds it.

    ``even``: the sign of the expression makes no difference, as in a square.
    """
    yield from _operators(node)
    yield from _values(node, even)
    if isinstance(node, ast.Tuple | ast.List) and not _without_order(node, place):
        for i, j in itertools.combinations(range(len(node.elts)), 2):
            yield _exchanged(node, "elts", i, j)
        yield from _transposes(node)
    elif isinstance(node, ast.Call):
        name = _called(node)
        for i, j in itertools.combinations(range(len(node.args)), 2):
            if name not in SYMMETRIC:
                yield _exchanged(node, "args", i, j)
        if name in OTHER_FUNCTION:
            new = copy.deepcopy(node)
            whole = ast.unparse(node.func).replace(name, OTHER_FUNCTION[name])
            new.func = ast.parse(whole, mode="eval").body
            yield new
    signed = isinstance(node, ast.Name | ast.Subscript | ast.BinOp | ast.Call | ast.Attribute)
    if signed and not even and place in ("left", "right", "elts", "args", "value"):
        context = getattr(node, "ctx", None)
        if context is None or isinstance(context, ast.Load):
            yield ast.UnaryOp(ast.USub(), copy.deepcopy(node))


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    """Yield an expression and, of a product or quotient, its factors."""
    yield node
    if isinstance(node, ast.Subscript):
        yield node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield from _factors(node.left)
        yield from _factors(node.right)


def _is_square(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "2"


def _even(tree: ast.AST) -> set[ast.expr]:
    """Return the expressions whose sign makes no difference."""
    found: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in EVEN:
            for argument in node.args:
                found.update(_factors(argument))
        elif isinstance(node, ast.Call) and _called(node) in BLANK:
            found.add(node)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            found.update(node.slice.elts)
        elif isinstance(node, ast.BinOp) and _is_square(node):
            found.update(_factors(node.left))
    return found


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


def _values(node: ast.expr, even: bool) -> Iterator[ast.expr]:
    new = copy.deepcopy(node)
    if isinstance(new, ast.Constant) and isinstance(new.value, int | float):
        new.value = not new.value if isinstance(new.value, bool) else new.value + 1
        yield new
        if isinstance(new.value, float) and ast.unparse(node) != "0.0" and not even:
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


def _spots(tree: ast.AST, scope: str = "", statement: ast.stmt | None = None) -> Iterator[_Spot]:
    """Yield every expression that is executed."""
    for field, value in ast.iter_fields(tree):
        if field in NOT_EXECUTED or isinstance(tree, ast.JoinedStr):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_a_type(tree, child) or _is_a_check(child):
                continue
            inside = child if isinstance(child, ast.stmt) else statement
            if isinstance(child, ast.expr) and inside is not None:
                place = index if isinstance(value, list) else None
                yield _Spot(scope, inside, tree, field, place, child)
            yield from _spots(child, _inner(scope, child), inside)


def _is_a_type(parent: ast.AST, child: ast.AST) -> bool:
    """Tell whether the child is what a generic type takes: ``str, int`` of ``dict[str, int]``."""
    if not isinstance(parent, ast.Subscript) or not isinstance(child, ast.Tuple):
        return False
    return any(
        (isinstance(each, ast.Constant) and each.value is ...)
        or (isinstance(each, ast.Name) and (each.id in TYPES or each.id[0].isupper()))
        for each in ast.walk(child)
    )


def _is_a_check(node: ast.AST) -> bool:
    """Tell whether a node is ``strict=True``, which checks the lengths of what `zip` is given."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


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


def _statements(tree: ast.AST, scope: str = "") -> Iterator[_Spot]:
    """Yield every statement of a function that does something."""
    for node in ast.iter_child_nodes(tree):
        inner = _inner(scope, node)
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if not isinstance(body, list) or isinstance(node, ast.ClassDef):
                continue
            for index, statement in enumerate(body):
                last = isinstance(node, ast.FunctionDef) and index == len(body) - 1
                if not _does_nothing(statement, last):
                    yield _Spot(inner, statement, node, field, index, statement)
        yield from _statements(node, inner)


def _does_nothing(statement: ast.stmt, last: bool) -> bool:
    """Tell whether a statement is a docstring, or a return of ``None`` at a function's end."""
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return True
    return last and ast.unparse(statement) == "return None"


def _changed(tree: ast.Module) -> Iterator[Mutant]:
    """Yield each different source that one change makes; the same change has the same name."""
    even = _even(tree)
    for spot in list(_spots(tree)):
        assert isinstance(spot.child, ast.expr)
        seen = {ast.unparse(spot.statement)}
        place = "owner" if isinstance(spot.parent, ast.Attribute) else spot.field
        for new in changes(spot.child, place, even=spot.child in even):
            spot.put(new)
            text = ast.unparse(spot.statement)
            spot.put(spot.child)
            if text not in seen:
                seen.add(text)
                was, now = _difference(ast.unparse(spot.child), ast.unparse(new))
                yield Mutant(f"{spot.scope}: {was} -> {now}", tree, spot, new)
    for spot in list(_statements(tree)):
        was = _short(ast.unparse(spot.child).replace("\n", " "))
        yield Mutant(f"{spot.scope}: {was} -> pass", tree, spot, ast.Pass())


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a source; a change possible several times in a scope is numbered."""
    made = list(_changed(ast.parse(source)))
    times = Counter(mutant.name for mutant in made)
    count: Counter[str] = Counter()
    found: list[Mutant] = []
    for mutant in made:
        count[mutant.name] += 1
        number = f" #{count[mutant.name]}" if times[mutant.name] > 1 else ""
        found.append(mutant._replace(name=mutant.name + number))
    return found


def _short(text: str) -> str:
    return text if len(text) < 100 else f"{text[:97]}..."


def _difference(was: str, now: str) -> tuple[str, str]:
    """Return two expressions, long ones without the beginning and the end they have in common."""
    if len(was) < 60:
        return was, now
    start, end = _same(was, now), _same(was[::-1], now[::-1])
    end = min(end, len(was) - start, len(now) - start)
    start, end = max(0, start - 12), max(0, end - 12)
    return _short(f"...{was[start : len(was) - end]}..."), _short(
        f"...{now[start : len(now) - end]}..."
    )


def _same(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))

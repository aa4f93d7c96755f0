"""Formulas of camera descriptions (GenICam): arithmetic over named values, nothing else.

Operator-precedence parsing (Pratt). Names are looked up in a table; a formula cannot reach anything
of Python. The standard (GenICam GenApi 2.1.1, 2.8.13) lists the operators and gives no order among
them. The order here is that of the EMVA's reference implementation, which camera makers test
against and which differs from C: bitwise operators and powers bind most, then ``* / %``, then
``+ -``; relations and ``&& ||`` share the lowest level; within a level from left to right.

An ``IntSwissKnife`` or ``IntConverter`` computes in whole numbers of 64 bits: a division drops the
fraction. All others compute in floating point.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from hal.errors import ProtocolError

Number = int | float
_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+)|(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
    r"|([A-Za-z_][\w.]*)|(\*\*|<<|>>|<=|>=|<>|!=|&&|\|\||[-+*/%()&|^~<>=?:,]))"
)
_LOGICAL, _SUM, _PRODUCT, _BITS, _SIGN = 2, 3, 4, 5, 6
_BINDING = {
    "?": 1,
    **dict.fromkeys(("||", "&&", "=", "<>", "!=", "<", ">", "<=", ">="), _LOGICAL),
    **dict.fromkeys(("+", "-"), _SUM),
    **dict.fromkeys(("*", "/", "%"), _PRODUCT),
    **dict.fromkeys(("|", "^", "&", "<<", ">>", "**"), _BITS),
}


def _whole_quotient(a: Number, b: Number) -> Number:
    """Divide and drop the fraction, as C does."""
    a, b = int(a), int(b)
    return -(-a // b) if (a < 0) != (b < 0) and a % b else a // b


def _remainder(a: Number, b: Number) -> Number:
    """Return the remainder with the sign of the dividend, as C does."""
    return math.fmod(a, b) if b else a % b


def _power(a: Number, b: Number) -> Number:
    if isinstance(a, int) and isinstance(b, int) and 0 <= b < 64:
        return a**b
    return math.pow(a, b)


_Operations = dict[str, Callable[[Number, Number], Number]]
_OPERATION: _Operations = {
    "||": lambda a, b: int(bool(a) or bool(b)),
    "&&": lambda a, b: int(bool(a) and bool(b)),
    "|": lambda a, b: int(a) | int(b),
    "^": lambda a, b: int(a) ^ int(b),
    "&": lambda a, b: int(a) & int(b),
    "=": lambda a, b: int(a == b),
    "<>": lambda a, b: int(a != b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    ">": lambda a, b: int(a > b),
    "<=": lambda a, b: int(a <= b),
    ">=": lambda a, b: int(a >= b),
    "<<": lambda a, b: int(a) << min(64, int(b)),
    ">>": lambda a, b: int(a) >> min(64, int(b)),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": _remainder,
    "**": _power,
}
_WHOLE_OPERATION: _Operations = {
    **_OPERATION,
    "/": _whole_quotient,
    "<<": lambda a, b: int(a) << (int(b) & 63),
    ">>": lambda a, b: int(a) >> (int(b) & 63),
    "%": lambda a, b: int(a) - int(b) * int(_whole_quotient(a, b)),
}


def _rounded(value: Number, precision: Number = 0) -> Number:
    """Round to a number of decimals, halves away from zero."""
    scale = 10.0 ** int(precision)
    return math.copysign(math.floor(abs(value) * scale + 0.5) / scale, value)


def _sign(value: Number) -> Number:
    return (value > 0) - (value < 0)


def _negative(value: Number) -> Number:
    return -value


def _size(value: Number) -> Number:
    return abs(value)


_FUNCTION: dict[str, Callable[..., Number]] = {
    "SGN": _sign,
    "NEG": _negative,
    "ABS": _size,
    "SQRT": math.sqrt,
    "EXP": math.exp,
    "LN": math.log,
    "LG": math.log10,
    "SIN": math.sin,
    "COS": math.cos,
    "TAN": math.tan,
    "ASIN": math.asin,
    "ACOS": math.acos,
    "ATAN": math.atan,
    "TRUNC": int,
    "FLOOR": math.floor,
    "CEIL": math.ceil,
    "ROUND": _rounded,
}
_CONSTANT = {"PI": math.pi, "E": math.e}


def nearest_whole(value: Number) -> int:
    """Round to the nearest whole number, halves away from zero."""
    return value if isinstance(value, int) else int(_rounded(value))


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ProtocolError(f"formula {text!r}: cannot read from {text[at:]!r}")
        tokens.append(match.group().strip())
        at = match.end()
    return [*tokens, ""]


class _Reader:
    def __init__(self, text: str, values: Mapping[str, Number], whole: bool) -> None:
        self.text, self.values, self.whole = text, values, whole
        self.operation = _WHOLE_OPERATION if whole else _OPERATION
        self.tokens, self.at = _tokens(text), 0
        self.skipping = 0
        """Above 0 in the branch of a condition that is not taken: it is read, not computed."""

    def next(self) -> str:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def expect(self, token: str) -> None:
        if self.next() != token:
            raise ProtocolError(f"formula {self.text!r}: {token!r} missing")

    def operand(self) -> Number:
        token = self.next()
        if token in ("-", "+", "~"):
            value = self.expression(_SIGN)
            return {"-": lambda: -value, "+": lambda: value, "~": lambda: ~int(value)}[token]()
        if token == "(":
            value = self.expression(0)
            self.expect(")")
            return value
        if token[:1].isdigit() or token[:1] == ".":
            return self.literal(token)
        if self.tokens[self.at] == "(" and token.upper() in _FUNCTION:
            return self.call(token)
        if token in self.values:
            return self.values[token]
        if token in _CONSTANT and not self.whole:
            return _CONSTANT[token]
        raise ProtocolError(f"formula {self.text!r}: {token!r} is unknown")

    def literal(self, token: str) -> Number:
        if token[:2].lower() == "0x":
            return int(token, 16)
        if token.isdigit():
            return int(token)
        if self.whole:
            raise ProtocolError(f"formula {self.text!r}: {token} in a formula of whole numbers")
        return float(token)

    def call(self, name: str) -> Number:
        self.expect("(")
        arguments = [self.expression(0)]
        while self.tokens[self.at] == ",":
            self.next()
            arguments.append(self.expression(0))
        self.expect(")")
        if self.skipping:
            return 0
        try:
            value = _FUNCTION[name.upper()](*arguments)
        except TypeError as error:
            raise ProtocolError(
                f"formula {self.text!r}: {name} with {len(arguments)} arguments"
            ) from error
        return int(value) if self.whole else value

    def expression(self, least: int) -> Number:
        left = self.operand()
        while _BINDING.get(self.tokens[self.at], 0) > least:
            sign = self.next()
            if sign == "?":
                yes = self.branch(taken=bool(left))
                self.expect(":")
                no = self.branch(taken=not left)
                left = yes if left else no
                continue
            right = self.expression(_BINDING[sign])
            left = 0 if self.skipping else self.operation[sign](left, right)
            if self.whole:
                left = _wrapped(left)
        return left

    def branch(self, *, taken: bool) -> Number:
        self.skipping += not taken
        value = self.expression(0)
        self.skipping -= not taken
        return value


def _wrapped(value: Number) -> int:
    """Keep the low 64 bits of a whole number, as a signed number."""
    return (int(value) + (1 << 63)) % (1 << 64) - (1 << 63)


def evaluate(text: str, values: Mapping[str, Number], *, whole: bool = False) -> Number:
    """Return the value of a formula; ``whole``: in whole numbers of 64 bits.

    Raises `ProtocolError` for what it cannot read or compute. Of a condition only the branch that
    is taken is computed: a description may guard a division by zero that way.
    """
    if whole:
        values = {name: _wrapped(nearest_whole(value)) for name, value in values.items()}
    reader = _Reader(text, values, whole)
    try:
        value = reader.expression(0)
        finite = math.isfinite(value)
    except (ArithmeticError, ValueError, TypeError, RecursionError) as error:
        raise ProtocolError(f"formula {text!r}: {error}") from error
    if reader.tokens[reader.at]:
        raise ProtocolError(f"formula {text!r}: {reader.tokens[reader.at]!r} is too much")
    if not finite:
        raise ProtocolError(f"formula {text!r}: {value} is not finite")
    return _wrapped(value) if whole else value

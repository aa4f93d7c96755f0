"""Formulas of camera descriptions (GenICam): arithmetic over named values, nothing else.

Operator-precedence parsing (Pratt). Names are looked up in a table; a
formula cannot reach anything of Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from hal.errors import ProtocolError

Number = int | float
_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+)|(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|([A-Za-z_][\w.]*)"
    r"|(\*\*|<<|>>|<=|>=|<>|!=|&&|\|\||[-+*/%()&|^~<>=?:,]))"
)
_BINDING = {
    "?": 1,
    "||": 2,
    "&&": 3,
    "|": 4,
    "^": 5,
    "&": 6,
    "=": 7,
    "<>": 7,
    "!=": 7,
    "<": 8,
    ">": 8,
    "<=": 8,
    ">=": 8,
    "<<": 9,
    ">>": 9,
    "+": 10,
    "-": 10,
    "*": 11,
    "/": 11,
    "%": 11,
    "**": 13,
}
_OPERATION: dict[str, Callable[[Number, Number], Number]] = {
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
    ">>": lambda a, b: int(a) >> int(b),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: float(a) ** float(b),
}
_FUNCTION: dict[str, Callable[[Number], Number]] = {
    "SGN": lambda a: (a > 0) - (a < 0),
    "NEG": lambda a: -a,
    "ABS": abs,
    "SQRT": math.sqrt,
    "EXP": math.exp,
    "LN": math.log,
    "LG": math.log10,
    "SIN": math.sin,
    "COS": math.cos,
    "TAN": math.tan,
    "TRUNC": math.trunc,
    "FLOOR": math.floor,
    "CEIL": math.ceil,
    "ROUND": round,
}


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
    def __init__(self, text: str, values: Mapping[str, Number]) -> None:
        self.text, self.values = text, values
        self.tokens, self.at = _tokens(text), 0

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
            value = self.expression(12)
            return {"-": lambda: -value, "+": lambda: value, "~": lambda: ~int(value)}[token]()
        if token == "(":
            value = self.expression(0)
            self.expect(")")
            return value
        if token[:1].isdigit() or token[:1] == ".":
            if token[:2].lower() == "0x":
                return int(token, 16)
            return int(token) if token.isdigit() else float(token)
        if token in _FUNCTION and self.tokens[self.at] == "(":
            self.next()
            value = _FUNCTION[token](self.expression(0))
            self.expect(")")
            return value
        if token in self.values:
            return self.values[token]
        raise ProtocolError(f"formula {self.text!r}: {token!r} is unknown")

    def expression(self, least: int) -> Number:
        left = self.operand()
        while _BINDING.get(self.tokens[self.at], 0) > least:
            sign = self.next()
            if sign == "?":
                yes = self.expression(0)
                self.expect(":")
                no = self.expression(0)
                left = yes if left else no
            else:
                left = _OPERATION[sign](left, self.expression(_BINDING[sign]))
        return left


def evaluate(text: str, values: Mapping[str, Number]) -> Number:
    """Return the value of a formula; raises `ProtocolError` for what it cannot read or compute."""
    reader = _Reader(text, values)
    try:
        value = reader.expression(0)
    except (ArithmeticError, ValueError, RecursionError) as error:
        raise ProtocolError(f"formula {text!r}: {error}") from error
    if reader.tokens[reader.at]:
        raise ProtocolError(f"formula {text!r}: {reader.tokens[reader.at]!r} is too much")
    return value

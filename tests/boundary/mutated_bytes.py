"""Mutate the bytes of a valid file in the ways that files go wrong, from a seeded generator."""

from __future__ import annotations

import random
from collections.abc import Callable

TOKENS = (
    b"", b"0", b"-1", b"1e308", b"1e999", b"-1e300", b"1e-9", b"-9999", b"-3.697314E28", b"nan",
    b"inf", b"NA", b"999999999999999999999", b"1749000000.05", b"1,5", b"1.234,5", b"\x00",
    b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", "\u2212".encode(), "\U0001f600".encode(), b"\r", b"\n",
    b"\r\n", b"\t", b";", b",", b'"', b"'", b"=", b"[", b"]", b"{", b"}", b"<", b"&", b"#", b"%s",
    b"../../x", b"True", b"12:34:56.789", b"2025-06-04T10:00:00Z", b"\x1f\x8b", b"PK\x03\x04",
    b"a" * 5000, b"9" * 5000, b"[" * 3000, b"0." + b"0" * 400 + b"1",
)  # fmt: skip
"""What is put into files: numbers no body has, other notations, and bytes that break parsers."""

Mutation = Callable[[random.Random, bytes], bytes]


def flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def remove(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randint(1, 200) :]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(TOKENS) + data[at:]


def replace_cell(rng: random.Random, data: bytes) -> bytes:
    """Replace what stands between two separators."""
    marks = [at for at, byte in enumerate(data) if byte in b",;\t\n =\"'<>"]
    if len(marks) < 2:
        return insert(rng, data)
    at = rng.randrange(len(marks) - 1)
    return data[: marks[at] + 1] + rng.choice(TOKENS) + data[marks[at + 1] :]


def repeat_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join([*lines[:at], *[lines[at]] * rng.randint(2, 5), *lines[at + 1 :]])


def swap_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def exchange_byte(rng: random.Random, data: bytes) -> bytes:
    """Replace one byte everywhere: a separator, a line end, a digit."""
    if not data:
        return data
    old = data[rng.randrange(len(data))]
    return data.replace(bytes([old]), rng.choice((b"", b";", b",", b"\t", b".", b"\r", b"-", b" ")))


def recode(rng: random.Random, data: bytes) -> bytes:
    text = data.decode("latin-1")
    return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-8")))


MUTATIONS: tuple[Mutation, ...] = (
    flip, cut, remove, insert, replace_cell, replace_cell, repeat_line, swap_lines, exchange_byte,
    recode,
)  # fmt: skip


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return a file with one to four mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        data = rng.choice(MUTATIONS)(rng, data)
    return data

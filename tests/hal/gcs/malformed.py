"""Answers to ``POS?``, right and wrong; `feed` tells whether one is believed as a position.

GCS has no checksum: a digit changed into another digit is a well-formed answer, and only the
driver's bound on how far a couch can have moved doubts it. Here the form is broken.
"""

from __future__ import annotations

import random

from hal.errors import ProtocolError
from hal.gcs import codec
from hal.gcs.codec import Answers, GcsAnswer

_AXES = ("X", "Y", "Z")
_GOOD = codec.answer(["X=1.250000", "Y=-20.500000", "Z=0.001000"])
_FORM = [i for i, byte in enumerate(_GOOD) if byte not in b"0123456789.-"]


def feed(data: bytes) -> bool:
    """Whether it is believed; a reader that misses the good answer after it crashes."""
    answers = Answers()
    believed = 0
    try:
        for answer in answers.feed(data):
            if isinstance(answer, GcsAnswer):
                codec.read_values(answer.lines, _AXES)
                believed += 1
    except ProtocolError:
        pass
    answers.drop()
    if answers.feed(_GOOD) != [GcsAnswer(["X=1.250000", "Y=-20.500000", "Z=0.001000"])]:
        raise AssertionError(f"lost its way after {data!r}")
    return believed > 0


def malformed(rng: random.Random) -> bytes:
    """An answer that is no position of these axes."""
    data = bytearray(_GOOD)
    kind = rng.randrange(5)
    if kind == 0:  # what is no number
        at = rng.choice(_FORM)
        data[at] = rng.choice([b for b in range(256) if b != data[at] and b != 0x0D])
    elif kind == 1:  # a number that is none
        at = rng.choice([i for i in range(len(data)) if i not in _FORM])
        data[at] = rng.choice(b"xXnNaAiI_,:/\x00\x80\xff")
    elif kind == 2:  # cut before the last number begins, with an end or without
        del data[rng.randrange(_GOOD.index(b"Z=") + 2) :]
        data += rng.choice((b"\n", b" \n", b""))
    elif kind == 3:  # lines missing, twice, or in another order
        lines = _GOOD[:-1].split(b" \n")
        wrong = rng.choices(lines, k=rng.randrange(1, 6))
        data = bytearray(b" \n".join(wrong) + b"\n") if wrong != lines else bytearray()
    else:
        data = bytearray(rng.randbytes(rng.randrange(80)) + b"\n")
    return bytes(data)

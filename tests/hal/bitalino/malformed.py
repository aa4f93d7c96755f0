"""Belt frames, right ones and many wrong ones; `feed` tells whether one becomes a sample."""

from __future__ import annotations

import random

from hal.bitalino import codec
from hal.bitalino.codec import BitalinoFrame, Found, Frames

_LEAD, _TAIL = 6, 14
_TRUE = [BitalinoFrame(i % 16, (500 + i // 4,)) for i in range(_LEAD + 1 + _TAIL)]
_WIRE = [codec.encode_frame(frame) for frame in _TRUE]
_BEFORE, _ORIGINAL, _AFTER = b"".join(_WIRE[:_LEAD]), _WIRE[_LEAD], b"".join(_WIRE[_LEAD + 1 :])


def feed(data: bytes) -> bool:
    """Whether a frame is believed that was never sent; a boundary not found again crashes."""
    frames = Frames(1)
    found = frames.feed(_BEFORE + data + _AFTER, 0)
    believed = [item.frame for item in found if isinstance(item, Found)]
    if not believed or believed[-1].sequence < _TRUE[-1].sequence - 1:
        raise AssertionError(f"lost its way after {data!r}")
    return any(frame not in _TRUE for frame in believed)


def malformed(rng: random.Random) -> bytes:
    """Anything but the frame that should have come.

    Random bytes are a perfect frame (CRC, sequence, lines, unused bits, and a value within the
    step) about once in a million; one that is, nobody can tell from a true one, and it is left out.
    """
    while True:
        data = _other(rng)
        frame = codec.decode_frame(data, 1) if len(data) == len(_ORIGINAL) else None
        true = _TRUE[_LEAD]
        perfect = frame is not None and frame.sequence == true.sequence and not frame.lines
        if not (perfect and frame and abs(frame.counts[0] - true.counts[0]) <= 9):
            return data


def _other(rng: random.Random) -> bytes:
    data = bytearray(_ORIGINAL)
    kind = rng.randrange(5)
    if kind == 0:
        data[rng.randrange(3)] ^= rng.randrange(1, 256)
    elif kind == 1:
        data = bytearray(rng.randbytes(3))
    elif kind == 2:
        del data[rng.randrange(3) :]
    elif kind == 3:
        data += rng.randbytes(rng.randrange(1, 6))
    else:
        data = bytearray(rng.randbytes(rng.randrange(60)))
    return bytes(data)

"""Polaris replies, right ones and many wrong ones; `feed` tells whether one is believed."""

from __future__ import annotations

import random
import struct

from hal.polaris import codec
from hal.polaris.codec import PolarisGarbled, PolarisReplies, PolarisTool, ToolPose, Tracking

_POSE = ToolPose((0.5, -0.5, 0.5, 0.5), (12.25, -56.75, -1500.0), 0.25)
_TRACKING = Tracking((PolarisTool(1, _POSE, 0x31, 120), PolarisTool(2, None, 0x31, 120)))
_TX, _BX = codec.tx_reply(_TRACKING), codec.bx_reply(_TRACKING)


def feed(data: bytes) -> bool:
    """Whether any of it is believed; a reader that misses the good reply after it crashes."""
    replies = PolarisReplies()
    replies.tracking = True
    found = replies.feed(data)
    replies.drop()
    if replies.feed(_BX) != [_TRACKING]:
        raise AssertionError(f"lost its way after {data!r}")
    return any(not isinstance(reply, PolarisGarbled) for reply in found)


def malformed(rng: random.Random) -> bytes:
    """A reply no host may believe: damage within what a 16-bit CRC must see, or a strange layout.

    Two separate errors far apart pass such a CRC once in 65536, in every host; they are left out.
    """
    original = rng.choice((_TX, _BX))
    data = bytearray(original)
    kind = rng.randrange(6)
    if kind == 0:  # one byte
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    elif kind == 1:  # a burst of up to 16 bits
        at = rng.randrange(len(data) - 1)
        data[at] ^= rng.randrange(1, 256)
        data[at + 1] ^= rng.randrange(256)
    elif kind == 2:  # cut off
        del data[rng.randrange(len(data)) :]
    elif kind == 3:  # a piece missing or twice
        at = rng.randrange(1, len(data) - 30)
        size = rng.randrange(1, 20)
        if rng.random() < 0.5:
            del data[at : at + size]
        else:
            data[at:at] = data[at : at + size]
    elif kind == 4:  # nonsense with good CRCs
        return _nonsense(rng)
    else:
        data = bytearray(rng.randbytes(rng.randrange(200)))
    return b"" if bytes(data) == original else bytes(data)


def _nonsense(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        text = bytearray(_TX[:-5])
        at = rng.randrange(len(text))
        text[at] = rng.choice(b"!g.") if text[at] not in b"\n" else ord("0")
        return bytes(text) + b"%04X\r" % codec.crc16(bytes(text))
    body = bytearray(_BX[6:-2])
    kind = rng.randrange(4)
    if kind == 0:
        body[0] = rng.choice((0, 1, 3, 200))
    elif kind == 1:
        body[rng.choice((2, 44))] = rng.choice((0, 3, 7, 255))
    elif kind == 2:
        value = rng.choice((float("nan"), float("inf"), -float("inf"), 1e30))
        at = 3 + 4 * rng.randrange(8)
        body[at : at + 4] = struct.pack("<f", value)
    else:
        del body[rng.randrange(len(body)) :]
    head = struct.pack("<HH", codec.BX_START, len(body))
    head += struct.pack("<H", codec.crc16(head))
    return head + bytes(body) + struct.pack("<H", codec.crc16(bytes(body)))

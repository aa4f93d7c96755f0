"""Messages of the iCOM stream with damage; `feed` tells whether one is believed.

The stream has no checksum, so the digits of the values and of the date are left alone here, and so
are the bytes that nothing depends on: TCP's checksum keeps them.
"""

from __future__ import annotations

import random
from datetime import datetime

from hal.errors import ProtocolError
from hal.icom.codec import (
    ANGLES,
    IcomReader,
    IcomReport,
    encode_message,
    tags_with,
)
from hal.icom.session import IcomSettings
from hal.messages import LinacStatus
from sim.icom import IcomTwin

_TAGS = tags_with("isocentric")
_STATUS = LinacStatus("linac", 1, 181.5, 90.0, 5.0, 12.5)
MESSAGE = encode_message(
    datetime(2026, 1, 1, 8, 0, 0),  # noqa: DTZ001
    7,
    IcomTwin(IcomSettings()).elements(_STATUS),
)


def _heads() -> list[int]:
    """Where the heads of the angles' elements begin."""
    return [MESSAGE.index(_TAGS[name].head(0)[:-4]) for name in ANGLES]


def malformed(rng: random.Random) -> bytes:
    """A message that is cut, or in which the head of an angle is damaged."""
    data = bytearray(MESSAGE)
    kind = rng.randrange(4)
    head = rng.choice(_heads())
    if kind == 0:
        del data[rng.randrange(head + 12) :]
    elif kind == 1:
        data[head + rng.randrange(12)] ^= rng.randrange(1, 256)
    elif kind == 2:
        for _ in range(rng.randrange(2, 6)):
            data[head + rng.randrange(12)] ^= rng.randrange(1, 256)
    else:
        return rng.randbytes(rng.randrange(200))
    return b"" if bytes(data) == MESSAGE else bytes(data)


def feed(data: bytes) -> bool:
    """Tell whether the angles of a message are believed, with another after it."""
    reader = IcomReader(_TAGS)
    try:
        found = reader.feed(data)
        found += reader.feed(bytes(8) + b"2026-01-0108:00:01")
    except ProtocolError:
        return False
    return any(isinstance(item, IcomReport) for item in found)

"""OpenIGTLink contents, and endlessly many wrong messages; `feed` tells whether one is believed."""

from __future__ import annotations

import math
import random
import struct

from hal.openigtlink.codec import HEADER, IgtlPacket, StreamReader, crc64, encode
from hal.openigtlink.contents import (
    Content,
    IgtlText,
    IgtlTool,
    Position,
    QuaternionData,
    QuaternionTool,
    Sensor,
    StartTracking,
    Status,
    StopTracking,
    TrackingAnswer,
    TrackingData,
    Transform,
    at,
)

TURNED = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.5, -2.25, 3.125)
UNIX_NS = 1_700_000_000_123_456_789

CONTENTS: list[Content] = [
    Transform(TURNED),
    Position((1.5, -2.25, 3.125)),
    Position((1.5, -2.25, 3.125), (0.0, 0.0, 0.5, 0.875)),
    TrackingData(()),
    TrackingData((IgtlTool("Marker 0", TURNED), IgtlTool("Marker 1", at((4.0, 5.0, 6.0)), 1))),
    QuaternionData((QuaternionTool("Marker 0", (1.0, 2.0, 3.0), (0.5, 0.5, 0.5, 0.5)),)),
    StartTracking("TDATA", 20, "Patient"),
    StartTracking("QTDATA"),
    StopTracking("TDATA"),
    StopTracking("QTDATA"),
    TrackingAnswer("TDATA", True),
    TrackingAnswer("QTDATA", False),
    Status(1),
    Status(13, -5, "Warm-up", "camera is warming up"),
    IgtlText("beam held"),
    IgtlText("Ausatmung für 2 s"),
    Sensor((512.25, -1.5, 1e-300)),
    Sensor(()),
]
_GOOD = IgtlPacket("Next", UNIX_NS, IgtlText("still here"))


def feed(data: bytes) -> bool:
    """Whether any of it is believed; a reader that misses the good message after it crashes."""
    reader = StreamReader()
    found = reader.feed(data)
    while reader.waiting:
        found += reader.resume()
    if reader.feed(encode(_GOOD))[-1:] != [_GOOD]:
        raise AssertionError(f"lost its way after {data!r}")
    return any(isinstance(item, IgtlPacket) for item in found)


def malformed(rng: random.Random) -> bytes:
    """A message that must not be believed: broken where the CRC or the sizes look."""
    version = rng.choice((1, 2))
    content = rng.choice(CONTENTS[:1] + CONTENTS[2:])
    data = bytearray(encode(IgtlPacket("Tracker", UNIX_NS, content, version)))
    kind = rng.randrange(5)
    if kind == 0 and len(data) > HEADER.size:  # the body
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(HEADER.size, len(data))] ^= rng.randrange(1, 256)
    elif kind == 1:  # the CRC
        data[rng.randrange(50, 58)] ^= rng.randrange(1, 256)
    elif kind == 2:  # nonsense with a good CRC
        body = rng.randbytes(rng.randrange(200))
        name = rng.choice((b"TRANSFORM", b"STATUS", b"STRING", b"SENSOR", b"STT_TDATA"))
        if name == b"STATUS":
            body = body[:29]
        elif name == b"STRING":
            body = b"\0\3\xff\xff" + body
        elif name == b"SENSOR":
            body = bytes([len(body) // 8 + 40]) + body
        elif name == b"STT_TDATA":
            body = body[:35]
        else:
            body = struct.pack(">f", math.nan) + body[:44]
        data = bytearray(HEADER.pack(1, name, b"x", 0, len(body), crc64(body)) + body)
    elif kind == 3:  # cut off
        del data[rng.randrange(0, len(data)) :]
    else:
        data = bytearray(rng.randbytes(rng.randrange(0, 300)))
    good = encode(IgtlPacket("Tracker", UNIX_NS, content, version))
    return b"" if bytes(data) == good else bytes(data)

"""Beam's-eye view messages, and endlessly many wrong ones; `feed` tells whether one is believed."""

from __future__ import annotations

import json
import random
from typing import Any

from hal.bev.codec import BevDemand, BevMessage, BevStatus, BevStop, decode_message, encode_message
from hal.errors import ProtocolError

MESSAGES: list[BevMessage] = [
    BevDemand(1, 7, 1.25, -3.5),
    BevStop(1, 1),
    BevStatus(1, 7, -0.125, 12.0),
    BevStatus(1, 2**53, 0.0, 0.0, "leaf 12 is stuck"),
]
WRONG: list[Any] = [None, "1", [], {}, -1, 0, 1e300, float("nan"), 2**60, True, "nan"]


def malformed(rng: random.Random) -> bytes:
    """Return a datagram that is no message: cut, with a wrong value, a key too few or too many."""
    data = encode_message(rng.choice(MESSAGES))
    content: dict[str, Any] = json.loads(data)
    which = rng.randrange(6)
    if which == 0:
        return data[: rng.randrange(len(data))]
    if which == 1:
        content.pop(rng.choice([key for key in content if key != "fault"]))
    elif which == 2:
        key = rng.choice([key for key in content if key not in ("x_mm", "y_mm", "fault")])
        content[key] = rng.choice([value for value in WRONG if value != content[key]])
        if key == "number" and type(content[key]) is int and 1 <= content[key] <= 2**53:
            content[key] = -1
    elif which == 3:
        content["x_mm" if "x_mm" in content else "number"] = rng.choice([None, "3", 1e4, [], -9e9])
    elif which == 4:
        content[f"further{rng.randrange(10)}"] = 1
    else:
        return rng.randbytes(rng.randrange(700))
    return json.dumps(content).encode()


def feed(data: bytes) -> bool:
    """Tell whether a datagram is believed."""
    try:
        decode_message(data)
    except ProtocolError:
        return False
    return True

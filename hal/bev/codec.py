"""The messages of demands in beam's-eye view: one JSON object a datagram.

The sender's messages are `BevDemand` and `BevStop`, the receiver's is `BevStatus`. X and Y are
those of the beam's-eye view at the isocentre, in millimetres from the planned aperture (IEC 61217,
beam limiting device). The schema is published in docs/reference/bev-udp.json.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hal.errors import ProtocolError

VERSION = 1
MOST_BYTES = 512
"""A longer datagram is none of these messages."""
Number = Annotated[int, Meta(ge=1, le=2**53)]
Shift = Annotated[float, Meta(ge=-500, le=500)]


class BevDemand(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="demand"
):
    """Shift the aperture to this position; it replaces every demand with a lower number."""

    version: Literal[1]
    number: Number
    """Counts the messages of one sender; one that is not higher than the last is late: ignore it.
    """
    x_mm: Shift
    y_mm: Shift


class BevStop(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="stop"
):
    """Stop where the aperture is. The first message of a sender, and repeated until it is answered.

    A sender that begins again begins with a stop of number 1, which resets the receiver's count.
    """

    version: Literal[1]
    number: Number


class BevStatus(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="status"
):
    """Where the aperture is; sent to the address of the last message, 50 times a second or more."""

    version: Literal[1]
    number: Number
    """The highest number that was received."""
    x_mm: Shift
    y_mm: Shift
    fault: Annotated[str, Meta(max_length=200)] = ""
    """What the receiver complains of; empty: nothing."""


BevMessage = BevDemand | BevStop | BevStatus
_DECODER = msgspec.json.Decoder(BevMessage)


def encode_message(message: BevMessage) -> bytes:
    """Return the datagram of a message."""
    return msgspec.json.encode(message)


def decode_message(data: bytes) -> BevMessage:
    """Return the message of a datagram; raises `ProtocolError` for anything else."""
    if len(data) > MOST_BYTES:
        raise ProtocolError(f"{len(data)} bytes, at most {MOST_BYTES}")
    try:
        message = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(str(error)) from None
    if not isinstance(message, BevStop) and not (
        math.isfinite(message.x_mm) and math.isfinite(message.y_mm)
    ):
        raise ProtocolError(f"position {message.x_mm}, {message.y_mm} is no number")
    return message


def schema() -> dict[str, Any]:
    """Return the JSON schema of all messages."""
    return msgspec.json.schema(BevMessage)

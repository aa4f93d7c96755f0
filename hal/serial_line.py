"""The setting of a serial line, and how a conversation asks for another setting.

Some devices start at one rate and change to another on command, or are reset by a break. A
conversation that does so has a method `line_to_set`; wires that are no serial line ignore it.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import msgspec


class SerialLine(msgspec.Struct, frozen=True, gc=False):
    """Rate and framing of the line; ``break_ms`` > 0: hold the line in break first."""

    baud: int = 115200
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "O", "E"] = "N"
    stop_bits: Literal[1, 2] = 1
    handshake: bool = False
    break_ms: int = 0


@runtime_checkable
class SetsLine(Protocol):
    """A conversation that changes its serial line while it talks."""

    def line_to_set(self) -> SerialLine | None:
        """Hand over the setting to apply before anything more is sent, once."""
        ...

"""Read from a message's metadata whether the pose of a tool was measured.

A navigation server may send a hidden tool too, with its last pose or an identity; only the
metadata (header version 2 and later) says that the pose is no measurement. PLUS writes
``TransformStatus`` and ``TransformValid`` to TRANSFORM and POSITION, and ``<tool>Status`` to TDATA;
3D Slicer writes ``TransformStatus`` or ``Status``. A pose counts as measured only when every such
entry says so; a message without one says nothing, and its pose is used.
"""

from __future__ import annotations

from collections.abc import Mapping

MEASURED_STATUS = "ok"
MEASURED_VALID = ("true", "1", "yes")
_STATUS_KEYS = ("transformstatus", "status")
_VALID_KEYS = ("transformvalid", "valid")


class ToolStatus:
    """What the metadata of one message says of its tools; keys and words in any case."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._entries = {
            key.strip().casefold(): value.strip().casefold() for key, value in metadata.items()
        }

    def measured(self, tool: str = "") -> bool:
        """Return whether the message lets a tool's pose count as measured.

        Entries about the whole message count for every tool; without ``tool`` only those are read.
        """
        if not self._entries:
            return True
        names = ("", tool.casefold()) if tool else ("",)
        return all(self._measured(name) for name in names)

    def _measured(self, name: str) -> bool:
        """Return whether no entry that begins with a name denies the measurement."""
        entries = self._entries
        statuses = [entries[name + key] for key in _STATUS_KEYS if name + key in entries]
        valid = [entries[name + key] for key in _VALID_KEYS if name + key in entries]
        return all(word == MEASURED_STATUS for word in statuses) and all(
            word in MEASURED_VALID for word in valid
        )

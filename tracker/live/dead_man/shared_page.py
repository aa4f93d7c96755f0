"""The memory that daemon and monitor share: two records of fixed layout, each with a checksum.

Each side writes one record and reads the other. A record is copied in one piece. A reader that
finds a half-written record sees a wrong checksum and keeps the last one, so a writer that stopped
in the middle looks silent. Times are nanoseconds of the system's monotonic clock, which all
processes share; -1: none.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from typing import Any, NamedTuple, Self

PAGE_BYTES = 4096
_TICKED = struct.Struct("<QqqqqqdddBB6x")
_WATCHED = struct.Struct("<QqQBBBBd")
_SUM = struct.Struct("<I")
_DAEMON_AT, _MONITOR_AT = 0, 1024
_TRIES = 3


class DaemonRecord(NamedTuple):
    """What the daemon writes at the end of each tick."""

    beats: int = 0
    beat_ns: int = -1
    permit_until_ns: int = -1
    surrogate_ns: int = -1
    """Arrival of the newest sample of a surrogate source that shows the breath."""
    beam_ns: int = -1
    """Arrival of the newest beam read-back from the daemon's own driver."""
    demand_ns: int = -1
    demand_x_mm: float = 0.0
    demand_y_mm: float = 0.0
    demand_z_mm: float = 0.0
    tracking: bool = False
    """The session is in the state in which the beam may be permitted."""
    beam_on: bool = False


class MonitorRecord(NamedTuple):
    """What the monitor writes in each of its rounds."""

    beats: int = 0
    beat_ns: int = -1
    takings: int = 0
    """How many times it has taken the beam."""
    reaches_gate: bool = False
    """Its own channel to the gate answers."""
    beam_on: bool = False
    tripped: bool = False
    """The gate's latch is set."""
    condition: int = 0
    """Number of the condition for which it last took the beam, from 1; 0: never."""
    value: float = 0.0
    """The value of that condition."""


class SharedPage:
    """The shared memory of a file descriptor of at least `PAGE_BYTES`."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, PAGE_BYTES)
        self._daemon = DaemonRecord()
        self._monitor = MonitorRecord()

    def write_daemon(self, record: DaemonRecord) -> None:
        """Write the record of the daemon."""
        self._write(_DAEMON_AT, _TICKED.pack(*record))

    def write_monitor(self, record: MonitorRecord) -> None:
        """Write the record of the monitor."""
        self._write(_MONITOR_AT, _WATCHED.pack(*record))

    def daemon(self) -> DaemonRecord:
        """Return the newest complete record of the daemon."""
        found = self._read(_DAEMON_AT, _TICKED)
        if found is not None:
            self._daemon = DaemonRecord(
                *found[:-2], tracking=bool(found[-2]), beam_on=bool(found[-1])
            )
        return self._daemon

    def monitor(self) -> MonitorRecord:
        """Return the newest complete record of the monitor."""
        found = self._read(_MONITOR_AT, _WATCHED)
        if found is not None:
            flags = map(bool, found[3:6])
            self._monitor = MonitorRecord(*found[:3], *flags, *found[6:])
        return self._monitor

    def close(self) -> None:
        """Unmap the memory."""
        self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _write(self, at: int, data: bytes) -> None:
        whole = data + _SUM.pack(zlib.crc32(data) or 1)
        self._memory[at : at + len(whole)] = whole

    def _read(self, at: int, layout: struct.Struct) -> tuple[Any, ...] | None:
        for _ in range(_TRIES):
            whole = self._memory[at : at + layout.size + _SUM.size]
            (kept,) = _SUM.unpack_from(whole, layout.size)
            if kept and kept == (zlib.crc32(whole[: layout.size]) or 1):
                return layout.unpack_from(whole)
        return None


def anonymous_page() -> int:
    """Return a descriptor of memory without a name; it ends with the last process that has it."""
    descriptor = os.memfd_create("tidetrack-page")
    os.ftruncate(descriptor, PAGE_BYTES)
    return descriptor


def named_page(path: str) -> int:
    """Return a descriptor of the memory at a path, for processes that do not start each other."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    os.ftruncate(descriptor, PAGE_BYTES)
    return descriptor

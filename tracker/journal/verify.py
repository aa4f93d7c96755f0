"""Check by seals, sums and order that a journal has not changed since it was written.

The seals tell damage from a whole file; they are no signature. Who can write the file can also
compute new ones.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from mcap.opcode import Opcode

from tracker.journal.contents import JournalError, Seal, sha256_of_text
from tracker.journal.framing import HEAD, open_mcap, read_footer, size_of
from tracker.journal.reader import TornTail, read_journal


class RunningHash(Protocol):
    """A hash that takes more bytes, as `hashlib` makes them."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""
        ...


class Verification(NamedTuple):
    """A journal whose every seal holds; ``unsealed`` records at its end have none behind them."""

    records: int
    seals: int
    unsealed: int
    torn: TornTail | None


def verify(path: Path) -> Verification:
    """Check a whole journal; `JournalError` at the first thing that does not hold."""
    journal = read_journal(path)
    header = journal.header
    if journal.rewritten:
        raise JournalError(
            f"{path}: was written anew by another MCAP tool: its seals cover the bytes "
            "of the original and cannot be checked here; verify the original"
        )
    if sha256_of_text(header.configuration) != header.configuration_sha256:
        raise JournalError(
            f"{path}: the configuration in the header was changed (its hash differs)"
        )
    records = seals = sealed = 0
    running = hashlib.sha256()
    hashed_to = 0
    with open_mcap(path) as file:
        for entry in journal.entries():
            records += 1
            if entry.kind != "seal":
                continue
            seal: Seal = entry.record
            _hash_range(file, running, hashed_to, entry.offset)
            if running.hexdigest() != seal.sha256 or seal.records != entry.sequence:
                raise JournalError(
                    f"{path}: changed or damaged between byte {hashed_to} and {entry.offset}:"
                    f" the seal at {seal.t_ns / 1e9:.3f} s does not hold"
                )
            hashed_to = entry.offset
            seals += 1
            sealed = records
        if journal.torn is None:
            _check_end(file, path)
    return Verification(records, seals, records - sealed, journal.torn)


def _hash_range(file: BinaryIO, running: RunningHash, start: int, stop: int) -> None:
    file.seek(start)
    while start < stop:
        block = file.read(min(1 << 20, stop - start))
        running.update(block)
        start += len(block)


def _check_end(file: BinaryIO, path: Path) -> None:
    """Check the sums MCAP itself has: over the data, and over the index behind it."""
    footer = read_footer(file)
    if footer is None:
        raise JournalError(f"{path}: lost its end while it was read")
    size = size_of(file)
    crc = 0
    file.seek(0)
    data_end = footer.summary_start - HEAD.size - 4
    while file.tell() < data_end:
        crc = zlib.crc32(file.read(min(1 << 20, data_end - file.tell())), crc)
    code, length, stored = struct.unpack("<BQI", file.read(HEAD.size + 4))
    if code != Opcode.DATA_END or length != 4 or stored != crc:
        raise JournalError(f"{path}: changed or damaged: the sum over its data does not hold")
    index = file.read(size - 8 - 4 - footer.summary_start)
    if zlib.crc32(index) != footer.summary_crc:
        raise JournalError(f"{path}: changed or damaged: the sum over its index does not hold")

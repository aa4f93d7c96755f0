"""MCAP's outer layer: magic bytes, then records of one code byte, a length and a body."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Footer
from mcap.writer import MCAP0_MAGIC

from tracker.journal.contents import JournalError

MESSAGE_CODE = int(Opcode.MESSAGE)
METADATA_CODE = int(Opcode.METADATA)

MESSAGE = struct.Struct("<BQHIQQ")
"""A message with its head: code, length of the rest, channel, sequence, log and publish time."""

MESSAGE_BODY = struct.Struct("<HIQQ")
"""The same without the head: channel, sequence, log and publish time; then the data."""

HEAD = struct.Struct("<BQ")

_FOOTER_BODY_BYTES = 20
_FOOTER_BYTES = HEAD.size + _FOOTER_BODY_BYTES + len(MCAP0_MAGIC)
LARGEST_BODY = 1 << 28
"""Bytes of one record; a longer one means that the file is damaged."""
_KNOWN_CODES = frozenset(int(code) for code in Opcode)
_READ_BYTES = 1 << 20


class RawRecord(NamedTuple):
    """One record as it lies in the file."""

    offset: int
    code: int
    body: bytes
    end: int
    """The byte after it."""


def open_mcap(path: Path) -> BinaryIO:
    """Open an MCAP file and read its magic bytes."""
    try:
        file = path.open("rb", buffering=_READ_BYTES)
    except FileNotFoundError as error:
        raise JournalError(f"{path}: there is no such file; check the name") from error
    except IsADirectoryError as error:
        raise JournalError(f"{path}: is a directory; name the journal in it (*.mcap)") from error
    except OSError as error:
        raise JournalError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        _check_magic(file, path)
    except BaseException:
        file.close()
        raise
    return file


def raw_records(file: BinaryIO) -> Iterator[RawRecord]:
    """Yield whole, plausible records from the current position, up to the first other one."""
    offset = file.tell()
    while True:
        head = file.read(HEAD.size)
        if len(head) < HEAD.size:
            return
        code, length = HEAD.unpack(head)
        if code not in _KNOWN_CODES or length > LARGEST_BODY:
            return
        body = file.read(length)
        if len(body) < length:
            return
        end = offset + HEAD.size + length
        yield RawRecord(offset, code, body, end)
        offset = end


def read_footer(file: BinaryIO) -> Footer | None:
    """Return the footer of a file that was closed properly; ``None`` when it has none."""
    size = size_of(file)
    if size < len(MCAP0_MAGIC) + _FOOTER_BYTES:
        return None
    file.seek(size - _FOOTER_BYTES)
    end = file.read(_FOOTER_BYTES)
    head = HEAD.pack(Opcode.FOOTER, _FOOTER_BODY_BYTES)
    if not end.startswith(head) or not end.endswith(MCAP0_MAGIC):
        return None
    footer = Footer(*struct.unpack_from("<QQI", end, HEAD.size))
    return footer if footer.summary_start <= footer.summary_offset_start < size else None


def size_of(file: BinaryIO) -> int:
    """Return the file's length in bytes."""
    return os.fstat(file.fileno()).st_size


def parse(record: RawRecord, path: Path, what: Any) -> Any:
    """Parse a record's body as ``what``, one of the record classes of the ``mcap`` package."""
    try:
        return what.read(ReadDataStream(io.BytesIO(record.body)))
    except (McapError, UnicodeDecodeError, struct.error) as error:
        raise JournalError(
            f"{path}: the {what.__name__} record at byte {record.offset} is garbled;"
            " the file was changed or damaged"
        ) from error


def _check_magic(file: BinaryIO, path: Path) -> None:
    start = file.read(len(MCAP0_MAGIC))
    if start == MCAP0_MAGIC:
        return
    if not start:
        raise JournalError(f"{path}: is empty (0 bytes); there is nothing to read")
    if MCAP0_MAGIC.startswith(start):
        raise JournalError(f"{path}: breaks off after {len(start)} bytes, before its header")
    raise JournalError(
        f"{path}: is no MCAP file (it starts with {start!r}); name a journal that tidetrack wrote"
    )

"""Read the records of a journal that another MCAP tool has written anew.

The controller writes its records one after the other, so that a torn file can be read up to the
tear. Standard tools (`mcap compress`, `filter`, `merge`, `recover`, Foxglove) put them into chunks,
mostly compressed, and may sort them by time. Nothing of a record is lost; the seals are, because
they cover the bytes of the file as it was written.
"""

from __future__ import annotations

import importlib
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from mcap.opcode import Opcode
from mcap.records import Chunk

from tracker.journal.contents import JournalError
from tracker.journal.framing import (
    LARGEST_BODY,
    MESSAGE_BODY,
    MESSAGE_CODE,
    RawRecord,
    parse,
    raw_records,
)


def flat_records(file: BinaryIO, path: Path) -> Iterator[RawRecord]:
    """Yield whole records from the current position, those inside chunks too.

    A record of a chunk has the chunk's place in the file. Raises `JournalError` for a chunk that
    cannot be unpacked.
    """
    for raw in raw_records(file):
        if raw.code != Opcode.CHUNK:
            yield raw
            continue
        chunk: Chunk = parse(raw, path, Chunk)
        for inner in raw_records(io.BytesIO(_unpacked(chunk, raw, path))):
            yield inner._replace(offset=raw.offset, end=raw.end)


def in_order(file: BinaryIO, path: Path) -> Iterator[RawRecord]:
    """Yield the records of a rewritten journal, its messages by their numbers.

    Tools that sort by time put messages of one moment into another order. Only such a file is held
    in memory as a whole.
    """
    start = file.tell()
    last = -1
    sorted_already = True
    for raw in flat_records(file, path):
        if raw.code == MESSAGE_CODE:
            number = _number(raw)
            sorted_already = sorted_already and number > last
            last = number
    file.seek(start)
    if sorted_already:
        yield from flat_records(file, path)
        return
    messages: list[RawRecord] = []
    for raw in flat_records(file, path):
        if raw.code == Opcode.DATA_END:
            break
        if raw.code == MESSAGE_CODE:
            messages.append(raw)
        else:
            yield raw
    yield from sorted(messages, key=_number)


def _number(raw: RawRecord) -> int:
    return int(MESSAGE_BODY.unpack_from(raw.body)[1])


def _unpacked(chunk: Chunk, raw: RawRecord, path: Path) -> bytes:
    """Return the records in a chunk; raises `JournalError` where it cannot be unpacked."""
    where = f"{path}: the chunk at byte {raw.offset}"
    if chunk.uncompressed_size > LARGEST_BODY:
        raise JournalError(
            f"{where} is {chunk.uncompressed_size} bytes unpacked, limit {LARGEST_BODY}; "
            "write the journal anew with smaller chunks"
        )
    unpack = _UNPACKERS.get(chunk.compression)
    if unpack is None:
        known = ", ".join(name for name in _UNPACKERS if name)
        raise JournalError(
            f"{where} is compressed as {chunk.compression!r}, known are {known}; "
            "write the journal anew with one of them"
        )
    try:
        data = unpack(chunk)
    except Exception as error:  # whatever the library raises about bytes that are not its own
        raise JournalError(f"{where} cannot be unpacked ({error}); the file is damaged") from error
    if len(data) != chunk.uncompressed_size or (
        chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc
    ):
        raise JournalError(f"{where} fails its sum or its size; the file is damaged")
    return data


def _plain(chunk: Chunk) -> bytes:
    return chunk.data


def _zstd(chunk: Chunk) -> bytes:
    library: Any = importlib.import_module("zstandard")
    made = library.ZstdDecompressor().decompress(
        chunk.data, max_output_size=chunk.uncompressed_size
    )
    return cast(bytes, made)


def _lz4(chunk: Chunk) -> bytes:
    library: Any = importlib.import_module("lz4.frame")
    made = library.LZ4FrameDecompressor().decompress(
        chunk.data, max_length=chunk.uncompressed_size + 1
    )
    return cast(bytes, made)


_UNPACKERS: dict[str, Callable[[Chunk], bytes]] = {"": _plain, "zstd": _zstd, "lz4": _lz4}

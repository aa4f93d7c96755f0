"""Write a journal that stays readable when the process is killed at any byte.

The file is plain MCAP without chunks or compression, so that whatever reached the file reads back
up to the last whole record. Records wait until they are written: in a simulation up to the next
seal, in a treatment not at all. Those that waited are encoded together, which takes a third of
the time of one after the other. This module packs MCAP's messages itself, because it also hashes
their bytes; it writes everything else with the ``mcap`` package.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import mcap
import msgspec
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    DataEnd,
    Metadata,
    MetadataIndex,
    Statistics,
    SummaryOffset,
)
from mcap.records import Header as McapHeader
from mcap.records import Schema as McapSchema
from mcap.writer import MCAP0_MAGIC

from hal.events import Event
from tracker.core.types import Output
from tracker.journal.contents import (
    CLOSING_NAME,
    CONTENTS,
    FORMAT,
    HEADER_NAME,
    PROFILE,
    Digest,
    Header,
    JournalError,
    Kind,
    Seal,
    Truth,
    encode_record,
    encode_records,
    header_to_text,
    refuse_not_finite,
)
from tracker.journal.framing import MESSAGE, MESSAGE_BODY, MESSAGE_CODE
from tracker.journal.schemas import schema_of

Durability = Literal["buffered", "process", "power"]
"""What a kill can cost: the last thousand records; nothing; nothing, and a power cut one second."""

SEAL_EVERY = 1000
_MESSAGE_BODY_BYTES = MESSAGE_BODY.size
_NEVER_NS = 1 << 64


class Sink(Protocol):
    """Where the bytes go: a file, or a `tracker.journal.recorder.Recorder`."""

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        ...

    def write(self, data: memoryview, /) -> int | None:
        """Write some of the bytes, and return how many."""
        ...

    def fileno(self) -> int:
        """The file's descriptor."""
        ...

    def close(self) -> None:
        """Close; raises ``OSError`` when not everything is written."""
        ...


class JournalWriter:
    """Writes one run's journal; a context manager that closes it also when the run fails.

    An existing file is refused unless ``overwrite``; ``file``, where one is given, is what
    `open_journal` opened or a recorder behind it, and is closed with the journal. Every method
    raises `JournalError` when a record cannot be written, and the run must not go on then. Unless
    ``durability`` is ``buffered``, that is a record which the method was given; else it can be one
    of those that waited.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        *,
        overwrite: bool = False,
        durability: Durability = "buffered",
        seal_every: int = SEAL_EVERY,
        file: Sink | None = None,
    ) -> None:
        self._path = path
        self._durability: Durability = durability
        self._seal_every = seal_every
        self._buffered = durability == "buffered"
        self._rows: dict[type, tuple[int, Kind, Callable[[Any], int]]] = {
            content.type: (channel, content.kind, content.time_of)
            for channel, content in enumerate(CONTENTS, 1)
        }
        self._waiting: list[Any] = []
        """Records in their order, not yet encoded; never more than fit before the next seal."""
        self._room = seal_every
        self._counts = [0] * (len(CONTENTS) + 1)
        self._records = 0
        self._first_ns = _NEVER_NS
        self._last_ns = 0
        self._now_ns = 0
        self._pending: list[bytes] = []
        self._offset = 0
        self._crc = 0
        self._sha256 = hashlib.sha256()
        self._digest = Digest()
        self._metadata: list[MetadataIndex] = []
        self._failed = False
        opening = header_to_text(header)
        self._file: Sink = file or open_journal(path, overwrite=overwrite)
        self._pending.append(MCAP0_MAGIC + _bytes_of(_opening_records()))
        try:
            self._drain()
            self._put_metadata(HEADER_NAME, opening)
            self._drain()
        except JournalError:
            self._file.close()
            raise

    def event(self, event: Event) -> None:
        """Append an event; call it before the event is handled."""
        waiting = self._waiting
        waiting.append(event)
        if not self._buffered:
            self._drain()
        elif len(waiting) >= self._room:
            self._encode()

    def outputs(self, outputs: Iterable[Output]) -> None:
        """Append what the engine returned for the event appended last, in its order."""
        waiting = self._waiting
        waiting.extend(outputs)
        if not self._buffered:
            self._drain()
        elif len(waiting) >= self._room:
            self._encode()

    def truth(self, record: msgspec.Struct) -> None:
        """Append what the simulator knows: a record named and shaped like `Truth`."""
        if type(record) not in self._rows:
            self._admit_truth(record)
        self._waiting.append(record)
        if len(self._waiting) >= self._room:
            self._encode()

    def flush(self) -> None:
        """Hand everything appended so far to the operating system."""
        self._drain()

    def close(self, closing: dict[str, str] | None = None) -> None:
        """End the journal with ``closing`` remarks, a seal and the index; twice does no harm."""
        if self._file.closed:
            return
        try:
            if not self._failed:
                self._finish(closing)
        finally:
            self._close_file()

    def _finish(self, closing: dict[str, str] | None) -> None:
        try:
            self._encode()
        finally:  # also when a record is refused: those before it make a whole journal
            self._write_out()
            if closing:
                self._put_metadata(CLOSING_NAME, closing)
            self._seal()
            self._write_out()
            self._pending.append(_bytes_of([DataEnd(data_section_crc=self._crc)]))
            self._write_out()
            self._pending.append(self._summary())
            self._write_out()
        if self._durability == "power":
            os.fsync(self._file.fileno())

    def _close_file(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._failed = True
            raise self._unwritable(error) from error

    @property
    def digest(self) -> str:
        """SHA-256 over the outputs so far, in hexadecimal."""
        self._encode()
        return self._digest.hexdigest()

    @property
    def records(self) -> int:
        """How many records (events, outputs, truth, seals) were appended."""
        return self._records + len(self._waiting)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except JournalError:
            if value is None:  # else the run has failed already, most likely for the same reason
                raise

    def _encode(self) -> None:
        """Encode the records that wait, with a seal after every ``seal_every`` of them."""
        waiting = self._waiting
        while len(waiting) >= self._room:
            batch = waiting[: self._room]
            del waiting[: self._room]
            self._pack(batch)
            self._seal()
        if waiting:
            self._waiting = []
            self._pack(waiting)
            self._room -= len(waiting)

    def _pack(self, records: list[Any]) -> None:
        """Append the messages of records to the bytes that wait, and outputs to the digest."""
        rows, counts, pending, outputs = self._rows, self._counts, self._pending, list[bytes]()
        pack = MESSAGE.pack
        number, first_ns, last_ns, now_ns = (
            self._records, self._first_ns, self._last_ns, self._now_ns,
        )  # fmt: skip
        try:
            for record, data in _encoded(records):
                channel, kind, time_of = rows[type(record)]
                log_ns = time_of(record)
                if kind == "event":
                    if log_ns > now_ns:
                        now_ns = log_ns
                elif kind == "output":
                    outputs.append(data)
                if log_ns < 0:
                    log_ns = 0  # MCAP's times are unsigned; the record itself keeps the true one
                if log_ns > last_ns:
                    last_ns = log_ns
                if log_ns < first_ns:
                    first_ns = log_ns
                size = _MESSAGE_BODY_BYTES + len(data)
                pending += (
                    pack(MESSAGE_CODE, size, channel, number & 0xFFFFFFFF, log_ns, now_ns),
                    data,
                )
                number += 1
                counts[channel] += 1
        finally:  # also after a record that is refused: those before it are in the journal
            self._records, self._first_ns, self._last_ns, self._now_ns = (
                number, first_ns, last_ns, now_ns,
            )  # fmt: skip
            self._digest.add_encoded(outputs)

    def _seal(self) -> None:
        self._write_out()
        self._room = self._seal_every
        seal = Seal(t_ns=self._now_ns, records=self._records, sha256=self._sha256.hexdigest())
        self._pack([seal])
        if self._durability == "power":
            self._write_out()
            os.fsync(self._file.fileno())

    def _admit_truth(self, record: msgspec.Struct) -> None:
        try:
            msgspec.json.decode(encode_record(record), type=Truth)
        except msgspec.ValidationError as error:
            raise JournalError(
                f"{self._path}: the simulator's truth is not as the journal expects it: {error}"
            ) from error
        self._rows[type(record)] = self._rows[Truth]

    def _put_metadata(self, name: str, text: dict[str, str]) -> None:
        """Append a metadata record; nothing may be pending, for the index needs its offset."""
        data = _bytes_of([Metadata(name=name, metadata=text)])
        self._metadata.append(MetadataIndex(offset=self._offset, length=len(data), name=name))
        self._pending.append(data)

    def _drain(self) -> None:
        """Encode the records that wait, and write them."""
        if self._waiting:
            self._encode()
        self._write_out()

    def _write_out(self) -> None:
        """Write the bytes that wait, and add them to the running checks."""
        if not self._pending:
            return
        if self._failed:
            raise JournalError(f"{self._path}: writing failed before; this journal is at its end")
        block = b"".join(self._pending)
        self._pending.clear()
        self._sha256.update(block)
        self._crc = zlib.crc32(block, self._crc)
        self._offset += len(block)
        try:
            left = memoryview(block)
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError as error:
            self._failed = True
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> JournalError:
        return JournalError(
            f"{self._path}: the journal cannot be written ({error.strerror});"
            " a run that is not recorded cannot go on"
        )

    def _summary(self) -> bytes:
        """The index at the end, as the MCAP specification lays it out, with footer and magic."""
        statistics = Statistics(
            attachment_count=0,
            channel_count=len(CONTENTS),
            channel_message_counts={
                channel: count for channel, count in enumerate(self._counts) if count
            },
            chunk_count=0,
            message_count=self._records,
            message_end_time=self._last_ns,
            message_start_time=self._first_ns if self._records else 0,
            metadata_count=len(self._metadata),
            schema_count=len(CONTENTS),
        )
        groups = [
            (Opcode.SCHEMA, _bytes_of(_schemas())),
            (Opcode.CHANNEL, _bytes_of(_channels())),
            (Opcode.STATISTICS, _bytes_of([statistics])),
            (Opcode.METADATA_INDEX, _bytes_of(self._metadata)),
        ]
        start = self._offset
        offsets: list[SummaryOffset] = []
        body = b""
        for code, data in groups:
            offsets.append(SummaryOffset(code, start + len(body), len(data)))
            body += data
        offset_start = start + len(body)
        body += _bytes_of(offsets)
        foot = struct.pack("<BQQQ", Opcode.FOOTER, 20, start, offset_start)
        crc = zlib.crc32(foot, zlib.crc32(body))
        return body + foot + struct.pack("<I", crc) + MCAP0_MAGIC


class _Writable(Protocol):
    def write(self, stream: RecordBuilder) -> None: ...


def _encoded(records: list[Any]) -> Iterable[tuple[Any, bytes]]:
    """Give each record with its JSON bytes; raises `JournalError` at the first refused one.

    All are encoded in one call, which is much faster. If a number may not be finite, or a record
    cannot be encoded, each is encoded and judged by itself, so that those before it are given.
    """
    if len(records) > 1:
        try:
            lines = encode_records(records)
        except (TypeError, ValueError):
            return _encoded_one_by_one(records)
        if b"null" not in lines:
            return zip(records, lines.split(b"\n"), strict=False)  # after the last line is nothing
    return _encoded_one_by_one(records)


def _encoded_one_by_one(records: list[Any]) -> Iterator[tuple[Any, bytes]]:
    for record in records:
        data = encode_record(record)
        if b"null" in data:
            refuse_not_finite(record)
        yield record, data


def _bytes_of(parts: Iterable[_Writable]) -> bytes:
    builder = RecordBuilder()
    for part in parts:
        part.write(builder)
    return bytes(builder.end())


def _schemas() -> list[McapSchema]:
    return [
        McapSchema(
            id=index,
            name=f"tidetrack.{content.type.__name__}",
            encoding="jsonschema",
            data=schema_of(content.type),
        )
        for index, content in enumerate(CONTENTS, 1)
    ]


def _channels() -> list[Channel]:
    return [
        Channel(
            id=index,
            topic=content.topic,
            message_encoding="json",
            metadata={},
            schema_id=index,
        )
        for index, content in enumerate(CONTENTS, 1)
    ]


def _opening_records() -> list[_Writable]:
    library = f"tidetrack journal {FORMAT}; mcap {mcap.__version__}"
    return [McapHeader(profile=PROFILE, library=library), *_schemas(), *_channels()]


def open_journal(path: Path, *, overwrite: bool = False) -> io.FileIO:
    """Create a journal's file; raises `JournalError` where it exists or cannot be."""
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        return io.FileIO(path, "wb" if overwrite else "xb")
    except FileExistsError as error:
        raise JournalError(
            f"{path}: exists already, nothing was written; name another file or overwrite it"
        ) from error
    except OSError as error:
        raise JournalError(
            f"{path}: cannot be written ({error.strerror}); name a file you may write"
        ) from error

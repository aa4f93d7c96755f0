"""Read a journal: its header, then its records one by one, up to where it breaks off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
from mcap.opcode import Opcode
from mcap.records import Channel, Footer, Metadata, MetadataIndex

from tracker.journal.contents import (
    CLOSING_NAME,
    CONTENTS,
    FORMAT,
    HEADER_NAME,
    Content,
    Header,
    JournalError,
    Kind,
    header_from_text,
)
from tracker.journal.framing import (
    MESSAGE_BODY,
    MESSAGE_CODE,
    METADATA_CODE,
    open_mcap,
    parse,
    raw_records,
    read_footer,
    size_of,
)
from tracker.journal.rewritten import flat_records, in_order

_CONTENT_OF_TOPIC = {content.topic: content for content in CONTENTS}


class Entry(NamedTuple):
    """One record: its kind, itself, its JSON, its place in the order and the byte it starts at.

    ``handled_ns`` is the time of the event that was being handled when it was written.
    """

    kind: Kind
    record: Any
    data: bytes
    sequence: int
    handled_ns: int
    offset: int


class TornTail(NamedTuple):
    """Where a journal breaks off: a run that was killed leaves it without its end.

    ``offset`` is the byte after the last whole record, ``lost_bytes`` what follows it,
    ``last_ns`` the time of the last whole record. ``complete`` tells that only the index at the
    end of the file is missing, and no record with it.
    """

    offset: int
    lost_bytes: int
    records: int
    last_ns: int
    complete: bool

    def describe(self) -> str:
        """Return one sentence for people."""
        where = f"after {self.records} whole records, at {self.last_ns / 1e9:.3f} s"
        if self.complete:
            return f"every record is there, only the index at the end is missing ({where})"
        if not self.lost_bytes:
            return f"not closed: the run was cut off {where}"
        return (
            f"torn {where} (byte {self.offset}); the {self.lost_bytes} bytes behind it"
            " are no whole record and were dropped"
        )


class Journal(msgspec.Struct, frozen=True):
    """A journal found readable: its header, its closing remarks, and its tear if it has one."""

    path: Path
    header: Header
    closing: dict[str, str]
    torn: TornTail | None
    channels: dict[int, Content]
    rewritten: bool = False
    """Whether another tool has written the records anew."""

    def entries(self) -> Iterator[Entry]:
        """Yield the records in order, up to the tear; raises `JournalError` at a damaged one."""
        decoders = {channel: _decoder(content) for channel, content in self.channels.items()}
        expected = 0
        stands_at = 0
        with open_mcap(self.path) as file:
            for raw in in_order(file, self.path) if self.rewritten else raw_records(file):
                if raw.code == Opcode.DATA_END:
                    return
                stands_at = raw.end
                if raw.code == Opcode.CHANNEL and self.rewritten:
                    channel = parse(raw, self.path, Channel)
                    if channel.topic in _CONTENT_OF_TOPIC:
                        decoders[channel.id] = _decoder(_CONTENT_OF_TOPIC[channel.topic])
                    continue
                if raw.code != MESSAGE_CODE:
                    continue
                channel, sequence, _, handled_ns = MESSAGE_BODY.unpack_from(raw.body)
                if channel not in decoders or sequence != expected & 0xFFFFFFFF:
                    raise _damaged(self.path, raw.offset, "a record is missing or out of order")
                expected += 1
                data = raw.body[MESSAGE_BODY.size :]
                kind, decode = decoders[channel]
                try:
                    record = decode(data)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise _damaged(self.path, raw.offset, str(error)) from error
                yield Entry(kind, record, data, sequence, handled_ns, raw.offset)
        if self.torn is None and not self.rewritten:
            raise _damaged(self.path, stands_at, "no record can start there")


def read_journal(path: Path) -> Journal:
    """Open a journal; `JournalError` when it is none, has no whole header, or is not there."""
    with open_mcap(path) as file:
        start = file.tell()
        footer = read_footer(file)
        file.seek(start)
        header, channels = _read_header(file, path, footer)
        torn = _find_tear(file, path) if footer is None else None
        closing = _metadata(file, path, footer, CLOSING_NAME) if footer else {}
    # The controller names every channel before its header; other tools do so behind it.
    return Journal(path, header, closing, torn, channels, rewritten=not channels)


def _decoder(content: Content) -> tuple[Kind, Callable[[bytes], Any]]:
    return content.kind, msgspec.json.Decoder(content.type).decode


def _read_header(
    file: BinaryIO, path: Path, footer: Footer | None
) -> tuple[Header, dict[int, Content]]:
    channels: dict[int, Content] = {}
    for raw in raw_records(file):
        if raw.code == Opcode.CHANNEL:
            channel = parse(raw, path, Channel)
            if channel.topic in _CONTENT_OF_TOPIC:
                channels[channel.id] = _CONTENT_OF_TOPIC[channel.topic]
        elif raw.code == METADATA_CODE:
            metadata = parse(raw, path, Metadata)
            if metadata.name == HEADER_NAME:
                return _accept(path, metadata.metadata), channels
        elif raw.code not in (Opcode.HEADER, Opcode.SCHEMA):
            text = _metadata(file, path, footer, HEADER_NAME) if footer else {}
            if text:  # another tool has put it behind the data
                return _accept(path, text), {}
            raise JournalError(
                f"{path}: is MCAP, but not a journal (no {HEADER_NAME!r} metadata);"
                " name a journal that tidetrack wrote, or write it anew with its metadata"
            )
    raise JournalError(
        f"{path}: breaks off within its header at byte {size_of(file)};"
        " it holds no record, so nothing can be read from it"
    )


def _accept(path: Path, text: dict[str, str]) -> Header:
    if text.get("format") != FORMAT:
        raise JournalError(
            f"{path}: is a journal of format {text.get('format')!r}, and this version reads"
            f" {FORMAT!r}; use the version of tidetrack that wrote it"
        )
    try:
        return header_from_text(text)
    except (KeyError, ValueError) as error:
        raise JournalError(f"{path}: its header is incomplete or garbled ({error})") from error


def _find_tear(file: BinaryIO, path: Path) -> TornTail:
    file.seek(0)
    file.read(8)
    records = 0
    last_ns = 0
    stands_at = file.tell()
    complete = False
    for raw in flat_records(file, path):
        if raw.code == Opcode.DATA_END:
            complete = True
            break
        if raw.code == MESSAGE_CODE:
            records += 1
            last_ns = MESSAGE_BODY.unpack_from(raw.body)[3]
        stands_at = raw.end
    lost = 0 if complete else size_of(file) - stands_at
    return TornTail(stands_at, lost, records, last_ns, complete)


def _metadata(file: BinaryIO, path: Path, footer: Footer, name: str) -> dict[str, str]:
    """Return the metadata record of a name by the index at the end; empty where there is none."""
    file.seek(footer.summary_start)
    for raw in raw_records(file):
        if raw.code == Opcode.METADATA_INDEX:
            index = parse(raw, path, MetadataIndex)
            if index.name == name:
                file.seek(index.offset)
                found = next(raw_records(file), None)
                return {} if found is None else parse(found, path, Metadata).metadata
    return {}


def _damaged(path: Path, offset: int, why: str) -> JournalError:
    return JournalError(
        f"{path}: damaged at byte {offset} ({why}); what is before it can be trusted only"
        " up to the last seal that holds"
    )

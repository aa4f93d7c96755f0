"""Journals that standard MCAP tools have written anew are read, or refused saying so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from mcap.reader import NonSeekingReader
from mcap.writer import CompressionType, Writer

from tests.test_journal import write
from tracker.journal import JournalError, read_journal, verify
from tracker.journal.framing import HEAD, open_mcap, raw_records


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "session.mcap"
    write(path)
    return path


def rewrite(
    source: Path,
    target: Path,
    *,
    sort: bool = False,
    metadata: str = "first",
    **options: Any,
) -> Path:
    """Write a journal anew as tools do: message by message, by another program's library."""
    with source.open("rb") as stream:
        reader = NonSeekingReader(stream)
        rows = list(reader.iter_messages(log_time_order=sort))
    with source.open("rb") as stream:
        texts = [(item.name, item.metadata) for item in NonSeekingReader(stream).iter_metadata()]
    with target.open("wb") as stream:
        writer = Writer(stream, **options)
        writer.start("tidetrack", "another tool")
        if metadata == "first":
            for name, text in texts:
                writer.add_metadata(name, text)
        ids: dict[int, int] = {}
        for schema, channel, message in rows:
            if channel.id not in ids:
                known = 0
                if schema is not None:
                    known = writer.register_schema(schema.name, schema.encoding, schema.data)
                ids[channel.id] = writer.register_channel(
                    channel.topic, channel.message_encoding, known
                )
            writer.add_message(
                ids[channel.id], message.log_time, message.data, message.publish_time,
                message.sequence,
            )  # fmt: skip
        if metadata == "last":
            for name, text in texts:
                writer.add_metadata(name, text)
        writer.finish()
    return target


FORMS: dict[str, dict[str, Any]] = {
    "zstd": {"compression": CompressionType.ZSTD},
    "lz4": {"compression": CompressionType.LZ4},
    "chunks that are not compressed": {"compression": CompressionType.NONE},
    "many small chunks": {"compression": CompressionType.ZSTD, "chunk_size": 2000},
    "sorted by time": {"compression": CompressionType.ZSTD, "sort": True},
    "sorted, small chunks": {"compression": CompressionType.LZ4, "sort": True, "chunk_size": 900},
    "metadata behind the data": {"compression": CompressionType.ZSTD, "metadata": "last"},
    "no chunks": {"use_chunking": False},
    "without chunk index": {"compression": CompressionType.ZSTD, "use_statistics": False},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_rewritten_journal_has_the_same_records(whole: Path, tmp_path: Path, form: str) -> None:
    path = rewrite(whole, tmp_path / "rewritten.mcap", **FORMS[form])
    journal, original = read_journal(path), read_journal(whole)
    assert journal.rewritten
    assert not original.rewritten
    assert journal.header == original.header
    assert journal.closing == original.closing
    assert journal.torn is None
    kept = [(e.kind, e.record, e.data, e.sequence, e.handled_ns) for e in journal.entries()]
    wanted = [(e.kind, e.record, e.data, e.sequence, e.handled_ns) for e in original.entries()]
    assert len(wanted) > 100
    assert kept == wanted


def test_the_seals_of_a_rewritten_journal_are_not_called_damaged(
    whole: Path, tmp_path: Path
) -> None:
    path = rewrite(whole, tmp_path / "rewritten.mcap", compression=CompressionType.ZSTD)
    with pytest.raises(
        JournalError, match=r"written anew by another MCAP tool.*verify the original"
    ):
        verify(path)
    assert verify(whole).seals > 0


def test_a_rewritten_journal_without_its_metadata_is_refused(whole: Path, tmp_path: Path) -> None:
    path = rewrite(whole, tmp_path / "r.mcap", metadata="none", compression=CompressionType.ZSTD)
    with pytest.raises(JournalError, match=r"is MCAP, but not a journal .no 'tidetrack' metadata"):
        read_journal(path)


def test_a_filtered_journal_misses_records_and_says_so(whole: Path, tmp_path: Path) -> None:
    path = rewrite(whole, tmp_path / "rewritten.mcap", compression=CompressionType.ZSTD)
    short = tmp_path / "filtered.mcap"
    with path.open("rb") as stream, short.open("wb") as out:
        writer = Writer(out, compression=CompressionType.ZSTD)
        writer.start("tidetrack", "filter")
        for item in list(NonSeekingReader(stream).iter_metadata()):
            writer.add_metadata(item.name, item.metadata)
        stream.seek(0)
        ids: dict[int, int] = {}
        for schema, channel, message in NonSeekingReader(stream).iter_messages(
            log_time_order=False
        ):
            if message.sequence == 7:
                continue
            if channel.id not in ids:
                assert schema is not None
                known = writer.register_schema(schema.name, schema.encoding, schema.data)
                ids[channel.id] = writer.register_channel(
                    channel.topic, channel.message_encoding, known
                )
            writer.add_message(
                ids[channel.id], message.log_time, message.data, message.publish_time,
                message.sequence,
            )  # fmt: skip
        writer.finish()
    with pytest.raises(JournalError, match="a record is missing or out of order"):
        list(read_journal(short).entries())


def chunk_of(path: Path) -> tuple[int, int]:
    """Return where the first chunk's record begins and ends."""
    with open_mcap(path) as file:
        raw = next(raw for raw in raw_records(file) if raw.code == 6)
    return raw.offset, raw.end


@pytest.mark.parametrize("compression", [CompressionType.ZSTD, CompressionType.LZ4])
def test_a_damaged_chunk_is_one_clear_line(
    whole: Path, tmp_path: Path, compression: CompressionType
) -> None:
    path = rewrite(whole, tmp_path / "rewritten.mcap", compression=compression)
    start, end = chunk_of(path)
    data = bytearray(path.read_bytes())
    data[(start + end) // 2] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(JournalError, match=f"the chunk at byte {start}"):
        list(read_journal(path).entries())


def test_an_unknown_compression_is_refused_by_name(whole: Path, tmp_path: Path) -> None:
    path = rewrite(whole, tmp_path / "rewritten.mcap", compression=CompressionType.ZSTD)
    data = path.read_bytes()
    start, _ = chunk_of(path)
    changed = data[:start] + data[start:].replace(b"\x04\0\0\0zstd", b"\x04\0\0\0brot", 1)
    path.write_bytes(changed)
    with pytest.raises(JournalError, match="compressed as 'brot', known are zstd, lz4"):
        list(read_journal(path).entries())


def test_a_chunk_that_would_fill_the_memory_is_refused(whole: Path, tmp_path: Path) -> None:
    path = rewrite(whole, tmp_path / "rewritten.mcap", compression=CompressionType.ZSTD)
    data = bytearray(path.read_bytes())
    start, _ = chunk_of(path)
    size_at = start + HEAD.size + 16
    data[size_at : size_at + 8] = (1 << 40).to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(JournalError, match="1099511627776 bytes unpacked, limit 268435456"):
        list(read_journal(path).entries())


def test_a_rewritten_journal_that_was_cut_is_read_up_to_the_last_whole_chunk(
    whole: Path, tmp_path: Path
) -> None:
    path = rewrite(whole, tmp_path / "r.mcap", compression=CompressionType.ZSTD, chunk_size=2000)
    cut = tmp_path / "cut.mcap"
    shutil.copy(path, cut)
    with cut.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)
    journal = read_journal(cut)
    assert journal.torn is not None
    kept = list(journal.entries())
    assert 0 < len(kept) < len(list(read_journal(whole).entries()))
    assert len(kept) == journal.torn.records

"""The journal: what is written is read, by us and by others, whole, torn, damaged or foreign."""

from __future__ import annotations

import json
import math
import random
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import Writer

from hal.events import SendDemand, SendPermit, Tick
from hal.messages import MarkerFrame
from sim import room
from tracker.core.types import Output, SurrogateState, TargetPrediction
from tracker.journal import (
    Digest,
    JournalError,
    JournalWriter,
    Truth,
    make_header,
    read_journal,
    verify,
)
from tracker.journal.contents import CONTENTS, encode_record
from tracker.journal.schemas import schema_of

CONFIGURATION = "# ünïcode\n[timing]\ntick_hz = 100.0\n"


def outputs_of(moment: int) -> tuple[Output, ...]:
    """A plausible answer to a tick."""
    here = (0.1 * moment, -0.2, math.sin(moment))
    return (
        SurrogateState(t_ns=moment - 5, amplitude_mm=here[0], velocity_mm_s=1 / 3, sigma_mm=0.1),
        TargetPrediction(moment, moment + 150, here, (0.1, 0.0, 0.0, 0.1, 0.0, 0.1)),
        SendDemand(moment, "couch", here),
        SendPermit(moment, "gate", moment + 100),
    )


def truth_of(moment: int) -> Truth:
    here = (1.0, 2.0, 3.0)
    return Truth(moment, here, here, here, here, 0.5, beam_on=True, scored=False)


def write(path: Path, ticks: int = 60, **options: Any) -> str:
    """Write a small journal with events, outputs and truth; return its digest."""
    with JournalWriter(path, make_header(CONFIGURATION, 7, {"trace": "t"}), **options) as journal:
        for moment in range(0, ticks * 10, 10):
            journal.event(MarkerFrame("camera", moment, moment, ((1.5, -0.0, 1e-300), None)))
            journal.event(Tick(moment, moment))
            journal.outputs(outputs_of(moment))
            journal.truth(truth_of(moment))
        journal.close({"realtime_factor": "12.5"})
        return journal.digest


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "session.mcap"
    write(path, seal_every=50)
    return path


def test_reads_what_was_written_in_order(whole: Path) -> None:
    journal = read_journal(whole)
    assert journal.header == make_header(CONFIGURATION, 7, {"trace": "t"})
    assert journal.closing == {"realtime_factor": "12.5"}
    assert journal.torn is None
    entries = [entry for entry in journal.entries() if entry.kind != "seal"]
    assert [entry.kind for entry in entries[:7]] == ["event"] * 2 + ["output"] * 4 + ["truth"]
    assert tuple(e.record for e in entries[2:6]) == outputs_of(0)
    assert entries[0].record.markers_mm == ((1.5, -0.0, 1e-300), None)
    assert math.copysign(1, entries[0].record.markers_mm[0][1]) == -1
    assert entries[-1].handled_ns == 590


@pytest.mark.parametrize("durability", ["buffered", "process", "power"])
def test_every_durability_writes_the_same_bytes(
    whole: Path, tmp_path: Path, durability: str
) -> None:
    write(tmp_path / "other.mcap", seal_every=50, durability=durability)
    assert (tmp_path / "other.mcap").read_bytes() == whole.read_bytes()


def test_process_durability_leaves_nothing_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "live.mcap"
    with JournalWriter(path, make_header("", None), durability="process") as journal:
        journal.event(Tick(1, 1))
        read = read_journal(path)
        assert [entry.record for entry in read.entries()] == [Tick(1, 1)]
        assert read.torn is not None
        assert read.torn.lost_bytes == 0


def test_others_read_it(whole: Path) -> None:
    with whole.open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        count = summary.statistics.message_count
        assert {m.name for m in reader.iter_metadata()} == {"tidetrack", "tidetrack.closing"}
        assert reader.get_header().profile == "tidetrack"
    with whole.open("rb") as file:
        messages = list(make_reader(file).iter_messages(log_time_order=False))
        assert len(messages) == count
        assert [message.sequence for _, _, message in messages] == list(range(count))
    with whole.open("rb") as file:
        strict = NonSeekingReader(file, validate_crcs=True)
        for schema, channel, message in strict.iter_messages(log_time_order=True):
            assert schema is not None
            assert schema.encoding == "jsonschema"
            assert channel.message_encoding == "json"
            value = json.loads(message.data)
            expected = value["made_ns"] if "made_ns" in value else value["t_ns"]
            assert message.log_time == max(expected, 0)


def test_schemas_are_plain_enough_for_foxglove() -> None:
    for content in CONTENTS:
        schema = json.loads(schema_of(content.type))
        assert "$" not in json.dumps({k: v for k, v in schema.items() if k != "patternProperties"})
        assert schema["type"] == "object"
        for field in schema["properties"].values():
            kind = field["items"]["type"] if field["type"] == "array" else field["type"]
            assert kind in ("number", "integer", "string", "boolean")
        named = set(schema["properties"]) | {
            name.strip("^$") for name in schema.get("patternProperties", {})
        }
        assert named == {"type", *content.type.__struct_fields__}


def tears(path: Path) -> Iterator[int]:
    """Every byte within 12 of a record's start near the end, and 20 others."""
    starts = [entry.offset for entry in read_journal(path).entries()]
    end = path.stat().st_size
    near = {start + step for start in starts[-4:] for step in range(-12, 13)}
    near |= set(range(end - 40, end))
    near |= {random.Random(1).randrange(starts[0], end) for _ in range(20)}
    return iter(sorted(cut for cut in near if cut < end))


def test_reads_up_to_any_tear(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    entries = list(read_journal(whole).entries())
    ends = [entry.offset + 31 + len(entry.data) for entry in entries]
    for cut in tears(whole):
        path = tmp_path / "torn.mcap"
        path.write_bytes(data[:cut])
        journal = read_journal(path)
        expected = [entry for entry, end in zip(entries, ends, strict=True) if end <= cut]
        assert list(journal.entries()) == expected
        assert journal.torn is not None
        assert journal.torn.records == len(expected)
        if not journal.torn.complete:
            assert journal.torn.offset + journal.torn.lost_bytes == cut
            assert journal.torn.last_ns == expected[-1].handled_ns
        assert verify(path).unsealed <= 51
        assert journal.torn.describe()


def test_zeros_after_a_power_cut_are_a_tear(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "zeros.mcap"
    cut = list(read_journal(whole).entries())[100].offset
    path.write_bytes(whole.read_bytes()[:cut] + bytes(4096))
    torn = read_journal(path).torn
    assert torn is not None
    assert (torn.records, torn.offset, torn.lost_bytes) == (100, cut, 4096)


def test_a_cut_in_the_header_is_one_clear_line(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    first = next(iter(read_journal(whole).entries())).offset
    for cut in random.Random(2).sample(range(1, first - 1), 20):
        path = tmp_path / "torn.mcap"
        path.write_bytes(data[:cut])
        with pytest.raises(JournalError, match="breaks off"):
            read_journal(path)


def test_verify_finds_every_changed_byte(whole: Path, tmp_path: Path) -> None:
    data = bytearray(whole.read_bytes())
    draw = random.Random(3)
    result = verify(whole)
    assert result.seals > 5
    assert result.unsealed == 0
    path = tmp_path / "changed.mcap"
    tail = range(len(data) - 60, len(data))
    for place in [*draw.sample(range(len(data)), 150), *tail]:
        kept = data[place]
        data[place] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        data[place] = kept
        try:
            assert verify(path).torn is not None  # only where it looks like a missing end
        except JournalError:
            continue


def test_a_changed_record_is_named_by_its_place(whole: Path, tmp_path: Path) -> None:
    entry = list(read_journal(whole).entries())[120]
    data = whole.read_bytes()
    place = data.index(b"0.", entry.offset) + 2
    path = tmp_path / "changed.mcap"
    path.write_bytes(
        data[:place] + (b"7" if data[place : place + 1] != b"7" else b"8") + data[place + 1 :]
    )
    with pytest.raises(JournalError, match="changed or damaged between byte"):
        verify(path)


def test_a_missing_record_is_noticed_on_reading(whole: Path, tmp_path: Path) -> None:
    entry = list(read_journal(whole).entries())[20]
    data = whole.read_bytes()
    path = tmp_path / "short.mcap"
    path.write_bytes(data[: entry.offset] + data[entry.offset + 31 + len(entry.data) :])
    with pytest.raises(JournalError, match="missing or out of order"):
        list(read_journal(path).entries())


def foreign(folder: Path, name: str) -> Path:
    """A thing that is no journal."""
    path = folder / name
    if name == "directory":
        path.mkdir()
    elif name == "empty":
        path.touch()
    elif name == "text":
        path.write_text("time,x,y\n")
    elif name in ("mcap", "mcap-chunked"):
        with path.open("wb") as file:
            writer = Writer(file, use_chunking=name == "mcap-chunked")
            writer.start()
            schema = writer.register_schema("s", "jsonschema", b"{}")
            channel = writer.register_channel("/a", "json", schema)
            writer.add_message(channel, 1, b"{}", 1)
            writer.finish()
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "no such file"),
        ("directory", "is a directory"),
        ("empty", "is empty"),
        ("text", "no MCAP file"),
        ("mcap", "not a journal"),
        ("mcap-chunked", "not a journal"),
    ],
)
def test_what_is_no_journal_is_one_clear_line(tmp_path: Path, name: str, words: str) -> None:
    path = foreign(tmp_path, name)
    with pytest.raises(JournalError, match=words) as caught:
        read_journal(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "session.mcap"
    path.write_text("precious")
    with pytest.raises(JournalError, match="exists already"):
        JournalWriter(path, make_header("", 1))
    assert path.read_text() == "precious"
    write(path, overwrite=True)
    assert read_journal(path).torn is None
    with pytest.raises(JournalError, match="cannot be written"):
        JournalWriter(tmp_path / "session.mcap" / "below.mcap", make_header("", 1))


def test_a_full_disk_stops_the_run() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(JournalError, match="cannot go on"):
        JournalWriter(Path("/dev/full"), make_header("", 1), overwrite=True)


def test_not_finite_is_refused_at_once_in_a_treatment_and_when_closed_at_the_latest(
    tmp_path: Path,
) -> None:
    bad = [SendDemand(1, "couch", (0.0, math.nan, 0.0))]
    with JournalWriter(tmp_path / "a", make_header("", 1), durability="process") as journal:
        journal.event(Tick(1, 1))
        with pytest.raises(JournalError, match="position_mm\\[1\\] is nan"):
            journal.outputs(bad)
    journal = JournalWriter(tmp_path / "b", make_header("", 1))
    journal.event(Tick(1, 1))
    journal.outputs(bad)
    with pytest.raises(JournalError, match="is nan"):
        journal.close({"end": "refused"})
    for name in ("a", "b"):
        whole = read_journal(tmp_path / name)
        assert whole.torn is None
        assert [entry.kind for entry in whole.entries()] == ["event", "seal"]


def test_digest_is_over_outputs_only_and_needs_no_journal(tmp_path: Path) -> None:
    written = write(tmp_path / "a.mcap")
    alone = Digest()
    for moment in range(0, 600, 10):
        alone.add(outputs_of(moment))
        alone.hexdigest()
    assert alone.hexdigest() == written
    again = Digest()
    for entry in read_journal(tmp_path / "a.mcap").entries():
        if entry.kind == "output":
            again.add_encoded((entry.data,))
    assert again.hexdigest() == written
    assert Digest().hexdigest() != written


def test_numpy_numbers_are_written_as_numbers() -> None:
    strange: Any = [np.int64(1), np.float64(0.1), np.float64(0.2), np.float64(0.3)]
    assert encode_record(SurrogateState(*strange)) == encode_record(
        SurrogateState(1, 0.1, 0.2, 0.3)
    )


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a record's field."""
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if hint is int:
        return st.integers(-(2**63), 2**63 - 1)
    if hint is str:
        return st.text(max_size=20)
    if hint is bool:
        return st.booleans()
    if hint is type(None):
        return st.none()
    parts = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of([values(part) for part in parts])
    if parts[-1] is Ellipsis:
        return st.lists(values(parts[0]), max_size=4).map(tuple)
    return st.tuples(*[values(part) for part in parts])


def records(content: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(content.type)
    return st.builds(
        content.type, **{name: values(hints[name]) for name in content.type.__struct_fields__}
    )


KINDS = [content for content in CONTENTS if content.kind != "seal"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=st.tuples(*[records(content) for content in KINDS]))
def test_every_type_comes_back_as_it_went(batch: tuple[Any, ...], tmp_path: Path) -> None:
    path = tmp_path / "session.mcap"
    with JournalWriter(path, make_header("", 1), overwrite=True) as journal:
        for content, record in zip(KINDS, batch, strict=True):
            if content.kind == "event":
                journal.event(record)
            elif content.kind == "output":
                journal.outputs([record])
            else:
                journal.truth(record)
    back = [entry for entry in read_journal(path).entries() if entry.kind != "seal"]
    assert [entry.record for entry in back] == list(batch)
    assert [entry.data for entry in back] == [encode_record(record) for record in batch]


class Guess(msgspec.Struct, tag="Truth"):
    t_ns: int


def test_the_room_and_the_journal_mean_the_same_by_truth(tmp_path: Path) -> None:
    assert room.RoomTruth.__struct_fields__ == Truth.__struct_fields__
    here = (1.0, 2.0, 3.0)
    told = room.RoomTruth(5, here, here, here, here, 0.5, beam_on=True, scored=False)
    path = tmp_path / "session.mcap"
    with JournalWriter(path, make_header("", 1)) as journal:
        journal.truth(told)
        with pytest.raises(JournalError, match="not as the journal expects"):
            journal.truth(Guess(1))
    (entry, _) = read_journal(path).entries()
    assert entry.record == truth_of(5)

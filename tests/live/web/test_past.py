"""A past session for the page: the journal of a closed loop, seen as it was published."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from tests.live.processes import SOON
from tracker.build.room import furnish
from tracker.config import SHIPPED, altered, load_configuration
from tracker.journal import JournalWriter, make_header, read_journal
from tracker.live.web.recorded import RecordedColumns, session_of
from tracker.live.web.review import Review, ReviewError
from tracker.offline.closed_loop import ClosedLoop

COUGH = {"kind": "cough", "on": "patient", "at_s": 20.0, "duration_s": 1.0, "size": 15.0}
CHANGES = {
    **SOON,
    "session": {"patient_id": "TWIN-7"},
    "room": {"duration_s": 25.0, "mishaps": [COUGH]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    configuration = altered(load_configuration(SHIPPED / "couch.toml"), CHANGES)
    folder = tmp_path_factory.mktemp("sessions")
    header = make_header(configuration.text, 1, {"run_id": "abc"})
    with JournalWriter(folder / "one.mcap", header) as journal:
        ClosedLoop(configuration, furnish(configuration, None, 1), journal).run()
    return folder


def test_columns_and_changes_tell_the_session(folder: Path) -> None:
    past = session_of(read_journal(folder / "one.mcap"))
    columns = past["columns"]
    assert set(columns) == set(RecordedColumns.NAMES)
    assert {len(column) for column in columns.values()} == {len(columns["t"])}
    steps = {b - a for a, b in zip(columns["t"][1:], columns["t"][2:], strict=False)}
    assert steps == {100}
    assert past["patient_id"] == "TWIN-7"
    states = [state for _, state in past["changes"]["session"]]
    assert states[:4] == ["IDLE", "MODELLING", "READY", "TRACKING"]
    faults = {fault["name"] for _, active in past["changes"]["faults"] for fault in active}
    assert "irregular breathing" in faults
    assert sum(columns["permitted"]) > 20
    assert past["models"]
    assert any("START" in line.text.upper() for line in past["log"])


def test_the_beam_aims_at_the_target_in_the_patients_frame(folder: Path) -> None:
    """A couch moves against the target; on the page demand and target lie on each other."""
    columns = session_of(read_journal(folder / "one.mcap"))["columns"]
    apart = [
        abs(estimate[1] - aim[1])
        for permitted, estimate, aim in zip(
            columns["permitted"], columns["estimate"], columns["actuator"], strict=True
        )
        if permitted and estimate is not None and aim is not None
    ]
    assert len(apart) > 20
    assert sorted(apart)[len(apart) // 2] < 1.0


def test_review_reads_in_a_process_of_its_own(folder: Path) -> None:
    async def read() -> None:
        review = Review(folder)
        assert [row.name for row in review.sessions()] == ["one"]
        session = json.loads(gzip.decompress(await review.session("last")))
        assert session["name"] == "one"
        page = gzip.decompress(await review.report("one")).decode()
        assert "TWIN-7" in page
        assert gzip.decompress(await review.report_of_run("abc")).decode() == page
        with pytest.raises(ReviewError, match="recorded elsewhere"):
            await review.report_of_run("def")
        (folder / "bad.mcap").write_bytes(b"\x89MCAP0\r\nnot a journal")
        with pytest.raises(ReviewError, match=r"bad\.mcap"):
            await review.session("bad")
        with pytest.raises(ReviewError, match="no session"):
            await review.session("two")

    asyncio.run(read())

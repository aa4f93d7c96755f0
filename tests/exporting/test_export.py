"""Exports of a session, read back by libraries that know nothing of this program."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.io import loadmat

from hal.events import Identity, Request, Tick
from hal.messages import FiducialShot, MarkerFrame
from tests.report.conftest import CONFIGURATION, write_session
from tracker.cli import main
from tracker.core.types import FaultChanged, Observation
from tracker.exporting.export_error import ExportError
from tracker.exporting.formats.table import FORMATS
from tracker.exporting.session_tables import SessionTables, read_tables, snake_case
from tracker.exporting.units import FRAMES
from tracker.exporting.write_session import export_session
from tracker.importing.choices import Choices
from tracker.importing.readers.bids import read as read_bids
from tracker.journal import Journal, JournalWriter, make_header, read_journal
from tracker.journal.contents import CONTENTS


@pytest.fixture(scope="module")
def journal_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("export") / "session.mcap", until_s=12.0)


@pytest.fixture(scope="module")
def session(journal_path: Path) -> SessionTables:
    return read_tables(journal_path)


def exported(journal_path: Path, to: str, folder: Path, *, named: bool = True) -> Path:
    export_session(journal_path, to, folder / "out", named=named)
    return folder / "out"


def records_of(journal: Journal) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for entry in journal.entries():
        found.setdefault(snake_case(type(entry.record).__name__), []).append(entry)
    return found


# --- the tables ---------------------------------------------------------------------------------


def test_every_record_is_a_row_with_its_own_numbers(
    journal_path: Path, session: SessionTables
) -> None:
    found = records_of(read_journal(journal_path))
    del found["seal"]
    assert {table.name: table.rows for table in session.tables} == {
        name: len(entries) for name, entries in found.items()
    }
    estimates = session.named("target_estimate")
    assert estimates is not None
    for row, entry in enumerate(found["target_estimate"]):
        assert estimates["t_ns"][row] == entry.record.t_ns
        assert estimates["sequence"][row] == entry.sequence
        for axis, value in zip("xyz", entry.record.position_mm, strict=True):
            assert estimates[f"position_{axis}_mm"][row] == value
    assert estimates["covariance_zz_mm2"][0] == found["target_estimate"][0].record.covariance_mm2[5]


def test_what_is_missing_is_nan_and_lists_are_as_wide_as_the_longest(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with JournalWriter(path, make_header("")) as journal:
        journal.event(MarkerFrame("cam", 1, 1, ((1.0, 2.0, 3.0),)))
        journal.event(MarkerFrame("cam", 2, 2, (None, (4.0, 5.0, 6.0)), (0.1, 0.2)))
        journal.event(FiducialShot("xray", 3, 3, 1, ()))
        none = None
        journal.outputs([Observation(3, 3, 1, (0.0, 0.0, 0.0), 0.0, 0.0, none, used=False)])
    found = read_tables(path)
    frames = found.named("marker_frame")
    assert frames is not None
    np.testing.assert_array_equal(frames["markers_1_y_mm"], [2.0, np.nan])
    np.testing.assert_array_equal(frames["markers_2_z_mm"], [np.nan, 6.0])
    np.testing.assert_array_equal(frames["errors_2_mm"], [np.nan, 0.2])
    assert list(frames["device"]) == ["cam", "cam"]
    seen = found.named("observation")
    assert seen is not None
    assert np.isnan(seen["residual_x_mm"][0])
    assert not seen["used"][0]


def test_a_list_that_grows_later_fills_the_earlier_rows(tmp_path: Path) -> None:
    """Rows are converted in blocks; the first block has fewer markers than the second."""
    path = tmp_path / "a.mcap"
    with JournalWriter(path, make_header("")) as journal:
        for t_ns in range(5000):
            count = 1 if t_ns < 4500 else 3
            journal.event(MarkerFrame("cam", t_ns, t_ns, ((1.0, 2.0, 3.0),) * count))
    table = read_tables(path).named("marker_frame")
    assert table is not None
    assert np.isnan(table["markers_3_x_mm"][:4500]).all()
    assert (table["markers_3_x_mm"][4500:] == 1.0).all()


def test_every_kind_of_record_of_a_journal_has_a_rule() -> None:
    from tracker.exporting.columns import RecordColumns

    for content in CONTENTS:
        RecordColumns(content.type)


def test_every_frame_names_a_field_that_exists() -> None:
    fields = {(c.type.__name__, name) for c in CONTENTS for name in c.type.__struct_fields__}
    assert set(FRAMES) <= fields


# --- the formats --------------------------------------------------------------------------------


FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "f": lambda cell: float(cell) if cell else np.nan,
    "i": int,
    "b": lambda cell: {"true": True, "false": False}[cell],
    "O": str,
}


def same(column: Any, values: np.ndarray[Any, Any]) -> None:
    if values.dtype == object:
        assert list(column) == list(values)
    else:
        np.testing.assert_array_equal(np.asarray(column), values)


def test_pyarrow_reads_every_bit_with_units(
    journal_path: Path, session: SessionTables, tmp_path: Path
) -> None:
    folder = exported(journal_path, "parquet", tmp_path)
    for table in session.tables:
        read: Any = pq.read_table(folder / f"{table.name}.parquet")
        assert read.column_names == [column.name for column in table.columns]
        for column in table.columns:
            same(read[column.name].to_numpy(zero_copy_only=False), column.values)
            assert read.schema.field(column.name).metadata[b"unit"].decode() == column.unit
    facts = json.loads(read.schema.metadata[b"tidetrack.session"])
    assert facts["seed"] == 3


def test_scipy_reads_every_bit_of_the_mat_file(
    journal_path: Path, session: SessionTables, tmp_path: Path
) -> None:
    (file,) = exported(journal_path, "mat", tmp_path).iterdir()
    read: Any = loadmat(file)
    for table in session.tables:
        for column in table.columns:
            found = read[table.name][column.name][0, 0]
            assert found.shape == (table.rows, 1)
            if column.values.dtype == object:
                texts = [cell[0] if cell.size else "" for cell in found[:, 0]]
                assert texts == list(column.values)
            else:
                assert found.dtype == column.values.dtype or column.values.dtype == np.bool_
                np.testing.assert_array_equal(found[:, 0], column.values)
    assert read["units"]["target_estimate"][0, 0]["position_x_mm"][0, 0][0] == "mm"
    assert read["frames"]["target_estimate"][0, 0]["position_x_mm"][0, 0][0] == "patient"


def test_pandas_reads_every_bit_of_the_csv(
    journal_path: Path, session: SessionTables, tmp_path: Path
) -> None:
    folder = exported(journal_path, "csv", tmp_path)
    for table in session.tables:
        read = pd.read_csv(folder / f"{table.name}.csv", dtype=str, keep_default_na=False)
        for column in table.columns:
            read_back = FROM_TEXT[column.values.dtype.kind]
            same([read_back(cell) for cell in read[column.name]], column.values)
    about = json.loads((folder / "session.json").read_text())
    unit = about["tables"]["surrogate_state"]["columns"]["velocity_mm_s"]["unit"]
    assert unit == "mm/s"


def test_bids_is_read_by_pandas_and_by_our_own_import(
    journal_path: Path, session: SessionTables, tmp_path: Path
) -> None:
    folder = exported(journal_path, "bids", tmp_path)
    (file,) = folder.glob("sub-*/beh/*_physio.tsv.gz")
    about = json.loads(file.with_name(file.name.replace(".tsv.gz", ".json")).read_text())
    with gzip.open(file, "rt") as lines:
        names = about["Columns"]
        read: Any = pd.read_csv(lines, sep="\t", header=None, names=names, na_values="n/a")
    surrogate = session.named("surrogate_state")
    assert surrogate is not None
    assert about["SamplingFrequency"] == 100.0
    assert about["StartTime"] == surrogate.times_s[0]
    np.testing.assert_allclose(read["respiratory"], surrogate["amplitude_mm"], atol=1e-6)
    times_s = about["StartTime"] + np.arange(len(read)) / about["SamplingFrequency"]
    assert read["target_y"][times_s < 7.99].isna().all()
    estimates = session.named("target_estimate")
    assert estimates is not None
    tracked = read["target_y"][times_s > 7.999]
    np.testing.assert_allclose(tracked, estimates["position_y_mm"], atol=1e-6)
    (again,) = read_bids(file, Choices())
    by_name = {column.header: column for column in again.columns}
    np.testing.assert_allclose(
        cast(Any, by_name["respiratory"].numbers), read["respiratory"], atol=1e-9
    )


def test_bids_says_nothing_across_a_gap(tmp_path: Path) -> None:
    from tracker.core.types import SurrogateState

    path = tmp_path / "a.mcap"
    with JournalWriter(path, make_header("")) as journal:
        for step in (*range(100), *range(200, 300)):
            t_ns = step * 10_000_000
            journal.event(Tick(t_ns, t_ns))
            journal.outputs([SurrogateState(t_ns, float(step), 0.0, 0.1)])
    folder = exported(path, "bids", tmp_path)
    (file,) = folder.glob("sub-*/beh/*_physio.tsv.gz")
    with gzip.open(file, "rt") as lines:
        cells = [line.strip() for line in lines]
    assert len(cells) == 300
    assert cells[99] == "99.000000"
    assert set(cells[100:200]) == {"n/a"}
    assert cells[200] == "200.000000"


# --- names, refusals ----------------------------------------------------------------------------


def test_names_are_withheld_in_every_text_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "Doe-20260301.mcap"
    with JournalWriter(path, make_header(CONFIGURATION.replace("A <b>&amp; B", "P-17"))) as journal:
        journal.event(Identity(1, "P-17", "LIVER-2"))
        journal.event(Request(2, "start", who="Anna Berg"))
        wrong = "P-17 announced, P-170 configured; LIVER-2"
        journal.outputs([FaultChanged(2, "identity", True, "REFUSE_START", wrong)])
    for row in FORMATS[:2]:
        folder = tmp_path / row.name
        export_session(path, row.name, folder)
        data = b"".join(file.read_bytes() for file in folder.iterdir())
        for name in (b"P-17 ", b"LIVER-2", b"Anna", b"Doe"):
            assert name not in data
    read: Any = pd.read_csv(tmp_path / "csv" / "fault_changed.csv")
    assert read["detail"][0] == "withheld announced, P-170 configured; withheld"
    export_session(path, "csv", tmp_path / "named", named=True)
    assert "Anna Berg" in (tmp_path / "named" / "request.csv").read_text()


def test_nothing_is_written_over_and_nothing_half(
    journal_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "csv", str(journal_path), "--out", str(tmp_path / "a")]) == 0
    before = sorted(tmp_path.rglob("*"))
    assert main(["export", "csv", str(journal_path), "--out", str(tmp_path / "a")]) == 2
    assert "exists already, nothing was written" in capsys.readouterr().err
    idle = tmp_path / "idle.mcap"
    with JournalWriter(idle, make_header("")) as journal:
        journal.event(Tick(1, 1))
    assert main(["export", "bids", str(idle), "--out", str(tmp_path / "b")]) == 2
    assert "no breathing signal" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == [*before, idle]


def test_a_missing_package_and_a_wrong_format_are_one_line(
    journal_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ExportError, match=r"pip install 'tidetrack\[export\]'"):
        export_session(journal_path, "parquet", tmp_path / "a")
    with pytest.raises(ExportError, match="choose one of csv, parquet, mat, bids"):
        export_session(journal_path, "xlsx", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_exported_with_its_curves(session: SessionTables) -> None:
    table = session.named("model_refitted")
    assert table is not None
    assert list(table["kinds"]) == ["linear; dual; linear"]
    assert table["curve_inhale_3_y_mm"][0] == -5.0

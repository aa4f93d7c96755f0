"""The catalogue of sessions, and the commands that read it: sessions and verify."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tracker.build.room import furnish
from tracker.catalogue import FILE, Catalogue, CataloguedRecording, CatalogueError
from tracker.cli import main
from tracker.config import SHIPPED, altered, load_configuration
from tracker.journal import JournalWriter, make_header, read_journal
from tracker.offline.closed_loop import ClosedLoop

SECONDS = 20.0


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short session's journal."""
    path = tmp_path_factory.mktemp("recorded") / "one.mcap"
    couch = load_configuration(SHIPPED / "couch.toml")
    configuration = altered(couch, {"room": {"duration_s": SECONDS}})
    with JournalWriter(path, make_header(configuration.text, 1)) as journal:
        ClosedLoop(configuration, furnish(configuration, None, 1), journal).run()
    return path


@pytest.fixture
def folder(tmp_path: Path, recorded: Path) -> Path:
    shutil.copy(recorded, tmp_path / "one.mcap")
    return tmp_path


def test_a_journal_of_the_folder_is_taken_up_with_its_identity(folder: Path) -> None:
    with Catalogue(folder) as catalogue:
        (row,) = catalogue.rows()
    assert (row.name, row.ending, row.patient_id) == ("one", "closed", "PHANTOM")


def test_a_lost_catalogue_is_made_again(folder: Path) -> None:
    with Catalogue(folder) as catalogue:
        before = catalogue.rows()
    (folder / FILE).unlink()
    with Catalogue(folder) as catalogue:
        assert catalogue.rows() == before


def test_a_damaged_catalogue_is_named_with_the_remedy(folder: Path) -> None:
    (folder / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(CatalogueError, match="move a damaged catalogue away"):
        Catalogue(folder)


def test_one_daemon_at_a_time_records_into_a_folder(tmp_path: Path) -> None:
    first = CataloguedRecording(tmp_path)
    with pytest.raises(CatalogueError, match="another daemon records here"):
        CataloguedRecording(tmp_path)
    first.end("closed")
    CataloguedRecording(tmp_path).end("closed")


def test_a_run_is_open_then_closed(tmp_path: Path) -> None:
    recording = CataloguedRecording(tmp_path)
    header = make_header((SHIPPED / "couch.toml").read_text())
    with JournalWriter(tmp_path / "run.mcap", header):
        recording.begin(tmp_path / "run.mcap", header)
        assert recording.catalogue.find("last").ending == "open"
    recording.end("closed")
    with Catalogue(tmp_path) as catalogue:
        row = catalogue.find("run")
    assert row.ending == "closed"
    assert row.ended is not None
    assert row.ended >= row.started


def test_a_run_that_died_is_noted_by_the_next_with_where_it_is_torn(
    tmp_path: Path, recorded: Path
) -> None:
    recording = CataloguedRecording(tmp_path)
    (tmp_path / "run.mcap").write_bytes(recorded.read_bytes()[:200_001])
    recording.begin(tmp_path / "run.mcap", read_journal(recorded).header)
    recording._current = None  # as if the process had been killed
    recording.end("")
    after = CataloguedRecording(tmp_path)
    (died,) = after.died
    after.end("closed")
    assert died.name == "run"
    assert died.ending.startswith("died: ")
    assert "byte" in died.ending


def test_list_show_and_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "list", "--folder", str(folder)]) == 0
    assert "one " in capsys.readouterr().out
    assert main(["sessions", "show", "last", "--json", "--folder", str(folder)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["session"]["name"] == "one"
    assert shown["summary"]["duration_s"] == pytest.approx(SECONDS, abs=0.1)
    assert main(["sessions", "report", "one", "--folder", str(folder)]) == 0
    assert "<html" in (folder / "one" / "report.html").read_text()[:500]


def test_export_holds_everything_with_its_sums(folder: Path) -> None:
    out = folder / "one.zip"
    assert main(["sessions", "export", "one", "--out", str(out), "--folder", str(folder)]) == 0
    with zipfile.ZipFile(out) as archive:
        names = set(archive.namelist())
        sums = archive.read("SHA256SUMS").decode()
        assert archive.read("one.mcap") == (folder / "one.mcap").read_bytes()
    assert names == {"one.mcap", "report.html", "summary.json", "session.json", "SHA256SUMS"}
    assert len(sums.splitlines()) == len(names) - 1


def test_export_of_a_damaged_journal_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder / "one.mcap")
    out = folder / "one.zip"
    assert main(["sessions", "export", "one", "--out", str(out), "--folder", str(folder)]) == 2
    assert "one.mcap" in capsys.readouterr().err
    assert not out.exists()


def test_prune_deletes_only_what_is_past_its_retention_and_only_when_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Catalogue(folder) as catalogue:
        old = catalogue.find("one")
        catalogue.put(type(old)(**{**json_of(old), "started": "2001-01-01T00:00:00.000+00:00"}))
    shutil.copy(folder / "one.mcap", folder / "two.mcap")
    assert main(["sessions", "prune", "--folder", str(folder)]) == 0
    assert "nothing was deleted" in capsys.readouterr().out
    assert (folder / "one.mcap").exists()
    assert main(["sessions", "prune", "--yes", "--folder", str(folder)]) == 0
    assert not (folder / "one.mcap").exists()
    assert (folder / "two.mcap").exists()
    with Catalogue(folder) as catalogue:
        assert [row.name for row in catalogue.rows()] == ["two"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sessions", "list", "--folder", "nowhere"],
        ["sessions", "show", "nobody"],
        ["sessions", "forget"],
        ["sessions"],
        ["verify", "nothing.mcap"],
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sessions").mkdir()
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_verify_tells_whole_from_changed_and_torn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, changed, torn = (folder / f"{name}.mcap" for name in ("one", "changed", "torn"))
    shutil.copy(whole, changed)
    damage(changed)
    torn.write_bytes(whole.read_bytes()[:-5000])
    assert main(["verify", str(whole)]) == 0
    assert main(["verify", str(whole), str(changed)]) == 1
    assert main(["verify", str(torn)]) == 1
    said = capsys.readouterr().out
    assert "whole: " in said
    assert "torn: " in said
    assert "changed.mcap: changed or damaged" in said


def damage(path: Path) -> None:
    """Change one digit in the middle of a journal, as a person with an editor would."""
    data = bytearray(path.read_bytes())
    place = data.index(b'"t_ns":', len(data) // 2) + 7
    data[place] = ord("1") if data[place] != ord("1") else ord("2")
    path.write_bytes(bytes(data))


def json_of(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}  # type: ignore[attr-defined]

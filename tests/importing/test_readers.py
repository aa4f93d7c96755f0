"""The readers of binary formats and of several recordings a file, and readers of other packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import json

import numpy as np
import pytest

from sim.recording import load_recording
from tests.boundary.kinds import physionet
from tests.importing.binary_files import waveform_file, xdf_file
from tests.importing.export_variants import chest, chest_mm, plain, seconds, text, times_s
from tracker.cli import main
from tracker.importing.readers import table
from tracker.importing.readers.reader import ReaderRow
from tracker.importing.source_table import SourceColumn, SourceTable


def imported(path, *options):
    """Import a file; return the recordings by the name of their file."""
    out = path.parent / "out"
    assert main(["import", str(path), "--out", str(out), "--yes", *options]) == 0
    return {file.name: load_recording(file) for file in sorted(out.glob("*.csv"))}


def test_a_waveform_object(tmp_path):
    path = tmp_path / "respiration.dcm"
    path.write_bytes(waveform_file(20.0, chest_mm))
    (recording,) = imported(path).values()
    assert recording.channels == ("ext_mm",)
    assert np.allclose(recording.times_s, times_s)
    assert np.abs(recording.values[:, 0] - chest_mm).max() <= 0.0051  # stored in hundredths


def test_a_lab_streaming_layer_file(tmp_path):
    path = tmp_path / "belt.xdf"
    path.write_bytes(xdf_file([1000.0 + t for t in times_s], chest_mm))
    (recording,) = imported(path).values()
    assert recording.channels == ("belt_au",)
    assert np.abs(recording.times_s - times_s).max() < 1e-3
    assert np.allclose(recording.values[:, 0], chest_mm)


@pytest.mark.parametrize(
    ("place", "new", "words"),
    [
        (b"\x04", b"\x04\xff\xff\xff\x7f", "longer than the file"),
        (b"\x04\x90\x01\x00\x00\x08", b"\x04\x00\x00\x00\x40\x08", "fewer than the 1073741824"),
        (b"<channel_count>1<", b"<channel_count>999999<", "fewer than the 400 samples"),
    ],
)
def test_an_xdf_file_that_lies_about_its_size_is_refused(place, new, words, tmp_path, capsys):
    data = xdf_file(times_s, chest_mm)
    at = data.index(place)
    if b"channel_count" in place:  # the length of the header's chunk grows with it
        header = data.index(b"\x02\x00\x01\x00\x00\x00") - 4
        length = int.from_bytes(data[header : header + 4], "little") + len(new) - len(place)
        data = data[:header] + length.to_bytes(4, "little") + data[header + 4 :]
    (tmp_path / "a.xdf").write_bytes(
        data[:at] + new + data[at + len(new if len(new) <= 6 else place) :]
    )
    assert main(["import", str(tmp_path / "a.xdf"), "--out", str(tmp_path / "out"), "--yes"]) == 2
    assert words in capsys.readouterr().err


def test_a_physionet_record(tmp_path):
    for name, content in physionet().items():
        (tmp_path / name).write_bytes(content)
    (recording,) = imported(tmp_path / "a.hea").values()
    assert recording.channels == ("belt_au",)
    assert len(recording.times_s) == 60


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("a 1 20 60", "a 1 20 600000000"), "more than its files hold"),
        (("a.dat 16", "../a.dat 16"), "beside the header"),
        (("a.dat 16", "b.dat 16"), "wfdb cannot read"),
    ],
)
def test_a_physionet_header_that_lies_is_refused(change, words, tmp_path, capsys):
    files = physionet()
    files["a.hea"] = files["a.hea"].replace(*(part.encode() for part in change))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert main(["import", str(tmp_path / "a.hea"), "--out", str(tmp_path / "out"), "--yes"]) == 2
    assert words in capsys.readouterr().err


def test_runs_beside_each_other_become_recordings(tmp_path):
    path = tmp_path / "belt.csv"
    lines = plain(
        "Run 1: Time (s),Run 1: Force (N),Run 2: Time (s),Run 2: Force (N)",
        ",", seconds(), chest(), seconds()[:200] + [""] * 200, chest()[:200] + [""] * 200,
    )  # fmt: skip
    path.write_bytes(text(lines)())
    found = imported(path)
    assert {name: len(each.times_s) for name, each in found.items()} == {
        "belt_Run-1.csv": 400,
        "belt_Run-2.csv": 200,
    }


def test_the_sidecar_says_what_was_done(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        text(plain("Time [s],Inferior [cm],Phase", ",", seconds(), chest(), chest()))()
    )
    imported(path)
    about = json.loads((tmp_path / "out" / "a.json").read_text())
    (channel,) = about["channels"]
    assert (channel["channel"], channel["factor"], channel["sign"]) == ("int_si_mm", 10.0, -1)
    assert about["not_used"] == [{"column": "Phase", "why": "no position"}]
    assert about["breathing_period_s"] == pytest.approx(4.0, abs=0.3)


def test_nothing_is_written_without_yes_or_over_a_file(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(text(plain("Time [s],Amp [mm]"))())
    out = tmp_path / "out"
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["import", str(path), "--out", str(out)]) == 1
    assert not out.exists()
    imported(path)
    before = (out / "a.csv").read_bytes()
    assert main(["import", str(path), "--out", str(out), "--yes"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["import", str(path), "--out", str(tmp_path), "--yes", "--overwrite"]) == 2
    assert (out / "a.csv").read_bytes() == before
    assert sorted(p.name for p in out.iterdir()) == ["a.csv", "a.json"]


class Point:
    """An entry point of another package."""

    name = "mine"

    def __init__(self, loaded):
        self.loaded = loaded

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def read_mine(path, choices):
    values = np.array(chest_mm)
    columns = (SourceColumn("time", "s", numbers=np.array(times_s)),
               SourceColumn("amplitude", "mm", numbers=values))  # fmt: skip
    return [SourceTable(columns)]


MINE = ReaderRow("mine", "a format", lambda path, head: head.startswith(b"MINE"), read_mine)


@pytest.mark.parametrize(
    ("loaded", "code", "words"),
    [(MINE, 0, ""), (ImportError("broken"), 2, "reader mine"), ("text", 2, "no ReaderRow")],
)
def test_a_reader_of_another_package(loaded, code, words, tmp_path, capsys, monkeypatch):
    points = [Point(loaded)]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **group: points)
    path = tmp_path / "a.mine"
    path.write_bytes(b"MINE")
    assert main(["import", str(path), "--out", str(tmp_path / "out"), "--yes"]) == code
    assert words in capsys.readouterr().err


def test_a_missing_package_is_named(tmp_path, capsys, monkeypatch):
    def without(name, package=None):
        raise ImportError(name)

    path = tmp_path / "a.xdf"
    path.write_bytes(xdf_file(times_s, chest_mm))
    monkeypatch.setattr("tracker.importing.readers.reader.importlib.import_module", without)
    from tracker.importing.choices import Choices
    from tracker.importing.errors import ImportRefusedError

    with pytest.raises(ImportRefusedError, match=r"pyxdf; pip install 'tidetrack\[import\]'"):
        table.XDF.read(path, Choices())

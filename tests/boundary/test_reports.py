"""Inputs of the kinds that people reported: each with the answer that is right."""

from __future__ import annotations

import math
import sqlite3

import pytest

from hal.errors import DeviceError
from hal.rsi.ethernet_file import read_ethernet_file
from tests.boundary.kinds import hear
from tracker.config import SHIPPED
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.storage import masked, open_storage

COUNT = 1600
BREATH = [9.0 * math.sin(2.0 * math.pi * k / 80.0) for k in range(COUNT)]


def recording(folder, values, channel="ext_mm"):
    path = folder / "trace.csv"
    rows = [f"{k * 0.05:.2f},{v}" for k, v in enumerate(values)]
    path.write_text("\n".join([f"time_s,{channel}", *rows]) + "\n")
    return path


# --- a session that never tracked ---------------------------------------------------------------


@pytest.fixture(scope="module")
def motionless(tmp_path_factory):
    """What `simulate` says of a constant signal, and whether it wrote the summary."""
    folder = tmp_path_factory.mktemp("motionless")
    path = recording(folder, [3.0] * COUNT)
    return hear(["simulate", str(path), "--json", str(folder / "summary.json")]), folder


def test_a_signal_without_motion_ends_with_1_and_the_reason(motionless):
    heard, folder = motionless
    assert heard.code == 1
    (line,) = heard.error.strip().splitlines()
    assert line.startswith(str(folder / "trace.csv"))
    for words in ("tracking never began", "modelling", "no model", "0.2 mm", "ext moves by 0 mm"):
        assert words in line
    assert (folder / "summary.json").exists()


# --- files that a configuration names -----------------------------------------------------------


def configuration(folder, ethernet: bytes | None, more: str = ""):
    (folder / "room-twin.toml").write_bytes((SHIPPED / "room-twin.toml").read_bytes())
    if ethernet is not None:
        (folder / "rsi-ethernet.xml").write_bytes(ethernet)
    for base in SHIPPED.glob("*.toml"):
        if not (folder / base.name).exists():
            (folder / base.name).write_bytes(base.read_bytes())
    mine = folder / "mine.toml"
    mine.write_text(f'extends = "room-twin.toml"\n{more}')
    return mine


PLAIN = (SHIPPED / "rsi-ethernet.xml").read_text()
COMMENT = "<ROOT>\n  <!-- Übertragung zum Meßrechner -->"
FILES = {
    "as shipped": (PLAIN.encode(), "", 0, "right"),
    "Windows-1252 not declared": (
        PLAIN.replace("<ROOT>", COMMENT).encode("cp1252"), "", 2, "0xdc is not UTF-8"),
    "Windows-1252 declared": (
        ('<?xml version="1.0" encoding="windows-1252"?>\n'
         + PLAIN.replace("<ROOT>", COMMENT)).encode("cp1252"), "", 0, "right"),
    "UTF-16": (PLAIN.encode("utf-16"), "", 0, "right"),
    "unknown encoding": (
        b'<?xml version="1.0" encoding="klingon"?>\n' + PLAIN.encode(), "", 2, "klingon"),
    "missing": (None, "", 2, "no such file"),
    "no XML": (b"\x89PNG", "", 2, "rsi-ethernet.xml"),
    "latency file missing": (
        PLAIN.encode(), '[wires]\nlatency_file = "none.json"\n', 2, "wires.latency_file"),
    "certificate missing": (
        PLAIN.encode(), '[console]\ncertificate = "none.pem"\nprivate_key = "none.key"\n', 2,
        "console.private_key"),
    "arrangement file missing": (
        PLAIN.encode(), '[self_test]\narrangement_file = "none.json"\n', 2, "arrangement_file"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_check_opens_every_file_that_is_named(case, tmp_path, capsys):
    from tracker.cli import main

    ethernet, more, code, words = FILES[case]
    path = configuration(tmp_path, ethernet, more)
    assert main(["check", str(path)]) == code
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert all(str(path) in line for line in said.err.strip().splitlines())


def test_a_declared_encoding_is_used(tmp_path):
    path = tmp_path / "rsi.xml"
    path.write_bytes(FILES["Windows-1252 declared"][0] or b"")
    assert read_ethernet_file(path).port > 0
    raw = PLAIN.replace("<ROOT>", COMMENT).encode("cp1252")
    path.write_bytes(raw[raw.index(b"<ROOT>") :])
    with pytest.raises(DeviceError, match="line 2"):
        read_ethernet_file(path)


# --- storages of studies ------------------------------------------------------------------------


def database(folder, *statements):
    path = folder / "shared.db"
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return f"sqlite:///{path}"


DATABASES = {
    "another program's revision": (
        ("CREATE TABLE alembic_version (version_num VARCHAR(32))",
         "INSERT INTO alembic_version VALUES ('867495a8f9d4')"), "another program's database"),
    "another program's tables": (
        ("CREATE TABLE experiments (id INTEGER)",), "it has the table experiments"),
    "runs beside studies": (
        ("CREATE TABLE studies (study_id INTEGER)", "CREATE TABLE runs (id INTEGER)"),
        "it has the table runs"),
}  # fmt: skip


@pytest.mark.parametrize("case", DATABASES)
def test_another_programs_database_is_refused_in_one_line(case, tmp_path):
    statements, words = DATABASES[case]
    with pytest.raises(TuningError, match=words) as caught:
        open_storage(database(tmp_path, *statements), tmp_path / "o.toml")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all, but long enough to look at" * 20)
    with pytest.raises(TuningError, match="cannot be opened") as caught:
        open_storage(f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "o.toml")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:Secret7@127.0.0.1:1/studies",
        "postgresql://anna:Sec:ret7@127.0.0.1:1/studies",
        "postgresql://anna:x@Secret7@127.0.0.1:1/studies",
        "postgresql://127.0.0.1:1/studies?user=anna&password=Secret7",
        "oracle://anna:Secret7@host/studies",
        "postgresql+nothing://anna:Secret7@host/studies",
    ],
)
def test_no_message_shows_a_password(url, tmp_path):
    with pytest.raises(TuningError) as caught:
        open_storage(url, tmp_path / "o.toml")
    assert "ret7" not in str(caught.value)
    assert "***" in str(caught.value)
    assert "ret7" not in masked(f"cannot reach {url}, give up")

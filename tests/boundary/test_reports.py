"""Inputs of the kinds that people reported: each with the answer that is right."""

from __future__ import annotations

import math
import os
import re
import sqlite3

import numpy as np
import pytest

from hal.errors import DeviceError
from hal.rsi.ethernet_file import read_ethernet_file
from tests.boundary.kinds import hear, keys, sessions, tokens, write
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


STILL_COUNT = 700


def noisy(size_mm: float) -> list[float]:
    return [3.0 + size_mm * ((k * 7919) % 11 - 5) for k in range(STILL_COUNT)]


STILL = {
    "constant zero": [0.0] * STILL_COUNT,
    "noise of a micrometre": noisy(0.0002),
    "breaths of 0.1 mm": [value / 180.0 for value in BREATH[:STILL_COUNT]],
    "one wrong sample": [1.0] * 300 + [9.0] + [1.0] * 399,
    "a slow drift without breaths": [k * 0.0001 for k in range(STILL_COUNT)],
    "breaths that end before modelling": BREATH[:200] + [BREATH[200]] * (STILL_COUNT - 200),
}


@pytest.mark.parametrize("case", STILL)
def test_a_signal_without_breaths_never_looks_like_a_session(case, tmp_path):
    """Without breaths there is no tracking: exit code 1 and one line that says why."""
    heard = hear(["simulate", str(recording(tmp_path, STILL[case]))])
    assert heard.code == 1
    (line,) = heard.error.strip().splitlines()
    assert "tracking never began" in line


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


VIDEO_WIRE = """
[wires.camera]
driver = "video-markers"
left = "{left}"
right = "{right}"
markers = {{arrangement_mm = [[10.0, -40.0, 115.0], [65.0, 35.0, 105.0], [-50.0, 80.0, 120.0]]}}
"""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "wires.camera: left: left.avi: no such file or directory; name a video file"),
        (b"", "wires.camera: left: left.avi: the file is empty"),
        (b"RIFF no video at all" * 20, "wires.camera: left: left.avi: no picture in it"),
        ("video", ""),
    ],
)
def test_check_opens_the_video_files_that_are_named(content, words, tmp_path, monkeypatch, capfd):
    import cv2

    monkeypatch.chdir(tmp_path)
    for name in ("left.avi", "right.avi"):
        writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
        assert writer.isOpened()
        writer.write(np.zeros((48, 64, 3), np.uint8))
        writer.release()
    if content is None:
        (tmp_path / "left.avi").unlink()
    elif isinstance(content, bytes):
        (tmp_path / "left.avi").write_bytes(content)
    wire = VIDEO_WIRE.format(left="left.avi", right="right.avi")
    configuration(tmp_path, PLAIN.encode())
    base = (tmp_path / "room-twin.toml").read_text()
    changed = re.sub(r"\n\[wires\.camera\]\n(.+\n)*", wire, base)
    (tmp_path / "room-twin.toml").write_text(changed)
    heard = hear(["check", "mine.toml"])
    assert heard.code == (2 if words else 0), heard.error
    assert words in heard.error


KEYS = {
    "others may read the server's key": ("keys/server.key", None, "others may read it"),
    "the server's key is no key": ("keys/server.key", b"{", "is no key file"),
    "a known key is no text": ("keys/known/anna.json", b"\xc9", "lets nobody in"),
    "a known key of another name": ("keys/known/anna.json", "anna>bob", "name the file after"),
    "a token is nested without end": ("tokens/anna.json", b"[" * 5000, "console.tokens"),
    "a token is no text": ("tokens/anna.json", b'{"name": "\xc9"}', "console.tokens"),
}  # fmt: skip


@pytest.mark.parametrize("case", [*KEYS, "as made"])
def test_check_opens_keys_and_tokens(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    try:
        write(tmp_path, keys() | tokens())
    finally:
        os.umask(before)
    configuration(tmp_path, PLAIN.encode(), '[console]\nstart = "child"\n')
    file, content, words = KEYS.get(case, ("", b"", ""))
    if content is None:
        (tmp_path / file).chmod(0o644)
    elif isinstance(content, str):
        text = (tmp_path / file).read_text().replace(*content.split(">"))
        (tmp_path / file).write_text(text)
    elif file:
        (tmp_path / file).write_bytes(content)
    heard = hear(["check", "mine.toml"])
    assert heard.code == (2 if words else 0), heard.error
    assert words in heard.error
    assert all(line.startswith("mine.toml: ") for line in heard.error.splitlines())


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
    "studies of other columns": (
        ("CREATE TABLE studies (name TEXT)", "INSERT INTO studies VALUES ('a')"),
        "its table studies has no column study_id"),
    "a version of the library to come": (
        ("CREATE TABLE version_info (version_info_id INTEGER, schema_version INTEGER, "
         "library_version TEXT)", "INSERT INTO version_info VALUES (1, 99, '99.0.0')"),
        "newer Optuna"),
    "views only": (
        ("CREATE VIEW studies AS SELECT 1 AS study_id",), "studies is a view"),
    "a table of no name that is text": (
        ('CREATE TABLE "\u00e4\u4e2d\n" (id INTEGER)',), "another program's database"),
    "the program's own catalogue": (
        ("CREATE TABLE sessions (name TEXT PRIMARY KEY, started TEXT)",),
        "it has the table sessions"),
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


def test_a_database_cut_short_is_refused_in_one_line(tmp_path):
    url = database(tmp_path, *(f"CREATE TABLE t{k} (id INTEGER)" for k in range(20)))
    path = tmp_path / "shared.db"
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(TuningError, match=r"shared\.db") as caught:
        open_storage(url, tmp_path / "o.toml")
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_in_place_of_a_database_is_refused_in_one_line(tmp_path):
    with pytest.raises(TuningError, match="cannot be opened") as caught:
        open_storage(f"sqlite:///{tmp_path}", tmp_path / "o.toml")
    assert len(str(caught.value).splitlines()) == 1


# --- the catalogue of sessions ------------------------------------------------------------------

DAMAGED = {
    "bytes that are no text in the list of tables": (b"CREATE TABLE", b"CREATE TAB\xc9E"),
    "bytes that are no text in a row": (b"one", b"\xc9\xc9\xc9"),
    "another table": (b"started text", b"stopped text"),
    "a time that is none": (b"202", b"2o2"),
    "cut short": (b"", b""),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("command", ["list", "show last", "prune --yes"])
def test_a_damaged_catalogue_is_refused_in_one_line(command, case, tmp_path):
    write(tmp_path, sessions())
    path = tmp_path / "sessions" / "catalogue.sqlite"
    old, new = DAMAGED[case]
    content = path.read_bytes()
    assert old in content
    head = content.index(b"one")  # a row lies behind the list of tables
    if case == "a time that is none":
        content = content[:head] + content[head:].replace(old, new)
    else:
        content = content.replace(old, new) if old else content[:5000]
    path.write_bytes(content)
    heard = hear(["sessions", *command.split(), "--folder", str(tmp_path / "sessions")])
    assert heard.code == 2
    (line,) = heard.error.splitlines()
    assert "catalogue.sqlite: cannot be used" in line
    assert "made again from the journals" in line
    assert (tmp_path / "sessions" / "one.mcap").exists()


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


# --- numbers and nesting without end ------------------------------------------------------------


@pytest.mark.parametrize("samples", ["9" * 5000, "0" * 5000 + "99999"])
def test_a_header_that_says_too_many_samples_is_refused_in_one_line(samples, tmp_path):
    from tests.boundary.kinds import KINDS, physionet

    files = physionet()
    files["a.hea"] = files["a.hea"].replace(b"a 1 20 60", f"a 1 20 {samples}".encode())
    write(tmp_path, files)
    heard = hear(KINDS["import-physionet"].command(tmp_path))
    assert heard.code == 2
    assert len(heard.error.splitlines()) == 1


def test_an_artefact_nested_without_end_is_refused_in_one_line(tmp_path):
    write(tmp_path, {"trace.csv": b"time_s,ext_mm\n0,1\n", "tuned.toml": b"a = " + b"[" * 5000})
    arguments = ["simulate", str(tmp_path / "trace.csv"), "--parameters"]
    heard = hear([*arguments, str(tmp_path / "tuned.toml")])
    assert heard.code == 2
    assert len(heard.error.splitlines()) == 1
    assert "tuned.toml: not TOML" in heard.error

"""The ready file: complete or absent, never of an earlier run, gone when the program has ended."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from tracker.config import ConfigurationError
from tracker.live.ready_file import ReadyFile, ReadyProgram, read_ready


def test_it_is_written_once_everything_is_known(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    with ReadyFile(path, "run", ("page", "journal")) as ready:
        ready.add(journal="a.mcap", requests="tcp://127.0.0.1:1")
        assert not path.exists()
        ready.add(page="http://127.0.0.1:2")
        assert json.loads(path.read_text()) == {
            "program": "run",
            "pid": os.getpid(),
            "journal": "a.mcap",
            "requests": "tcp://127.0.0.1:1",
            "page": "http://127.0.0.1:2",
        }
        ready.add(page="http://127.0.0.1:3")
        assert read_ready(path).page == "http://127.0.0.1:3", "a page server that was restarted"
        assert list(tmp_path.iterdir()) == [path]
    assert not path.exists()
    ready.add(page="http://127.0.0.1:4")
    assert not path.exists(), "a thread that comes too late writes nothing"


def test_a_file_of_an_earlier_run_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text("of a run that was killed")
    with ReadyFile(path, "run", ("page",)):
        assert not path.exists()


def test_a_reader_never_finds_a_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    seen: set[str] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.add(read_ready(path).journal)

    with ReadyFile(path, "run") as ready:
        ready.add(journal="0" * 100_000)
        reader = threading.Thread(target=read)
        reader.start()
        number = 0
        while len(seen) < 5 and reader.is_alive():  # a reader that finds a part of it has ended
            number += 1
            ready.add(journal=str(number % 10) * 100_000)
        ended.set()
        reader.join()
    assert len(seen) >= 5
    assert all(len(text) == 100_000 and len(set(text)) == 1 for text in seen)


def test_where_it_cannot_be_written_is_told_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--ready-file .*No such file.*name another"):
        ReadyFile(tmp_path / "none" / "ready.json", "run")


def test_a_write_that_fails_later_is_said_and_ends_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    said: list[str] = []
    with ReadyFile(folder / "ready.json", "run", say=said.append) as ready:
        folder.rmdir()
        ready.add(journal="a.mcap")
    assert len(said) == 1
    assert "not written (No such file or directory)" in said[0]


def test_another_file_is_no_ready_file(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    with pytest.raises(ConfigurationError, match="see whether the program runs"):
        read_ready(path)
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match="not a ready file"):
        read_ready(path)


def test_nothing_is_written_where_nobody_asked(tmp_path: Path) -> None:
    with ReadyFile(None, "run") as ready:
        ready.add(journal="a.mcap")
    assert ReadyProgram(program="run", pid=1).journal == ""

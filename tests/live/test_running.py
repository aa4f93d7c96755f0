"""How a run is scheduled and what its log is like."""

from __future__ import annotations

import asyncio
import builtins
import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tracker.cli import main
from tracker.config import SHIPPED
from tracker.live.event_loop import loop_factory, run_in_loop
from tracker.live.scheduling import Processor
from tracker.live.terminal import Console, as_json

AFFINITY = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]


@pytest.fixture
def everywhere() -> Any:
    before = os.sched_getaffinity(0)
    yield before
    os.sched_setaffinity(0, before)


def test_what_is_started_elsewhere_is_not_kept_on_the_loops_processor(everywhere: Any) -> None:
    if len(everywhere) < 2:
        pytest.skip("one processor: there is no elsewhere")
    number = max(everywhere)
    processor = Processor(number)
    with processor.elsewhere():
        pass
    assert os.sched_getaffinity(0) == everywhere, "not before it is told to stay"
    processor.stay()
    assert os.sched_getaffinity(0) == {number}
    with processor.elsewhere():
        started = subprocess.run(AFFINITY, capture_output=True, text=True, check=True)
    assert json.loads(started.stdout) == sorted(everywhere)
    assert os.sched_getaffinity(0) == {number}


def test_no_processor_chosen_is_the_systems_choice(everywhere: Any) -> None:
    Processor(None).stay()
    assert os.sched_getaffinity(0) == everywhere


def test_a_processor_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(SHIPPED / "room-twin.toml"), "--cpu", "4095"]) == 2
    assert "--cpu 4095: allowed are 0" in capsys.readouterr().err


def test_the_loop_is_uvloops_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.append(type(asyncio.get_running_loop()).__module__)

    run_in_loop(look())
    assert seen == ["uvloop"]
    imported = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "uvloop":
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    assert loop_factory() is None
    run_in_loop(look())
    assert seen[1].startswith("asyncio")


@pytest.mark.parametrize(
    ("text", "level", "kind"),
    [
        ("alarm: controller failed: x", "alarm", "alarm"),
        ("warning: bad", "warning", "warning"),
        ("fault: belt lost: WARN no sample", "warning", "fault"),
        ("fault: belt lost: over", "info", "fault"),
        ("session: IDLE to MODELLING (model)", "info", "session"),
        ("request: stop by Anna: accepted", "info", "request"),
        ("    12.0 s  IDLE: 3", "info", ""),
    ],
)
def test_a_line_of_the_log_says_level_and_kind(text: str, level: str, kind: str) -> None:
    record = json.loads(as_json(0.0, text, "abc"))
    assert record == {
        "wall": "1970-01-01T00:00:00.000+00:00",
        "level": level,
        "kind": kind,
        "run_id": "abc",
        "text": text,
    }


def test_words_and_log_have_the_same_lines() -> None:
    words, log = io.StringIO(), io.StringIO()
    with Console(words, log) as console:
        console.say("one")
        console.run_id = "r"
        console.say("two\nthree")
    assert words.getvalue() == "one\ntwo\nthree\n"
    records = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [record["text"] for record in records] == ["one", "two\nthree"]


def test_a_log_that_cannot_be_written_leaves_the_words() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    words = io.StringIO()
    with Console(words, Full()) as console:
        console.say("one")
        console.say("two")
    assert words.getvalue() == "one\ntwo\n"

"""Replay: the same engine gives the same outputs, and any other is found out."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hal.events import Event, SendDemand, SendHold, Tick
from hal.messages import BeltSample
from tracker.core.types import Output, SurrogateState
from tracker.journal import JournalError, JournalWriter, make_header, read_journal
from tracker.offline import replay


class Summing:
    """A tiny engine: the demand is the running sum of the belt, filtered."""

    def __init__(self, gain: float = 0.1, odd_at: int | None = None) -> None:
        self.state = 0.0
        self.gain = gain
        self.odd_at = odd_at
        self.count = 0

    def handle(self, event: Event) -> Sequence[Output]:
        self.count += 1
        if isinstance(event, BeltSample):
            self.state += self.gain * (event.value_au - self.state)
            return ()
        at = event.t_ns
        value = self.state + (1e-12 if self.count == self.odd_at else 0.0)
        return (
            SurrogateState(at, value, 0.0, 0.1),
            SendDemand(at, "couch", (value, -value, 0.0)),
        )


def record(path: Path, engine: Any, ticks: int = 40) -> None:
    draw = random.Random(5)
    with JournalWriter(path, make_header("gain = 0.1", 5)) as journal:
        for moment in range(0, ticks * 10, 10):
            for event in (BeltSample("belt", moment, moment, draw.random()), Tick(moment, moment)):
                journal.event(event)
                journal.outputs(engine.handle(event))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    record(tmp_path / "session.mcap", Summing())
    return tmp_path / "session.mcap"


def run(path: Path, engine: Any) -> int:
    def build(text: str) -> Any:
        assert text == "gain = 0.1"
        return engine

    return replay.run(argparse.Namespace(journal=path), engine_factory=build)


def test_the_same_engine_is_identical(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, Summing()) == 0
    assert capsys.readouterr().out == "identical: 80 events, 80 outputs\n"


def test_one_bit_is_found(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, Summing(odd_at=20)) == 1
    said = capsys.readouterr().out
    assert "output 19, answering Tick at 0.000000 s" in said
    assert "amplitude_mm: journal 0." in said
    assert "2 outputs differ, of 80 events, 80 outputs" in said
    assert "largest difference of a number: 9.99978e-13 (SurrogateState.amplitude_mm" in said


def test_the_largest_difference_is_over_all_outputs(path: Path) -> None:
    outcome = replay.replay(read_journal(path), Summing(gain=0.2))
    assert outcome.first is not None
    assert outcome.first.output == 1
    assert outcome.largest is not None
    assert outcome.largest.size > abs(outcome.first.recorded.amplitude_mm) / 10
    assert outcome.differing == 80


class Refusing(Summing):
    """The same with another kind of output, one too few, one too many, or an exception."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def handle(self, event: Event) -> Sequence[Output]:
        outputs = super().handle(event)
        if self.count != 30:
            return outputs
        if self.how == "other":
            return (outputs[0], SendHold(event.t_ns, "gate", ("why",)))
        if self.how == "fewer":
            return outputs[:1]
        if self.how == "raises":
            raise ZeroDivisionError("bad")
        return (*outputs, outputs[0])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("other", "replay:  SendHold("),
        ("fewer", "replay:  nothing"),
        ("more", "journal: nothing"),
        ("raises", "ZeroDivisionError: bad"),
    ],
)
def test_both_values_are_shown(
    path: Path, capsys: pytest.CaptureFixture[str], how: str, words: str
) -> None:
    assert run(path, Refusing(how)) == 1
    said = capsys.readouterr().out
    assert words in said
    assert "SendDemand" in said or how in ("more", "raises")


def test_a_run_that_ended_with_an_exception_replays(tmp_path: Path) -> None:
    path = tmp_path / "crashed.mcap"
    with pytest.raises(ZeroDivisionError):
        record(path, Refusing("raises"))
    assert replay.replay(read_journal(path), Refusing("raises")).first is None


def test_a_torn_journal_is_replayed_as_far_as_it_goes(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = path.read_bytes()
    first = next(iter(read_journal(path).entries())).offset
    for cut in random.Random(6).sample(range(first, len(data)), 20):
        path.write_bytes(data[:cut])
        assert run(path, Summing()) == 0
        said = capsys.readouterr().out.splitlines()
        assert len(said) == 2
        assert said[1].startswith("identical: ")
        assert said[1].endswith("as far as the journal goes")


def test_a_torn_journal_that_differs_is_still_found(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9000])
    assert run(path, Summing(odd_at=10)) == 1


def test_other_versions_are_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b"version.python\x06\x00\x00\x003.", b"version.python\x06\x00\x00\x002.")
    )
    if path.read_bytes() == data:
        pytest.skip("this Python has another length of version")
    run(path, Summing(odd_at=4))
    said = capsys.readouterr()
    assert "python: 2." in said.out
    assert said.err.startswith("warning: ")
    assert "the seal at" in said.err


def test_no_journal_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such file"):
        run(tmp_path / "missing.mcap", Summing())

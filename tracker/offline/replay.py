"""`tidetrack replay`: feed a journal's events to the engine again and compare every output.

On the machine that made the journal every output must come out with the same bits. Across
machines, compilers and versions the last bits of a float may differ; the largest difference is
reported, and the reader judges it.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from hal.events import Event
from tracker.core.types import Output
from tracker.journal import (
    Entry,
    Journal,
    JournalError,
    TornTail,
    encode_record,
    make_header,
    read_journal,
    verify,
)


class ReplayEngine(Protocol):
    """What replay needs of an engine."""

    def handle(self, event: Event) -> Sequence[Output]:
        """Answer one event."""
        ...


EngineFactory = Callable[[str], ReplayEngine]
"""Builds an engine from the text of a configuration."""


class FloatDifference(NamedTuple):
    """The size, field and time of a difference between two floats that should be equal."""

    size: float
    field: str
    t_ns: int


class Difference(NamedTuple):
    """An output that differs: its number, its time, and both values (``None``: missing)."""

    output: int
    t_ns: int
    event: str
    recorded: Any
    replayed: Any

    def describe(self) -> str:
        """Return the lines that describe the result to a person."""
        lines = [
            f"first difference: output {self.output}, answering {self.event}"
            f" at {self.t_ns / 1e9:.6f} s"
        ]
        if self.recorded is None or self.replayed is None or _kinds_differ(self):
            lines.append(f"  journal: {_shown(self.recorded)}")
            lines.append(f"  replay:  {_shown(self.replayed)}")
            return "\n".join(lines)
        lines.append(f"  {type(self.recorded).__name__}")
        for name, recorded, replayed in _unequal_fields(self.recorded, self.replayed):
            lines.append(f"    {name}: journal {recorded!r}, replay {replayed!r}")
        return "\n".join(lines)


class ReplayOutcome(NamedTuple):
    """What a replay showed; ``first`` is ``None`` when every output was the same."""

    events: int
    outputs: int
    differing: int
    first: Difference | None
    largest: FloatDifference | None
    torn: TornTail | None


def replay(journal: Journal, engine: ReplayEngine) -> ReplayOutcome:
    """Feed every event of ``journal`` to ``engine`` and compare what it returns.

    Where a torn journal breaks off in the midst of an event's outputs, only those that were
    written are compared. An exception of the engine is an output that is not in the journal,
    except at the very last event, where the recorded run ended with it too.
    """
    events = outputs = differing = 0
    first: Difference | None = None
    largest: FloatDifference | None = None
    for event, recorded, is_last in _by_event(journal):
        events += 1
        replayed = _answer(engine, event.record, may_fail=is_last and not recorded)
        if is_last and journal.torn:
            replayed = replayed[: len(recorded)]
        for place, (entry, output) in enumerate(zip_longest(recorded, replayed), outputs + 1):
            if entry is not None and output is not None and entry.data == encode_record(output):
                continue
            found = Difference(
                output=place,
                t_ns=event.record.t_ns,
                event=type(event.record).__name__,
                recorded=entry.record if entry else None,
                replayed=output,
            )
            differing += 1
            first = first or found
            largest = _larger(largest, found)
        outputs += len(recorded)
    return ReplayOutcome(events, outputs, differing, first, largest, journal.torn)


def engine_from_configuration(text: str) -> ReplayEngine:
    """Build the engine of a configuration; raises `ConfigurationError` when it is not right."""
    from tracker.build.engine import build_engine
    from tracker.config import parse_configuration

    configuration = parse_configuration(text, name="configuration in the journal")
    return build_engine(configuration.controller)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("journal", type=Path, metavar="SESSION.mcap", help="the journal")


def run(args: argparse.Namespace, engine_factory: EngineFactory = engine_from_configuration) -> int:
    """Replay and print the result; 0 when identical, 1 when not."""
    journal = read_journal(args.journal)
    if journal.torn:
        print(f"{args.journal}: {journal.torn.describe()}")
    _warn_of_changes(args.journal)
    outcome = replay(journal, engine_factory(journal.header.configuration))
    counts = f"{outcome.events} events, {outcome.outputs} outputs"
    if outcome.first is None:
        print(f"identical: {counts}" + (", as far as the journal goes" if outcome.torn else ""))
        return 0
    print(outcome.first.describe())
    print(f"{outcome.differing} outputs differ, of {counts}")
    if outcome.largest:
        size, field, t_ns = outcome.largest
        print(f"largest difference of a number: {size:.6g} ({field} at {t_ns / 1e9:.6f} s)")
    for line in _version_lines(journal):
        print(line)
    return 1


def _warn_of_changes(path: Path) -> None:
    try:
        verify(path)
    except JournalError as error:
        print(f"warning: {error}", file=sys.stderr)


def _by_event(journal: Journal) -> Iterator[tuple[Entry, list[Entry], bool]]:
    """Yield each event with the outputs that follow it, and whether it is the last one."""
    event: Entry | None = None
    answers: list[Entry] = []
    for entry in journal.entries():
        if entry.kind == "event":
            if event is not None:
                yield event, answers, False
            event, answers = entry, []
        elif entry.kind == "output":
            answers.append(entry)
    if event is not None:
        yield event, answers, True


class _Raised(msgspec.Struct, frozen=True):
    """Stands for the exception an engine ended with."""

    error: str


def _answer(engine: ReplayEngine, event: Event, may_fail: bool) -> Sequence[Any]:
    try:
        return engine.handle(event)
    except Exception as error:
        if may_fail:
            return ()
        return (_Raised(f"{type(error).__name__}: {error}"),)


def _kinds_differ(difference: Difference) -> bool:
    return type(difference.recorded) is not type(difference.replayed)


def _shown(record: Any) -> str:
    return "nothing" if record is None else repr(record)


def _unequal_fields(one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the single values in which two records of one type differ, bit for bit."""
    for name in one.__struct_fields__:
        yield from _unequal_leaves(name, getattr(one, name), getattr(other, name))


def _unequal_leaves(name: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, tuple) and isinstance(other, tuple):
        left, right = cast(tuple[Any, ...], one), cast(tuple[Any, ...], other)
        if len(left) != len(right):
            yield name, left, right
            return
        for index, (a, b) in enumerate(zip(left, right, strict=True)):
            yield from _unequal_leaves(f"{name}[{index}]", a, b)
    elif not _same(one, other):
        yield name, one, other


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return one == other


def _larger(largest: FloatDifference | None, found: Difference) -> FloatDifference | None:
    if found.recorded is None or found.replayed is None or _kinds_differ(found):
        return largest
    for name, one, other in _unequal_fields(found.recorded, found.replayed):
        if isinstance(one, float) and isinstance(other, float):
            size = abs(one - other)
            if largest is None or size > largest.size:
                field = f"{type(found.recorded).__name__}.{name}"
                largest = FloatDifference(size, field, found.t_ns)
    return largest


def _version_lines(journal: Journal) -> Iterator[str]:
    """Yield a line for each library whose version is not the one the journal names."""
    now = make_header("").versions
    for name, then in sorted(journal.header.versions.items()):
        if now.get(name) != then:
            yield f"{name}: {then} when recorded, {now.get(name)} now"

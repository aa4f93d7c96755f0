"""Closed loops the tests share: short sessions in the simulated room."""

from __future__ import annotations

from typing import Any

import pytest

from tracker.build.room import furnish
from tracker.config import SHIPPED, altered, load_configuration
from tracker.journal import Digest
from tracker.offline.closed_loop import ClosedLoop, Finished
from tracker.report import About, summary_of


class Keeper:
    """Stands where a journal would and keeps what passes."""

    def __init__(self) -> None:
        self.steps: list[tuple[Any, list[Any]]] = []
        self._digest = Digest()

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def event(self, event: Any) -> None:
        self.steps.append((event, []))

    def outputs(self, outputs: list[Any]) -> None:
        self.steps[-1][1].extend(outputs)
        self._digest.add(outputs)

    def truth(self, record: Any) -> None:
        pass


class Session:
    """A finished run with its records, summary and every step of the engine."""

    def __init__(self, configuration, recording=None, seed=1) -> None:
        keeper = Keeper()
        room = furnish(configuration, recording, seed)
        self.finished: Finished = ClosedLoop(configuration, room, keeper).run()
        self.configuration = configuration
        self.steps = keeper.steps
        about = About("test", "test", seed, self.finished.realtime_factor, self.finished.digest)
        self.summary = summary_of(self.finished.records, about)
        self.records = self.finished.records

    def outputs(self, kind: type) -> list[Any]:
        return [o for _, outputs in self.steps for o in outputs if isinstance(o, kind)]


def session(
    seconds=75.0, *, config="couch.toml", seed=1, mishaps=(), events=(), recording=None, **changes
):
    """Run a session; ``changes`` are section__key=value."""
    edited: dict[str, dict[str, Any]] = {
        "room": {"mishaps": list(mishaps)},
        "room.patient.breathing": {"events": list(events)},
    }
    if recording is None:
        edited["room"]["duration_s"] = seconds
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        edited.setdefault(section.replace("__", "."), {})[key] = value
    return Session(altered(load_configuration(SHIPPED / config), edited), recording, seed)


@pytest.fixture(scope="session")
def calm():
    """A calm session with the couch."""
    return session()

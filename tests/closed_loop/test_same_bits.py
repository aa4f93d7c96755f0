"""Same bits: equal seeds, replay, torn journals, and nothing known before its time."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import msgspec
import pytest

from hal.messages import ActuatorStatus, BeamStatus, BeltSample, FiducialShot, MarkerFrame
from tracker.build.engine import build_engine
from tracker.build.room import furnish
from tracker.cli import main
from tracker.config import SHIPPED, altered, load_configuration
from tracker.journal import JournalWriter, make_header, read_journal
from tracker.offline.closed_loop import ClosedLoop
from tracker.offline.replay import engine_from_configuration, replay

from .conftest import session

RUN = """
from tests.closed_loop.conftest import session
print(session(40.0, seed=7).finished.digest)
"""


def test_the_same_seed_gives_the_same_digest_in_two_processes():
    root = SHIPPED.parent.parent
    digests = {
        subprocess.run(
            [sys.executable, "-c", RUN],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert digests != {session(40.0, seed=8).finished.digest + "\n"}


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "session.mcap"
    configuration = altered(
        load_configuration(SHIPPED / "couch.toml"), {"room": {"duration_s": 42.0}}
    )
    header = make_header(configuration.text, 1, {"trace": "test"})
    with JournalWriter(path, header) as writer:
        finished = ClosedLoop(configuration, furnish(configuration, None, 1), writer).run()
        writer.close()
    assert writer.digest == finished.digest
    return path


def test_replay_says_identical(journal, capsys):
    assert main(["replay", str(journal)]) == 0
    assert "identical" in capsys.readouterr().out


def test_a_torn_journal_replays_identically_as_far_as_it_goes(journal, tmp_path):
    whole = journal.read_bytes()
    chance = random.Random(3)
    for k in range(20):
        cut = tmp_path / f"{k}.mcap"
        cut.write_bytes(whole[: chance.randrange(len(whole) // 50, len(whole) - 1)])
        torn = read_journal(cut)
        assert torn.torn is not None
        # Later cuts repeat the earlier ones' first part; three long replays are enough.
        if k < 3:
            outcome = replay(torn, engine_from_configuration(torn.header.configuration))
            assert outcome.first is None
            assert outcome.events > 0
        else:
            assert sum(1 for _ in torn.entries()) > 0
        cut.unlink()


def test_replay_tells_the_first_difference(journal, tmp_path, capsys):
    """Another setting answers otherwise: replay must see it."""
    configuration = load_configuration(SHIPPED / "couch.toml")
    other = build_engine(altered(configuration, {"timing": {"latency_ms": 160.0}}).controller)
    outcome = replay(read_journal(journal), other)
    assert outcome.first is not None


def disturbed(event):
    """The same event with other contents, as long as it is a sample."""
    match event:
        case MarkerFrame(markers_mm=markers):
            moved = tuple(m and (m[0] + 3.0, m[1] - 2.0, m[2] + 5.0) for m in markers)
            return msgspec.structs.replace(event, markers_mm=moved)
        case BeltSample(value_au=value):
            return msgspec.structs.replace(event, value_au=value * 1.3 + 40.0)
        case FiducialShot(fiducials_mm=fiducials):
            moved = tuple(f and (f[0], f[1] + 4.0, f[2]) for f in fiducials)
            return msgspec.structs.replace(event, fiducials_mm=moved)
        case ActuatorStatus(position_mm=(x, y, z)):
            return msgspec.structs.replace(event, position_mm=(x, y + 1.0, z))
        case BeamStatus(on=on):
            return msgspec.structs.replace(event, on=not on)
        case _:
            return event


@pytest.mark.parametrize("at_s", [15.0, 30.0, 41.3, 55.0])
def test_outputs_up_to_a_moment_do_not_depend_on_samples_after_it(calm, at_s):
    at_ns = round(at_s * 1e9)
    engine = build_engine(calm.configuration.controller)
    differs = False
    for event, recorded in calm.steps:
        if event.t_ns <= at_ns:
            assert engine.handle(event) == recorded
        elif event.t_ns > at_ns + 2_000_000_000:
            break
        else:
            differs = differs or engine.handle(disturbed(event)) != recorded
    assert differs  # the disturbance was large enough to matter at all

"""The short form of `python -m tests.safety.kills`: a few kills, one of them with the beam on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.safety.kills import LIMIT_MS, campaign, figures

pytestmark = pytest.mark.realtime

SEED = 3
"""Draws beam, beam, start-up."""


@pytest.mark.slow
def test_a_killed_run_leaves_no_beam_a_whole_journal_and_an_idle_restart(tmp_path: Path) -> None:
    kills = campaign(3, SEED, tmp_path)
    found = figures(kills)
    print(found)
    assert not found["wrong"]
    assert found["beam_off_ms"]["count"] >= 1, "a kill with the beam on"
    for kill in kills:
        assert (kill.beam_off_ms or 0.0) <= LIMIT_MS + kill.taken_ms
        assert (kill.unrecorded_ms or 0.0) < 500.0 + kill.taken_ms
    assert found["began_idle"] >= 2, "the one after a kill too"

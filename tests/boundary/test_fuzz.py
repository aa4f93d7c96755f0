"""The short form of `tests.boundary.fuzz`: a few mutated inputs of every kind."""

from __future__ import annotations

import os
import random

import pytest

from tests.boundary.fuzz import ARGUMENTS, MOST_BYTES, fuzz
from tests.boundary.kinds import KINDS, hear, write
from tests.boundary.mutated_bytes import MUTATIONS, mutated

ENDS = {
    "index": (2, "unknown kind nothing"),
    "artefact": (2, "tuned.toml: scores"),
    "dose-plan": (2, "session.mcap"),
    "compare": (2, "none.csv"),
}
"""The kinds whose valid example ends at another input, on purpose; all others end with 0."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_valid_example_is_read(kind, tmp_path):
    before = os.umask(0o077)  # keys that others may read are refused
    try:
        write(tmp_path, KINDS[kind].files())
    finally:
        os.umask(before)
    heard = hear(KINDS[kind].command(tmp_path))
    code, words = ENDS.get(kind, (0, ""))
    assert heard.code == code, heard.error
    assert words in heard.error


@pytest.mark.parametrize("kind", [*KINDS, ARGUMENTS])
def test_a_mutated_input_ends_in_a_line(kind):
    outcome = fuzz(kind, 12, seed=7)
    assert outcome.examples == []
    assert outcome.crashes == 0
    assert outcome.peak_bytes < MOST_BYTES


def test_mutations_change_files_and_repeat_with_their_seed():
    data = b"time_s,ext_mm\n0.0,1.5\n0.1,1.6\n"
    made = [mutated(random.Random(seed), data) for seed in range(50)]
    assert sum(each != data for each in made) > 40
    assert made == [mutated(random.Random(seed), data) for seed in range(50)]
    assert all(mutation(random.Random(1), b"") is not None for mutation in MUTATIONS)

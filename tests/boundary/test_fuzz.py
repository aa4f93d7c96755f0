"""The short form of `tests.boundary.fuzz`: a few mutated inputs of every kind."""

from __future__ import annotations

import random

import pytest

from tests.boundary.fuzz import ARGUMENTS, MOST_BYTES, fuzz
from tests.boundary.kinds import KINDS, hear
from tests.boundary.mutated_bytes import MUTATIONS, mutated

ENDS = {"index": (2, "unknown kind nothing"), "artefact": (2, "tuned.toml: scores")}
"""The kinds whose valid example ends at another input, on purpose; all others end with 0."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_valid_example_is_read(kind, tmp_path):
    for name, content in KINDS[kind].files().items():
        (tmp_path / name).write_bytes(content)
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

"""A few thousand malformed frames for every codec of the table; the long form is ``fuzz.py``."""

from __future__ import annotations

import pytest

from tests.hal.fuzz import CODECS, fuzz


@pytest.mark.parametrize("codec", CODECS)
def test_malformed_frames_are_neither_believed_nor_fatal(codec: str) -> None:
    outcome = fuzz(codec, 5_000, seed=20260801)
    assert (outcome.crashes, outcome.believed) == (0, 0), outcome.examples


def test_the_table_is_there() -> None:
    assert {"polaris", "modbus", "bitalino", "gcs"} <= set(CODECS)

"""The comparison with pyRadPlan, where an environment with it is named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.dose.pyradplan import compare, gamma


@pytest.mark.peer
def test_the_engine_agrees_with_pyradplan_at_shifted_isocentres() -> None:
    python = os.environ.get("PYRADPLAN_PYTHON")
    if not python:
        pytest.skip("PYRADPLAN_PYTHON names no Python with pyRadPlan; see tests/dose/pyradplan.py")
    assert compare(Path(python))["gamma_1pct_1mm_passing_pct"] >= 99.5


def test_gamma_tells_a_shift_within_the_limit_from_one_beyond() -> None:
    """A gradient of 10 % a millimetre, moved by 0.8 and by 1.3 mm, and raised by 0.9 and 1.2 %."""
    x = 2.0 * np.arange(20.0)
    ramp = np.broadcast_to(x / x.max(), (20, 20, 20)).copy()
    counted = np.zeros(ramp.shape, dtype=bool)
    counted[5:15, 5:15, 5:15] = True
    slope = 1.0 / x.max()
    for moved, kept in ((0.8, True), (1.3, False)):
        index = gamma(ramp, ramp + moved * slope, 0.01, 1.0, counted)
        assert bool((index <= 1.0).all()) is kept
    flat = np.ones(ramp.shape)
    for raised, kept in ((0.009, True), (0.012, False)):
        assert bool((gamma(flat, flat + raised, 1.0, 1.0, counted) <= 1.0).all()) is kept

"""A value over its limit is written with so many decimals that one sees that it is over."""

import math

import pytest

from tracker.core.safety.checks.wording import above


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (5.2, 5.0, "5.2"),
        (5.24, 5.0, "5.2"),
        (5.04, 5.0, "5.04"),
        (5.043, 5.0, "5.04"),
        (5.0043, 5.0, "5.004"),
        (5.00043, 5.0, "5.0004"),
        (-1.96, -2.0, "-1.96"),
        (5.004, 5.0, "5.004"),
        (5.0004, 5.0, "5.0004"),
        (5.00001, 5.0, "5.00001"),
        (3.51, 3.5, "3.51"),
        (61.0, 60.0, "61.0"),
        (math.inf, 5.0, "inf"),
        (math.nan, 5.0, "nan"),
    ],
)
def test_above(value, limit, text):
    assert above(value, limit) == text

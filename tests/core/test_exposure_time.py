"""Whether an exposure time can be right: between request and arrival, give or take the clocks."""

import pytest

from tracker.core.target.exposure_time import out_of_time

MS = 1_000_000
ASKED, ARRIVED = 1000 * MS, 1150 * MS


@pytest.mark.parametrize("exposed_ms", [980, 1000, 1100, 1150, 1170])
def test_a_time_between_request_and_arrival_can_be_right(exposed_ms):
    assert out_of_time(7, ASKED, exposed_ms * MS, ARRIVED) == ""


@pytest.mark.parametrize(
    ("exposed_ns", "after_ms"), [(980 * MS - 1, -20), (1170 * MS + 1, 170), (1500 * MS, 500)]
)
def test_another_time_is_reported_with_both_spans(exposed_ns, after_ms):
    assert out_of_time(7, ASKED, exposed_ns, ARRIVED) == (
        f"shot 7 says it was exposed {after_ms} ms after it was asked for, and came after 150 ms"
    )

"""Predictors by name: what is refused, and how it is said."""

import pytest

from tracker.core.prediction.registry import METHODS, make_predictor, parameter_record

MS = 1_000_000


def test_every_default_is_within_its_bounds() -> None:
    for name, method in METHODS.items():
        record = parameter_record(name)._asdict()
        assert set(method.bounds) == set(record)
        assert parameter_record(name, record) == parameter_record(name)


@pytest.mark.parametrize("name", METHODS)
def test_every_bound_is_refused_just_outside(name: str) -> None:
    for key, (low, high) in METHODS[name].bounds.items():
        for value in (low - 1e-6, high * (1.0 + 1e-9) + 1e-6, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=rf"{name}: {key} = .* is outside"):
                parameter_record(name, {key: value})


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"kalman_cv.*did you mean"):
        make_predictor("kalman", channels=1, rate_hz=10.0, horizon_ns=MS)


def test_unknown_parameter_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"no parameter 'memory'; it has: .*memory_s"):
        make_predictor("rls", channels=1, rate_hz=10.0, horizon_ns=MS, parameters={"memory": 1.0})


@pytest.mark.parametrize(
    ("channels", "rate_hz", "horizon_ns", "what"),
    [
        (0, 10.0, 100 * MS, "channels = 0"),
        (25, 10.0, 100 * MS, "channels = 25"),
        (1, 0.1, 100 * MS, "rate_hz = 0.1"),
        (1, float("nan"), 100 * MS, "rate_hz = nan"),
        (1, 1e4, 100 * MS, "rate_hz = 10000"),
        (1, 10.0, 0, "horizon_ns = 0"),
        (1, 10.0, 10_000 * MS, "horizon_ns = 10000000000"),
    ],
)
def test_room_without_place(channels: int, rate_hz: float, horizon_ns: int, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        make_predictor("hold", channels=channels, rate_hz=rate_hz, horizon_ns=horizon_ns)

"""How the samples of a sensor come: bursts and another rate are told, ordinary trouble is not."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.core.surrogate.delivery import Delivery

PERIOD_NS = 10_000_000


def complaints(arrivals, rate_hz=100.0):
    """Return what is complained of after each arrival."""
    delivery = Delivery(rate_hz)
    said = []
    for arrival_ns in arrivals:
        delivery.note(int(arrival_ns))
        said.append(delivery.complaint)
    return said


def even(count, period_ns=PERIOD_NS, jitter_ns=0, seed=1):
    noise = np.random.default_rng(seed).normal(0.0, jitter_ns, count) if jitter_ns else 0
    return np.maximum.accumulate(np.arange(count) * period_ns + noise)


@pytest.mark.parametrize("rate_hz", [5.0, 50.0, 100.0, 500.0])
@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.3])
def test_even_samples_are_no_matter(rate_hz, jitter):
    period_ns = 1e9 / rate_hz
    assert set(complaints(even(3000, period_ns, jitter * period_ns), rate_hz)) == {""}


@pytest.mark.parametrize("size", [3, 5, 12, 25])
def test_bursts_are_told_with_their_size_and_forgotten_when_they_end(size):
    bursts = [(k // size) * size * PERIOD_NS for k in range(1200)]
    after = [bursts[-1] + k * PERIOD_NS for k in range(size, 600)]
    said = complaints([*bursts, *after])
    assert said[7 * size] == f"delivers about {size} samples at a time"
    assert said[1199] == f"delivers about {size} samples at a time"
    assert said[-1] == ""


def test_pairs_are_no_burst():
    assert set(complaints([(k // 2) * 2 * PERIOD_NS for k in range(2000)])) == {""}


def test_one_backlog_after_a_stall_is_no_burst():
    arrivals = even(1000)
    arrivals[400:500] = arrivals[500]
    assert set(complaints(arrivals)) == {""}


@pytest.mark.parametrize("rate_hz", [60.0, 79.0, 125.0, 300.0])
def test_another_rate_is_told_after_two_windows(rate_hz):
    said = complaints(even(3000, 1e9 / rate_hz))
    first = next(k for k, text in enumerate(said) if text)
    assert 4.0 <= first / rate_hz < 4.5
    assert said[-1] == f"{rate_hz:.3g} samples a second, configured are 100"


@pytest.mark.parametrize("rate_hz", [85.0, 95.0, 110.0, 118.0])
def test_a_rate_within_a_fifth_is_not_told(rate_hz):
    assert set(complaints(even(3000, 1e9 / rate_hz))) == {""}


def test_silence_is_no_rate():
    arrivals = np.concatenate([even(150) + k * 6_000_000_000 for k in range(8)])
    assert set(complaints(arrivals)) == {""}

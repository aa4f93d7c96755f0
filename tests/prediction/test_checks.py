"""The one list of checks that every predictor of the table passes."""

import itertools

import numpy as np
import pytest

from tests.prediction.traces import MS, S, breathing, grid
from tracker.core.prediction.calibration import without_region
from tracker.core.prediction.protocol import PredictedChannels, Predictor
from tracker.core.prediction.registry import METHODS, make_predictor, parameter_record

RATE_HZ = 20.0
HORIZON_NS = 230 * MS
CHANNELS = 2

every = pytest.mark.parametrize("name", METHODS)


def fresh(name: str, channels: int = CHANNELS, horizon_ns: int = HORIZON_NS) -> Predictor:
    return make_predictor(name, channels=channels, rate_hz=RATE_HZ, horizon_ns=horizon_ns)


def answered(predictor: Predictor, at_ns: int) -> PredictedChannels:
    prediction = predictor.predict(at_ns)
    assert prediction is not None
    return prediction


def same(one: PredictedChannels, other: PredictedChannels) -> bool:
    return (
        one.made_ns == other.made_ns
        and one.mean.tobytes() == other.mean.tobytes()
        and one.covariance.tobytes() == other.covariance.tobytes()
    )


def sound(prediction: PredictedChannels) -> None:
    """A finite mean and a symmetric positive definite covariance."""
    assert np.isfinite(prediction.mean).all()
    assert np.isfinite(prediction.covariance).all()
    assert np.array_equal(prediction.covariance, prediction.covariance.T)
    np.linalg.cholesky(prediction.covariance)


@every
def test_nothing_seen_nothing_said(name: str) -> None:
    assert fresh(name).predict(0) is None


@every
def test_causal_to_the_bit(name: str) -> None:
    """Alter everything after t: what was predicted at t, wholly and in between, is the same."""
    positions, times = breathing(30.0, RATE_HZ), grid(600, RATE_HZ)
    altered = positions.copy()
    altered[400:] = 1e3 * np.sin(np.arange(200.0))[:, None]
    one, other = fresh(name), fresh(name)
    for i in range(600):
        one.learn(int(times[i]), positions[i])
        other.learn(int(times[i]), altered[i])
        if (i < 400 and i % 7 == 0) or i == 399:
            for later_ns in (0, HORIZON_NS, HORIZON_NS + 25 * MS):
                at_ns = int(times[i]) + later_ns
                assert same(answered(one, at_ns), answered(other, at_ns))


@every
def test_clone_is_as_good_and_apart(name: str) -> None:
    positions, times = breathing(25.0, RATE_HZ), grid(500, RATE_HZ)
    whole = fresh(name)
    first = fresh(name)
    for i in range(300):
        whole.learn(int(times[i]), positions[i])
        first.learn(int(times[i]), positions[i])
    second = first.clone()
    for i in range(300, 500):
        whole.learn(int(times[i]), positions[i])
        second.learn(int(times[i]), positions[i])
    at_ns = int(times[-1]) + HORIZON_NS
    assert same(answered(whole, at_ns), answered(second, at_ns))
    assert answered(first, int(times[299]) + HORIZON_NS).made_ns == times[299]
    assert (second.channels, second.horizon_ns) == (CHANNELS, HORIZON_NS)


@every
def test_asking_changes_nothing(name: str) -> None:
    positions, times = breathing(20.0, RATE_HZ), grid(400, RATE_HZ)
    silent, asked = fresh(name), fresh(name)
    for i in range(400):
        silent.learn(int(times[i]), positions[i])
        asked.learn(int(times[i]), positions[i])
        for later_ms in (0, 115, 230, 235, 280, 5000):
            asked.predict(int(times[i]) + later_ms * MS)
    at_ns = int(times[-1]) + HORIZON_NS
    assert same(answered(silent, at_ns), answered(asked, at_ns))


@every
def test_what_was_said_is_not_taken_back(name: str) -> None:
    positions = breathing(3.0, RATE_HZ)
    predictor = fresh(name)
    predictor.learn(0, positions[0])
    said = answered(predictor, HORIZON_NS)
    kept = said.mean.copy(), said.covariance.copy()
    for i in range(1, 60):
        predictor.learn(i * 50 * MS, positions[i])
        predictor.predict(i * 50 * MS + HORIZON_NS)
    assert np.array_equal(said.mean, kept[0])
    assert np.array_equal(said.covariance, kept[1])


@every
def test_refused_samples_leave_no_trace(name: str) -> None:
    positions, times = breathing(20.0, RATE_HZ), grid(400, RATE_HZ)
    untouched, offended = fresh(name), fresh(name)
    for i in range(400):
        untouched.learn(int(times[i]), positions[i])
        offended.learn(int(times[i]), positions[i])
        if i % 5 == 0:
            with pytest.raises(ValueError, match="not finite"):
                offended.learn(int(times[i]) + 1, np.array([1.0, np.nan]))
            with pytest.raises(ValueError, match="not finite"):
                offended.learn(int(times[i]) + 1, np.array([np.inf, 1.0]))
            for before_ns in (0, 1, 50 * MS):
                with pytest.raises(ValueError, match="not after"):
                    offended.learn(int(times[i]) - before_ns, positions[i])
            with pytest.raises(ValueError, match="shape"):
                offended.learn(int(times[i]) + 1, np.zeros(3))
    at_ns = int(times[-1]) + HORIZON_NS
    assert same(answered(untouched, at_ns), answered(offended, at_ns))


@every
def test_gaps_of_seconds_and_missing_samples(name: str) -> None:
    """Through gaps, answers stay finite and inside what breathing can reach."""
    positions, times = breathing(60.0, RATE_HZ), grid(1200, RATE_HZ)
    draw = np.random.Generator(np.random.PCG64(3))
    predictor = fresh(name)
    skip_until = -1
    for i in range(1200):
        if i % 150 == 149:
            skip_until = i + int(draw.integers(10, 90))
        if i < skip_until or draw.uniform() < 0.1:
            if predictor.predict(int(times[i])) is not None:
                sound(answered(predictor, int(times[i]) + HORIZON_NS))
            continue
        predictor.learn(int(times[i]), positions[i])
        prediction = answered(predictor, int(times[i]) + HORIZON_NS)
        sound(prediction)
        assert np.all(np.abs(prediction.mean) < 40.0)


@every
def test_constant_signal(name: str) -> None:
    predictor = fresh(name)
    level = np.array([-490.7, 1e-3])
    for i in range(600):
        predictor.learn(i * 50 * MS, level)
        prediction = answered(predictor, i * 50 * MS + HORIZON_NS)
        sound(prediction)
        assert np.allclose(prediction.mean, level, rtol=0.0, atol=1e-6)


@every
def test_step(name: str) -> None:
    """After a step of 10 mm every predictor is within 2 mm in 15 s, whatever it does first."""
    draw = np.random.Generator(np.random.PCG64(5))
    predictor = fresh(name, channels=1)
    for i in range(900):
        level = 0.0 if i < 600 else 10.0
        predictor.learn(i * 50 * MS, np.array([level + 0.02 * draw.standard_normal()]))
        prediction = answered(predictor, i * 50 * MS + HORIZON_NS)
        sound(prediction)
        assert abs(prediction.mean[0]) < 40.0
    assert abs(prediction.mean[0] - 10.0) < 2.0


@every
def test_uncertainty_widens_at_once(name: str) -> None:
    """Two seconds into a disturbance the region is at least twice as wide."""
    positions = breathing(60.0, RATE_HZ)
    draw = np.random.Generator(np.random.PCG64(8))
    predictor = fresh(name)
    for i in range(1000):
        predictor.learn(i * 50 * MS, positions[i])
    calm = answered(predictor, 999 * 50 * MS + HORIZON_NS).covariance
    for i in range(1000, 1040):
        predictor.learn(i * 50 * MS, positions[i] + 15.0 * draw.standard_normal(2))
    stirred = answered(predictor, 1039 * 50 * MS + HORIZON_NS).covariance
    assert np.all(np.diag(stirred) > 4.0 * np.diag(calm))


@every
def test_uncertainty_is_back_soon_after_a_cough(name: str) -> None:
    """4 to 8 s after it the region is that of the errors made since, not of the cough."""
    positions = breathing(90.0, RATE_HZ)
    after_s = np.arange(30) / RATE_HZ
    blow = 6.0 * np.sin(2.0 * np.pi * 2.5 * after_s) * np.exp(-after_s / 0.6)
    positions[1200:1230] += blow[:, None]
    predictor = fresh(name)
    squares, claimed = np.zeros((80, CHANNELS)), np.zeros((80, CHANNELS))
    for i in range(1390):
        predictor.learn(i * 50 * MS, positions[i])
        if i >= 1310:
            said = answered(predictor, i * 50 * MS + 250 * MS)
            squares[i - 1310] = (positions[i + 5] - said.mean) ** 2
            claimed[i - 1310] = np.diag(said.covariance)
    most = 4.5 if name == "harmonic" else 2.5  # its errors are the smallest again by then
    assert np.sqrt(claimed.mean() / squares.mean()) < most


@every
def test_uncertainty_widens_with_silence_and_after_it(name: str) -> None:
    positions = breathing(60.0, RATE_HZ)
    predictor = fresh(name)
    for i in range(1000):
        predictor.learn(i * 50 * MS, positions[i])
    newest_ns = 999 * 50 * MS
    widths = [
        np.diag(answered(predictor, newest_ns + HORIZON_NS + later).covariance)
        for later in (0, 50 * MS, S // 2, 3 * S)
    ]
    for narrow, wide in itertools.pairwise(widths):
        assert np.all(wide > narrow)
    predictor.learn(newest_ns + 3 * S, positions[1000])
    after = answered(predictor, newest_ns + 3 * S + HORIZON_NS)
    assert np.all(np.diag(after.covariance) > 2.0 * widths[0])


@every
def test_float_errors_do_not_escape(name: str) -> None:
    """Huge, tiny, alternating and denormal numbers: always finite answers, no warning."""
    draw = np.random.Generator(np.random.PCG64(6))
    predictor = fresh(name)
    with np.errstate(all="raise"):
        for i in range(900):
            scale = 10.0 ** draw.uniform(-300.0, 6.0) if i % 3 else 1e6 * (-1.0) ** i
            predictor.learn(i * 50 * MS, scale * draw.standard_normal(2))
            sound(answered(predictor, i * 50 * MS + HORIZON_NS))


@every
@pytest.mark.parametrize("channels", [1, 3, 24])
def test_any_number_of_channels(name: str, channels: int) -> None:
    positions = breathing(12.0, 10.0, channels)
    predictor = make_predictor(name, channels=channels, rate_hz=10.0, horizon_ns=100 * MS)
    for i in range(120):
        predictor.learn(i * 100 * MS, positions[i])
    prediction = answered(predictor, 120 * 100 * MS)
    assert prediction.mean.shape == (channels,)
    sound(prediction)


@every
@pytest.mark.parametrize(("rate_hz", "horizon_ms"), [(3.0, 115), (50.0, 17), (33.3, 2100)])
def test_any_rate_and_horizon(name: str, rate_hz: float, horizon_ms: int) -> None:
    """Horizons shorter than a period, between periods and of many periods, with jitter."""
    samples = round(20.0 * rate_hz)
    positions = breathing(20.0, rate_hz)
    draw = np.random.Generator(np.random.PCG64(9))
    times = grid(samples, rate_hz) + draw.integers(0, round(0.3e9 / rate_hz), samples)
    predictor = make_predictor(name, channels=2, rate_hz=rate_hz, horizon_ns=horizon_ms * MS)
    for i in range(samples):
        predictor.learn(int(times[i]), positions[i])
        sound(answered(predictor, int(times[i]) + horizon_ms * MS))


@every
def test_whole_trace_equals_live_to_the_bit(name: str) -> None:
    positions, times = breathing(40.0, RATE_HZ), grid(800, RATE_HZ)
    times[500:] += 2 * S
    positions[300] = np.nan
    asked = times + HORIZON_NS
    means, covariances = np.zeros((800, 2)), np.zeros((800, 2, 2))
    method, record = METHODS[name], parameter_record(name)
    state = method.begin(record, CHANNELS, RATE_HZ, HORIZON_NS)
    method.run(record, state, times, positions, asked, means, covariances)
    live = fresh(name)
    for i in range(800):
        if i != 300:
            live.learn(int(times[i]), positions[i])
        said = answered(live, int(asked[i]))
        assert said.mean.tobytes() == means[i].tobytes()
        assert said.covariance.tobytes() == covariances[i].tobytes()


@every
def test_ten_hours(name: str) -> None:
    """Ten hours at 2.5 Hz, breath holds and a gap included: as accurate at the end as at first."""
    rate_hz, horizon_ns = 2.5, 400 * MS
    hour = breathing(3600.0, rate_hz, channels=1, seed=4)
    hour[4500:4550] = hour[4500]
    positions = np.tile(hour, (10, 1))
    times = grid(len(positions), rate_hz)
    times[45_000:] += 7 * S
    means = np.zeros_like(positions)
    covariances = np.zeros((len(positions), 1, 1))
    method, record = METHODS[name], parameter_record(name)
    state = method.begin(record, 1, rate_hz, horizon_ns)
    method.run(record, state, times, positions, times + horizon_ns, means, covariances)
    assert np.isfinite(means).all()
    assert np.isfinite(covariances).all()
    errors = (positions[1:] - means[:-1]).ravel() ** 2
    per_hour = np.sqrt([part.mean() for part in np.array_split(errors, 10)])
    assert per_hour[-1] < 1.1 * per_hour[1]


@every
def test_without_regions_it_says_the_same(name: str) -> None:
    positions, times = breathing(20.0, RATE_HZ), grid(400, RATE_HZ)
    times[250:] += 4 * S  # a silence, and what follows it
    method, record = METHODS[name], parameter_record(name)
    told: list[np.ndarray] = []
    for regions in (True, False):
        state = method.begin(record, CHANNELS, RATE_HZ, HORIZON_NS)
        size = CHANNELS if regions else 0
        if not regions:
            state = state._replace(calibration=without_region(state.calibration))
        means, covariances = np.empty((400, CHANNELS)), np.empty((400, size, size))
        asked_ns = times + HORIZON_NS
        method.run(record, state, times, positions, asked_ns, means, covariances)
        told.append(means)
    assert told[0].tobytes() == told[1].tobytes()

"""Prometheus metrics of a daemon, made from the states it publishes and served by the console.

Quantiles cover the last seconds, as the daemon computes them; counters count from its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tracker.api.schema import State
from tracker.core.session import SessionState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(states: Sequence[State]) -> bytes:
    """Return the metrics of the newest of these states; without one, only ``tidetrack_up 0``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(states))
    return generate_latest(registry)


class _Collector:
    def __init__(self, states: Sequence[State]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        """Yield every metric family."""
        states = self._states
        yield _gauge("tidetrack_up", "Whether the daemon's state is known", len(states) > 0)
        if states:
            newest = states[-1]
            yield from _session(newest)
            yield from _loop(newest)
            yield from _devices(newest)
            yield from _requests(newest)


def _session(state: State) -> Iterable[Metric]:
    session = GaugeMetricFamily("tidetrack_session", "State of the session", labels=["state"])
    for each in SessionState:
        session.add_metric([each.value], float(state.session == each.value))
    yield session
    yield _gauge("tidetrack_beam_permitted", "Beam permitted", state.beam.permitted)
    if state.beam.on is not None:
        yield _gauge("tidetrack_beam_on", "Beam on by the gate's read-back", state.beam.on)
    faults = GaugeMetricFamily("tidetrack_fault", "Active faults", labels=["fault", "reaction"])
    for fault in state.faults:
        faults.add_metric([fault.name, fault.reaction], 1.0)
    yield faults
    if state.surrogate is not None:
        age_s = state.surrogate.age_ms / 1e3
        yield _gauge("tidetrack_sample_age_seconds", "Age of the newest breathing sample", age_s)
    if state.prediction is not None:
        radius = state.prediction.radius95_mm
        yield _gauge("tidetrack_prediction_radius95_mm", "95 % radius of the prediction", radius)


def _loop(state: State) -> Iterable[Metric]:
    health = state.health
    late = GaugeMetricFamily(
        "tidetrack_tick_lateness_seconds", "Lateness of ticks, last seconds", labels=["quantile"]
    )
    for quantile, value_ms in (
        ("0.5", health.late_p50_ms),
        ("0.99", health.late_p99_ms),
        ("1", health.late_max_ms),
    ):
        late.add_metric([quantile], value_ms / 1e3)
    yield late
    hops = GaugeMetricFamily(
        "tidetrack_hop_seconds", "Parts of the way, last seconds", labels=["hop", "quantile"]
    )
    for hop in health.hops:
        hops.add_metric([hop.name, "0.5"], hop.p50_ms / 1e3)
        hops.add_metric([hop.name, "0.99"], hop.p99_ms / 1e3)
    yield hops
    yield _gauge("tidetrack_tick_hz", "Ticks a second", health.tick_hz)
    yield _gauge("tidetrack_recording", "Whether events reach the disk", health.recording)
    yield _gauge("tidetrack_journal_queue_bytes", "Bytes not on disk yet", health.journal_queue)
    if health.disk_free_bytes is not None:
        yield _gauge("tidetrack_disk_free_bytes", "Room for journals", health.disk_free_bytes)
    if health.resident_bytes is not None:
        yield _gauge("tidetrack_resident_bytes", "Memory of the daemon", health.resident_bytes)
    for name, words, value in (
        ("tidetrack_ticks", "Ticks", health.ticks_total),
        ("tidetrack_skipped_ticks", "Ticks that were missed whole", health.skipped_ticks),
        ("tidetrack_holds", "Times the session went to HOLDING", health.holds_total),
        ("tidetrack_faults", "Faults that appeared", health.faults_total),
        ("tidetrack_samples", "Messages of devices", health.samples_total),
        ("tidetrack_bad_samples", "Messages that were no samples", health.bad_samples_total),
        ("tidetrack_published", "Messages published", health.published_total),
    ):
        yield CounterMetricFamily(name, words, value=float(value))


def _devices(state: State) -> Iterable[Metric]:
    labels = ["device", "role"]
    up = GaugeMetricFamily("tidetrack_device_up", "Link of a device", labels=labels)
    rate = GaugeMetricFamily("tidetrack_device_rate_hz", "Messages a second", labels=labels)
    age = GaugeMetricFamily("tidetrack_device_age_seconds", "Age of the newest", labels=labels)
    delay = GaugeMetricFamily("tidetrack_device_delay_seconds", "Delay on its wire", labels=labels)
    lost = GaugeMetricFamily("tidetrack_device_lost_share", "Share that was lost", labels=labels)
    bad = CounterMetricFamily(
        "tidetrack_device_bad", "Messages that were no samples", labels=labels
    )
    for each in state.devices:
        which = [each.device, each.role]
        up.add_metric(which, float(each.up))
        rate.add_metric(which, each.rate_hz)
        lost.add_metric(which, each.lost_share)
        bad.add_metric(which, float(each.bad))
        if each.age_ms is not None:
            age.add_metric(which, each.age_ms / 1e3)
        if each.latency_ms is not None:
            delay.add_metric(which, each.latency_ms / 1e3)
    yield from (up, rate, age, delay, lost, bad)


def _requests(state: State) -> Iterable[Metric]:
    requests = CounterMetricFamily(
        "tidetrack_requests", "Requests by role and outcome", labels=["role", "outcome"]
    )
    counts = {"accepted": state.health.accepted_total, "refused": state.health.refused_total}
    for outcome, by_role in counts.items():
        for role, count in by_role.items():
            requests.add_metric([role, outcome], float(count))
    yield requests


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))

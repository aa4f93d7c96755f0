"""The summary: keys as promised, and numbers that can be worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hal.events import SendHold, SendPermit
from tracker.core.types import FaultChanged, SessionChanged
from tracker.journal import Truth, read_journal
from tracker.report import About, Collector, about_of, collect, summarise, summary_of
from tracker.report.errors import errors_of, length, rms
from tracker.report.holds import HoldBook

ABOUT = About("trace", "config", 1, 50.0, "digest")


def test_keys_are_exactly_those_promised(session_path: Path) -> None:
    summary = summarise(read_journal(session_path))
    assert list(summary) == [
        "trace", "config", "seed", "duration_s", "untracked", "tracked", "errors", "beam",
        "realtime_factor", "digest",
    ]  # fmt: skip
    assert list(summary["untracked"]) == list(summary["tracked"]) == ["rms_mm", "p95_mm", "max_mm"]
    assert list(summary["errors"]) == [
        "correlation_rms_mm",
        "prediction_rms_mm",
        "actuator_rms_mm",
        "bev_rms_mm",
        "bev_followed_rms_mm",
        "bev_not_followed_rms_mm",
        "along_beam_rms_mm",
    ]
    assert list(summary["beam"]) == ["duty", "unsafe_ms_longest", "holds"]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_numbers_of_the_made_up_session(session_path: Path) -> None:
    summary = summarise(read_journal(session_path))
    assert summary["trace"] == "made up"
    assert summary["config"] == "test.toml"
    assert summary["seed"] == 3
    assert summary["realtime_factor"] == 123.4
    assert summary["duration_s"] == 29.99
    assert summary["tracked"] == {"rms_mm": 1.3, "p95_mm": 1.3, "max_mm": 1.3}
    assert summary["errors"] == pytest.approx(
        {
            "correlation_rms_mm": 0.3,
            "prediction_rms_mm": 0.4,
            "actuator_rms_mm": 1.2,
            # The beam comes from above: along it lies the anterior part of the three errors.
            "bev_rms_mm": 0.5,
            "bev_followed_rms_mm": 0.5,
            "bev_not_followed_rms_mm": 0.0,
            "along_beam_rms_mm": 1.2,
        },
        abs=2e-6,
    )
    # A sine of 5 mm: squares average to a half; the axes weigh 0.2, 1 and 0.4.
    expected = 5 * math.sqrt((0.2**2 + 1 + 0.4**2) / 2)
    assert summary["untracked"]["rms_mm"] == pytest.approx(expected, rel=0.02)
    assert summary["beam"]["duty"] == pytest.approx(18 / 20, abs=1e-3)
    assert summary["beam"]["unsafe_ms_longest"] == 0
    assert summary["beam"]["holds"] == {"irregular breathing": 1}


def test_in_memory_and_from_the_journal_are_the_same(session_path: Path) -> None:
    journal = read_journal(session_path)
    collector = Collector()
    for entry in journal.entries():
        match entry.kind:
            case "event":
                collector.event(entry.record)
            case "output":
                collector.outputs([entry.record])
            case "truth":
                collector.truth(entry.record)
            case "seal":
                pass
    _, digest = collect(journal)
    assert summary_of(collector.records(), about_of(journal, digest)) == summarise(journal)


def test_the_three_causes_add_up_at_every_moment(session_path: Path) -> None:
    records, _ = collect(read_journal(session_path))
    errors = errors_of(records, "HFS")
    assert errors is not None
    assert errors.split.sum() > 1700
    whole = errors.correlation + errors.prediction + errors.actuator
    assert np.allclose(whole[errors.split], errors.tracked[errors.split])


def test_errors_are_in_the_patient_frame(session_path: Path) -> None:
    records, _ = collect(read_journal(session_path))
    supine, prone = errors_of(records, "HFS"), errors_of(records, "HFP")
    assert supine is not None
    assert prone is not None
    assert np.allclose(prone.tracked, supine.tracked * (-1, 1, -1))


def test_a_journal_without_truth_says_what_it_can(live_path: Path) -> None:
    summary = summarise(read_journal(live_path))
    assert summary["tracked"] == {"rms_mm": None, "p95_mm": None, "max_mm": None}
    assert summary["errors"]["actuator_rms_mm"] is None
    assert summary["beam"]["unsafe_ms_longest"] is None
    assert summary["beam"]["duty"] == pytest.approx(0.9, abs=1e-3)
    assert summary["beam"]["holds"] == {"irregular breathing": 1}


def test_a_session_that_never_tracked(idle_path: Path) -> None:
    summary = summarise(read_journal(idle_path))
    assert summary["tracked"]["rms_mm"] is None
    assert summary["beam"] == {"duty": None, "unsafe_ms_longest": 0.0, "holds": {}}


def test_a_torn_journal_is_summed_up_to_its_tear(session_path: Path, tmp_path: Path) -> None:
    data = session_path.read_bytes()
    path = tmp_path / "torn.mcap"
    path.write_bytes(data[: len(data) * 2 // 3])
    summary = summarise(read_journal(path))
    assert 15 < summary["duration_s"] < 25
    assert summary["realtime_factor"] is None
    assert summary["tracked"]["rms_mm"] == 1.3


def walk(*misses: tuple[float, bool, bool]) -> Collector:
    """Moments 10 ms apart, each with its miss along x, whether beam on and whether it counts."""
    collector = Collector()
    collector.outputs([SessionChanged(0, "READY", "TRACKING", "start")])
    zero = (0.0, 0.0, 0.0)
    for index, (miss, beam_on, scored) in enumerate(misses):
        at = index * 10_000_000
        place = (miss, 0.0, 0.0)
        collector.truth(Truth(at, place, place, zero, zero, 0.0, beam_on, scored))
    return collector


def test_the_longest_unsafe_stretch() -> None:
    moments = [(6.0, True, True)] * 3 + [(6.0, False, True)] + [(7.0, True, True)] * 5
    moments += [(5.0, True, True)] + [(6.0, True, True)] * 4 + [(9.0, True, False)]
    summary = summary_of(walk(*moments).records(), ABOUT)
    assert summary["beam"]["unsafe_ms_longest"] == 50
    assert summary["beam"]["duty"] == pytest.approx(14 / 15)
    assert summary["tracked"]["max_mm"] == 7


def test_before_tracking_nothing_counts() -> None:
    collector = Collector()
    zero = (0.0, 0.0, 0.0)
    for at in range(0, 100_000_000, 10_000_000):
        if at == 50_000_000:
            collector.outputs([SessionChanged(at, "READY", "TRACKING", "start")])
        place = (9.0 if at < 50_000_000 else 1.0, 0.0, 0.0)
        collector.truth(Truth(at, place, place, zero, zero, 0.0, beam_on=True, scored=True))
    summary = summary_of(collector.records(), ABOUT)
    assert summary["tracked"]["max_mm"] == summary["untracked"]["max_mm"] == 1
    assert summary["beam"]["duty"] == 1


def test_predictions_do_not_bridge_a_gap(session_path: Path) -> None:
    records, _ = collect(read_journal(session_path))
    within = (records.estimate[:, 0] > 15e9) & (records.estimate[:, 0] < 16e9)
    errors = errors_of(records._replace(estimate=records.estimate[~within]), "HFS")
    assert errors is not None
    missing = errors.counted & ~errors.split & (errors.t_s > 11)
    assert 0.9 < missing.sum() / 100 < 1.1


def test_rms_of_nothing_is_not_zero() -> None:
    assert rms(length(np.zeros((0, 3)))) is None


def book(*records: object) -> HoldBook:
    holds = HoldBook()
    for record in records:
        match record:
            case SendHold():
                holds.hold(record)
            case SendPermit():
                holds.permit(record)
            case FaultChanged():
                holds.fault(record)
            case SessionChanged():
                holds.session(record)
            case _:
                raise AssertionError(record)
    return holds


START = SessionChanged(1, "READY", "TRACKING", "start")


def test_a_hold_counts_once_however_often_it_is_said() -> None:
    holds = book(
        START,
        SendPermit(2, "gate", 9),
        SendHold(3, "gate", ("b", "a")),
        SendHold(4, "gate", ("a",)),
        SendPermit(5, "gate", 9),
        SendHold(6, "gate", ("a",)),
    )
    assert holds.counts() == {"b": 1, "a": 1}
    assert [(h.start_ns, h.end_ns) for h in holds.all()] == [(3, 5), (6, None)]


def test_before_tracking_and_after_the_stop_there_is_no_hold() -> None:
    holds = book(
        SendHold(0, "gate", ("IDLE",)),
        START,
        SessionChanged(5, "TRACKING", "STOPPED", "stop"),
        SendHold(5, "gate", ("STOPPED",)),
    )
    assert holds.all() == []


def test_a_fault_that_stops_is_a_hold_to_the_end() -> None:
    holds = book(
        START,
        FaultChanged(4, "gate disagrees", True, "STOP", "300 ms, limit 200 ms"),
        SessionChanged(4, "TRACKING", "STOPPED", "fault: stop"),
        SendHold(4, "gate", ("gate disagrees",)),
    )
    (hold,) = holds.all()
    assert hold.reason == "gate disagrees"
    assert hold.end_ns is None
    assert hold.detail == "300 ms, limit 200 ms"


def test_reasons_that_come_up_later_are_kept() -> None:
    holds = book(
        START,
        SendHold(3, "gate", ("a",)),
        FaultChanged(4, "belt lost", True, "WARN", ""),
        FaultChanged(5, "target unsure", True, "HOLD", ""),
        FaultChanged(6, "a", True, "HOLD", ""),
        FaultChanged(7, "target unsure", True, "HOLD", ""),
    )
    assert [hold.later for hold in holds.all()] == [("target unsure",)]


def test_a_warning_is_no_reason() -> None:
    holds = book(
        START,
        FaultChanged(2, "belt lost", True, "WARN", ""),
        FaultChanged(3, "surrogate lost", True, "HOLD", "150 ms"),
        SessionChanged(3, "TRACKING", "HOLDING", "fault: hold"),
        SendHold(3, "gate", ("surrogate lost",)),
    )
    assert holds.counts() == {"surrogate lost": 1}

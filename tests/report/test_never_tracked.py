"""Why a session never began to track, from what was told while it ran."""

from __future__ import annotations

from tracker.core.types import FaultChanged, Notice, SessionChanged
from tracker.report.never_tracked import why_never_tracked
from tracker.report.records import Collector

MODEL = SessionChanged(1, "IDLE", "MODELLING", "model")
READY = SessionChanged(2, "MODELLING", "READY", "model ready")
STOPPED = SessionChanged(9, "MODELLING", "STOPPED", "stop")


def reason(*outputs):
    collector = Collector()
    collector.outputs(list(outputs))
    return why_never_tracked(collector.records())


def fault(active, reaction="REFUSE_START"):
    return FaultChanged(3, "sensor silent", active, reaction, "the camera sent nothing for 2 s")


def test_a_session_that_tracked_needs_no_reason():
    assert reason(MODEL, READY, SessionChanged(3, "READY", "TRACKING", "start")) is None


def test_nothing_happened():
    assert (reason() or "").startswith("modelling never began; 0 of 0 shots")


def test_how_far_it_came_is_said_although_it_was_stopped():
    assert (reason(MODEL, STOPPED) or "").startswith("modelling was not finished")
    assert (reason(MODEL, READY, STOPPED) or "").startswith("the model was ready, but tracking")


def test_the_last_word_on_the_model_is_told():
    said = reason(
        MODEL,
        Notice(3, "warning", "breathing not learned yet: 3 of 20 s"),
        Notice(4, "warning", "no model: the surrogate moved 0.05 mm"),
        Notice(5, "warning", "shot 3: blurred"),
    )
    assert "the surrogate moved 0.05 mm" in (said or "")
    assert "blurred" not in (said or "")


def test_a_fault_that_still_stands_is_named_and_one_that_went_is_not():
    assert "sensor silent: the camera sent nothing" in (reason(MODEL, fault(True)) or "")
    assert "sensor silent" not in (reason(MODEL, fault(True), fault(False)) or "")
    assert "sensor silent" not in (reason(MODEL, fault(True, "WARN")) or "")

"""The fault table: what can be wrong, what is done about it, and what the operator reads.

A row gives the hazard (docs/safety), the reaction and the longest time until it comes, the
sentence for the operator, what ends the fault, and the longest time until tracking is back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple


class FaultName(StrEnum):
    """Every fault the controller can raise, by the name that journals and consoles show."""

    SURROGATE_LOST = "surrogate lost"
    MARKERS_LOST = "markers lost"
    BELT_LOST = "belt lost"
    SENSOR_FROZEN = "sensor frozen"
    CLOCK_JUMP = "clock jump"
    CLOCK_SET = "clock set anew"
    SENSOR_RATE = "sensor rate off"
    SHOTS_OUT_OF_TIME = "shots out of time"
    BAD_SAMPLES = "bad samples"
    BAD_IMAGE = "bad image"
    BAD_GATE_MESSAGE = "bad gate message"
    BAD_ACTUATOR_MESSAGE = "bad actuator message"
    BAD_LINAC_MESSAGE = "bad linac message"
    UNKNOWN_DEVICE = "unknown device"
    MARKERS_MISPLACED = "markers misplaced"
    SURROGATE_UNSURE = "surrogate unsure"
    EXTRAPOLATING = "extrapolating"
    UNUSUAL_BREATHING = "unusual breathing"
    MODEL_MISSING = "model missing"
    MODEL_WRONG = "model wrong"
    MODEL_DOUBTFUL = "model doubtful"
    IMAGING_LATE = "imaging late"
    IMAGING_OVERDUE = "imaging overdue"
    FIDUCIALS_MOVED = "fiducials moved"
    BASELINE_DRIFTS = "baseline drifts"
    PREDICTION_OFF = "prediction off"
    TARGET_UNSURE = "target unsure"
    IRREGULAR_BREATHING = "irregular breathing"
    NOT_IN_POSITION = "not in position"
    BEAM_OFF_TARGET = "beam off target"
    ACTUATOR_OFF_DEMAND = "actuator off demand"
    ACTUATOR_RUNAWAY = "actuator runaway"
    ACTUATOR_FAULT = "actuator fault"
    ACTUATOR_RESTARTED = "actuator restarted"
    ACTUATOR_SILENT = "actuator silent"
    DEMAND_REFUSED = "demand refused"
    KEEP_OUT = "keep-out"
    LOOP_LATE = "loop late"
    LOOP_OVERRUN = "loop overrun"
    GATE_DISAGREES = "gate disagrees"
    GATE_STAYS_SHUT = "gate stays shut"
    GATE_SILENT = "gate silent"
    ANGLES_LOST = "angles lost"
    ANGLES_WRONG = "angles wrong"
    WRONG_PATIENT_OR_PLAN = "wrong patient or plan"
    NOT_IDENTIFIED = "not identified"
    NOT_RECORDING = "not recording"
    MONITOR_LOST = "monitor lost"
    ERROR_PERSISTS = "error persists"
    OPERATOR_HOLD = "operator hold"


class Reaction(IntEnum):
    """What a fault does to the session, in order of severity."""

    WARN = 0
    REFUSE_START = 1
    HOLD = 2
    STOP = 3


class Ends(StrEnum):
    """What ends a fault once its condition is gone."""

    BY_ITSELF = "by itself, when gone for clear_s"
    BY_CYCLES = "after so many regular breaths, or by the operator"
    BY_SHOT = "by a shot, exposed after it, that agrees with the model"
    BY_OPERATOR = "by the operator alone"


class Fault(NamedTuple):
    """One row of the table."""

    hazard: str
    reaction: Reaction
    sentence: str
    """What the operator reads: what happened, at which device, and what to do."""
    causes: str
    """What brings it about, with the setting that is its limit."""
    within_s: float
    """The longest time from the condition to the reaction: the limits of its checks added up."""
    ends: Ends = Ends.BY_ITSELF
    clear_s: float = 0.3
    """How long the condition must be absent before the fault is gone."""
    recheck: bool = False
    """Whether a shot that is exposed after the condition must first agree with the model.

    Only such a shot shows that the surrogate still tells where the target is.
    """
    returns_s: float = 3.0
    """The longest time from the end of the cause to tracking, without the operator's own time."""

    @property
    def latched(self) -> bool:
        """Whether only a person ends it."""
        return self.ends is Ends.BY_OPERATOR


FaultTable = Mapping[str, Fault]
"""Fault name to row; a table with further rows can be handed to the engine."""

_HOLD, _STOP, _WARN, _REFUSE = Reaction.HOLD, Reaction.STOP, Reaction.WARN, Reaction.REFUSE_START
_SHOT, _CYCLES, _OPERATOR = Ends.BY_SHOT, Ends.BY_CYCLES, Ends.BY_OPERATOR

_ROWS: Final[FaultTable] = {
    FaultName.SURROGATE_LOST: Fault(
        "H01", _HOLD, "No breathing signal: check every breathing sensor and its cable.",
        "Every breathing sensor has sent no usable sample for `fusion.stale_ms`: camera "
        "blocked, belt loose, cable or device down.",
        0.13,
    ),
    FaultName.MARKERS_LOST: Fault(
        "H01", _WARN, "A camera sees no markers: clear its view of the chest.",
        "A camera has seen no usable marker for twice `fusion.stale_ms`: its view is blocked, "
        "markers fell off, its link is down.",
        0.3,
    ),
    FaultName.BELT_LOST: Fault(
        "H01", _WARN, "A belt gives no usable signal: check its fit and its cable.",
        "A belt has given no usable sample for twice `fusion.stale_ms`: it slipped, its cable "
        "or link is down, its values left the expected range.",
        0.3,
    ),
    FaultName.SENSOR_FROZEN: Fault(
        "H02", _HOLD, "A breathing sensor repeats one value: restart that sensor.",
        "A camera or belt repeats a sample to the last bit `gating.frozen_samples` times: the "
        "sensor or its driver hangs.",
        0.4, clear_s=1.0, recheck=True, returns_s=12.0,
    ),
    FaultName.CLOCK_JUMP: Fault(
        "H03", _HOLD, "The clock of a breathing sensor jumped: wait for it to settle.",
        "The counter of a camera or belt left its line against the computer's clock: device "
        "clock set, samples held up on the way.",
        0.4, clear_s=1.0, recheck=True, returns_s=12.0,
    ),
    FaultName.CLOCK_SET: Fault(
        "H03", _HOLD, "The clock of a breathing sensor was set: it is followed; wait a moment.",
        "The times of a camera or belt are seconds, hours or years off: device clock set, or a few "
        "wild times. These samples are not used, so no sample is timed wrongly.",
        0.2, clear_s=1.0,
    ),
    FaultName.SENSOR_RATE: Fault(
        "H03", _WARN, "A breathing sensor sends bursts, or at another rate: check its settings.",
        "The samples of a camera or belt come three or more at a time, or their number a second "
        "differs from `rate_hz` by more than a fifth. They are used, spread over time.",
        4.5,
    ),
    FaultName.SHOTS_OUT_OF_TIME: Fault(
        "H03", _HOLD, "X-ray images carry impossible times: check the imager's clock.",
        "Two X-ray images in a row say they were exposed before they were asked for, or after "
        "they came.",
        20.0, ends=_SHOT, returns_s=20.0,
    ),
    FaultName.BAD_SAMPLES: Fault(
        "H04", _HOLD, "A breathing sensor gives impossible values: check its set-up and units.",
        "A camera or belt sent a damaged message, no number, a time out of order, or a marker "
        "further from rest than `gating.envelope_mm`.",
        0.2, clear_s=1.0, recheck=True, returns_s=12.0,
    ),
    FaultName.BAD_IMAGE: Fault(
        "H04", _WARN, "An X-ray image could not be used: it is taken again; check the imager.",
        "The imager sent a damaged message, or an image in which nothing could be located.",
        0.1,
    ),
    FaultName.BAD_GATE_MESSAGE: Fault(
        "H04", _WARN, "The beam gate sent an unreadable message: check its cable and settings.",
        "The gate sent a damaged or unexpected message.",
        0.1, clear_s=1.0,
    ),
    FaultName.BAD_ACTUATOR_MESSAGE: Fault(
        "H04", _WARN, "The {machine} sent an unreadable message: check its cable and settings.",
        "The {machine} sent a damaged or unexpected message.",
        0.1, clear_s=1.0,
    ),
    FaultName.BAD_LINAC_MESSAGE: Fault(
        "H04", _WARN, "The linac sent an unreadable message: check its cable and settings.",
        "The device that reports the machine's angles sent a damaged or unexpected message.",
        0.1, clear_s=1.0,
    ),
    FaultName.UNKNOWN_DEVICE: Fault(
        "H04", _WARN, "A device that has no role sent an unreadable message: check the wiring.",
        "A device that the configuration gives no role sent a damaged message.",
        0.1, clear_s=1.0,
    ),
    FaultName.MARKERS_MISPLACED: Fault(
        "H05", _REFUSE, "Markers lie far from the isocentre: check the camera's configured pose.",
        "A marker seems to lie further from the isocentre than `camera.reach_mm`: the pose of "
        "the camera in the configuration is wrong.",
        0.1,
    ),
    FaultName.SURROGATE_UNSURE: Fault(
        "H06", _HOLD, "The breathing signal is too uncertain: check its sensors.",
        "The standard deviation of the breathing amplitude is over `fusion.sigma_mm` (without a "
        "camera it is counted in standard deviations of quiet breathing): few "
        "markers seen, or markers that no longer move together.",
        0.1,
    ),
    FaultName.EXTRAPOLATING: Fault(
        "H06", _HOLD, "The breath is outside the modelled range: a shot is taken there; wait.",
        "The breath is deeper than at any shot by more than `correlation.extrapolation` of the "
        "range: a sigh, a changed breath.",
        0.1, clear_s=5.0, returns_s=12.0,  # a whole breath within it: sighs come in groups
    ),
    FaultName.UNUSUAL_BREATHING: Fault(
        "H06", _WARN, "Breathing is unlike that of the modelling: look at the patient.",
        "Depth of the breath, or how the markers move together, is unlike the time of "
        "modelling.",
        1.5,
    ),
    FaultName.MODEL_MISSING: Fault(
        "H06", _REFUSE, "There is no correlation model yet: take more shots.",
        "Too few shots have been taken since modelling began.",
        0.1,
    ),
    FaultName.MODEL_WRONG: Fault(
        "H07", _HOLD, "A shot disagrees with the model: wait for the shots that check it.",
        "A shot lies more than `correlation.residual_hold_mm` from the model: the target moved "
        "against the surrogate, or a fiducial was mistaken.",
        0.2, ends=_SHOT, returns_s=45.0,
    ),
    FaultName.MODEL_DOUBTFUL: Fault(
        "H07", _WARN, "A shot differs from the model, now refitted: watch the next shots.",
        "A shot lies more than `correlation.residual_rebuild_mm` from the model: the target "
        "moves differently from before.",
        0.2, returns_s=45.0,
    ),
    FaultName.IMAGING_LATE: Fault(
        "H08", _WARN, "No X-ray shot has come for a while: check the imager.",
        "The last usable shot is older than `imager.warn_s`: imager slow, or its images cannot "
        "be used.",
        0.1,
    ),
    FaultName.IMAGING_OVERDUE: Fault(
        "H08", _HOLD, "No X-ray shot has come for too long: check the imager.",
        "The last usable shot is older than `imager.overdue_s`: imager off, or its images "
        "cannot be used.",
        0.1, returns_s=20.0,
    ),
    FaultName.FIDUCIALS_MOVED: Fault(
        "H09", _HOLD, "The fiducials do not fit the plan: look at the X-ray images.",
        "In two shots in a row the fiducials differ from the plan by more than "
        "`imager.rigid_residual_mm` or `imager.rotation_deg`: a fiducial migrated or was "
        "mistaken, the imager's frame is wrong.",
        20.0, ends=_SHOT, returns_s=20.0,
    ),
    FaultName.BASELINE_DRIFTS: Fault(
        "H10", _WARN, "The target drifts from the model: shots come more often; watch them.",
        "Two shots in a row lie off the model the same way by `imager.drift_mm`.",
        0.2,
    ),
    FaultName.PREDICTION_OFF: Fault(
        "H11", _HOLD, "Predictions miss the breathing: wait for calm breathing.",
        "Predictions missed by `gating.prediction_error_mm` for half a second, or by "
        "`gating.prediction_rms_mm` over half a minute: the breath changed.",
        0.6, clear_s=1.0, returns_s=35.0,
    ),
    FaultName.TARGET_UNSURE: Fault(
        "H11", _HOLD, "The target's position is too uncertain: wait, or take a shot.",
        "The 95 % error region of correlation, prediction and the {machine} together is larger "
        "than `gating.tolerance_mm`.",
        0.1, returns_s=12.0,
    ),
    FaultName.IRREGULAR_BREATHING: Fault(
        "H12", _HOLD, "The patient moved suddenly (cough?): wait for calm breathing.",
        "A marker or the breath moved faster than breathing does: cough, movement, a bumped "
        "camera.",
        0.1, ends=_CYCLES, clear_s=2.0, recheck=True, returns_s=30.0,
    ),
    FaultName.NOT_IN_POSITION: Fault(
        "H13", _HOLD, "The {machine} is on its way to the target: wait.",
        "The {machine} was too far from the target for longer than near it, by 2 s: its last "
        "demand was over six tenths of the tolerance from the wanted position, or the beam over "
        "`gating.off_target_share` of it from the target. The beam is gated off from the first "
        "moment on.",
        2.1,
    ),
    FaultName.BEAM_OFF_TARGET: Fault(
        "H13", _HOLD, "Beam and target are apart: wait for the {machine}.",
        "Beam and target as estimated are further apart than `gating.off_target_share` of the "
        "tolerance. A machine that follows is given half a second, with the beam off.",
        0.6,
    ),
    FaultName.ACTUATOR_OFF_DEMAND: Fault(
        "H13", _HOLD, "The {machine} does not follow its demand: check its drive.",
        "The reported position is more than `actuator.follow_error_mm` from the demand for "
        "`actuator.follow_time_ms`: stalled, slow or blocked drive.",
        0.3,
    ),
    FaultName.ACTUATOR_RUNAWAY: Fault(
        "H13", _STOP, "The {machine} is far from its demand: stop and inspect it.",
        "The reported position is more than `actuator.follow_stop_mm` from the demand.",
        0.1, ends=_OPERATOR,
    ),
    FaultName.ACTUATOR_FAULT: Fault(
        "H13", _STOP, "The {machine} reports a fault: stop and inspect it.",
        "The {machine} reports a fault of its own; the detail repeats it.",
        0.1, ends=_OPERATOR,
    ),
    FaultName.ACTUATOR_RESTARTED: Fault(
        "H13", _STOP, "The {machine} was restarted: bring it to its start pose, then reset.",
        "The link to the {machine} came back during tracking; its zero may be another.",
        0.1, ends=_OPERATOR,
    ),
    FaultName.ACTUATOR_SILENT: Fault(
        "H13", _HOLD, "The {machine} reports no position: check its link.",
        "No position has come from the {machine} for 200 ms: link or device down.",
        0.25,
    ),
    FaultName.DEMAND_REFUSED: Fault(
        "H14", _STOP, "The guard refused a demand: stop, and read the report before you reset.",
        "A demand would have left the limits of `guard`: an error of the program or of the "
        "configuration.",
        0.02, ends=_OPERATOR,
    ),
    FaultName.KEEP_OUT: Fault(
        "H15", _HOLD,
        "The {machine} would come too near to a keep-out volume: move the patient.",
        "The way of the {machine} comes nearer to a volume of `keepout` than its margin.",
        0.02, ends=_OPERATOR,
    ),
    FaultName.LOOP_LATE: Fault(
        "H16", _WARN, "The controller was a little late: check the computer's load.",
        "A tick came later than `gating.late_ticks` periods: the computer was busy.",
        0.1,
    ),
    FaultName.LOOP_OVERRUN: Fault(
        "H16", _HOLD, "The controller was too late: check the computer's load.",
        "A tick came later than `gating.overrun_ms`: the computer was too busy, or was stopped.",
        0.1, clear_s=1.0,
    ),
    FaultName.GATE_DISAGREES: Fault(
        "H19", _STOP,
        "The beam is on without a permit: switch it off by hand, then check the gate.",
        "The read-back says the beam is on `gate.readback_ms` after its permit ended: the gate "
        "is stuck or wired wrongly.",
        0.45, ends=_OPERATOR,
    ),
    FaultName.GATE_STAYS_SHUT: Fault(
        "H19", _HOLD, "The beam does not come on: check the gate, then resume.",
        "The read-back says the beam is off after `gate.readback_ms` of permit: interlock, gate "
        "stuck or wired wrongly.",
        0.45, ends=_OPERATOR,
    ),
    FaultName.GATE_SILENT: Fault(
        "H19", _HOLD, "The beam gate sends no read-back: check its link.",
        "No read-back has come from the gate for 200 ms: link or device down.",
        0.25,
    ),
    FaultName.ANGLES_LOST: Fault(
        "H29", _HOLD, "The linac reports no angles: check its link.",
        "No angles have come for `linac.stale_ms`, and the machine's axes turn with them: link or "
        "device down.",
        0.3,
    ),
    FaultName.ANGLES_WRONG: Fault(
        "H29", _HOLD, "An angle of the linac cannot be right: compare it with the linac's display.",
        "Gantry or collimator is more than `linac.jump_deg` from where its speed leads to or "
        "stopped at once, or the table is not at `linac.table_deg`.",
        0.25, ends=_OPERATOR,
    ),
    FaultName.WRONG_PATIENT_OR_PLAN: Fault(
        "H22", _HOLD, "Patient, plan or model is not the one set up: compare names and plan.",
        "What the room announced differs from the configuration; the detail shows both.",
        0.1, ends=_OPERATOR,
    ),
    FaultName.NOT_IDENTIFIED: Fault(
        "H22", _REFUSE,
        "Patient and plan have not been announced: select them in the room's system.",
        "`session.identify` is true, and the room has announced nothing.",
        0.1,
    ),
    FaultName.NOT_RECORDING: Fault(
        "H24", _HOLD, "The journal cannot be written: check the disk.",
        "Disk full, slow or gone; the detail repeats what the system said.",
        1.0, clear_s=1.0,
    ),
    FaultName.MONITOR_LOST: Fault(
        "H16", _HOLD, "The gate's monitor does not work: read the detail, restart the run.",
        "The monitor ended, hangs, does not reach the gate, or found the gate's latch set.",
        0.35, clear_s=1.0,
    ),
    FaultName.ERROR_PERSISTS: Fault(
        "H27", _HOLD,
        "Beam and target were apart for too long: review the last shots, then resume.",
        "Beam and target differed by `gating.persistent_mm` for `gating.persistent_s`, or for "
        "`gating.persistent_share` of the beam.",
        5.1, ends=_OPERATOR,
    ),
    FaultName.OPERATOR_HOLD: Fault(
        "P1", _HOLD, "The operator holds the beam: resume when ready.",
        "An operator asked for a hold.",
        0.1, ends=_OPERATOR,
    ),
}  # fmt: skip
"""The shipped rows; ``{machine}`` stands for what people call the treatment machine."""


def faults_for(machine: str) -> FaultTable:
    """Return the shipped table with sentences for this machine ("couch", "robot", ...)."""
    return {
        name: row._replace(
            sentence=row.sentence.format(machine=machine), causes=row.causes.format(machine=machine)
        )
        for name, row in _ROWS.items()
    }


FAULTS: Final[FaultTable] = faults_for("machine")
"""The shipped table for any machine. A name that is not in the table cannot be raised."""

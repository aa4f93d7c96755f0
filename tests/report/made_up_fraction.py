"""A made-up fraction whose every error is known, as a journal for the physicist's report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hal.events import Request, SendDemand, SendExpose, SendHold, SendPermit, Tick
from hal.messages import (
    ActuatorStatus,
    BeamStatus,
    BeltSample,
    FiducialShot,
    LinacStatus,
    MarkerFrame,
    Triple,
)
from tracker.core.types import (
    FaultChanged,
    ModelRefitted,
    Observation,
    SessionChanged,
    SurrogateState,
    TargetEstimate,
    TargetPrediction,
)
from tracker.journal import JournalWriter, make_header

STEP_NS = 20_000_000
LATENCY_NS = 160_000_000
STATUS_DELAY_NS = 5_000_000
TRACKING_S, HOLD_S, RESUME_S = 20.0, 60.0, 64.0
IMAGE_EVERY_S = 2.5
MODEL_OFF: Triple = (0.2, -0.5, 0.3)
PREDICTION_OFF: Triple = (0.1, 0.0, 0.0)
MACHINE_OFF: Triple = (0.0, 0.4, -0.2)
PERIOD_S, DEPTH_MM = 4.0, 10.0
FIDUCIALS: tuple[Triple, ...] = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0))
FIDUCIAL_NOISE_MM = 0.3
SURE = (0.1, 0.0, 0.0, 0.1, 0.0, 0.1)


class MadeUp(NamedTuple):
    """What differs between made-up fractions."""

    patient: str = "P1"
    end_s: float = 100.0
    gantry_deg: float | None = 90.0
    drift_mm_min: float = 0.6
    scale: float = 1.0
    """Factor on the error of the model."""
    excursion_mm: float = 0.0
    """The machine is so far off from 80 s to 82 s."""
    tolerances: str = ""


def breath(t_s: float) -> float:
    """The chest: Lujan's breath, 0 at the end of exhale."""
    return DEPTH_MM * math.sin(math.pi * t_s / PERIOD_S) ** 4


def plus(one: Triple, other: Triple, factor: float = 1.0) -> Triple:
    return (
        one[0] + factor * other[0],
        one[1] + factor * other[1],
        one[2] + factor * other[2],
    )


def write_fraction(path: Path, made: MadeUp = MadeUp()) -> Path:  # noqa: B008
    """Write the journal."""
    linac = f"[linac]\ngantry_deg = {made.gantry_deg or 0.0}\n"
    text = (
        f'[session]\npatient_id = "{made.patient}"\nplan_id = "LIVER"\n'
        f'[actuator]\nkind = "couch"\n[timing]\nlatency_ms = 150.0\n{linac}{made.tolerances}'
    )
    with JournalWriter(path, make_header(text, 3, {"trace": path.stem})) as journal:
        _Fraction(made, journal).write()
        journal.close({})
    return path


class _Fraction:
    def __init__(self, made: MadeUp, journal: JournalWriter) -> None:
        self.made, self.journal = made, journal
        self.rng = np.random.default_rng(7)
        self.couches: list[tuple[int, Triple]] = []
        self.shot_id = 0

    def target(self, t_s: float) -> Triple:
        drift = self.made.drift_mm_min * t_s / 60.0
        return (0.1 * breath(t_s), -1.5 * breath(t_s) + drift, 0.4 * breath(t_s))

    def write(self) -> None:
        journal = self.journal
        journal.event(Request(0, "model", "anna"))
        journal.outputs([SessionChanged(0, "IDLE", "MODELLING", "model")])
        for now in range(0, int(self.made.end_s * 1e9), STEP_NS):
            self.devices(now)
            journal.event(Tick(now + 1_000_000, now))
            self.controller(now)
            self.people(now)
            if now % int(IMAGE_EVERY_S * 1e9) == 0 and now:
                self.image(now)

    def beam_on(self, t_s: float) -> bool:
        return t_s >= TRACKING_S and not HOLD_S <= t_s < RESUME_S

    def couch(self, t_s: float) -> Triple:
        """The couch takes the beam past the target by all errors; HFS: its axes are -L, -S, -A."""
        if t_s < TRACKING_S:
            return (0.0, 0.0, 0.0)
        beam = self.beam(t_s)
        return (-beam[0], -beam[1], -beam[2])

    def beam(self, t_s: float) -> Triple:
        off = plus(plus(MODEL_OFF, MODEL_OFF, self.made.scale - 1.0), PREDICTION_OFF)
        beam = plus(plus(self.target(t_s), off, -1.0), MACHINE_OFF, -1.0)
        if 80.0 <= t_s < 82.0:
            beam = (beam[0], beam[1], beam[2] - self.made.excursion_mm)
        return beam

    def devices(self, now: int) -> None:
        t_s = now / 1e9
        chest = breath(t_s)
        couch = self.couch(t_s)
        # Marker 1 moves with the chest, and marker 2 by itself; the couch carries both.
        own = math.sin(t_s * 1.3)
        markers: tuple[Triple, ...] = (
            plus((10.0, 0.0, 100.0 + chest), couch),
            plus((0.0, 20.0, 100.0 + own), couch),
        )
        self.journal.event(MarkerFrame("camera", now, now // STEP_NS, markers))
        self.journal.event(BeltSample("belt", now, now // STEP_NS, 500.0 + 30.0 * chest))
        before = self.couch(max(0.0, (now - STATUS_DELAY_NS) / 1e9))
        self.journal.event(ActuatorStatus("couch", now, before))
        self.journal.event(BeamStatus("gate", now, self.beam_on(t_s)))
        if self.made.gantry_deg is not None:
            units = 10.0 * max(0.0, min(t_s, HOLD_S) - TRACKING_S + max(0.0, t_s - RESUME_S))
            self.journal.event(LinacStatus("linac", now, self.made.gantry_deg, 0.0, 0.0, units))

    def controller(self, now: int) -> None:
        t_s = now / 1e9
        off = plus((0.0, 0.0, 0.0), MODEL_OFF, self.made.scale)
        at = now + LATENCY_NS
        said = plus(plus(self.target(at / 1e9), off, -1.0), PREDICTION_OFF, -1.0)
        self.journal.outputs(
            [
                SurrogateState(now, breath(t_s), 0.0, 0.1),
                TargetEstimate(now, plus(self.target(t_s), off, -1.0), SURE),
                TargetPrediction(now, at, said, SURE),
            ]
        )
        if t_s < TRACKING_S:
            return
        # What the couch will be at after the latency, so that demand to motion takes just this.
        self.journal.outputs([SendDemand(now, "couch", self.couch((now + LATENCY_NS) / 1e9))])
        allowed = self.beam_on(t_s)
        self.journal.outputs(
            [SendPermit(now, "gate", now + 100_000_000)]
            if allowed
            else [SendHold(now, "gate", ("operator hold",))]
        )

    def people(self, now: int) -> None:
        journal, t_s = self.journal, now / 1e9
        if t_s == TRACKING_S:
            curve = ((0.0, 0.0, 0.0), (1.0, -15.0, 4.0))
            turned = ((0.0, 0.0, 0.0), (1.0, -13.0, 4.0))
            kinds = ("linear", "dual", "linear")
            journal.outputs(
                [
                    ModelRefitted(now, kinds, (0.1, 0.2, 0.2), 8, 0.9, (0.0, 10.0), curve, turned),
                    SessionChanged(now, "MODELLING", "READY", "model ready"),
                    SessionChanged(now, "READY", "TRACKING", "start"),
                ]
            )
        if t_s == HOLD_S:
            journal.event(Request(now, "hold", "anna"))
            journal.outputs(
                [
                    FaultChanged(now, "operator hold", True, "HOLD", "asked for by anna"),
                    SessionChanged(now, "TRACKING", "HOLDING", "hold"),
                ]
            )
        if t_s == RESUME_S:
            journal.event(Request(now, "resume", "bert"))
            journal.outputs(
                [
                    FaultChanged(now, "operator hold", False, "HOLD", ""),
                    SessionChanged(now, "HOLDING", "TRACKING", "resume"),
                ]
            )
        if t_s == 70.0:
            journal.outputs([FaultChanged(now, "model doubtful", True, "WARN", "3.2 mm off")])

    def image(self, now: int) -> None:
        """Expose now; it is asked for 40 ms before and answered 300 ms later."""
        self.shot_id += 1
        t_s = now / 1e9
        where = self.target(t_s)
        noise = self.rng.normal(0.0, FIDUCIAL_NOISE_MM, (len(FIDUCIALS), 3))
        noise -= noise.mean(axis=0)  # so that the image shows the target's true position
        couch = self.couch(t_s)
        seen = tuple(
            plus(plus(plus(each, where), couch), (float(a), float(b), float(c)))
            for each, (a, b, c) in zip(FIDUCIALS, noise, strict=True)
        )
        answered = now + 300_000_000
        self.journal.outputs([SendExpose(now - 40_000_000, "imager", self.shot_id)])
        self.journal.event(FiducialShot("imager", answered, now, self.shot_id, seen))
        residual = None if t_s < 10.0 else plus((0.0, 0.0, 0.0), MODEL_OFF, self.made.scale)
        self.journal.outputs(
            [
                Observation(
                    answered, now, self.shot_id, where, breath(t_s), 0.0, residual,
                    used=self.shot_id % 10 != 0,
                )
            ]
        )  # fmt: skip

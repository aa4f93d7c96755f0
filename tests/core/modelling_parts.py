"""Shots for the tests of modelling, and what a model of them must be.

`Modelling` is imported when it is used: mutation tests put another module in its place.
"""

import math
from typing import NamedTuple, TypeVar

import numpy as np
from msgspec.structs import astuple

from hal.messages import FiducialShot
from tracker.core.settings import Controller, Correlation
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target.correlation import CorrelationModel, Shot, fit
from tracker.core.target.target_state import TargetState

S = 1_000_000_000
SPAN = BreathingRange(0.0, 5.0, 8.0)
PLAN = Controller().imager.fiducials_mm
REST = (0.0, 0.0, 0.0)


def breathing(t_s):
    phase = 2 * math.pi * t_s / 4
    return BreathingState(
        round(t_s * S), 5 * math.sin(phase), 7.85 * math.cos(phase), 0.0, 0.0, 0.0, ()
    )


def shot_at(number, t_s, offset=REST, couch=REST, moved=None):
    y = breathing(t_s).amplitude_mm
    target = (0.2 * y + offset[0], -2.0 * y + offset[1], 0.7 * y + offset[2])
    fiducials = []
    for index, plan in enumerate(PLAN):
        extra = 6.0 if index == moved else 0.0
        x, y_, z = (a + b + c for a, b, c in zip(plan, target, couch, strict=True))
        fiducials.append((x + extra, y_, z))
    return FiducialShot("imager", round((t_s + 0.3) * S), round(t_s * S), number, tuple(fiducials))


def modelled(count=10):
    from tracker.core.target.modelling import Modelling

    modelling = Modelling(Controller())
    for k in range(count):
        t = 10.0 + 2.3 * k
        taken = modelling.add_shot(shot_at(k, t), REST, breathing(t), SPAN)
        assert taken.used
    assert modelling.complete
    return modelling


Kind = TypeVar("Kind")
KINDS = ("velocity",)
SETTINGS = Controller(correlation=Correlation(models=KINDS))
"""One kind, which fits the targets of these tests exactly, and is quickly fitted."""


class Placed(NamedTuple):
    """A shot at a phase of the breath (0 to 1, from the middle inhaling), off the true target."""

    t_s: float
    phase: float
    off_mm: tuple[float, float, float] = REST


def state(placed):
    angle = 2.0 * math.pi * placed.phase
    return BreathingState(
        round(placed.t_s * S), 5.0 * math.sin(angle), 8.0 * math.cos(angle), 0.0, 0.0, 0.0, ()
    )


def target(placed):
    """Linear in amplitude and velocity, so that the first model fits every shot that is not off."""
    y, v = state(placed).amplitude_mm, state(placed).velocity_mm_s
    x, y_, z = placed.off_mm
    return (0.3 * y + 0.1 * v + x, -2.0 * y + 0.05 * v + y_ + 1.0, 0.7 * y - 0.1 * v + z - 2.0)


def fiducial_shot(number, placed, moved=None):
    fiducials = [tuple(a + b for a, b in zip(p, target(placed), strict=True)) for p in PLAN]
    if moved is not None:
        x, y, z = fiducials[moved]
        fiducials[moved] = (x + 6.0, y, z)
    return FiducialShot(
        "imager", round((placed.t_s + 0.3) * S), round(placed.t_s * S), number, tuple(fiducials)
    )


def learned(placed, epoch=0):
    """The shot as the model should learn it."""
    at = state(placed)
    return Shot(at.t_ns, at.amplitude_mm, at.velocity_mm_s, target(placed), epoch, ())


def first(count=8):
    """Shots over the whole breath, one every 2.5 s."""
    return [Placed(10.0 + 2.5 * k, 0.03 + 0.375 * k % 1.0) for k in range(count)]


def add(modelling, placed, number=99, span=SPAN):
    return modelling.add_shot(fiducial_shot(number, placed), REST, state(placed), span)


def after(shots, settings=SETTINGS):
    from tracker.core.target.modelling import Modelling

    modelling = Modelling(settings)
    for number, placed in enumerate(shots):
        assert add(modelling, placed, number).used
    return modelling


def model_of(modelling) -> CorrelationModel:
    assert modelling.model is not None
    return modelling.model


def only(outputs, kind: type[Kind]) -> Kind:
    """The one output of a kind."""
    (found,) = (each for each in outputs if isinstance(each, kind))
    return found


def same(model, shots, inflation=1.0, kinds=KINDS, span=SPAN):
    """Tell whether a model is the fit of these shots."""
    expected = fit(shots, kinds, span, inflation)
    at = (shots[-1].exposed_ns + 5 * S, 1.0, 3.0, 0.1, 0.1, 0.0)
    ours, theirs = (astuple(each.target_at(*at)) for each in (model, expected))
    return (
        all(np.allclose(a, b, rtol=1e-6) for a, b in zip(ours, theirs, strict=True))
        and model.shots == expected.shots
        and model.phase_coverage == expected.phase_coverage
    )


def residual_of(modelling, placed):
    """How far a shot is off the model along y."""
    at = state(placed)
    said = model_of(modelling).target_at(at.t_ns, at.amplitude_mm, at.velocity_mm_s, 0.0, 0.0, 0.0)
    return tuple(a - b for a, b in zip(target(placed), said.position_mm, strict=True))


def off_by(modelling, placed, residual_mm):
    """The shot with exactly this residual."""
    now = residual_of(modelling, placed)
    off = tuple(a - b for a, b in zip(residual_mm, now, strict=True))
    return placed._replace(off_mm=off)


def say(modelling, residual_mm, variance_mm2=(1.0, 1.0, 1.0)):
    """Let the model say for every shot what leaves this residual, with this variance."""
    modelling._expected = lambda new: TargetState(
        tuple(a - b for a, b in zip(new.target_mm, residual_mm, strict=True)), REST, variance_mm2
    )

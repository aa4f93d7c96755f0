"""What the controller returns besides commands: estimates, model, session, faults and notices.

Positions are millimetres in the patient frame (+X left, +Y superior, +Z anterior), relative to
the reference position, unless a name says otherwise; times are nanoseconds of the run.
Covariances are the upper triangle (xx, xy, xz, yy, yz, zz) in square millimetres.
"""

from __future__ import annotations

import msgspec

from hal.events import Command
from hal.messages import Triple

Covariance = tuple[float, float, float, float, float, float]


class SurrogateState(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The fused breathing signal at ``t_ns``: amplitude and velocity, with standard deviation."""

    t_ns: int
    amplitude_mm: float
    velocity_mm_s: float
    sigma_mm: float


class TargetEstimate(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Where the target is at ``t_ns``, by the correlation model."""

    t_ns: int
    position_mm: Triple
    covariance_mm2: Covariance


class TargetPrediction(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Where the target will be at ``at_ns``, as known at ``made_ns``."""

    made_ns: int
    at_ns: int
    position_mm: Triple
    covariance_mm2: Covariance


class Observation(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The target as a shot saw it, exposed at ``exposed_ns``; and what the model had said.

    ``residual_mm`` is observation minus estimate, before the model learned the shot; ``None``
    while there is no model. ``amplitude_mm`` and ``velocity_mm_s`` are the surrogate's then.
    """

    t_ns: int
    exposed_ns: int
    shot_id: int
    position_mm: Triple
    amplitude_mm: float
    velocity_mm_s: float
    residual_mm: Triple | None
    used: bool


class ModelRefitted(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The correlation model after a shot: its kind per axis and how well it holds.

    ``curve_*`` sample the model for display: surrogate amplitude, and the target's position
    while inhaling and exhaling.
    """

    t_ns: int
    kinds: tuple[str, str, str]
    loo_rms_mm: Triple
    shots: int
    phase_coverage: float
    curve_amplitude_mm: tuple[float, ...]
    curve_inhale_mm: tuple[Triple, ...]
    curve_exhale_mm: tuple[Triple, ...]


class SessionChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The session went from one state to another, and what made it."""

    t_ns: int
    before: str
    after: str
    trigger: str


class FaultChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A fault appeared (``active``) or went; ``detail`` says value and limit."""

    t_ns: int
    fault: str
    active: bool
    reaction: str
    detail: str


class WindowChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Gating lets the beam on (``open``) or takes it off by plan; ``why`` says what closes it."""

    t_ns: int
    open: bool
    why: str = ""
    detail: str = ""


class GuideChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Gating asks something else of the patient, until it asks again or tracking pauses.

    ``asks`` is ``breathe`` (into the range), ``hold`` (within it), ``rest`` or ``nothing`` (no
    amplitude is better than another). ``until_ns`` is when hold or rest must end; -1: open.
    """

    t_ns: int
    asks: str
    low_mm: float
    """The lowest and the highest amplitude of the surrogate that are asked for."""
    high_mm: float
    until_ns: int = -1


class Notice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What a person should know: level is info, warning or alarm."""

    t_ns: int
    level: str
    text: str


Record = (
    SurrogateState
    | TargetEstimate
    | TargetPrediction
    | Observation
    | ModelRefitted
    | SessionChanged
    | FaultChanged
    | Notice
    | WindowChanged
    | GuideChanged
)

Output = Command | Record

"""Define every setting of the controller: unit in the name, bounds in the type, reason beside it.

The records are read from TOML by `tracker.config`; a value outside its bounds never gets here.
Unless a field's comment names a source, the default is a choice of this project.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hal.messages import Triple
from tracker.core.settings_record import Name, Settings
from tracker.core.surrogate.sources.belt import Belt
from tracker.core.surrogate.sources.markers import Camera
from tracker.core.surrogate.sources.source import SourceSettings


class Timing(Settings, frozen=True, kw_only=True):
    """The controller's tick period and the latency that it must predict."""

    tick_hz: Annotated[float, Meta(ge=10, le=500)] = 100.0
    latency_ms: Annotated[float, Meta(ge=0, le=800)] = 150.0
    """The time from a sent demand to the finished motion, which the predictor must cover."""


class Imager(Settings, frozen=True, kw_only=True):
    """The X-ray imager and when it exposes."""

    kind: str = "stereo"
    """A name of the table of imager kinds (`tracker.core.target.imager_kinds`)."""
    device: Name = "imager"
    noise_mm: Annotated[float, Meta(gt=0, le=5)] = 0.3
    """Standard deviation of one fiducial along one axis."""
    interval_s: Annotated[float, Meta(ge=0.1, le=120)] = 15.0
    """The longest time between two answered shots while tracking."""
    drift_mm: Annotated[float, Meta(gt=0, le=20)] = 2.0
    """Hazard H10: two shots with a residual this large in one direction are a drift."""
    drift_interval_s: Annotated[float, Meta(ge=1, le=120)] = 5.0
    """Hazard H10: the time between shots while the target drifts."""
    warn_s: Annotated[float, Meta(ge=2, le=300)] = 45.0
    """Hazard H08, a warning before the hold; the default is unverified."""
    overdue_s: Annotated[float, Meta(ge=2, le=300)] = 60.0
    """Hazard H08; the default is unverified."""
    answer_within_s: Annotated[float, Meta(gt=0, le=30)] = 3.0
    fiducials_mm: tuple[Triple, ...] = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0))
    """The planned positions of the fiducials from the target's reference point, patient frame."""
    rigid_residual_mm: Annotated[float, Meta(gt=0, le=20)] = 2.0
    """Hazard H09: mean migration is 1.5 mm; also for the distance of any two fiducials."""
    rotation_deg: Annotated[float, Meta(gt=0, le=90)] = 15.0
    """Hazard H09: a tumour turns by a few degrees with the breath; more is a wrong fiducial."""


class Actuator(Settings, frozen=True, kw_only=True):
    """The treatment machine that follows the target: what it can do, as the controller may use it.

    The defaults are those of a couch; a configuration that names another kind starts from that
    kind's own (`tracker.core.machine.kinds`).
    """

    kind: str = "couch"
    """A name of the table of machine kinds."""
    device: Name = "couch"
    limit_mm: Annotated[float, Meta(gt=0, le=200)] = 50.0
    """Largest excursion per axis from the start pose."""
    speed_mm_s: Annotated[float, Meta(gt=0, le=500)] = 20.0
    acceleration_mm_s2: Annotated[float, Meta(gt=0, le=5000)] = 200.0
    bandwidth_per_s: Annotated[float, Meta(ge=2, le=200)] = 40.0
    """How fast the demand follows the prediction; a higher value passes on more of its jitter."""
    quantum_mm: Triple = (0.0, 0.0, 0.0)
    """Per axis, the step in which the machine moves, such as one leaf; 0: it moves continuously."""
    status_delay_ms: Annotated[float, Meta(ge=0, le=200)] = 5.0
    follow_error_mm: Annotated[float, Meta(gt=0, le=20)] = 1.0
    """Hazard H13: distance of the encoder from the demand it should have reached by now: hold."""
    follow_time_ms: Annotated[float, Meta(ge=0, le=2000)] = 100.0
    follow_stop_mm: Annotated[float, Meta(gt=0, le=50)] = 3.0
    """Hazard H13: at this distance the motion is stopped at once."""


class Guard(Settings, frozen=True, kw_only=True):
    """The guard's own limits, per axis, on what is about to be sent; wider than the actuator's."""

    position_mm: Annotated[float, Meta(gt=0, le=210)] = 52.0
    speed_mm_s: Annotated[float, Meta(gt=0, le=600)] = 25.0
    acceleration_mm_s2: Annotated[float, Meta(gt=0, le=12000)] = 500.0
    step_mm: Annotated[float, Meta(gt=0, le=50)] = 2.0


class Gate(Settings, frozen=True, kw_only=True):
    """The beam gate and the length of the beam's lease."""

    device: Name = "gate"
    lease_ms: Annotated[float, Meta(ge=20, le=250)] = 100.0
    readback_ms: Annotated[float, Meta(ge=20, le=2000)] = 200.0
    """Hazard H19: how long permit and read-back may disagree (gate delays included)."""


class Linac(Settings, frozen=True, kw_only=True):
    """The angles of the treatment machine (IEC 61217): where it stands, or who reports them."""

    enabled: bool = False
    """Whether a device reports the angles; otherwise the machine stands at those given here."""
    device: Name = "linac"
    gantry_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    collimator_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    table_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    delay_ms: Annotated[float, Meta(ge=0, le=500)] = 20.0
    """Time from the measurement of the angles to their arrival."""
    stale_ms: Annotated[float, Meta(ge=50, le=2000)] = 200.0
    """Hazard H29: age of the newest angles that holds the beam of a machine that needs them."""
    jump_deg: Annotated[float, Meta(gt=0, le=90)] = 3.0
    """Hazard H29: how far an angle may be from where its speed leads to."""


class Fusion(Settings, frozen=True, kw_only=True):
    """The Kalman filter over all surrogate sources."""

    agility_per_s2: Annotated[float, Meta(gt=0, le=200)] = 5.0
    """Spectral strength of the common motion's acceleration (mm/s2 per root hertz) for each
    millimetre of breathing's standard deviation: a sine of period 4 s has 2.5, a sharp one more."""
    own_agility_per_s2: Annotated[float, Meta(gt=0, le=200)] = 1.0
    """The same for the motion of a single marker on its own."""
    gate_sigma: Annotated[float, Meta(ge=2, le=20)] = 5.0
    history_ms: Annotated[float, Meta(ge=50, le=2000)] = 300.0
    """The greatest age at which a late sample is still applied at its own time."""
    learning_s: Annotated[float, Meta(ge=2, le=60)] = 8.0
    """Length of quiet breathing from which directions and gains of the sources are learned."""
    stale_ms: Annotated[float, Meta(ge=20, le=1000)] = 100.0
    """Hazard H01: age of the newest surrogate sample."""
    sigma_mm: Annotated[float, Meta(gt=0, le=20)] = 1.5
    """The beam is held when the standard deviation of the fused amplitude is larger. Without a
    source of points the amplitude has no millimetres: it is counted in standard deviations of quiet
    breathing, and so is this limit."""


class Correlation(Settings, frozen=True, kw_only=True):
    """The model from surrogate to target."""

    models: tuple[str, ...] = ("linear", "quadratic", "dual", "velocity")
    modelling_shots: Annotated[int, Meta(ge=4, le=60)] = 8
    """The number of shots that the model needs before tracking may start."""
    modelling_interval_s: Annotated[float, Meta(ge=0.5, le=30)] = 2.5
    capacity_shots: Annotated[int, Meta(ge=5, le=60)] = 15
    phase_coverage: Annotated[float, Meta(ge=0, le=1)] = 0.75
    """Share of the breathing cycle's bins that must hold a shot before tracking may start."""
    extrapolation: Annotated[float, Meta(ge=0, le=2)] = 0.5
    """Hazard H06: how far a breath may lie outside the range of the shots, as a share of that range
    or of the breath's. The published 10 % is of a range that was imaged completely. Few shots show
    the deepest breath, and the error region grows outside their range anyway."""
    extrapolation_ms: Annotated[float, Meta(ge=0, le=5000)] = 0.0
    residual_rebuild_mm: Annotated[float, Meta(gt=0, le=20)] = 3.0
    """Hazard H07: rebuild (Vero's practice)."""
    residual_hold_mm: Annotated[float, Meta(gt=0, le=20)] = 5.0
    """Hazard H07: hold at once (upper bound used in LARK)."""


class TargetSettings(Settings, frozen=True, kw_only=True):
    """The model from surrogate and images to the target."""

    model: str = "correlation"
    """A name of the table of target models (`tracker.core.target.target_models`)."""


class Prediction(Settings, frozen=True, kw_only=True):
    """The predictor, its input, and how often it learns."""

    predictor: str = "mix"
    where: Literal["surrogate", "target"] = "surrogate"
    learn_hz: Annotated[float, Meta(ge=2, le=100)] = 25.0
    settle_ms: Annotated[float, Meta(ge=0, le=200)] = 20.0
    """A moment is learned at this age, when its late samples have arrived."""
    parameters: dict[str, float] = {}


class Session(Settings, frozen=True, kw_only=True):
    """The patient, the plan and the rules of the session."""

    patient_id: str = "PHANTOM"
    plan_id: str = "DEMO"
    orientation: Literal["HFS", "HFP", "FFS", "FFP"] = "HFS"
    resume: Literal["automatic", "operator"] = "automatic"
    """Whether a hold ends by itself once its reasons are gone."""
    resume_after_s: Annotated[float, Meta(ge=0, le=60)] = 0.5
    identify: bool = False
    """Hazard H22: START needs patient and plan announced, and equal to those here."""


class Gating(Settings, frozen=True, kw_only=True):
    """The limits at which the beam is held although every device works."""

    tolerance_mm: Annotated[float, Meta(gt=0, le=20)] = 5.0
    """The beam is held when the radius of the predicted 95 % error region is larger."""
    speed_mm_s: Annotated[float, Meta(gt=0, le=500)] = 60.0
    """Hazard H04 and H12: the highest speed of a marker that counts as breathing."""
    speed_share: Annotated[float, Meta(ge=1.5, le=50)] = 4.5
    """Hazard H12: times the usual speed of the last breaths; a deep sigh reaches about three, a
    start after quiet breathing four."""
    envelope_mm: Annotated[float, Meta(gt=0, le=200)] = 50.0
    """Hazard H04: the largest distance from rest of a marker or the target that counts as
    breathing."""
    frozen_samples: Annotated[int, Meta(ge=3, le=1000)] = 10
    """Hazard H02: this many bit-identical samples are a stuck sensor."""
    prediction_error_mm: Annotated[float, Meta(gt=0, le=20)] = 3.0
    """Hazard H11, over half a second."""
    prediction_rms_mm: Annotated[float, Meta(gt=0, le=20)] = 1.5
    """Hazard H11, over 30 s. TG-306 names 1 mm; liver patients of the LARK recordings reach 1.3 mm
    while the beam stays on the target, and the distance itself is checked as well."""
    off_target_share: Annotated[float, Meta(gt=0, le=1)] = 0.7
    """Hazard H13: beam axis from the target as estimated now, as a share of the tolerance. The
    rest is for what a target goes on in the tenth of a second until the beam is off."""
    persistent_mm: Annotated[float, Meta(gt=0, le=20)] = 3.0
    """Hazard H27: the beam is held when the error exceeds this ..."""
    persistent_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """... for this long (LARK), or ..."""
    persistent_share: Annotated[float, Meta(gt=0, le=1)] = 0.02
    """... for this share of the time with beam."""
    regular_breaths: Annotated[int, Meta(ge=1, le=20)] = 3
    """Hazard H12: this number of regular breaths ends a hold for irregular breathing."""
    late_ticks: Annotated[float, Meta(ge=1, le=100)] = 2.0
    """Hazard H16: a tick this number of periods late causes a warning, and no hold yet."""
    overrun_ms: Annotated[float, Meta(gt=0, le=1000)] = 100.0
    """Hazard H16: lateness of a tick."""


class Window(Settings, frozen=True, kw_only=True):
    """The gating window: the beam is on while the breath is inside. Crossings are predicted."""

    on: Literal["nothing", "target", "amplitude", "percent", "phase"] = "nothing"
    """What the window is on: the distance of target and beam, the amplitude of the surrogate, its
    share of the last breaths, or the part of the cycle."""
    at: Literal["exhale", "inhale"] = "exhale"
    """The end of the breath that the window is at; a window on the target is where it was planned.
    """
    point: Annotated[int, Meta(ge=-1, le=50)] = -1
    """The point of the surrogate whose breathing counts, from 0 in the order of the sources, such
    as the marker on the belly; -1: the common amplitude."""
    level_mm: Annotated[float, Meta(ge=-200, le=200)] = 0.0
    """Amplitude from which a window on the amplitude is measured."""
    centre: Literal["planned", "drift"] = "planned"
    """Whether the middle stays where it was planned, or follows the end of the breath."""
    drift_mm: Annotated[float, Meta(ge=0, le=20)] = 2.0
    """How far from the planned middle it may follow."""
    enter: Annotated[float, Meta(ge=-200, le=200)] = 3.0
    """Inside of this the beam comes on: mm, per cent of the last breaths, or of the cycle."""
    leave: Annotated[float, Meta(ge=-200, le=200)] = 4.0
    """Outside of this it goes off."""
    predict: bool = True
    """Whether the beam is switched by where the breath will be when it has come on or gone off."""
    on_ms: Annotated[float, Meta(ge=0, le=800)] = 5.0
    """Permit to beam."""
    off_ms: Annotated[float, Meta(ge=0, le=800)] = 5.0
    """Hold to no beam."""
    dwell_ms: Annotated[float, Meta(ge=0, le=5000)] = 0.0
    """How long the breath may be outside before the beam goes off: for immobilised patients."""


class BreathHold(Settings, frozen=True, kw_only=True):
    """The beam is on in breath holds only: deep inspiration or end of expiration, as planned."""

    enabled: bool = False
    window_mm: Annotated[float, Meta(gt=0, le=20)] = 2.5
    """Largest distance of target and beam in a hold."""
    still_mm_s: Annotated[float, Meta(gt=0, le=50)] = 4.0
    """A target that moves faster is not held: it sags slowly, and leaves fast."""
    settle_s: Annotated[float, Meta(ge=0, le=10)] = 2.0
    """How long a hold must last before the beam comes on."""
    longest_s: Annotated[float, Meta(gt=0, le=120)] = 25.0
    """The longest hold, from its beginning."""
    rest_s: Annotated[float, Meta(ge=0, le=300)] = 10.0
    """Between two holds."""
    beam_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    """Planned time with beam; it says how many holds are needed."""


class Box(Settings, frozen=True, kw_only=True):
    """A box along the axes, from its lowest to its highest corner."""

    low_mm: Triple
    high_mm: Triple


class Sphere(Settings, frozen=True, kw_only=True):
    """A ball around its centre."""

    centre_mm: Triple
    radius_mm: Annotated[float, Meta(gt=0, le=2000)]


class KeepOut(Settings, frozen=True, kw_only=True):
    """Hazard H15: where the actuator must not go, in the fixed frame from its start pose."""

    boxes_mm: tuple[Box, ...] = ()
    spheres_mm: tuple[Sphere, ...] = ()
    margin_mm: Annotated[float, Meta(ge=0, le=200)] = 5.0
    """The smallest allowed distance: patient and room are measured to a few millimetres."""
    horizon_ms: Annotated[float, Meta(ge=0, le=2000)] = 300.0
    """How far ahead the path is checked: the latency and the braking time from full speed."""


class Controller(Settings, frozen=True, kw_only=True):
    """The controller's whole configuration, one field for each section."""

    session: Session = Session()
    timing: Timing = Timing()
    camera: Camera = Camera()
    belt: Belt = Belt()
    imager: Imager = Imager()
    actuator: Actuator = Actuator()
    guard: Guard = Guard()
    gate: Gate = Gate()
    linac: Linac = Linac()
    fusion: Fusion = Fusion()
    target: TargetSettings = TargetSettings()
    correlation: Correlation = Correlation()
    prediction: Prediction = Prediction()
    gating: Gating = Gating()
    window: Window = Window()
    second_window: Window = Window()
    """A second window at the same time, such as one on the chest and one on the belly."""
    breath_hold: BreathHold = BreathHold()
    keepout: KeepOut = KeepOut()
    sources: dict[str, SourceSettings] = {}
    """Further surrogate sources by name; each is of a kind in the table of source kinds."""

    def surrogate_sources(self) -> dict[str, SourceSettings]:
        """Return the settings of every surrogate source by name, camera and belt first."""
        return {"camera": self.camera, "belt": self.belt, **self.sources}

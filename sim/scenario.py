"""Define every setting of the simulated room: the patient, the devices and the mishaps.

The section ``[room]`` of a configuration. Unless a comment names a source, a default is a choice
of this project. Names of devices and the patient's orientation belong to the controller's own
sections and are handed to `sim.room.Room` beside these settings.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hal.messages import Triple

Orientation = Literal["HFS", "HFP", "FFS", "FFP"]
Axis = Literal["x", "y", "z", "-x", "-y", "-z"]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Milliseconds = Annotated[float, Meta(ge=0, le=5000)]
Drift = Annotated[float, Meta(ge=-500, le=500)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ScenarioSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common to every section: frozen, named, and no unknown key."""


class BreathEvent(ScenarioSettings, frozen=True, kw_only=True):
    """Something a generated patient does once, at its time.

    ``hold`` breath hold at ``size`` times the usual inhale · ``apnoea`` no breath after an
    exhale · ``sigh`` one breath of ``size`` times the usual depth (``duration_s`` unused) ·
    ``cough`` a burst of ``size`` millimetres on the chest · ``shift`` the baseline moves by
    ``size`` millimetres on the chest within ``duration_s``, the target with it.
    """

    kind: Literal["hold", "apnoea", "sigh", "cough", "shift"]
    at_s: Seconds
    duration_s: Annotated[float, Meta(ge=0, le=120)] = 1.0
    size: Annotated[float, Meta(ge=-50, le=50)] = 1.0


class Breathing(ScenarioSettings, frozen=True, kw_only=True):
    """A generated breath: Lujan's cos^2n, varied from cycle to cycle.

    Source of the shape: Lujan et al., Med Phys 26 (1999) 715; amplitudes: a free-breathing liver.
    """

    period_s: Annotated[float, Meta(ge=1.5, le=15)] = 4.0
    period_sd: Annotated[float, Meta(ge=0, le=0.4)] = 0.08
    """Spread of the period from cycle to cycle, as a share of it."""
    amplitude_mm: Annotated[float, Meta(gt=0, le=50)] = 8.0
    """Exhale to inhale of the chest, toward anterior."""
    amplitude_sd: Annotated[float, Meta(ge=0, le=0.6)] = 0.12
    """Spread of the depth from cycle to cycle, as a share of it."""
    exponent: Annotated[int, Meta(ge=1, le=6)] = 2
    """Lujan's n: the larger, the longer the exhale."""
    inhale_share: Annotated[float, Meta(ge=0.2, le=0.8)] = 0.45
    """Share of the cycle spent inhaling."""
    target_mm: Triple = (2.0, -15.0, 4.0)
    """Exhale to inhale of the target in the patient frame (+X left, +Y superior, +Z anterior)."""
    target_lag_s: Triple = (0.05, 0.15, 0.0)
    """The target's lag behind the chest, per axis; unequal lags give hysteresis."""
    target_exponent: Annotated[float, Meta(ge=0.5, le=3)] = 1.0
    """Power of the normalised chest signal that moves the target (1: in proportion)."""
    chest_drift_mm_min: Annotated[float, Meta(ge=-20, le=20)] = 0.0
    target_drift_mm_min: Triple = (0.0, 0.0, 0.0)
    wander_mm: Annotated[float, Meta(ge=0, le=5)] = 0.15
    """Standard deviation of a slow baseline wander the target has on its own."""
    wander_s: Annotated[float, Meta(ge=1, le=600)] = 20.0
    events: tuple[BreathEvent, ...] = ()


class Derived(ScenarioSettings, frozen=True, kw_only=True):
    """How the half that was not recorded follows from the half that was.

    Chest from target: ``chest_ratio`` times the motion along its main direction.
    Target from chest: ``target_ratio`` times the chest signal.
    Both: late by ``lag_s``, turned into a loop by ``hysteresis``, blurred by ``wander_mm``.
    """

    chest_ratio: Annotated[float, Meta(gt=0, le=5)] = 0.6
    target_ratio: Triple = (0.15, -1.2, 0.35)
    """Millimetres of target motion for one millimetre of chest motion, patient frame."""
    lag_s: Annotated[float, Meta(ge=0, le=2)] = 0.1
    """Lag of the derived half; never negative, so that nothing sees samples still to come."""
    hysteresis: Annotated[float, Meta(ge=-2, le=2)] = 0.2
    """Weight of the signal's change over the last 0.5 s: the velocity term of Low et al.,
    Int J Radiat Oncol Biol Phys 63 (2005) 921, in a form that needs no future sample."""
    wander_mm: Annotated[float, Meta(ge=0, le=10)] = 0.2
    """Standard deviation of what the derived half does on its own, per axis."""
    wander_s: Annotated[float, Meta(ge=1, le=600)] = 10.0


class ChestMarker(ScenarioSettings, frozen=True, kw_only=True):
    """One reflecting marker on chest or abdomen, when the recording has none of its own."""

    rest_mm: Triple
    """Where it lies at rest, from the target's reference point, in the patient frame."""
    direction: Triple = (0.0, 0.0, 1.0)
    """Which way it moves on inhale (length is normalised)."""
    ratio: Annotated[float, Meta(ge=0, le=5)] = 1.0
    """Its excursion as a share of the chest signal."""
    lag_s: Annotated[float, Meta(ge=0, le=1)] = 0.0


CHEST_MARKERS = (
    ChestMarker(rest_mm=(10.0, -40.0, 115.0), direction=(0.05, -0.15, 1.0), ratio=1.0),
    ChestMarker(rest_mm=(65.0, 35.0, 105.0), direction=(0.2, 0.1, 1.0), ratio=0.8, lag_s=0.04),
    ChestMarker(rest_mm=(-50.0, 80.0, 120.0), direction=(-0.1, 0.2, 1.0), ratio=0.6, lag_s=0.08),
)
"""Abdomen, left costal arch, right chest: three distances, no symmetry to hide a swapped axis."""


class RoomPatient(ScenarioSettings, frozen=True, kw_only=True):
    """The patient: a generated breath, or what must be known besides a recording."""

    breathing: Breathing = Breathing()
    derived: Derived = Derived()
    markers: Annotated[tuple[ChestMarker, ...], Meta(min_length=1, max_length=12)] = CHEST_MARKERS
    reference_s: Annotated[float, Meta(ge=1, le=300)] = 30.0
    """The isocentre is placed at the target's mean over this time, or ..."""
    reference: Literal["mean", "exhale", "inhale"] = "mean"
    """... at its mean over the third of this time that is nearest to the end of exhale or inhale:
    a plan for a gated beam is made on images of that phase."""
    start_s: Seconds = 0.0
    """Time in the recording at which the run starts (some begin with a robot's lead-in)."""
    bridge_s: Annotated[float, Meta(ge=0, le=60)] = 1.0
    """A span without samples longer than this is bridged but not scored."""
    trace_axes: tuple[Axis, Axis, Axis] = ("-y", "x", "z")
    """Which axes of recorded 3-D markers point left, superior and anterior. The default is that
    of the ExtMarker recordings: x along the body, z up, right-handed."""
    chest_amplitude_mm: Annotated[float, Meta(gt=0, le=50)] = 10.0
    """A recording in arbitrary units is scaled to this swing (5th to 95th percentile of the
    first ``reference_s``)."""


class SourceTwinSettings(ScenarioSettings, frozen=True, kw_only=True):
    """What the twins of all surrogate sources have in common."""

    enabled: bool = True


class RoomCamera(SourceTwinSettings, frozen=True, kw_only=True):
    """The marker camera's twin."""

    rate_hz: Annotated[float, Meta(ge=5, le=500)] = 60.0
    noise_mm: Annotated[float, Meta(ge=0, le=5)] = 0.1
    """Standard deviation of one marker along one axis."""
    delay_ms: Milliseconds = 20.0
    """Exposure to arrival."""
    jitter_ms: Annotated[float, Meta(ge=0, le=100)] = 1.0
    """Standard deviation of the delay, cut at three of it; the order of arrival is kept."""
    clock_ppm: Drift = 20.0
    """How fast the device's clock runs against the host's."""
    first_tick: Annotated[int, Meta(ge=0)] = 1000
    position_mm: Triple = (0.0, -2000.0, 1500.0)
    """Origin of the camera frame in the fixed frame."""
    rotation_deg: Triple = (180.0, 0.0, 0.0)
    """Camera frame to fixed frame: turned about X, then Y, then Z of the fixed frame."""


class RoomBelt(SourceTwinSettings, frozen=True, kw_only=True):
    """The breathing belt's twin: arbitrary units, with a gain and an offset that wander."""

    rate_hz: Annotated[float, Meta(ge=5, le=1000)] = 100.0
    gain_au_mm: Annotated[float, Meta(ge=-1e4, le=1e4)] = 30.0
    offset_au: Annotated[float, Meta(ge=-1e6, le=1e6)] = 500.0
    curvature_au_mm2: Annotated[float, Meta(ge=-100, le=100)] = 0.0
    """Non-linearity: this times the square of the chest signal."""
    noise_au: Annotated[float, Meta(ge=0)] = 2.0
    gain_drift_per_s: Annotated[float, Meta(ge=0, le=0.1)] = 0.001
    """Random walk of gain and offset, as a share of the gain per square root of a second (the
    offset's share counts as millimetres)."""
    delay_ms: Milliseconds = 5.0
    jitter_ms: Annotated[float, Meta(ge=0, le=100)] = 0.5
    clock_ppm: Drift = -15.0
    first_tick: Annotated[int, Meta(ge=0)] = 0


class RoomImager(ScenarioSettings, frozen=True, kw_only=True):
    """The X-ray imager's twin."""

    kind: Literal["stereo", "single"] = "stereo"
    """A pair that locates every fiducial, or one imager that turns with the gantry."""
    noise_mm: Annotated[float, Meta(ge=0, le=5)] = 0.3
    """Standard deviation of one fiducial along one axis."""
    trigger_ms: Milliseconds = 10.0
    """Request to exposure."""
    processing_ms: Milliseconds = 300.0
    """Exposure to arrival."""
    jitter_ms: Annotated[float, Meta(ge=0, le=500)] = 10.0
    clock_offset_ms: Annotated[float, Meta(ge=-1e6, le=1e6)] = 0.0
    """The imager's clock minus the host's."""
    from_gantry_deg: Annotated[float, Meta(ge=-360, le=360)] = 90.0
    """A single imager's source from that of the beam; 0: it is the beam's own, with a portal."""
    portal_every_s: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """A single imager's second one, in the treatment beam, takes a picture so often; 0: none."""
    portal_noise_mm: Annotated[float, Meta(ge=0, le=5)] = 0.5
    """Standard deviation of one fiducial along one axis of a portal picture."""
    flex_mm: Annotated[float, Meta(ge=0, le=10)] = 1.0
    """How far the picture of a single imager shifts while the gantry turns; it is calibrated."""
    fiducials_mm: Annotated[tuple[Triple, ...], Meta(min_length=1, max_length=12)] = (
        (0.0, 12.0, 4.0),
        (9.0, -6.0, -3.0),
        (-8.0, -5.0, 6.0),
    )
    """Where the fiducials really are, from the target's reference point, in the patient frame."""


class RoomActuator(ScenarioSettings, frozen=True, kw_only=True):
    """The treatment machine: dead time, then a second-order follower inside its own limits."""

    kind: str = "couch"
    """A name of the table `sim.machines`."""
    latency_ms: Annotated[float, Meta(ge=1, le=1000)] = 150.0
    """Demand to motion for slow signals: dead time plus 2 damping / natural frequency.
    Couch 150 ms, robot 115 ms: of the size that published couch and robot systems report."""
    dead_time_ms: Annotated[float, Meta(ge=0, le=1000)] = 20.0
    damping: Annotated[float, Meta(ge=0.3, le=2)] = 0.8
    speed_mm_s: Annotated[float, Meta(gt=0, le=1000)] = 20.0
    acceleration_mm_s2: Annotated[float, Meta(gt=0, le=20_000)] = 200.0
    stroke_mm: Annotated[float, Meta(gt=0, le=1000)] = 100.0
    """End stops, per axis from the start pose."""
    status_hz: Annotated[float, Meta(ge=1, le=1000)] = 100.0
    status_delay_ms: Milliseconds = 5.0
    encoder_noise_mm: Annotated[float, Meta(ge=0, le=1)] = 0.01


class RoomLinac(ScenarioSettings, frozen=True, kw_only=True):
    """The twin of what reports the angles of the treatment machine and its monitor units."""

    enabled: bool = False
    """Whether it reports; the machine stands or turns in any case."""
    gantry_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    """Where the gantry is at the start (IEC 61217)."""
    gantry_deg_s: Annotated[float, Meta(ge=-120, le=120)] = 0.0
    """How fast it turns."""
    arc_deg: Annotated[float, Meta(ge=0, le=720)] = 0.0
    """After so many degrees it turns back; 0: it goes on in one direction."""
    collimator_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    table_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    source_mm: Annotated[float, Meta(ge=300, le=5000)] = 1000.0
    """Distance of the source from the isocentre."""
    dose_rate_mu_min: Annotated[float, Meta(ge=0, le=10_000)] = 600.0
    """Monitor units per minute of beam."""
    status_hz: Annotated[float, Meta(ge=1, le=1000)] = 50.0
    status_delay_ms: Milliseconds = 20.0
    noise_deg: Annotated[float, Meta(ge=0, le=10)] = 0.02
    """Standard deviation of a reported angle of the gantry."""


ROBOT = RoomActuator(
    kind="robot",
    latency_ms=115.0,
    dead_time_ms=15.0,
    speed_mm_s=200.0,
    acceleration_mm_s2=2000.0,
    stroke_mm=300.0,
)
"""A robot that carries the beam, for configurations and tests."""


GIMBAL = RoomActuator(
    kind="gimbal",
    latency_ms=50.0,
    dead_time_ms=10.0,
    speed_mm_s=120.0,
    acceleration_mm_s2=3000.0,
    stroke_mm=45.0,
)
"""A gimbal that pans and tilts the linac."""
MLC = RoomActuator(
    kind="mlc",
    latency_ms=146.0,
    dead_time_ms=50.0,
    speed_mm_s=36.0,
    acceleration_mm_s2=1000.0,
    stroke_mm=60.0,
)
"""A multileaf collimator."""
JAWS = RoomActuator(
    kind="jaws",
    latency_ms=630.0,
    dead_time_ms=550.0,
    speed_mm_s=36.0,
    acceleration_mm_s2=1000.0,
    stroke_mm=30.0,
)
"""Jaws and binary leaves of a helical unit: its latency is mostly that of the whole chain."""


class RoomGate(ScenarioSettings, frozen=True, kw_only=True):
    """The beam gate's twin; it ends the lease itself."""

    on_delay_ms: Milliseconds = 3.37
    """Permit to beam. Linac trigger at 6 MV, Shepard et al. 2018; a whole chain takes longer."""
    off_delay_ms: Milliseconds = 1.45
    """Hold, or end of lease, to no beam. Same source."""
    status_hz: Annotated[float, Meta(ge=1, le=1000)] = 50.0
    status_delay_ms: Milliseconds = 5.0


Twin = Literal[
    "camera",
    "belt",
    "imager",
    "actuator",
    "gate",
    "linac",
    "patient",
    "controller",
    "recorder",
    "plan",
]

MishapKind = Literal[
    "loss", "freeze", "delay", "reorder", "duplicate", "garbage", "clock_step", "noise",
    "unit_error", "occlusion", "complaint", "stall", "runaway", "lag", "stuck_on", "stuck_off",
    "no_shot", "migration", "fiducial_lost", "cough", "shift", "target_shift", "hold",
    "bias", "slip", "skew", "bursts", "clock_drift", "marker_swap", "fiducial_swap", "frame_error",
    "apnoea", "sigh", "period_jump", "phase_shift", "target_drift", "chest_drift", "sag",
    "stalled_loop", "killed", "no_disk", "wrong_patient",
]  # fmt: skip


class Mishap(ScenarioSettings, frozen=True, kw_only=True):
    """Something goes wrong with one twin from ``at_s`` for ``duration_s``.

    What each kind does to which twin, and what ``size`` means, is the table in `sim.mishaps`.
    """

    kind: MishapKind
    on: Annotated[str, Meta(min_length=1, max_length=40)]
    """A twin, or the name of a further source."""
    at_s: Seconds
    duration_s: Seconds = 1.0
    size: Annotated[float, Meta(ge=-1e9, le=1e9)] = 1.0
    which: Annotated[int, Meta(ge=0, le=11)] = 0
    """Which marker or fiducial, counted from 0."""


class RoomScenario(ScenarioSettings, frozen=True, kw_only=True):
    """The whole simulated room, one field a part of it."""

    duration_s: Annotated[float, Meta(gt=0, le=86_400)] = 240.0
    """Length of a run with a generated breath; a recording is played to its own end."""
    patient: RoomPatient = RoomPatient()
    camera: RoomCamera = RoomCamera()
    belt: RoomBelt = RoomBelt()
    imager: RoomImager = RoomImager()
    actuator: RoomActuator = RoomActuator()
    gate: RoomGate = RoomGate()
    linac: RoomLinac = RoomLinac()
    mishaps: tuple[Mishap, ...] = ()
    sources: dict[str, SourceTwinSettings] = {}
    """The twins of further surrogate sources by name, each of a kind in `sim.source_twins`. A
    source that is not here has a twin that is as the controller believes it to be."""

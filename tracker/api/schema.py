"""Define the published, versioned schema: the records of subscribers and the requests.

Everything is JSON of these records, one message a record, tagged with its type. A field is added
with a default and `VERSION` stays; anything else raises it. Times are nanoseconds of the
run, positions millimetres in the patient frame (+X left, +Y superior, +Z anterior) relative to
the reference position, covariances upper triangles (xx, xy, xz, yy, yz, zz) in mm2.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

VERSION = 1


class Role(StrEnum):
    """The role of the client that asks; `tracker.api.roles` lists what each may ask for."""

    OBSERVER = "observer"
    OPERATOR = "operator"
    PHYSICIST = "physicist"
    SERVICE = "service"
    PATIENT = "patient"
    """A screen that the patient sees: it shows the breathing, and may ask for nothing."""


KEY_ROLES = (Role.OBSERVER, Role.OPERATOR, Role.PHYSICIST, Role.SERVICE)
"""The roles that a program's key can have; the patient's screen is a page and needs a token."""


class Record(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The fields that every published record has."""


class Beam(msgspec.Struct, frozen=True, kw_only=True):
    """The beam: is it permitted by the controller, and what does the gate read back."""

    permitted: bool
    until_ns: int | None = None
    on: bool | None = None


class Surrogate(msgspec.Struct, frozen=True, kw_only=True):
    """The fused breathing signal and the age of its newest sample."""

    amplitude_mm: float
    velocity_mm_s: float
    sigma_mm: float
    age_ms: float


class BeamWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Gating by plan, since its last change: whether it lets the beam on, and if not, why."""

    open: bool
    why: str = ""
    """``gating window`` or ``breath hold``; empty while it is open."""
    detail: str = ""
    """Value and limit at the change, or the step of the breath hold."""
    since_ns: int


class BreathingGuide(msgspec.Struct, frozen=True, kw_only=True):
    """What the patient is asked to do: where the breathing amplitude should be, and how long."""

    asks: Literal["breathe", "hold", "rest"] = "breathe"
    low_mm: float
    high_mm: float
    """The window of the breathing amplitude."""
    remaining_s: float | None = None
    """Time until the breath may go, or until the rest ends; ``None``: no countdown."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A position at ``at_ns``, now or later, with its covariance and 95 % radius."""

    at_ns: int
    position_mm: tuple[float, float, float]
    covariance_mm2: tuple[float, float, float, float, float, float]
    radius95_mm: float


class ActiveFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that is active: its hazard, reaction, the operator's sentence, value and limit."""

    name: str
    hazard: str
    reaction: str
    sentence: str
    detail: str
    since_ns: int
    latched: bool


class DeviceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One device: link, rate and age of its messages, its delay and loss over the last seconds."""

    device: str
    role: str
    up: bool
    detail: str = ""
    rate_hz: float = 0.0
    age_ms: float | None = None
    latency_ms: float | None = None
    lost_share: float = 0.0
    bad: int = 0


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """The duration of one processing step over the last seconds, and the number of its runs."""

    name: str
    p50_ms: float
    p99_ms: float
    count: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon itself, over its last seconds; what ends in ``_total`` is since its start."""

    tick_hz: float
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    skipped_ticks: int
    recording: bool
    journal_queue: int = 0
    """Bytes given to the recorder that are not yet confirmed as written."""
    disk_free_bytes: int | None = None
    hops: tuple[Hop, ...] = ()
    ticks_total: int = 0
    holds_total: int = 0
    faults_total: int = 0
    bad_samples_total: int = 0
    samples_total: int = 0
    accepted_total: dict[str, int] = {}
    """Requests obeyed, by the role of the client."""
    refused_total: dict[str, int] = {}
    """Requests refused, by role; ``unknown`` where the role was not readable."""
    published_total: int = 0
    resident_bytes: int | None = None


class State(Record, frozen=True, kw_only=True):
    """Topic ``state``, 20 times a second: everything a display needs to be right at once."""

    version: int = VERSION
    run_id: str
    """Identifies the run; each run of the daemon has its own."""
    sequence: int
    t_ns: int
    wall: str
    """UTC, ISO 8601."""
    patient_id: str
    plan_id: str
    session: str
    """State of the session table."""
    allowed: tuple[str, ...]
    """Requests the session table and the active faults allow now, whatever the asker's role."""
    next_step: str
    """The next step for the operator, in one sentence."""
    beam: Beam
    surrogate: Surrogate | None = None
    estimate: Place | None = None
    prediction: Place | None = None
    tolerance_mm: float
    demand_mm: tuple[float, float, float] | None = None
    """The point of the patient that the beam meets once the demand is fulfilled."""
    actuator_mm: tuple[float, float, float] | None = None
    """The point of the patient that the beam meets now, by the encoders of the machine."""
    faults: tuple[ActiveFault, ...] = ()
    devices: tuple[DeviceHealth, ...] = ()
    health: Health
    window: BeamWindow | None = None
    """What gating by plan does with the beam; ``None``: there is none, or nothing is tracked."""
    guide: BreathingGuide | None = None
    """What the patient's screen asks for; ``None``: breathe as usual."""
    page: str = ""
    """Address of the console page that the run itself serves; empty: it serves none."""


class ModelShot(msgspec.Struct, frozen=True, kw_only=True):
    """One shot of the model: surrogate then, target as seen, residual before it was learned."""

    shot_id: int
    exposed_ns: int
    amplitude_mm: float
    position_mm: tuple[float, float, float]
    residual_mm: tuple[float, float, float] | None
    used: bool


class Model(Record, frozen=True, kw_only=True):
    """Topic ``model``, at each refit and every 2 s: the correlation model and its shots."""

    t_ns: int
    kinds: tuple[str, str, str]
    loo_rms_mm: tuple[float, float, float]
    phase_coverage: float
    shots: tuple[ModelShot, ...]
    curve_amplitude_mm: tuple[float, ...]
    curve_inhale_mm: tuple[tuple[float, float, float], ...]
    curve_exhale_mm: tuple[tuple[float, float, float], ...]


class Said(Record, frozen=True, kw_only=True):
    """Topic ``log``: one line of the event log (session changes, faults, notices, requests)."""

    t_ns: int
    level: str
    """info, warning or alarm."""
    text: str


Published = State | Model | Said

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]*$")]
Identity = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")
]
"""Words without control characters: they are written into logs."""


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """A request: ``name`` is one of the session's requests or ``status``, ``end``.

    ``role`` is what the asker acts as; its key must be allowed it. ``nonce`` was never used
    before with this key.
    """

    version: int = VERSION
    request_id: Identity
    nonce: Annotated[str, Meta(min_length=16, max_length=64)]
    run_id: Identity
    """The run the request is meant for; any other run refuses it."""
    name: Name
    role: Role
    who: Identity
    """The name of the person, which is recorded."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to a request: whether it was obeyed, and if not, why and what to do."""

    version: int = VERSION
    request_id: str
    accepted: bool
    reason: str = ""
    state: str = ""


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Asks which run answers; `Welcome` is the answer. A known key is enough."""

    version: int = VERSION


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The run that answers, and the roles of the key that asked."""

    version: int = VERSION
    run_id: str
    program: str
    roles: tuple[Role, ...]
    publish_port: int = 0
    """The address at which the state is published, on the host that answers."""

"""Events besides samples that the controller handles, and the commands it sends to devices."""

from __future__ import annotations

import msgspec

from hal.messages import (
    ActuatorStatus,
    BadSample,
    BeamStatus,
    BeltSample,
    FiducialShot,
    LinacStatus,
    MarkerFrame,
    ProjectionShot,
    SurfaceFrame,
    Triple,
)


class Tick(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A tick of the controller: it was due at ``due_ns`` and came at ``t_ns``."""

    t_ns: int
    due_ns: int


class LinkChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A device's link went up or down, and why."""

    device: str
    t_ns: int
    up: bool
    detail: str = ""


class RecordingState(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Whether events reach the disk; ``detail`` says why they do not. Sent at each change."""

    t_ns: int
    ok: bool
    detail: str = ""


class Identity(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Patient and plan as the room announces them; an empty field was not announced.

    ``orientation`` is the plan's (HFS, …), ``model_sha256`` the predictor it was approved with.
    """

    t_ns: int
    patient_id: str
    plan_id: str
    orientation: str = ""
    model_sha256: str = ""


class Request(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A request to the session: model, expose, start, hold, resume, stop or reset."""

    t_ns: int
    name: str
    who: str = "operator"
    request_id: str = ""


Event = (
    MarkerFrame
    | BeltSample
    | SurfaceFrame
    | FiducialShot
    | ProjectionShot
    | ActuatorStatus
    | BeamStatus
    | BadSample
    | Tick
    | LinkChanged
    | RecordingState
    | Identity
    | Request
    | LinacStatus
)


class SendDemand(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Move the treatment machine to ``position_mm``, along its own axes.

    For couch and robot these are those of the fixed frame, for a gimbal, MLC or jaws those of the
    beam's-eye view: across, along, and 0 along the beam.
    """

    t_ns: int
    device: str
    position_mm: Triple


class SendPermit(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The beam may be on until ``until_ns``.

    The gate switches it off then unless the permit is renewed.
    """

    t_ns: int
    device: str
    until_ns: int


class SendHold(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Switch the beam off now."""

    t_ns: int
    device: str
    reasons: tuple[str, ...]


class SendExpose(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Take one X-ray shot now, a pair or a projection; the answer carries the same ``shot_id``."""

    t_ns: int
    device: str
    shot_id: int


class SendStop(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Stop all motion of the machine at once."""

    t_ns: int
    device: str


Command = SendDemand | SendPermit | SendHold | SendExpose | SendStop
"""Everything the controller sends to a device. All other outputs are for people."""

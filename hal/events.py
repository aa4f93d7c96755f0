"""What moves the controller besides samples, and what it asks of the devices in return."""

from __future__ import annotations

import msgspec

from hal.messages import (
    ActuatorStatus,
    BadSample,
    BeamStatus,
    BeltSample,
    FiducialShot,
    MarkerFrame,
    Triple,
)


class Tick(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The controller's turn: it was due at ``due_ns`` and came at ``t_ns``."""

    t_ns: int
    due_ns: int


class LinkChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A device's link went up or down, and why."""

    device: str
    t_ns: int
    up: bool
    detail: str = ""


class RecordingState(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Events reach the disk, or do not and ``detail`` says why; told at each change."""

    t_ns: int
    ok: bool
    detail: str = ""


class Identity(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Who lies on the couch and by which plan, as the room says; empty fields are not told.

    ``orientation`` is the plan's (HFS, …), ``model_sha256`` the predictor it was approved with.
    """

    t_ns: int
    patient_id: str
    plan_id: str
    orientation: str = ""
    model_sha256: str = ""


class Request(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Somebody asks something of the session: model, expose, start, hold, resume, stop, reset."""

    t_ns: int
    name: str
    who: str = "operator"
    request_id: str = ""


Event = (
    MarkerFrame
    | BeltSample
    | FiducialShot
    | ActuatorStatus
    | BeamStatus
    | BadSample
    | Tick
    | LinkChanged
    | RecordingState
    | Identity
    | Request
)


class SendDemand(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Move couch or robot to ``position_mm`` (fixed frame)."""

    t_ns: int
    device: str
    position_mm: Triple


class SendPermit(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The beam may be on until ``until_ns``; unless renewed, the gate takes it away itself."""

    t_ns: int
    device: str
    until_ns: int


class SendHold(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Take the beam away now."""

    t_ns: int
    device: str
    reasons: tuple[str, ...]


class SendExpose(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Take one stereo X-ray pair now; the answer carries the same ``shot_id``."""

    t_ns: int
    device: str
    shot_id: int


class SendStop(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Stop all motion of couch or robot at once."""

    t_ns: int
    device: str


Command = SendDemand | SendPermit | SendHold | SendExpose | SendStop
"""What leaves the controller towards a device; everything else it returns is for people."""

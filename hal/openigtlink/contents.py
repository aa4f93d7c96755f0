"""The contents of OpenIGTLink messages as types; lengths in millimetres, frames of the sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hal.messages import Triple

Matrix = tuple[float, ...]
"""Twelve numbers in the wire's order: R11 R21 R31 R12 R22 R32 R13 R23 R33 X Y Z."""
Quaternion = tuple[float, float, float, float]
"""x, y, z, w."""
Form = Literal["TDATA", "QTDATA"]

UPRIGHT: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)

TRACKER, SIX_D, THREE_D, FIVE_D = 1, 2, 3, 4
"""Kinds of tool: the tracker itself, all six degrees, position only, position and axis."""

STATUS_WORDS = {
    0: "invalid",
    1: "OK",
    2: "unknown error",
    3: "panic",
    4: "not found",
    5: "access denied",
    6: "busy",
    7: "time-out or connection lost",
    8: "overflow",
    9: "checksum error",
    10: "configuration error",
    11: "not enough resource",
    12: "not implemented",
    13: "not ready",
    14: "manual mode",
    15: "disabled",
    16: "not present",
    17: "unknown version",
    18: "hardware failure",
    19: "shutting down",
}


def at(position_mm: Triple) -> Matrix:
    """Return the matrix of a position without rotation."""
    return (*UPRIGHT[:9], *position_mm)


def position_of(matrix: Matrix) -> Triple:
    """Return the position a matrix holds."""
    return (matrix[9], matrix[10], matrix[11])


@dataclass(frozen=True, slots=True)
class Transform:
    """TRANSFORM: one pose; its device name tells of what in which frame."""

    matrix: Matrix


@dataclass(frozen=True, slots=True)
class Position:
    """POSITION: the same, short; without quaternion no rotation is sent."""

    position_mm: Triple
    quaternion: Quaternion | None = None


@dataclass(frozen=True, slots=True)
class IgtlTool:
    """One row of TDATA."""

    name: str
    matrix: Matrix
    kind: int = THREE_D


@dataclass(frozen=True, slots=True)
class TrackingData:
    """TDATA: every tool seen at one moment; an invisible one is left out."""

    tools: tuple[IgtlTool, ...]


@dataclass(frozen=True, slots=True)
class QuaternionTool:
    """One row of QTDATA."""

    name: str
    position_mm: Triple
    quaternion: Quaternion
    kind: int = SIX_D


@dataclass(frozen=True, slots=True)
class QuaternionData:
    """QTDATA: as TDATA, with quaternions."""

    tools: tuple[QuaternionTool, ...]


@dataclass(frozen=True, slots=True)
class StartTracking:
    """STT_…: push data every ``resolution_ms`` (0: as fast as possible) in those coordinates."""

    form: Form
    resolution_ms: int = 0
    coordinates: str = ""


@dataclass(frozen=True, slots=True)
class StopTracking:
    """STP_…: push no more."""

    form: Form


@dataclass(frozen=True, slots=True)
class TrackingAnswer:
    """RTS_…: whether the request was accepted."""

    form: Form
    accepted: bool


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS: a code (`STATUS_WORDS`; 1 is OK), a subcode of the sender's, and words."""

    code: int
    subcode: int = 0
    error_name: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class IgtlText:
    """STRING."""

    text: str


@dataclass(frozen=True, slots=True)
class Sensor:
    """SENSOR: up to 255 numbers in a unit (0: none)."""

    values: tuple[float, ...]
    status: int = 0
    unit: int = 0


Content = (
    Transform
    | Position
    | TrackingData
    | QuaternionData
    | StartTracking
    | StopTracking
    | TrackingAnswer
    | Status
    | IgtlText
    | Sensor
)

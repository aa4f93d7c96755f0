"""The messages of the room's devices: frozen records with the unit in every name.

Every message carries ``device`` (the name the configuration gives the device) and ``t_ns``,
the host's stamp at arrival: nanoseconds since the start of the run. ``ticks`` is the device's
own counter, as it came; mapping it to host time is the controller's work, not the driver's.
Every value in a message is finite: a driver that decodes anything else reports `BadSample`.
"""

from __future__ import annotations

import math

import msgspec

Triple = tuple[float, float, float]
"""x, y, z in millimetres, in the reporting device's frame."""
Pair = tuple[float, float]
"""Two coordinates in a picture."""


class Message(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Common to everything a device reports."""

    device: str
    t_ns: int


class MarkerFrame(Message, frozen=True, gc=False, tag=True):
    """One exposure of the marker camera: every marker, in the camera's frame.

    ``ticks`` counts frames. A marker the camera did not see is ``None``. ``errors_mm`` is the
    camera's own estimate of each marker's error (empty: it gives none).
    """

    ticks: int
    markers_mm: tuple[Triple | None, ...]
    errors_mm: tuple[float, ...] = ()


class BeltSample(Message, frozen=True, gc=False, tag=True):
    """One sample of the breathing belt, in arbitrary units (counts or volts)."""

    ticks: int
    value_au: float


class SurfaceFrame(Message, frozen=True, gc=False, tag=True):
    """One exposure of the surface camera: patches of the skin, in the camera's frame.

    ``ticks`` counts pictures. ``patches_mm`` holds the middle of each patch, moved along the
    normal of the patch by its displacement; a patch that is covered, torn by an edge or too noisy
    is ``None``. ``errors_mm`` holds the standard deviation of each displacement, 0 for ``None``.
    """

    ticks: int
    patches_mm: tuple[Triple | None, ...]
    errors_mm: tuple[float, ...]


class FiducialShot(Message, frozen=True, gc=False, tag=True):
    """One stereo X-ray pair, located: every fiducial in the fixed frame (IEC 61217).

    ``ticks`` is the exposure moment in nanoseconds of the imager's clock. A fiducial not found
    is ``None``. ``shot_id`` repeats the number of the request that caused the exposure.
    """

    ticks: int
    shot_id: int
    fiducials_mm: tuple[Triple | None, ...]


class ProjectionShot(Message, frozen=True, gc=False, tag=True):
    """One X-ray projection: every fiducial as one imager sees it, and from where it was seen.

    ``ticks`` and ``shot_id`` are as of a `FiducialShot`. ``projection`` holds the 12 numbers, row
    by row, of the matrix (3 x 4) that takes the fixed frame (mm) to the picture, calibrated for the
    angle of this exposure: (p, q, s) = matrix (x, y, z, 1), and p / s and q / s are the coordinates
    of ``fiducials_mm`` (mm, scaled to the isocentre). A fiducial not found is ``None``.
    ``angle_deg`` is where the source stood (IEC 61217), for a person. ``noise_mm`` is the standard
    deviation of one fiducial's coordinate; 0: it is as configured. A picture that nobody asked for,
    as of the treatment beam, has the number 0.
    """

    ticks: int
    shot_id: int
    projection: tuple[float, ...]
    fiducials_mm: tuple[Pair | None, ...]
    angle_deg: float
    noise_mm: float = 0.0


class ActuatorStatus(Message, frozen=True, gc=False, tag=True):
    """Position of the machine by its own encoders, in the fixed frame.

    ``fault`` is the fault that the device itself reports, empty when there is none.
    """

    position_mm: Triple
    fault: str = ""


class BeamStatus(Message, frozen=True, gc=False, tag=True):
    """The gate's read-back: whether the beam is on, and whether the lease ran out by itself."""

    on: bool
    lapsed: bool = False


class LinacStatus(Message, frozen=True, gc=False, tag=True):
    """Angles of the treatment machine after IEC 61217, in degrees, and the delivered dose.

    ``monitor_units`` counts from the start of the beam; ``None``: the device does not tell.
    """

    gantry_deg: float
    collimator_deg: float
    table_deg: float
    monitor_units: float | None = None


class BadSample(Message, frozen=True, gc=False, tag=True):
    """Data that cannot be used as a sample: what is wrong, and the value.

    ``clock``: the device's clock was set by much, and nothing else is wrong with the sample.
    """

    what: str
    value: str
    clock: bool = False


Sample = (
    MarkerFrame
    | BeltSample
    | SurfaceFrame
    | FiducialShot
    | ProjectionShot
    | ActuatorStatus
    | BeamStatus
    | LinacStatus
    | BadSample
)


def is_finite(values: Triple) -> bool:
    """Tell whether all three coordinates are finite numbers."""
    return math.isfinite(values[0]) and math.isfinite(values[1]) and math.isfinite(values[2])

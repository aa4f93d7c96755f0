"""A marker camera as a surrogate source: points on the chest, brought into the patient frame.

Every marker of every frame comes through `MarkerSource.receive`, so it writes out the conversions
of `tracker.core.frames` (camera to fixed, fixed to table, table to patient) in the same order of
operations instead of calling them; a test holds both against each other, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from hal.messages import MarkerFrame, Triple, is_finite
from tracker.core.frames import CameraPose, TablePoint, table_to_patient
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.settings_record import Name
from tracker.core.surrogate.sources.record import SampleRecord
from tracker.core.surrogate.sources.source import (
    Direction,
    Reading,
    SourceKind,
    SourceLimits,
    SourceSettings,
)
from tracker.core.surrogate.sources.traits import Form, SourceTraits

_AT_REST: Triple = (0.0, 0.0, 0.0)
_COMPARABLE_S = 0.1
"""Two frames farther apart in time say nothing of a marker's speed."""
_NOISE_OF_SPEED = 4.0 * 2.45
"""Camera noise alone makes a speed of sqrt(6) sigma / dt; four times that is not breathing."""
_NAN = math.nan
_UNSEEN = (_NAN, _NAN, _NAN)


class Camera(SourceSettings, frozen=True, kw_only=True):
    """The marker camera and where it hangs."""

    device: Name = "camera"
    rate_hz: Annotated[float, Meta(ge=5, le=500)] = 60.0
    delay_ms: Annotated[float, Meta(ge=0, le=500)] = 20.0
    """Exposure to arrival; the regression of ticks on arrivals cannot see a constant."""
    noise_mm: Annotated[float, Meta(gt=0, le=5)] = 0.1
    position_mm: Triple = (0.0, -2000.0, 1500.0)
    """Origin of the camera frame in the fixed frame."""
    rotation_deg: Triple = (180.0, 0.0, 0.0)
    """Camera frame to fixed frame: turned about X, then Y, then Z of the fixed frame."""
    reach_mm: Annotated[float, Meta(gt=0, le=2000)] = 500.0
    """Hazard H05: a marker on the patient lies no further from the isocentre; with a wrong sign,
    axis or angle of the pose it seems to be a metre away."""


class MarkerSource:
    """Judges the frames of one camera: frozen, impossible, out of order, faster than breathing."""

    def __init__(self, settings: Camera, limits: SourceLimits) -> None:
        """Start with an unknown clock and no directions."""
        self.traits = SourceTraits(
            settings.device, Form.POINTS, settings.rate_hz, settings.noise_mm
        )
        self.record = SampleRecord(self.traits, settings.delay_ms)
        self._reach_mm = settings.reach_mm
        self._speed_mm_s = limits.speed_mm_s
        self._envelope_mm = limits.envelope_mm
        self._noise_of_speed = _NOISE_OF_SPEED * settings.noise_mm
        pose = CameraPose.of(settings.position_mm, settings.rotation_deg)
        signs = table_to_patient(TablePoint((1.0, 1.0, 1.0)), limits.orientation)
        self._to_fixed = (*pose.rows, pose.origin)
        self._signs: Triple = signs
        self._learned: tuple[Direction, ...] = ()
        self._last_markers: tuple[Triple | None, ...] | None = None
        self._last_positions: list[Triple | None] = []
        self._last_exposure_ns = 0
        self._misplaced = ""

    @property
    def misplaced(self) -> str:
        """Return which marker lies where no patient can be (H05); empty when none does."""
        return self._misplaced

    def receive(self, message: MarkerFrame, couch: ActuatorTrack | None) -> Reading | None:
        """Judge one frame and bring its markers into the patient frame; ``None``: not usable."""
        markers, record = message.markers_mm, self.record
        frozen = record.count(
            repeated=markers == self._last_markers and any(m is not None for m in markers)
        )
        self._last_markers = markers
        t_ns = record.stamp(message.ticks, message.t_ns)
        if t_ns is None:
            return None
        moved = _AT_REST if couch is None else couch.at(t_ns)
        if moved is None:
            return None
        values = self._in_patient(message, t_ns, moved)
        if values is None or frozen or len(values) < len(self._learned):
            return None
        return t_ns, values

    def _in_patient(self, frame: MarkerFrame, t_ns: int, moved: Triple) -> list[float] | None:
        """Return displacements, or coordinates while learning; ``None`` for impossible values."""
        learned, last = self._learned, self._last_positions
        known, farthest = len(learned), self._envelope_mm
        comparable, fastest = 0, 0.0
        dt = (t_ns - self._last_exposure_ns) * 1e-9
        if 0.0 < dt < _COMPARABLE_S:
            comparable = len(last)
            fastest = self._speed_mm_s + self._noise_of_speed / dt
        (a, b, c), (d, e, f), (g, h, i), (ox, oy, oz) = self._to_fixed
        mx, my, mz = moved
        sx, sy, sz = self._signs
        positions: list[Triple | None] = []
        values: list[float] = []
        for index, marker in enumerate(frame.markers_mm):
            if marker is None:
                positions.append(None)
                if index < known:
                    values.append(_NAN)
                elif not known:
                    values += _UNSEEN
                continue
            x, y, z = marker
            if not (math.isfinite(x + y + z) or is_finite(marker)):
                self.record.refuse(frame.t_ns, f"marker {index + 1} is {marker}")
                return None
            px = sx * (a * x + b * y + c * z + ox - mx)
            py = sy * (d * x + e * y + f * z + oy - my)
            pz = sz * (g * x + h * y + i * z + oz - mz)
            position = (px, py, pz)
            if index < known:
                rest, (ux, uy, uz) = learned[index]
                distance = math.dist(position, rest)
                if distance > farthest:
                    self.record.refuse(
                        frame.t_ns,
                        f"marker {index + 1} is {distance:.0f} mm from rest, limit {farthest:g} mm",
                    )
                    return None
                rx, ry, rz = rest
                values.append((px - rx) * ux + (py - ry) * uy + (pz - rz) * uz)
            elif not known:
                values += position
            before = last[index] if index < comparable else None
            if before is not None:
                speed = math.dist(position, before) / dt
                if speed > fastest:
                    self.record.too_fast(
                        frame.t_ns,
                        f"marker {index + 1} at {speed:.0f} mm/s, limit {self._speed_mm_s:g} mm/s",
                    )
            positions.append(position)
        self._last_positions = positions
        self._last_exposure_ns = t_ns
        return values

    def displacements(self, values: Sequence[float]) -> Sequence[float]:
        """Return each marker's displacement (mm) along its direction, NaN for an unseen one."""
        found: list[float] = []
        for index, ((rx, ry, rz), (ux, uy, uz)) in enumerate(self._learned):
            px, py, pz = values[3 * index : 3 * index + 3]
            found.append((px - rx) * ux + (py - ry) * uy + (pz - rz) * uz)
        return found

    def use(self, directions: tuple[Direction, ...]) -> None:
        """Give displacements along these directions from now on."""
        self._learned = directions
        limit = self._reach_mm
        for number, (rest, _) in enumerate(directions, 1):
            away = math.hypot(*rest)
            if away > limit:
                self._misplaced = (
                    f"{self.record.device}: marker {number} lies {away:.0f} mm from the "
                    f"isocentre, limit {limit:g} mm"
                )

    def forget(self) -> None:
        """Forget the directions and what was said of where the markers lie."""
        self._learned = ()
        self._misplaced = ""


def _some_marker(frame: MarkerFrame) -> bool:
    """Return whether at least one marker was seen."""
    return any(frame.markers_mm)


MARKERS = SourceKind("markers", MarkerFrame, Camera, MarkerSource, _some_marker)

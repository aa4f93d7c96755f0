"""Put estimate, prediction and beam side by side, at every moment and at every image.

Everything is in the patient frame, mm, and comes from the journal alone: no truth is needed.
At an image the total error is measured directly:

    image - beam = (image - estimate) + (estimate - prediction) + (prediction - beam)

``estimate`` is what the controller said before the model learned the image; image - estimate is
the residual that the controller itself recorded. It contains the error of localisation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.frames import PatientPoint, beams_eye_rows, patient_to_table
from tracker.core.machine.geometry import MachineAngles
from tracker.core.machine.kinds.table import MACHINE_KINDS, machine_kind
from tracker.core.settings import Controller
from tracker.report.errors import interpolated
from tracker.report.physicist.gathered import GatheredSession
from tracker.report.records import Table

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

_DEFAULTS = Controller()


class BeamsEye(NamedTuple):
    """The beam's-eye axes in the patient frame: one for all moments, or one a moment.

    ``rows`` has the shape (3, 3) or (n, 3, 3): across, along, toward the source. ``source`` says
    where the angles come from.
    """

    rows: Vector
    source: str

    def seen(self, vectors: Table) -> Table:
        """Return the components across and along the beam's-eye view, shape (n, 2)."""
        if self.rows.ndim == 2:
            return vectors @ self.rows[:2].T
        return np.einsum("nij,nj->ni", self.rows[:, :2], vectors)


class BeamTrack(NamedTuple):
    """Errors at some moments, in the patient frame; NaN where the journal has no value.

    ``target`` is the image's or the estimate's position, ``beam`` where the beam was.
    """

    t_ns: Vector
    target: Table
    beam: Table
    correlation: Table
    """Image - estimate; at moments without an image NaN."""
    prediction: Table
    machine: Table
    total: Table
    beam_on: Mask
    view: BeamsEye | None


def track_at_images(session: GatheredSession) -> BeamTrack:
    """Return the errors at the images that were exposed while tracking, with beam on."""
    records = session.records
    start_ns = np.inf if records.tracking_ns is None else records.tracking_ns
    shots = [
        shot
        for shot in records.observations
        if shot.residual_mm is not None and start_ns <= shot.exposed_ns <= records.stopped_ns
    ]
    t_ns = np.array([shot.exposed_ns for shot in shots], dtype=np.float64)
    image = np.array([shot.position_mm for shot in shots], dtype=np.float64).reshape(-1, 3)
    residual = np.array([shot.residual_mm for shot in shots], dtype=np.float64).reshape(-1, 3)
    return _track(session, t_ns, image, residual)


def track_by_estimate(session: GatheredSession) -> BeamTrack:
    """Return the errors at every estimate while tracking; the correlation error is not in them."""
    records = session.records
    estimate = records.estimate
    start_ns = np.inf if records.tracking_ns is None else records.tracking_ns
    kept = (estimate[:, 0] >= start_ns) & (estimate[:, 0] <= records.stopped_ns)
    t_ns = estimate[kept, 0]
    return _track(session, t_ns, estimate[kept, 1:4], np.zeros((len(t_ns), 3)))


def track_against(session: GatheredSession, t_ns: Vector, target: Table) -> BeamTrack:
    """Return the errors against a target that is known otherwise, as a phantom's is."""
    return _track(session, t_ns, target, np.zeros((len(t_ns), 3)))


def _track(session: GatheredSession, t_ns: Vector, target: Table, correlation: Table) -> BeamTrack:
    records = session.records
    view = beams_eye(session, t_ns)
    estimate = target - correlation
    predicted = interpolated(records.prediction[:, 1:], t_ns)
    beam = _beam(session, t_ns, view)
    prediction, machine, total = estimate - predicted, predicted - beam, target - beam
    if _in_beams_eye(session) and view is not None:
        # Such a machine moves the beam across itself only; what lies along the beam is no error.
        prediction, machine, total, correlation = (
            _across(each, view) for each in (prediction, machine, total, correlation)
        )
    return BeamTrack(
        t_ns, target, beam, correlation, prediction, machine, total, _beam_on(session, t_ns), view
    )


def _across(vectors: Table, view: BeamsEye) -> Table:
    """Return the vectors without their part along the beam."""
    source = view.rows[2] if view.rows.ndim == 2 else view.rows[:, 2]
    along = np.sum(vectors * source, axis=1)
    return vectors - along[:, None] * source


def _in_beams_eye(session: GatheredSession) -> bool:
    kind = session.setting.actuator
    return kind in MACHINE_KINDS and MACHINE_KINDS[kind].in_beams_eye


def _beam(session: GatheredSession, t_ns: Vector, view: BeamsEye | None) -> Table:
    """Return where the beam was in the patient, from the machine's own read-back."""
    kind = session.setting.actuator
    nowhere = np.full((len(t_ns), 3), np.nan)
    if kind not in MACHINE_KINDS:
        return nowhere
    axes = machine_kind(kind).axes(session.setting.orientation, MachineAngles())
    if not any(axes.follows):
        return np.zeros((len(t_ns), 3))
    delay_ms = session.number("actuator", "status_delay_ms", _DEFAULTS.actuator.status_delay_ms)
    status = session.records.status.copy()
    status[:, 0] -= (delay_ms or 0.0) * 1e6
    met = interpolated(status, t_ns)
    if not MACHINE_KINDS[kind].in_beams_eye:
        units = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        return met @ np.array([axes.to_patient(each) for each in units])
    if view is None:
        return nowhere
    if view.rows.ndim == 2:
        return met @ view.rows
    return np.einsum("ni,nij->nj", met, view.rows)


def _beam_on(session: GatheredSession, t_ns: Vector) -> Mask:
    beam = session.records.beam
    if not len(beam):
        return np.zeros(len(t_ns), dtype=bool)
    index = np.searchsorted(beam[:, 0], t_ns, side="right") - 1
    return (index >= 0) & (beam[np.maximum(index, 0), 1] > 0.5)


def beams_eye(session: GatheredSession, t_ns: Vector) -> BeamsEye | None:
    """Return the beam's-eye axes at the moments: as the linac told, else as configured.

    ``None`` for a robot, whose beams come from directions that the journal does not hold.
    """
    signs = np.array(patient_to_table(PatientPoint((1.0, 1.0, 1.0)), session.setting.orientation))
    linac = session.linac
    if len(linac) >= 2:
        delay_ns = (session.number("linac", "delay_ms", _DEFAULTS.linac.delay_ms) or 0.0) * 1e6
        angles = [
            np.interp(t_ns, linac[:, 0] - delay_ns, np.unwrap(linac[:, 1 + k], period=360.0))
            for k in range(3)
        ]
        rows = np.array([beams_eye_rows(*each) for each in zip(*angles, strict=True)])
        return BeamsEye(rows.reshape(-1, 3, 3) * signs, "angles as the linac told them")
    if session.setting.actuator == "robot":
        return None
    fixed = [
        session.number("linac", key, 0.0) or 0.0
        for key in ("gantry_deg", "collimator_deg", "table_deg")
    ]
    return BeamsEye(
        np.array(beams_eye_rows(*fixed)) * signs,
        "angles as configured: gantry {:g}°, collimator {:g}°, table {:g}°".format(*fixed),
    )

"""Write a configuration for a plan: patient, plan, orientation, fiducials, machine's angles.

The controller's fixed frame has its origin at the isocentre, so the fiducials are written from the
isocentre. ``session.identify`` is true: the room must announce this patient and this plan (H22).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from hal.messages import Triple
from tracker.dicom.beam_angles import to_dicom
from tracker.dicom.dicom_error import DicomError
from tracker.dicom.plan_set import PlanSet
from tracker.dicom.planned_beams import SAME_DEG, PlannedBeam


def configuration_text(
    plan: PlanSet,
    beams: Sequence[PlannedBeam],
    fiducials_mm: Sequence[Triple],
    plan_id: str,
    extends: Path,
    out: Path,
    beam_number: int | None = None,
) -> str:
    """Return the configuration, which extends the room's; raises `DicomError`."""
    table: dict[str, Any] = {
        "extends": os.path.relpath(extends.resolve(), out.resolve().parent),
        "session": {
            "patient_id": plan.patient_id,
            "plan_id": plan_id,
            "orientation": plan.orientation,
            "identify": True,
        },
        "imager": {"fiducials_mm": [[round(v, 3) + 0.0 for v in each] for each in fiducials_mm]},
        "linac": _angles(beams, beam_number),
    }
    isocentre = ", ".join(f"{value:.2f}" for value in to_dicom(beams[0].isocentre_mm))
    lines = [
        "Made by tidetrack plan import. Fiducials are given from the isocentre, patient frame.",
        f"isocentre (DICOM, mm): {isocentre}",
        f"frame of reference: {plan.frame_uid or 'not given'}",
        f"RT Plan: {plan.label or 'without label'}, {plan.plan_uid}",
        *(f"beam {b.number}: gantry {b.angles.gantry_deg:g}, table {b.angles.table_deg:g} degrees"
          for b in beams),
        *(f"{each.modality} SHA-256 {each.sha256}" for each in plan.files if each.modality != "CT"),
    ]  # fmt: skip
    return "".join(f"# {line}\n" for line in lines) + tomli_w.dumps(table)


def _angles(beams: Sequence[PlannedBeam], number: int | None) -> dict[str, float]:
    """Return the angles to configure: one beam's, or those that all beams have."""
    if number is not None:
        found = [each for each in beams if each.number == number]
        if not found:
            known = ", ".join(str(each.number) for each in beams)
            raise DicomError(f"--beam {number}: the plan has the beams {known}")
        beams = found
    first = beams[0].angles
    shared: dict[str, float] = {}
    for key in ("gantry_deg", "collimator_deg", "table_deg"):
        values = [float(getattr(each.angles, key)) for each in beams]
        apart = [abs((v - values[0] + 180.0) % 360.0 - 180.0) for v in values]
        if max(apart) <= SAME_DEG:
            shared[key] = _plain(getattr(first, key))
        elif key == "table_deg":
            shown = ", ".join(f"{b.number}: {b.angles.table_deg:g}" for b in beams)
            raise DicomError(
                f"the beams have several table angles ({shown}); images and model hold for one:"
                " say --beam NUMBER, and make a configuration for each"
            )
    return shared


def _plain(angle_deg: float) -> float:
    """Return an angle from -180 to 180 degrees, without the dust of a conversion."""
    return round((angle_deg + 180.0) % 360.0 - 180.0, 3) + 0.0

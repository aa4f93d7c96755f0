"""A made-up plan as DICOM files: two fields, a target, a body, three fiducials, a dose, a CT slice.

Positions are in DICOM's axes (left, posterior, superior). The files hold what an import reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import (
    CTImageStorage,
    RTDoseStorage,
    RTPlanStorage,
    RTStructureSetStorage,
)

from tracker.dicom.dataset_parts import decimals, item, new_file, reference, sequence

FRAME, PLAN, STRUCTURES, IMAGE = "2.25.11", "2.25.12", "2.25.13", "2.25.14"
ISOCENTRE = (-60.0, -20.0, 115.0)
FIDUCIALS = ((-57.0, -24.0, 120.0), (-71.0, -13.0, 106.0), (-60.0, -26.5, 113.0))

Change = Callable[[dict[str, Any]], object]


def _start(sop_class: str, uid: str, modality: str) -> FileDataset:
    dataset = new_file(sop_class, uid)
    dataset.Modality, dataset.PatientID, dataset.FrameOfReferenceUID = modality, "PAT-7", FRAME
    return dataset


def control_point(index: int, weight: float, **more: Any) -> Dataset:
    return item(ControlPointIndex=index, CumulativeMetersetWeight=str(weight), **more)


def _jaws(x: tuple[float, float], y: tuple[float, float]) -> Any:
    return sequence(
        item(RTBeamLimitingDeviceType="ASYMX", LeafJawPositions=decimals(x)),
        item(RTBeamLimitingDeviceType="Y", LeafJawPositions=decimals(y)),
    )


def _beam(number: int, gantry: float, collimator: float, jaws: Any) -> Dataset:
    first = control_point(
        0, 0.0, NominalBeamEnergy="6", GantryAngle=str(gantry),
        BeamLimitingDeviceAngle=str(collimator), PatientSupportAngle="0",
        IsocenterPosition=decimals(ISOCENTRE), BeamLimitingDevicePositionSequence=jaws,
    )  # fmt: skip
    return item(
        BeamNumber=number, BeamName=f"F{number}", BeamType="STATIC", RadiationType="PHOTON",
        TreatmentDeliveryType="TREATMENT", ControlPointSequence=sequence(
            first, control_point(1, 1.0)
        ),
    )  # fmt: skip


def rt_plan() -> FileDataset:
    plan = _start(RTPlanStorage, PLAN, "RTPLAN")
    plan.RTPlanLabel = "LIVER"
    plan.PatientSetupSequence = sequence(item(PatientSetupNumber=1, PatientPosition="HFS"))
    plan.ReferencedStructureSetSequence = sequence(reference(RTStructureSetStorage, STRUCTURES))
    plan.DoseReferenceSequence = sequence(
        item(DoseReferenceNumber=1, DoseReferenceType="TARGET", TargetPrescriptionDose="45")
    )
    plan.FractionGroupSequence = sequence(
        item(
            FractionGroupNumber=1,
            NumberOfFractionsPlanned=3,
            ReferencedBeamSequence=sequence(
                item(ReferencedBeamNumber=1, BeamMeterset="300"),
                item(ReferencedBeamNumber=2, BeamMeterset="100"),
            ),
        )
    )
    plan.BeamSequence = sequence(
        _beam(1, 0.0, 0.0, _jaws((-18.0, 22.0), (-20.0, 20.0))),
        _beam(2, 90.0, 90.0, _jaws((-20.0, 20.0), (-20.0, 20.0))),
    )
    return plan


def _ring(left: float, posterior: float, superior: float, a: float, b: float) -> Dataset:
    flat: list[float] = []
    for k in range(48):
        t = 2.0 * math.pi * k / 48
        flat += [left + a * math.cos(t), posterior + b * math.sin(t), superior]
    return item(ContourGeometricType="CLOSED_PLANAR", ContourData=decimals(flat))


def rt_structures() -> FileDataset:
    structures = _start(RTStructureSetStorage, STRUCTURES, "RTSTRUCT")
    del structures.FrameOfReferenceUID
    x, y, z = ISOCENTRE
    target = [
        _ring(x, y, z + h, r, r)
        for h in range(-14, 15, 2)
        for r in (math.sqrt(15.0**2 - h**2),)
    ]  # fmt: skip
    body = [_ring(0.0, 10.0, z + h, 160.0, 120.0) for h in range(-60, 61, 3)]
    rows = [("GTV", "GTV", target), ("BODY", "EXTERNAL", body)]
    for k, point in enumerate(FIDUCIALS, 1):
        marker = item(ContourGeometricType="POINT", ContourData=decimals(point))
        rows.append((f"seed {k}", "MARKER", [marker]))
    structures.StructureSetROISequence = sequence(
        *(
            item(ROINumber=k, ROIName=name, ReferencedFrameOfReferenceUID=FRAME)
            for k, (name, _, _) in enumerate(rows, 1)
        )
    )
    structures.RTROIObservationsSequence = sequence(
        *(
            item(ReferencedROINumber=k, RTROIInterpretedType=kind)
            for k, (_, kind, _) in enumerate(rows, 1)
        )
    )
    structures.ROIContourSequence = sequence(
        *(
            item(ReferencedROINumber=k, ContourSequence=sequence(*contours))
            for k, (_, _, contours) in enumerate(rows, 1)
        )
    )
    images = sequence(reference(CTImageStorage, IMAGE))
    series = sequence(item(ContourImageSequence=images))
    study = sequence(item(RTReferencedSeriesSequence=series))
    structures.ReferencedFrameOfReferenceSequence = sequence(
        item(FrameOfReferenceUID=FRAME, RTReferencedStudySequence=study)
    )
    return structures


def plan_datasets() -> dict[str, Any]:
    dose = _start(RTDoseStorage, "2.25.15", "RTDOSE")
    dose.ReferencedRTPlanSequence = sequence(reference(RTPlanStorage, PLAN))
    image = _start(CTImageStorage, IMAGE, "CT")
    image.PatientPosition = "HFS"
    return {"plan": rt_plan(), "structures": rt_structures(), "dose": dose, "ct": image}


def write_plan(folder: Path, change: Change = lambda files: None) -> list[str]:
    """Write the files after a change, and return their paths; a removed dataset has none."""
    files = plan_datasets()
    change(files)
    paths: list[str] = []
    for name, dataset in files.items():
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
        paths.append(str(folder / f"{name}.dcm"))
    return paths

"""RT Dose: the dose as planned, and as delivered with the session's errors, on a grid of 16 bits.

Both are of the whole course, as if every fraction went like this one. They are estimates of the
research plan; the comment in each object says so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from tracker.dicom import dataset_parts as parts
from tracker.dicom.beam_angles import to_dicom
from tracker.dicom.export_job import RT_RECORD, Built, ExportJob, NotExportedError, Objects
from tracker.dose.course import course_dose, gray_per_unit
from tracker.dose.techniques import Technique, treatments

Vector = NDArray[np.float64]

PLANNED = parts.SeriesKind("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", 22, "dose as planned")
DELIVERED = PLANNED._replace(number=23, description="dose as delivered")
HALF_WIDTH_MM = 50.0
"""The grid reaches so far from the target's centre, on every axis."""
STEP_MM = 2.5
LARGEST_COUNT = 65535


def planned_dose(job: ExportJob) -> Objects:
    """Return the dose of the plan without errors."""
    dataset = _dose(job, PLANNED, "dose-planned", "planned")
    dataset.DoseSummationType = "PLAN"
    dataset.ReferencedRTPlanSequence = parts.sequence(job.refer_to_plan())
    return (Built("dose-planned", dataset),)


def delivered_dose(job: ExportJob) -> Objects:
    """Return the dose with the errors of the tracked session."""
    dataset = _dose(job, DELIVERED, "dose-delivered", "tracked")
    dataset.DoseSummationType = "RECORD"
    dataset.ReferencedTreatmentRecordSequence = parts.sequence(
        parts.reference(RT_RECORD, job.uid("instance", "treatment-record"))
    )
    return (Built("dose-delivered", dataset),)


def _dose(job: ExportJob, kind: parts.SeriesKind, name: str, technique: Technique) -> FileDataset:
    motion = job.session.motion
    if motion is None:
        raise NotExportedError(job.session.no_motion)
    treatment = next(t for t in treatments(job.plan, motion) if t.technique == technique)
    low, points, shape = _grid(job)
    cube = course_dose(treatment, points, gray_per_unit(treatment.plan)).reshape(shape)
    dataset = job.start(kind, name)
    begin = job.moment(0)
    dataset.OperatorsName = ""
    dataset.ContentDate, dataset.ContentTime = parts.date_of(begin), parts.time_of(begin)
    dataset.FrameOfReferenceUID = job.patient_frame_uid
    dataset.PositionReferenceIndicator = ""
    _pixels(dataset, cube)
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = parts.decimals(low)
    dataset.PixelSpacing = parts.decimals((STEP_MM, STEP_MM))
    dataset.SliceThickness = parts.decimal(STEP_MM)
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.GridFrameOffsetVector = parts.decimals(STEP_MM * k for k in range(shape[0]))
    dataset.DoseUnits = "GY"
    dataset.DoseType = "PHYSICAL"
    dataset.DoseComment = "estimate for research, not for treatment"
    dataset.TissueHeterogeneityCorrection = "IMAGE"
    return dataset


def _grid(job: ExportJob) -> tuple[Vector, Vector, tuple[int, int, int]]:
    """Return the first voxel in DICOM's axes, all points in the patient frame, and the shape.

    Frames run to superior, rows to posterior, columns to left.
    """
    centre = np.array(to_dicom(tuple(job.plan.target_centre_mm.tolist())))
    low = np.round((centre - HALF_WIDTH_MM) / STEP_MM) * STEP_MM
    axis = np.arange(round(2.0 * HALF_WIDTH_MM / STEP_MM) + 1, dtype=np.float64) * STEP_MM
    number = len(axis)
    grid = np.empty((number, number, number, 3))
    grid[..., 0] = low[0] + axis
    grid[..., 1] = (low[2] + axis)[:, None, None]
    grid[..., 2] = -(low[1] + axis)[None, :, None]
    return low, grid.reshape(-1, 3), (number, number, number)


def _pixels(dataset: FileDataset, cube: Vector) -> None:
    """Put a dose cube (frames, rows, columns) into the object, in 16 bits."""
    largest = float(cube.max())
    scale = parts.decimal(largest / LARGEST_COUNT if largest > 0.0 else 1.0)
    counts = np.minimum(np.round(cube / float(scale)), LARGEST_COUNT).astype("<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = cube.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.DoseGridScaling = scale
    dataset.add_new("PixelData", "OW", counts.tobytes())

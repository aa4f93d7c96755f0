"""All kinds of exported objects, in the order in which they are made and sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tracker.dicom.export_job import ExportJob, Objects
from tracker.dicom.objects.dose_grids import delivered_dose, planned_dose
from tracker.dicom.objects.figures_report import figures_report
from tracker.dicom.objects.research_plan import research_plan
from tracker.dicom.objects.spatial_fiducials import spatial_fiducials
from tracker.dicom.objects.treatment_record import treatment_record
from tracker.dicom.objects.waveforms import surrogate, target_and_error


class ObjectKind(NamedTuple):
    """One kind of object: its name for a person, and what makes its objects.

    ``build`` raises `NotExportedError` where the journal does not have what it needs.
    """

    name: str
    build: Callable[[ExportJob], Objects]


OBJECT_KINDS = (
    ObjectKind("RT Plan", research_plan),
    ObjectKind("RT Beams Treatment Record", treatment_record),
    ObjectKind("Respiratory Waveform", surrogate),
    ObjectKind("Multi-channel Respiratory Waveform", target_and_error),
    ObjectKind("Spatial Fiducials", spatial_fiducials),
    ObjectKind("RT Dose, planned", planned_dose),
    ObjectKind("RT Dose, delivered", delivered_dose),
    ObjectKind("Structured Report", figures_report),
)

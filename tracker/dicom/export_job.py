"""One export: the session, its identity, the dose plan, and what every object begins with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from tracker.dicom import dataset_parts as parts
from tracker.dicom.export_session import ExportSession
from tracker.dicom.identity import ExportIdentity, derived_uid
from tracker.dose.plan import Plan

Vector = NDArray[np.float64]


class NotExportedError(Exception):
    """A kind of object cannot be made from this journal; the message says why."""


class ExportJob(NamedTuple):
    """What the builders of objects work from.

    ``seed`` is what all UIDs derive from: the journal's digest, the identity, the dose plan and the
    program's version, so objects with other contents have other UIDs. ``plan`` is the dose plan;
    ``plan_uid`` refers to the hospital's RT Plan where the session followed one.
    """

    session: ExportSession
    identity: ExportIdentity
    seed: str
    version: str
    plan: Plan
    plan_uid: str = ""

    def uid(self, *names: str) -> str:
        """Return the UID of something of this export, by its name."""
        return derived_uid(self.seed, *names)

    @property
    def study_uid(self) -> str:
        """The study that the objects belong to."""
        return self.identity.study_uid or self.uid("study")

    @property
    def patient_frame_uid(self) -> str:
        """The frame of reference of the patient, in which the plan is."""
        return self.uid("frame", "patient")

    def moment(self, t_ns: int) -> datetime:
        """Return the date and time of a moment of the run."""
        return self.identity.moment(t_ns)

    def start(self, kind: parts.SeriesKind, name: str, number: int = 1) -> FileDataset:
        """Return an object with patient, study, series and equipment; ``number`` within it."""
        dataset = parts.new_file(kind.sop_class, self.uid("instance", name))
        self._patient_and_study(dataset)
        dataset.Modality = kind.modality
        dataset.SeriesInstanceUID = self.uid("series", str(kind.number))
        dataset.SeriesNumber = kind.number
        dataset.SeriesDescription = kind.description
        start = self.moment(0)
        dataset.SeriesDate, dataset.SeriesTime = parts.date_of(start), parts.time_of(start)
        dataset.InstanceNumber = number
        dataset.Manufacturer = parts.MANUFACTURER
        dataset.ManufacturerModelName = parts.MODEL
        dataset.DeviceSerialNumber = "0"
        dataset.SoftwareVersions = self.version
        dataset.ContentQualification = "RESEARCH"
        return dataset

    def _patient_and_study(self, dataset: FileDataset) -> None:
        identity = self.identity
        start = self.moment(0)
        dataset.PatientName = identity.patient_name
        dataset.PatientID = identity.patient_id
        dataset.PatientBirthDate = ""
        dataset.PatientSex = ""
        dataset.StudyInstanceUID = self.study_uid
        dataset.StudyDate, dataset.StudyTime = parts.date_of(start), parts.time_of(start)
        dataset.StudyID = "1"
        dataset.AccessionNumber = ""
        dataset.ReferringPhysicianName = ""
        dataset.StudyDescription = "respiratory tumour tracking"
        offset = start.strftime("%z")
        dataset.TimezoneOffsetFromUTC = offset or "+0000"
        if identity.is_named:
            dataset.PatientIdentityRemoved = "NO"
            return
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "tidetrack: made without identity and dates"
        dataset.DeidentificationMethodCodeSequence = parts.sequence(
            parts.Coded("113100", "DCM", "Basic Application Confidentiality Profile").item()
        )
        dataset.LongitudinalTemporalInformationModified = "REMOVED"

    def refer_to_plan(self) -> parts.Dataset:
        """Return the reference to the RT Plan: the hospital's, else the exported one."""
        return parts.reference(RT_PLAN, self.plan_uid or self.uid("instance", "rtplan"))


RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
RT_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"


class Built(NamedTuple):
    """One finished object and the name of its file, without ending."""

    name: str
    dataset: FileDataset


Objects = Sequence[Built]

"""Make all objects of a session, and say which kinds its journal does not have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tracker.dicom.dataset_parts import file_bytes
from tracker.dicom.dicom_error import DicomError
from tracker.dicom.export_job import Built, ExportJob, NotExportedError
from tracker.dicom.export_session import ExportSession
from tracker.dicom.identity import ExportIdentity
from tracker.dicom.objects.table import OBJECT_KINDS
from tracker.dose.plan import Plan


class Export(NamedTuple):
    """The objects of a session, and a line for each kind that was left out."""

    objects: tuple[Built, ...]
    left_out: tuple[str, ...]


def export_job(
    session: ExportSession, identity: ExportIdentity, plan: Plan, version: str, plan_uid: str = ""
) -> ExportJob:
    """Return the job; its UIDs follow from the journal, the identity, the plan and the version."""
    seed = "\0".join(
        (session.digest, session.journal.header.configuration_sha256, version)
        + (identity.patient_id, identity.patient_name, identity.plan_label)
        + (identity.start.isoformat(), str(identity.is_named), identity.study_uid)
        + (repr(plan), plan_uid)
    )
    return ExportJob(session, identity, seed, version, plan, plan_uid)


def export(job: ExportJob) -> Export:
    """Make every object that the journal has what it needs for."""
    objects: list[Built] = []
    left_out = [_pictures(job.session)]
    for kind in OBJECT_KINDS:
        try:
            objects += kind.build(job)
        except NotExportedError as reason:
            left_out.append(f"{kind.name}: {reason}")
    return Export(tuple(objects), tuple(left_out))


def _pictures(session: ExportSession) -> str:
    """Say why there are no pictures: the journal has positions, the imager stores its pictures."""
    images = len(session.shots) + len(session.projections)
    return (
        f"RT Image: the journal holds the fiducials of {images} images, not the pictures;"
        " the imager itself stores those"
    )


def write_objects(objects: tuple[Built, ...], directory: Path) -> list[Path]:
    """Write each object into its file and return the paths, in the objects' order.

    A file that is there with other contents is not replaced: raises `DicomError`.
    """
    contents = {directory / f"{each.name}.dcm": file_bytes(each.dataset) for each in objects}
    other = [path for path, data in contents.items() if path.exists() and path.read_bytes() != data]
    if other:
        raise DicomError(
            f"{other[0]}: exists with other contents, nothing was written; name another folder"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for path, data in contents.items():
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)
    return list(contents)

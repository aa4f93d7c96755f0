"""Spatial fiducials: where each stereo pair saw the fiducials.

The coordinates are those of the room's fixed frame (IEC 61217), as the imager reported them: the
frame of reference is the room's, not the patient's, and the description says so.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from hal.messages import FiducialShot
from tracker.dicom import dataset_parts as parts
from tracker.dicom.export_job import Built, ExportJob, NotExportedError, Objects

FIDUCIALS = parts.SeriesKind("1.2.840.10008.5.1.4.1.1.66.2", "FID", 12, "fiducials of each image")
IMPLANTED = parts.Coded("FIDUCIAL", parts.SCHEME, "Implanted fiducial")


def spatial_fiducials(job: ExportJob) -> Objects:
    """Return one object for each stereo pair in which a fiducial was found."""
    session = job.session
    if not session.shots:
        what = (
            f"only {len(session.projections)} single projections" if session.projections else "no"
        )
        raise NotExportedError(f"the journal has {what} images with fiducials in three dimensions")
    exposed = {each.shot_id: each.exposed_ns for each in session.records.observations}
    found = [
        _one(job, number, shot, exposed.get(shot.shot_id, shot.t_ns))
        for number, shot in enumerate(session.shots, 1)
        if any(point is not None for point in shot.fiducials_mm)
    ]
    if not found:
        raise NotExportedError("no image shows a fiducial")
    return found


def _one(job: ExportJob, number: int, shot: FiducialShot, exposed_ns: int) -> Built:
    name = f"fiducials-{number:04d}"
    dataset = job.start(FIDUCIALS, name, number)
    at = job.moment(exposed_ns)
    dataset.ContentDate, dataset.ContentTime = parts.date_of(at), parts.time_of(at)
    dataset.ContentLabel = f"SHOT{shot.shot_id}"[:16]
    dataset.ContentDescription = "fiducials of one stereo pair, fixed frame (IEC 61217), mm"
    dataset.ContentCreatorName = "tidetrack^"
    dataset.Laterality = ""
    fiducials: list[Dataset] = []
    for index, point in enumerate(shot.fiducials_mm, 1):
        if point is None:
            continue
        fiducials.append(
            parts.item(
                FiducialIdentifier=f"F{index}",
                FiducialIdentifierCodeSequence=parts.sequence(IMPLANTED.item()),
                FiducialUID=job.uid("fiducial", str(index)),
                ShapeType="POINT",
                NumberOfContourPoints=1,
                ContourData=parts.decimals(point),
            )
        )
    dataset.FiducialSetSequence = parts.sequence(
        parts.item(
            FrameOfReferenceUID=job.uid("frame", "room"),
            FiducialSequence=parts.sequence(*fiducials),
        )
    )
    return Built(name, dataset)

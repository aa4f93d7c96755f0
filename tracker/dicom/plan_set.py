"""Read the files of a plan, and refuse those that do not belong together (hazard H22).

A plan is one RT Plan with its structure set, its doses and its CT. Patient, frame of reference and
every reference must agree: a file of another patient or of another plan is refused by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from tracker.core.frames import Orientation
from tracker.dicom.dicom_error import DicomError, dicom_library

MOST_BYTES = 500_000_000
ORIENTATIONS = ("HFS", "HFP", "FFS", "FFP")


class PlanFile(NamedTuple):
    """One file of a plan: its dataset, its modality and the SHA-256 of its bytes."""

    path: Path
    dataset: Any
    modality: str
    sha256: str


class PlanSet(NamedTuple):
    """The files of one plan, found to belong together."""

    plan: PlanFile
    structures: PlanFile | None
    doses: tuple[PlanFile, ...]
    images: tuple[PlanFile, ...]
    patient_id: str
    orientation: Orientation
    frame_uid: str

    @property
    def files(self) -> tuple[PlanFile, ...]:
        """All files."""
        rest = () if self.structures is None else (self.structures,)
        return (self.plan, *rest, *self.doses, *self.images)

    @property
    def plan_uid(self) -> str:
        """The UID of the RT Plan, which no other plan has."""
        return str(self.plan.dataset.SOPInstanceUID)

    @property
    def label(self) -> str:
        """The label of the RT Plan."""
        return str(self.plan.dataset.get("RTPlanLabel", "") or "").strip()


def items_of(dataset: Any, keyword: str) -> list[Any]:
    """Return the items of a sequence; none where it is absent or empty."""
    return list(dataset.get(keyword) or ())


def read_plan_set(paths: Sequence[Path]) -> PlanSet:
    """Read the files; raises `DicomError` with a line for everything that does not fit."""
    files = [_read(path) for path in paths]
    by_kind: dict[str, list[PlanFile]] = {}
    for each in files:
        by_kind.setdefault(each.modality, []).append(each)
    plans, sets = by_kind.get("RTPLAN", []), by_kind.get("RTSTRUCT", [])
    if len(plans) != 1:
        names = ", ".join(str(each.path) for each in plans) or "none"
        raise DicomError(f"{len(plans)} RT Plans are given ({names}); give one")
    if len(sets) > 1:
        names = ", ".join(str(each.path) for each in sets)
        raise DicomError(f"{len(sets)} structure sets are given ({names}); give one")
    doses, images = by_kind.get("RTDOSE", []), by_kind.get("CT", [])
    problems: list[str] = []
    patient = _patient(files, problems)
    frame = _frame(plans[0], files, problems)
    _references(plans[0], sets, doses, images, problems)
    orientation = _orientation(plans[0], images, problems)
    if problems:
        raise DicomError(problems)
    return PlanSet(
        plans[0], sets[0] if sets else None, tuple(doses), tuple(images), patient,
        cast(Orientation, orientation), frame,
    )  # fmt: skip


def _read(path: Path) -> PlanFile:
    pydicom: Any = dicom_library("pydicom")
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DicomError(f"{path}: larger than {MOST_BYTES / 1e6:.0f} MB; name a plan's files")
        data = path.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DicomError(f"{path}: {why}; check the name") from None
    try:
        # Older systems write no header; what is no object then has no modality either.
        dataset = pydicom.dcmread(path, force=True)
        modality, uid = str(dataset.get("Modality", "")), str(dataset.get("SOPInstanceUID", ""))
    except Exception as error:  # pydicom raises what the damage leads to
        why = " ".join(str(error).split())[:120]
        raise DicomError(f"{path}: is no readable DICOM object ({why}); export it again") from None
    if modality not in ("RTPLAN", "RTSTRUCT", "RTDOSE", "CT") or not uid:
        raise DicomError(
            f"{path}: is of modality {modality or 'unknown'}; give RT Plan, structure set, dose, CT"
        )
    return PlanFile(path, dataset, modality, hashlib.sha256(data).hexdigest())


def _patient(files: Sequence[PlanFile], problems: list[str]) -> str:
    """Return the patient of all files."""
    named = {each.path: str(each.dataset.get("PatientID", "") or "").strip() for each in files}
    missing = [path for path, name in named.items() if not name]
    if missing:
        problems.append(f"{missing[0]}: names no patient (PatientID); export it with the patient")
    first_path, first = next(iter(named.items()))
    for path, name in named.items():
        if name and first and name != first:
            problems.append(
                f"{path}: is of patient {name}, and {first_path} of patient {first}; give one"
                " patient's files"
            )
    return first


def _frame(plan: PlanFile, files: Sequence[PlanFile], problems: list[str]) -> str:
    """Return the frame of reference; files that do not say theirs are believed."""
    found = {each.path: _frames_of(each) for each in files}
    known = [(path, uid) for path, uids in found.items() for uid in uids]
    own = next(iter(found[plan.path]), known[0][1] if known else "")
    for path, uids in found.items():
        if uids and own not in uids:
            problems.append(
                f"{path}: is in another frame of reference ({uids[0]}) than the plan ({own});"
                " give the files of one planning CT"
            )
    return own


def _frames_of(each: PlanFile) -> list[str]:
    dataset = each.dataset
    uids = [dataset.get("FrameOfReferenceUID")]
    uids += [
        i.get("FrameOfReferenceUID")
        for i in items_of(dataset, "ReferencedFrameOfReferenceSequence")
    ]
    uids += [
        i.get("ReferencedFrameOfReferenceUID") for i in items_of(dataset, "StructureSetROISequence")
    ]
    return list(dict.fromkeys(str(uid) for uid in uids if uid))


def _references(
    plan: PlanFile,
    sets: Sequence[PlanFile],
    doses: Sequence[PlanFile],
    images: Sequence[PlanFile],
    problems: list[str],
) -> None:
    """Find references that lead to other objects than the given ones."""
    uid = str(plan.dataset.SOPInstanceUID)
    for each in sets:
        wanted = _referenced(plan.dataset, "ReferencedStructureSetSequence")
        if wanted and str(each.dataset.SOPInstanceUID) not in wanted:
            problems.append(
                f"{each.path}: is not the structure set of {plan.path}, which refers to"
                f" {wanted[0]}; give that one"
            )
    for each in doses:
        wanted = _referenced(each.dataset, "ReferencedRTPlanSequence")
        if wanted and uid not in wanted:
            problems.append(
                f"{each.path}: is the dose of another plan ({wanted[0]}) than {plan.path} ({uid});"
                " give the dose of this plan"
            )
    contoured = {uid for each in sets for uid in _contour_images(each.dataset)}
    for each in images:
        if contoured and str(each.dataset.SOPInstanceUID) not in contoured:
            problems.append(
                f"{each.path}: is no image that the structures were drawn on; give the planning CT"
            )


def _referenced(dataset: Any, keyword: str) -> list[str]:
    return [str(item.get("ReferencedSOPInstanceUID", "")) for item in items_of(dataset, keyword)]


def _contour_images(dataset: Any) -> set[str]:
    """Return the images that a structure set names."""
    found: set[str] = set()
    for frame in items_of(dataset, "ReferencedFrameOfReferenceSequence"):
        for study in items_of(frame, "RTReferencedStudySequence"):
            for series in items_of(study, "RTReferencedSeriesSequence"):
                found |= set(_referenced(series, "ContourImageSequence"))
    return found


def _orientation(plan: PlanFile, images: Sequence[PlanFile], problems: list[str]) -> str:
    """Return how the patient lies; the plan must say it, once, and the CT the same."""
    setups = items_of(plan.dataset, "PatientSetupSequence")
    said = sorted({str(each.get("PatientPosition", "") or "") for each in setups} - {""})
    if len(said) != 1 or said[0] not in ORIENTATIONS:
        problems.append(
            f"{plan.path}: patient position is {' and '.join(said) or 'not given'}; it must be"
            f" one of {', '.join(ORIENTATIONS)}"
        )
        return "HFS"
    for each in images:
        there = str(each.dataset.get("PatientPosition", "") or "")
        if there and there != said[0]:
            problems.append(
                f"{each.path}: the patient lies {there}, in the plan {said[0]}; give the"
                " planning CT"
            )
    return said[0]

"""Who an exported session belongs to: nobody by default, a named patient by explicit choice."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tracker.dicom.dicom_error import DicomError

DUMMY_START = datetime(2000, 1, 1, tzinfo=UTC)
"""The date that stands for every date of a session without a name (PS3.15 E: dummy values)."""

LONGEST_ID = 64
"""Characters of an LO value, such as Patient ID."""


class ExportIdentity(NamedTuple):
    """Patient, plan and start of a session as the exported objects say them.

    ``is_named`` is False where all three are replaced by dummy values.
    """

    patient_id: str
    patient_name: str
    plan_label: str
    start: datetime
    is_named: bool
    study_uid: str = ""
    """The study the objects join; empty: one of their own."""

    def moment(self, t_ns: int) -> datetime:
        """Return the date and time of a moment of the run."""
        return self.start + timedelta(microseconds=t_ns // 1000)


def unnamed(digest: str, pseudonym: str = "") -> ExportIdentity:
    """Return an identity that says nothing of the patient; ``pseudonym`` links fractions."""
    require_text("--pseudonym", pseudonym)
    name = pseudonym or f"TT-{digest[:12].upper()}"
    return ExportIdentity(name, f"{name}^", "PLAN", DUMMY_START, is_named=False)


def named(
    patient_id: str, patient_name: str, plan_id: str, started: str, study_uid: str = ""
) -> ExportIdentity:
    """Return the identity with patient, plan and time of day; raises `DicomError` if incomplete."""
    if not started:
        raise DicomError(
            "the journal does not say when the session began; give --started, such as"
            " 2026-03-01T10:15:00+01:00"
        )
    try:
        start = datetime.fromisoformat(started)
    except ValueError:
        raise DicomError(
            f"--started {started}: is no date and time; write 2026-03-01T10:15:00+01:00"
        ) from None
    if start.tzinfo is None:
        raise DicomError(f"--started {started}: has no time zone; write it behind, such as +01:00")
    for option, text in (
        ("patient_id", patient_id), ("--patient-name", patient_name), ("plan_id", plan_id)
    ):  # fmt: skip
        require_text(option, text)
    if study_uid:
        require_uid("--study-uid", study_uid)
    return ExportIdentity(patient_id, patient_name, plan_id, start, True, study_uid)


def require_text(option: str, text: str) -> None:
    """Raise `DicomError` unless the text fits a DICOM value of 64 characters on one line."""
    if len(text) > LONGEST_ID or "\\" in text or any(ord(sign) < 32 for sign in text):
        raise DicomError(
            f"{option} {text[:80]!r}: DICOM takes at most {LONGEST_ID} characters on one line,"
            " without a backslash; shorten it"
        )


def require_uid(option: str, text: str) -> None:
    """Raise `DicomError` unless the text is a DICOM UID."""
    parts = text.split(".")
    fits = len(text) <= 64 and len(parts) > 1
    if not fits or not all(p.isascii() and p.isdigit() and str(int(p)) == p for p in parts):
        raise DicomError(f"{option} {text[:80]!r}: is no DICOM UID; write numbers with dots")


def derived_uid(*parts: str) -> str:
    """Return a UID made from texts: the same texts give the same UID (PS3.5 B.2: 2.25.UUID)."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()[:16]
    number = int.from_bytes(digest, "big")
    # RFC 9562: version 8 (made by its own rule), variant 1.
    number = number & ~(0xF << 76) | (0x8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return f"2.25.{number}"

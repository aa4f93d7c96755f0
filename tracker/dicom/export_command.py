"""Run `tidetrack export dicom`: a session as DICOM objects, into a folder or to an archive."""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tracker.dicom.dicom_error import DicomError, dicom_library
from tracker.dicom.identity import (
    ExportIdentity,
    derived_uid,
    named,
    require_text,
    require_uid,
    unnamed,
)
from tracker.dose.command import PHANTOM, plan_named
from tracker.journal import Header, read_journal
from tracker.report.setting import setting_of

if TYPE_CHECKING:
    from tracker.dicom.archive import ImageArchive
    from tracker.dicom.export import Export
    from tracker.dicom.web_sending import WebArchive


class FormatParsers(Protocol):
    """Takes the sub-command of a format, as what `argparse` gives for sub-commands does."""

    def add_parser(self, name: str, **words: Any) -> argparse.ArgumentParser:
        """Return the parser of a new sub-command."""
        ...


def add_arguments(what: FormatParsers) -> None:
    """Add the sub-command ``dicom`` to those of `tidetrack export`."""
    does = "write a session as DICOM objects, or send them to an archive"
    dicom = what.add_parser("dicom", help=does, description=does, allow_abbrev=False)
    dicom.add_argument("session", type=Path, metavar="SESSION", help="the journal of a session")
    dicom.add_argument("--out", type=Path, metavar="DIR", help="write the objects into DIR")
    _add_archive(dicom)
    dicom.add_argument(
        "--plan", default=PHANTOM, metavar="PLAN", help=f"the dose plan; default: {PHANTOM}"
    )
    dicom.add_argument(
        "--rtplan", type=Path, metavar="FILE", help="the hospital's RT Plan that was followed"
    )
    _add_identity(dicom)


def _add_identity(dicom: argparse.ArgumentParser) -> None:
    dicom.add_argument(
        "--named", action="store_true",
        help="keep patient, plan and date; without it the objects name nobody",
    )  # fmt: skip
    dicom.add_argument("--patient-name", default="", metavar="NAME", help="such as 'Doe^Jane'")
    dicom.add_argument(
        "--started", default="", metavar="TIME", help="when the session began, with time zone"
    )
    dicom.add_argument("--study-uid", default="", metavar="UID", help="the study to join")
    dicom.add_argument(
        "--pseudonym", default="", metavar="ID", help="stands for the patient in unnamed objects"
    )


def _add_archive(dicom: argparse.ArgumentParser) -> None:
    dicom.add_argument("--send", metavar="AET@HOST:PORT", help="store them there by C-STORE")
    dicom.add_argument("--stow", metavar="URL", help="store them there by DICOMweb (STOW-RS)")
    dicom.add_argument("--aet", default="TIDETRACK", metavar="TITLE", help="our own title")
    dicom.add_argument(
        "--commitment", type=int, metavar="PORT",
        help="with --send: ask whether the archive keeps them; it answers at PORT",
    )  # fmt: skip
    dicom.add_argument(
        "--tls-ca", type=Path, metavar="FILE", help="use TLS; this signs the archive's certificate"
    )
    dicom.add_argument("--tls-cert", type=Path, metavar="FILE", help="our own certificate")
    dicom.add_argument("--tls-key", type=Path, metavar="FILE", help="the key to --tls-cert")
    dicom.add_argument(
        "--stow-login", type=Path, metavar="FILE", help="with --stow: a file with user:password"
    )


def run(args: argparse.Namespace) -> int:
    """Export the session; print what was written, sent and left out."""
    if args.out is None and args.send is None and args.stow is None:
        raise DicomError("nothing to do: give --out DIR, --send AET@HOST:PORT or --stow URL")
    dicom_library("pydicom")
    archives = _archives(args)
    made, notice = made_from(args)
    if notice:
        print(notice)
    for line in made.left_out:
        print(f"left out: {line}")
    if args.out is not None:
        from tracker.dicom.export import write_objects

        print(f"{args.out}: {len(write_objects(made.objects, args.out))} objects")
    code = 0
    for archive in archives:
        code = max(code, _sent(args, archive, made))
    return code


def _archives(args: argparse.Namespace) -> list[ImageArchive | WebArchive]:
    """Return where to send; raises `DicomError` for options that do not go together."""
    from tracker.dicom.archive import TlsFiles, archive_named, checked_title
    from tracker.dicom.web_sending import web_archive

    if args.tls_ca is None and (args.tls_cert or args.tls_key):
        raise DicomError("--tls-cert and --tls-key need --tls-ca, which switches TLS on")
    if args.commitment is not None and args.send is None:
        raise DicomError("--commitment belongs to --send; give the archive's address")
    if args.commitment is not None and not 1 <= args.commitment <= 65_535:
        raise DicomError(f"--commitment {args.commitment}: is no port; give 1 to 65535")
    if args.stow_login is not None and args.stow is None:
        raise DicomError("--stow-login belongs to --stow; give the service's address")
    tls = None
    if args.tls_ca is not None:
        tls = TlsFiles(args.tls_ca, args.tls_cert, args.tls_key)
        tls.client_context()
    found: list[ImageArchive | WebArchive] = []
    if args.send is not None:
        dicom_library("pynetdicom")
        own = checked_title("--aet", args.aet)
        found.append(archive_named(args.send)._replace(own_title=own, tls=tls))
    if args.stow is not None:
        found.append(web_archive(args.stow, args.stow_login, tls))
    return found


def _sent(args: argparse.Namespace, archive: ImageArchive | WebArchive, made: Export) -> int:
    """Send the objects to one archive; 1 where it did not take or does not keep all of them."""
    from tracker.dicom.archive import ImageArchive
    from tracker.dicom.sending import commit, send
    from tracker.dicom.web_sending import send_over_web

    if isinstance(archive, ImageArchive):
        sent, where = send(made.objects, archive), archive.describe()
    else:
        sent, where = send_over_web(made.objects, archive), archive.url
    print(f"{where}: {len(sent.stored)} of {len(made.objects)} objects stored")
    for line in sent.not_stored:
        print(f"not stored: {line}")
    if args.commitment is None or not isinstance(archive, ImageArchive) or not sent.stored:
        return 1 if sent.not_stored else 0
    asked = [each for each in made.objects if each.name in sent.stored]
    lost = commit(asked, archive, args.commitment)
    print(f"{where}: promises to keep {len(asked) - len(lost)} of {len(asked)} objects")
    for name in lost:
        print(f"not kept: {name}")
    return 1 if lost or sent.not_stored else 0


def made_from(args: argparse.Namespace) -> tuple[Export, str]:
    """Return the objects that the arguments ask for, and what a torn journal lost.

    Options are judged before the records are read, which takes longer.
    """
    from tracker.dicom.export import export, export_job
    from tracker.dicom.export_session import read_export_session

    journal = read_journal(args.session)
    identity = identity_of(args, journal.header)
    plan = plan_named(args.plan, None, None)
    plan_uid = "" if args.rtplan is None else _plan_uid(args.rtplan, named=args.named)
    session = read_export_session(journal)
    identity = identity or unnamed(session.digest, args.pseudonym)
    notice = "" if journal.torn is None else f"{args.session}: {journal.torn.describe()}"
    return export(export_job(session, identity, plan, _version(), plan_uid)), notice


def identity_of(args: argparse.Namespace, header: Header) -> ExportIdentity | None:
    """Return whom the objects name, ``None`` for nobody.

    Raises `DicomError` for options that contradict each other.
    """
    if not args.named:
        for name in ("patient_name", "started", "study_uid"):
            if getattr(args, name):
                option = name.replace("_", "-")
                raise DicomError(f"--{option} names the patient or the day; say --named with it")
        require_text("--pseudonym", args.pseudonym)
        return None
    if args.pseudonym:
        raise DicomError("--pseudonym is for objects that name nobody; leave --named out")
    setting = setting_of(header.configuration)
    return named(
        setting.patient_id,
        args.patient_name or setting.patient_id,
        setting.plan_id,
        args.started or header.further.get("started", ""),
        args.study_uid,
    )


def _plan_uid(path: Path, *, named: bool) -> str:
    """Return the UID of the hospital's plan; replaced where the objects name nobody."""
    pydicom: Any = dicom_library("pydicom")
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        uid, modality = str(dataset.SOPInstanceUID), str(dataset.get("Modality", ""))
    except OSError as error:
        raise DicomError(
            f"{path}: {(error.strerror or str(error)).lower()}; check the name"
        ) from None
    except Exception as error:  # pydicom raises what the damage leads to
        raise DicomError(f"{path}: is no DICOM object ({error}); name an RT Plan") from None
    if modality != "RTPLAN":
        raise DicomError(f"{path}: is of modality {modality or 'unknown'}; name an RT Plan")
    require_uid(f"{path}: SOPInstanceUID", uid)
    return uid if named else derived_uid("plan", uid)


def _version() -> str:
    try:
        return importlib.metadata.version("tidetrack")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"

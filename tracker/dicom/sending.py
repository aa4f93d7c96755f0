"""Store objects in an archive by C-STORE, and ask it by storage commitment whether it keeps them.

A connection that breaks is opened again, and only what was not acknowledged is sent again. An
archive that stored an object without acknowledging it gets the same UID and bytes once more, which
is the same object.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from tracker.dicom import dataset_parts as parts
from tracker.dicom.archive import ImageArchive, require_reachable
from tracker.dicom.dicom_error import DicomError, dicom_library
from tracker.dicom.export_job import Built

PAUSE_S = 0.5
"""Wait before the connection is opened again; twice as long each further time."""

CLOSING_S = 2.0
"""The time that an association has to end by itself."""

SUCCESS = 0x0000
WARNINGS = range(0xB000, 0xC000)
ACTION_COMMIT = 1
EVENT_ALL_KEPT = 1
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"

REJECTIONS = {
    (1, 3): "it does not know the title {own!r}; enter it there, or say --aet",
    (1, 7): "its title is not {title!r}; correct --send",
    (1, 2): "it does not speak this DICOM context; check the address",
    (3, 1): "it is congested; try again later",
    (3, 2): "it has too many connections; try again later",
}
"""Why an association is rejected, by (source, reason) of PS3.8 9.3.4."""


class Sent(NamedTuple):
    """What an archive took: names of objects, and a line for each that it did not."""

    stored: tuple[str, ...]
    not_stored: tuple[str, ...]


class _ConnectionLostError(Exception):
    """The archive stopped answering."""


def send(
    objects: Sequence[Built],
    archive: ImageArchive,
    stored: Callable[[str], None] = lambda name: None,
) -> Sent:
    """Store the objects and tell ``stored`` each one's name; raises `DicomError`."""
    waiting = {each.name: each for each in objects}
    done: list[str] = []
    refused: list[str] = []

    def finished(name: str, line: str) -> None:
        del waiting[name]
        if line:
            refused.append(line)
        else:
            done.append(name)
            stored(name)

    for attempt in range(archive.tries):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        try:
            _send_once(list(waiting.values()), archive, finished)
            return Sent(tuple(done), tuple(refused))
        except _ConnectionLostError:
            pass
        except DicomError:
            if attempt == 0:
                raise
    raise DicomError(
        f"{archive.describe()}: stopped answering after {len(done)} of {len(objects)} objects,"
        f" tried {archive.tries} times; send again when it works: nothing is stored twice"
    )


def _send_once(
    objects: Sequence[Built], archive: ImageArchive, finished: Callable[[str, str], None]
) -> None:
    """Store objects over one association; raises where it cannot be opened or breaks."""
    association = associate(archive, sorted({str(o.dataset.SOPClassUID) for o in objects}))
    taken = {str(context.abstract_syntax) for context in association.accepted_contexts}
    try:
        for each in objects:
            uid = UID(str(each.dataset.SOPClassUID))
            if uid not in taken:
                line = f"{each.name}: {archive.title} takes no {uid.name}; enable it there"
                finished(each.name, line)
                continue
            if not association.is_established:
                raise _ConnectionLostError
            status = association.send_c_store(each.dataset)
            if "Status" not in status:
                raise _ConnectionLostError
            finished(each.name, _refusal(each.name, archive, status))
    finally:
        closed(association)


def _refusal(name: str, archive: ImageArchive, status: Any) -> str:
    """Return why an object was not stored; empty: it was."""
    code = int(status.Status)
    if code == SUCCESS or code in WARNINGS:
        return ""
    comment = " ".join(str(status.get("ErrorComment", "")).split())
    why = f"status 0x{code:04X}{f', {comment}' if comment else ''}"
    return f"{name}: {archive.title} refuses it ({why}); see the archive's log"


def associate(archive: ImageArchive, sop_classes: Sequence[str], **more: Any) -> Any:
    """Open an association; raises `DicomError` that says why there is none."""
    library: Any = dicom_library("pynetdicom")
    require_reachable(archive)  # the library would say no cause, and leave its socket open
    entity = library.AE(ae_title=archive.own_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = archive.answer_s
    entity.connection_timeout = archive.answer_s
    for uid in sop_classes:
        entity.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    if archive.tls is not None:
        more["tls_args"] = (archive.tls.client_context(), archive.host)
    association = entity.associate(archive.host, archive.port, ae_title=archive.title, **more)
    if association.is_established:
        return association
    closed(association)
    where = archive.describe()
    if association.is_rejected:
        said = association.acceptor.primitive
        why = REJECTIONS.get(
            (int(said.result_source), int(said.diagnostic)), f"reason {said.diagnostic}"
        ).format(own=archive.own_title, title=archive.title)
        raise DicomError(f"{where}: refuses the connection: {why}")
    if association.rejected_contexts and not association.accepted_contexts:
        names = sorted({UID(str(c.abstract_syntax)).name for c in association.rejected_contexts})
        raise DicomError(f"{where}: takes none of these: {', '.join(names)}; enable them there")
    tls = "check --tls-ca and the certificates" if archive.tls else "does it want TLS (--tls-ca)?"
    raise DicomError(f"{where}: accepts the connection and then closes it; {tls}")


def closed(association: Any) -> None:
    """End an association and its thread, and close its socket, which the library may leave open."""
    if association.is_established and association.is_requestor:
        association.release()
    if association.ident is not None:  # a rejected one has never begun to run
        association.join(CLOSING_S)
        if association.is_alive():
            association.abort()
            association.join(CLOSING_S)
    held = getattr(association.dul.socket, "socket", None)
    if held is not None:
        held.close()


class _Answers:
    """Waits for the archive's answer to a commitment request, from either association."""

    def __init__(self, transaction: str) -> None:
        self._transaction = transaction
        self.came = threading.Event()
        self.event_type = 0
        self.failed: list[str] = []

    def take(self, event: Any) -> tuple[int, None]:
        """Keep the answer to our own request; acknowledge any."""
        information = event.event_information
        if str(information.get("TransactionUID", "")) == self._transaction:
            self.event_type = int(event.event_type)
            self.failed = [
                str(item.ReferencedSOPInstanceUID)
                for item in information.get("FailedSOPSequence") or ()
            ]
            self.came.set()
        return SUCCESS, None


def commit(objects: Sequence[Built], archive: ImageArchive, port: int) -> tuple[str, ...]:
    """Ask whether the archive keeps the objects; return the names of those that it does not.

    The archive answers on this association or calls ``port``. Raises `DicomError` where it does
    not know storage commitment or does not answer in time.
    """
    library: Any = dicom_library("pynetdicom")
    push = library.sop_class.StorageCommitmentPushModel
    request = parts.item(
        TransactionUID=generate_uid(prefix=None),
        ReferencedSOPSequence=parts.sequence(
            *(parts.reference(o.dataset.SOPClassUID, o.dataset.SOPInstanceUID) for o in objects)
        ),
    )
    answers = _Answers(str(request.TransactionUID))
    handlers = [(library.evt.EVT_N_EVENT_REPORT, answers.take)]
    entity = library.AE(ae_title=archive.own_title)
    entity.add_supported_context(push, scu_role=True, scp_role=True)
    tls = None if archive.tls is None else archive.tls.server_context()
    try:
        server = entity.start_server(
            ("", port), block=False, evt_handlers=handlers, ssl_context=tls
        )
    except OSError as error:
        raise DicomError(f"--commitment {port}: {(error.strerror or str(error)).lower()}") from None
    try:
        association = associate(archive, [push], evt_handlers=handlers)
        try:
            status, _ = association.send_n_action(request, ACTION_COMMIT, push, COMMITMENT_INSTANCE)
            if status.get("Status") != SUCCESS:
                said = f"0x{int(status.Status):04X}" if "Status" in status else "none"
                raise DicomError(
                    f"{archive.describe()}: does not promise to keep the objects (status {said});"
                    " see the archive's log"
                )
            if not answers.came.wait(archive.answer_s):
                raise DicomError(
                    f"{archive.describe()}: did not say within {archive.answer_s:g} s whether it"
                    f" keeps the objects; it must know {archive.own_title} at port {port}"
                )
        finally:
            closed(association)
    finally:
        server.shutdown()
        for called in list(server.active_associations):
            closed(called)
    failed = set(answers.failed)
    return tuple(o.name for o in objects if str(o.dataset.SOPInstanceUID) in failed)

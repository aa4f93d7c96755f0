"""Objects into an archive and back: Orthanc as the peer, by C-STORE, C-MOVE and DICOMweb."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pydicom
import pytest

pytest.importorskip("pynetdicom", reason="extra dicom is not installed")

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import RTPlanStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    MRImageStorage,  # pyright: ignore[reportAttributeAccessIssue]
    StudyRootQueryRetrieveInformationModelFind,  # pyright: ignore[reportAttributeAccessIssue]
    StudyRootQueryRetrieveInformationModelMove,  # pyright: ignore[reportAttributeAccessIssue]
)

from tests.dicom.orthanc import OrthancPeer, require_orthanc
from tests.live.processes import free_ports
from tracker.cli import main
from tracker.dicom.archive import archive_named
from tracker.dicom.dicom_error import DicomError
from tracker.dicom.export_job import Built
from tracker.dicom.sending import closed, commit, send
from tracker.dicom.web_sending import send_over_web, web_archive

pytestmark = [pytest.mark.realtime, pytest.mark.peer]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancPeer]:
    require_orthanc()
    peer = OrthancPeer(tmp_path_factory.mktemp("orthanc") / "data", free_ports(3))
    peer.start()
    yield peer
    peer.stop()


@pytest.fixture
def archive(orthanc: OrthancPeer) -> OrthancPeer:
    orthanc.emptied()
    return orthanc


def built(folder: Path) -> list[Built]:
    return [Built(path.stem, pydicom.dcmread(path)) for path in sorted(folder.glob("*.dcm"))]


def same(one: Dataset, other: Dataset) -> bool:
    return all(other.get(element.tag) == element for element in one) and len(one) == len(other)


def arguments(journal: Path, plan: Path) -> list[str]:
    return ["export", "dicom", str(journal), "--plan", str(plan)]


def said(text: str, code: int, capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    capsys.readouterr()
    assert main(line) == code
    printed = capsys.readouterr()
    told = printed.err if code == 2 else printed.out
    assert text in told, (printed.out, printed.err)
    assert code != 2 or told.count("\n") == 1


def test_stored_committed_found_and_moved_back_unchanged(
    archive: OrthancPeer,
    exported: Path,
    journal_path: Path,
    dose_plan_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = {each.dataset.SOPInstanceUID: each.dataset for each in built(exported)}
    line = arguments(journal_path, dose_plan_path)
    line += ["--send", archive.address, "--commitment", str(archive.caller_port)]
    said(f"promises to keep {len(wanted)} of {len(wanted)} objects", 0, capsys, line)
    said(f"{len(wanted)} of {len(wanted)} objects stored", 0, capsys, line)  # the same again
    assert len(archive.asked("instances")) == len(wanted)
    study = next(iter(wanted.values())).StudyInstanceUID
    modalities = sorted(d.Modality for d in found(archive, study))
    assert modalities == ["FID", "RESP", "RESP", "RTDOSE", "RTDOSE", "RTPLAN", "RTRECORD", "SR"]
    got = moved(archive, study, {str(d.SOPClassUID) for d in wanted.values()})
    assert set(got) == set(wanted)
    assert [uid for uid in wanted if not same(wanted[uid], got[uid])] == []


def found(archive: OrthancPeer, study: str) -> list[Dataset]:
    """Return the series of a study, by C-FIND."""
    entity = AE("TIDETRACK")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = entity.associate("127.0.0.1", archive.dicom_port, ae_title="ORTHANC")
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "SERIES", study
    query.Modality = query.SeriesInstanceUID = ""
    answers = association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
    series = [dataset for _, dataset in answers if dataset is not None]
    association.release()
    return series


def moved(archive: OrthancPeer, study: str, classes: set[str]) -> dict[str, Dataset]:
    """Return the objects of a study that the archive sent to us, by C-MOVE."""
    got: dict[str, Dataset] = {}

    def keep(event: Any) -> int:
        got[event.dataset.SOPInstanceUID] = event.dataset
        return 0

    entity = AE("TIDETRACK")
    for uid in sorted(classes):
        entity.add_supported_context(uid)
    server: Any = entity.start_server(
        ("127.0.0.1", archive.caller_port), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    caller = AE("TIDETRACK")
    caller.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = caller.associate("127.0.0.1", archive.dicom_port, ae_title="ORTHANC")
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study
    answers = list(
        association.send_c_move(query, "TIDETRACK", StudyRootQueryRetrieveInformationModelMove)
    )
    assert answers[-1][0].Status == 0
    association.release()
    server.shutdown()
    for called in list(server.active_associations):
        closed(called)
    return got


def test_dicomweb_stores_and_gives_back_the_same(
    archive: OrthancPeer,
    exported: Path,
    journal_path: Path,
    dose_plan_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = built(exported)
    line = [*arguments(journal_path, dose_plan_path), "--stow", archive.url]
    said(f"{len(wanted)} of {len(wanted)} objects stored", 0, capsys, line)
    assert len(archive.asked("instances")) == len(wanted)
    for each in wanted:
        assert same(each.dataset, fetched(archive, each.dataset)), each.name
    study = wanted[0].dataset.StudyInstanceUID
    series = archive.asked(f"dicom-web/studies/{study}/series")
    assert len(series) == len({each.dataset.SeriesInstanceUID for each in wanted})


def fetched(archive: OrthancPeer, dataset: FileDataset) -> Dataset:
    """Return an object as DICOMweb gives it (WADO-RS)."""
    path = f"studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    request = Request(
        f"{archive.url}/{path}/instances/{dataset.SOPInstanceUID}", headers={"Accept": accept}
    )
    with urlopen(request) as answer:
        head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
        parts: Any = message_from_bytes(head + answer.read()).get_payload()
    (part,) = parts
    return pydicom.dcmread(BytesIO(part.get_payload(decode=True)))


def test_an_archive_killed_in_mid_send_loses_and_doubles_nothing(
    archive: OrthancPeer, exported: Path
) -> None:
    objects = built(exported)
    stored: list[str] = []

    def killing(name: str) -> None:
        stored.append(name)
        if len(stored) == 3:
            archive.kill()

    where = archive_named(archive.address)._replace(tries=2, answer_s=5.0)
    with pytest.raises(DicomError, match=f"stopped answering after 3 of {len(objects)} objects"):
        send(objects, where, killing)
    archive.start()
    assert send(objects, where).not_stored == ()
    assert len(archive.asked("instances")) == len(objects)
    stored.clear()

    def restarting(name: str) -> None:
        stored.append(name)
        if len(stored) == 3:
            archive.kill()
            archive.start()

    assert len(send(objects, where, restarting).stored) == len(objects)
    assert stored == [each.name for each in objects]
    assert len(archive.asked("instances")) == len(objects)


def test_what_an_archive_refuses_is_said(
    archive: OrthancPeer,
    exported: Path,
    journal_path: Path,
    dose_plan_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = arguments(journal_path, dose_plan_path)
    port = archive.dicom_port
    wrong = [*line, "--send", f"WRONG@127.0.0.1:{port}"]
    said("its title is not 'WRONG'; correct --send", 2, capsys, wrong)
    stranger = [*line, "--send", archive.address, "--aet", "STRANGER"]
    said("ORTHANC", 2, capsys, stranger)
    (free,) = free_ports(1)
    said("connection refused", 2, capsys, [*line, "--send", f"ORTHANC@127.0.0.1:{free}"])
    said("closes it; does it want TLS", 2, capsys,
         [*line, "--send", f"ORTHANC@127.0.0.1:{archive.http_port}"])  # fmt: skip
    said("has no DICOMweb store (HTTP 404)", 2, capsys, [*line, "--stow", f"{archive.url}/more"])
    said("connection refused", 2, capsys, [*line, "--stow", f"http://127.0.0.1:{free}/dicom-web"])
    assert archive.asked("instances") == []
    never_sent = built(exported)[:2]
    where = archive_named(archive.address)
    assert commit(never_sent, where, archive.caller_port) == tuple(o.name for o in never_sent)


def test_an_archive_that_takes_other_objects_only(exported: Path) -> None:
    entity = AE("OTHER")
    entity.acse_timeout = entity.network_timeout = 2
    entity.add_supported_context(MRImageStorage)
    entity.add_supported_context(RTPlanStorage)
    full: list[int] = [0xA700]
    server: Any = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: full[0])]
    )
    try:
        where = archive_named(f"OTHER@127.0.0.1:{server.socket.getsockname()[1]}")
        objects = built(exported)
        sent = send(objects, where)
        assert sent.stored == ()
        assert "surrogate: OTHER takes no Respiratory Waveform Storage; enable it there" in (
            sent.not_stored
        )
        assert "rtplan: OTHER refuses it (status 0xA700); see the archive's log" in sent.not_stored
        full[0] = 0
        assert send(objects, where).stored == ("rtplan",)
        with pytest.raises(DicomError, match="takes none of these: RT Dose Storage"):
            send([each for each in objects if each.name.startswith("dose")], where)
        with pytest.raises(DicomError, match="takes none of these: Storage Commitment"):
            commit(objects, where, free_ports(1)[0])
    finally:
        server.shutdown()
        for called in list(server.active_associations):
            closed(called)


def test_a_web_service_that_hangs_up_or_wants_a_login(exported: Path, tmp_path: Path) -> None:
    answers = [b"", b"", b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"]
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    data = b""
                    while not data.endswith(b"--\r\n"):
                        data += connection.recv(65_536)
                    heads.append(data.split(b"\r\n\r\n")[0])
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        login = tmp_path / "login"
        login.write_text("anna:open sesame\n")
        url = f"http://127.0.0.1:{server.getsockname()[1]}/web"
        with pytest.raises(DicomError, match=r"refuses the login \(HTTP 401\)"):
            send_over_web(built(exported)[:1], web_archive(url, login))
        thread.join()
    assert all(b"Authorization: Basic YW5uYTpvcGVuIHNlc2FtZQ==" in head for head in heads)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--send", "ORTHANC:104"], "write TITLE@host:port"),
        (["--send", "ORTHANC@host:70000"], "write TITLE@host:port"),
        (["--send", "A_TITLE_THAT_IS_LONG@host:104"], "1 to 16"),
        (["--send", "A@host:104", "--aet", "ÄRZTE"], "1 to 16"),
        (["--stow", "ftp://host/x"], "is no web address"),
        (["--stow", "http://host:port/"], "is no web address"),
        (["--out", "x", "--commitment", "11112"], "--commitment belongs to --send"),
        (["--send", "A@host:104", "--commitment", "0"], "is no port"),
        (["--send", "A@host:104", "--tls-cert", "x"], "need --tls-ca"),
        (["--send", "A@host:104", "--tls-ca", "nowhere.pem"], "check them"),
        (["--out", "x", "--stow-login", "x"], "--stow-login belongs to --stow"),
        (["--stow", "http://host/x", "--stow-login", "nowhere"], "check --stow-login"),
    ],
)
def test_options_that_make_no_sense_are_one_line(
    options: list[str], text: str, journal_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(text, 2, capsys, ["export", "dicom", str(journal_path), *options])

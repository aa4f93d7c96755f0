"""Store objects in an archive over DICOMweb (STOW-RS, PS3.18 10.5), one request an object."""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tracker.dicom.archive import TlsFiles
from tracker.dicom.dataset_parts import file_bytes
from tracker.dicom.dicom_error import DicomError
from tracker.dicom.export_job import Built
from tracker.dicom.sending import PAUSE_S, Sent

BOUNDARY = "tidetrack-object"
FAILED = "00081198"
REASON = "00081197"
MOST_ANSWER_BYTES = 1_000_000


class WebArchive(NamedTuple):
    """A DICOMweb service: the address that ends before ``/studies``, and how to log in."""

    url: str
    authorization: str = ""
    tls: TlsFiles | None = None
    tries: int = 3
    answer_s: float = 30.0


def web_archive(url: str, login: Path | None = None, tls: TlsFiles | None = None) -> WebArchive:
    """Return the service at an address; ``login`` is a file with ``user:password``."""
    try:
        split = urlsplit(url)
        is_web = split.scheme in ("http", "https") and bool(split.hostname)
        _ = split.port
    except ValueError:
        is_web = False
    if not is_web or any(ord(sign) <= 32 for sign in url):
        raise DicomError(f"--stow {url!r}: is no web address; write https://host:port/dicom-web")
    authorization = ""
    if login is not None:
        try:
            text = login.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DicomError(f"{login}: cannot be read ({error}); check --stow-login") from None
        if ":" not in text:
            raise DicomError(f"{login}: holds no user:password on one line; check --stow-login")
        authorization = "Basic " + base64.b64encode(text.encode()).decode()
    return WebArchive(url.rstrip("/"), authorization, tls)


def send_over_web(objects: Sequence[Built], archive: WebArchive) -> Sent:
    """Store the objects; raises `DicomError` where the service cannot be reached or used."""
    done: list[str] = []
    refused: list[str] = []
    for each in objects:
        line = _store(each, archive, len(done), len(objects))
        if line:
            refused.append(line)
        else:
            done.append(each.name)
    return Sent(tuple(done), tuple(refused))


def _store(each: Built, archive: WebArchive, done: int, total: int) -> str:
    """Store one object; return why the service refuses it, empty where it is stored."""
    request = _request(each, archive)
    why = ""
    for attempt in range(archive.tries):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        try:
            code, answer = _asked(request, archive)
        except (OSError, http.client.HTTPException) as error:
            why = _cause(error)
            continue
        return _refusal(each.name, archive, code, answer)
    raise DicomError(
        f"{archive.url}: {why}, after {done} of {total} objects, tried {archive.tries} times; send"
        " again when it works: nothing is stored twice"
    )


def _request(each: Built, archive: WebArchive) -> urllib.request.Request:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = head + file_bytes(each.dataset) + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
        "Accept": "application/dicom+json",
    }
    if archive.authorization:
        headers["Authorization"] = archive.authorization
    return urllib.request.Request(f"{archive.url}/studies", body, headers, method="POST")


def _asked(request: urllib.request.Request, archive: WebArchive) -> tuple[int, bytes]:
    """Return the status and the body of the answer, whatever the status is."""
    context = None if archive.tls is None else archive.tls.client_context()
    try:
        with urllib.request.urlopen(request, timeout=archive.answer_s, context=context) as answer:
            return int(answer.status), answer.read(MOST_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MOST_ANSWER_BYTES)


def _refusal(name: str, archive: WebArchive, code: int, answer: bytes) -> str:
    if code in (401, 403):
        raise DicomError(f"{archive.url}: refuses the login (HTTP {code}); check --stow-login")
    if code in (404, 405):
        raise DicomError(f"{archive.url}: has no DICOMweb store (HTTP {code}); check the address")
    if code == 200:
        return ""
    reason = _reason(answer)
    return f"{name}: is refused (HTTP {code}{reason}); see the archive's log"


def _reason(answer: bytes) -> str:
    """Return the failure reason in a DICOM JSON answer; empty where there is none."""
    try:
        dataset: Any = json.loads(answer)
        code = dataset[FAILED]["Value"][0][REASON]["Value"][0]
        return f", reason 0x{int(code):04X}"
    except (ValueError, LookupError, TypeError):
        return ""


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    strerror = getattr(reason, "strerror", None)
    return str(strerror or reason or type(error).__name__).lower()

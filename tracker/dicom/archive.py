"""How an archive is reached: its title and address, our title, TLS, and how often to try again."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import NamedTuple

from tracker.dicom.dicom_error import DicomError

LONGEST_TITLE = 16


class TlsFiles(NamedTuple):
    """Files for TLS: who signs the archive's certificate, and our own certificate with its key."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None

    def client_context(self) -> ssl.SSLContext:
        """Return how to connect; the archive's certificate is checked. Raises `DicomError`."""
        return self._loaded(ssl.Purpose.SERVER_AUTH)

    def server_context(self) -> ssl.SSLContext:
        """Return how to be connected to; the caller's certificate is checked."""
        if self.certificate is None:
            raise DicomError("--commitment over TLS needs --tls-cert: the archive calls us")
        context = self._loaded(ssl.Purpose.CLIENT_AUTH)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _loaded(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        names = [str(each) for each in self if each is not None]
        try:
            context = ssl.create_default_context(purpose, cafile=self.authority)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            why = (error.strerror or str(error)).lower()
            raise DicomError(f"TLS files {', '.join(names)}: {why}; check them") from None
        return context


class ImageArchive(NamedTuple):
    """Where to send: the archive's title and address, and our own title."""

    title: str
    host: str
    port: int
    own_title: str = "TIDETRACK"
    tls: TlsFiles | None = None
    tries: int = 3
    answer_s: float = 30.0

    def describe(self) -> str:
        """Return title and address for a message."""
        return f"{self.title}@{self.host}:{self.port}"


def archive_named(text: str) -> ImageArchive:
    """Read ``AET@host:port``; raises `DicomError` for anything else."""
    title, at, address = text.partition("@")
    host, colon, port = address.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535
    if not (at and colon and host and is_port):
        raise DicomError(f"--send {text!r}: is no address; write TITLE@host:port")
    return ImageArchive(checked_title("--send", title), host.strip("[]"), int(port))


def checked_title(option: str, title: str) -> str:
    """Return a title; raises `DicomError` unless it is one (PS3.5: AE)."""
    is_plain = title.isascii() and title.isprintable() and "\\" not in title
    if not (title.strip() and is_plain and len(title) <= LONGEST_TITLE):
        raise DicomError(
            f"{option} {title[:40]!r}: is no title of an application; write 1 to {LONGEST_TITLE}"
            " characters of ASCII"
        )
    return title.strip()


def require_reachable(archive: ImageArchive) -> None:
    """Raise `DicomError` that says why no connection to the archive is possible."""
    try:
        socket.create_connection((archive.host, archive.port), timeout=archive.answer_s).close()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DicomError(f"{archive.describe()}: {why}; check address and archive") from None

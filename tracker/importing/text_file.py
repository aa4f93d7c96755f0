"""Read a file as text, in whatever encoding and with whatever line ends it was written."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

from tracker.importing.errors import refused

MOST_BYTES = 50_000_000
"""The largest text that is read; ten hours at 25 Hz with six columns are about as large."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"


class DecodedText(NamedTuple):
    r"""A text without its byte order mark, with ``\\n`` at line ends, and its encoding."""

    text: str
    encoding: str


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return a file's bytes, unpacked if it is gzipped; raises `ImportRefusedError`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
        if data.startswith(_GZIP):
            with gzip.open(path, "rb") as stream:
                data = stream.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise refused(path, f"a damaged gzip file ({error}); export it again") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise refused(path, f"cannot be read: {why}; check the name") from None
    if len(data) > most:
        raise refused(path, f"is larger than {most / 1e6:.0f} MB; cut it into parts")
    if not data:
        raise refused(path, "the file is empty; name a recording")
    return data


def decode(path: Path, data: bytes) -> DecodedText:
    """Decode a text; raises `ImportRefusedError` for a binary file."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        encoding = _without_mark(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"byte 0x{data[error.start]:02x} is not {encoding} text; export it again"
        raise refused(path, what, line) from None
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise refused(path, "a zero byte: this is no text file of a known kind", line)
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return DecodedText(text, encoding)


def _without_mark(data: bytes) -> str:
    """Return the encoding of a text without a byte order mark."""
    head = data[:4096]
    if len(head) >= 8:
        odd, even = head[1::2].count(0) / len(head[1::2]), head[0::2].count(0) / len(head[0::2])
        if odd > 0.4 and even < 0.1:
            return "utf-16-le"
        if even > 0.4 and odd < 0.1:
            return "utf-16-be"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            data.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
        return "cp1252"
    return "utf-8"

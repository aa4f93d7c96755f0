"""Read the ETHERNET configuration of an RSI controller from its file, in the encoding it declares.

A file begins with a byte order mark, or declares its encoding (``<?xml … encoding="…"?>``), or is
UTF-8; that is the rule of XML. Controllers also write Windows-1252 without saying so: such a file
is refused, because the wrong guess would change names that both sides must agree on.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from hal.errors import DeviceError
from hal.rsi.configuration import EthernetConfiguration, read_ethernet

_DECLARED = re.compile(rb"""^<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MOST_BYTES = 1_000_000


def read_ethernet_file(path: Path) -> EthernetConfiguration:
    """Read the file; raises `DeviceError` naming file, line and what to do."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DeviceError(f"{path}: {why}; name the controller's ETHERNET file") from None
    if len(data) > _MOST_BYTES:
        raise DeviceError(f"{path}: is larger than {_MOST_BYTES} bytes; name the ETHERNET file")
    try:
        return read_ethernet(_text(path, data))
    except DeviceError as error:
        if str(error).startswith(str(path)):
            raise
        raise DeviceError(f"{path}: {error}") from None


def _text(path: Path, data: bytes) -> str:
    """Return the text without its declaration."""
    declared = _DECLARED.match(data)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        encoding = declared[1].decode("ascii") if declared else "utf-8"
    try:
        text = data.decode(encoding)
    except LookupError:
        raise DeviceError(f"{path}: its encoding {encoding!r} is unknown; save as UTF-8") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"{path}: line {line}: byte 0x{data[error.start]:02x} is not {encoding.upper()}"
        advice = 'begin it with <?xml version="1.0" encoding="windows-1252"?>, or save it as UTF-8'
        raise DeviceError(f"{what}; {advice}") from None
    except ValueError:  # a codec that is no text encoding, or an error of its own kind
        raise DeviceError(f"{path}: cannot be read as {encoding!r}; save as UTF-8") from None
    return re.sub(r"^\ufeff?\s*<\?xml[^>]*\?>", "", text, count=1)

"""The messages of the iCOM stream: a date, a counter, and elements of tag, type, length and text.

The maker does not publish the format. This is what the public reader pymedphys (Apache-2.0) needs
of it, in its modules ``_icom.extract``, ``_icom.mappings`` and ``_icom.listener``:

- A message is 8 bytes, the date and time ``YYYY-MM-DDHH:MM:SS``, one byte that counts messages from
  0 to 255, and elements up to the next message. What the 8 bytes mean is not known, and nothing
  here depends on them.
- An element is a DICOM tag (group and element, 16 bits each, little-endian), a type of two
  letters, a zero, a letter (P: prescribed, R: as it is), the length (32 bits, little-endian) and
  so many characters.
- The text -32767 says that a value is not known.

There is no checksum. An element counts only when another element, or the end of the message,
follows right after it: so a wrong length never becomes a value.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from hal.errors import ProtocolError

_BEFORE_DATE = 8
_DATE = re.compile(rb"\d{4}-\d\d-\d\d\d\d:\d\d:\d\d")
_DATE_BYTES = 18
_HEAD = _DATE_BYTES + 1
_FORMAT = "%Y-%m-%d%H:%M:%S"
_ELEMENT = struct.Struct("<HH2s2sI")
_BEGINS = re.compile(rb".[\x00\x30\x50\x70]..[A-Z]{2}\x00[A-Z]", re.DOTALL)
_BEGINS_BYTES = 8
_NUMBER = re.compile(rb"[+-]?\d{1,7}(\.\d{1,6})?")
LONGEST_MESSAGE = 65_536
LONGEST_VALUE = 64
UNKNOWN = "-32767"

GANTRY, COLLIMATOR, TABLE, UNITS = "gantry", "collimator", "table", "monitor units"
ANGLES = (GANTRY, COLLIMATOR, TABLE)


class Tag(NamedTuple):
    """The tag and type of an element."""

    group: int
    element: int
    kind: bytes
    part: bytes = b"R"

    def head(self, length: int) -> bytes:
        """Return the twelve bytes before the text."""
        return _ELEMENT.pack(self.group, self.element, self.kind, b"\0" + self.part, length)


TABLE_TAGS: Mapping[str, Tag] = {
    "isocentric": Tag(0x300A, 0x0125, b"DS"),
    "column": Tag(0x300A, 0x0122, b"DS"),
}
"""The two angles of a table, by the names that pymedphys gives them. DICOM calls the first the
eccentric angle of the table top and the second the angle of the patient support."""


def tags_with(table: str) -> Mapping[str, Tag]:
    """Return the elements that are read; ``table`` is one of `TABLE_TAGS`."""
    return {
        UNITS: Tag(0x3008, 0x0032, b"DS"),
        GANTRY: Tag(0x300A, 0x011E, b"DS"),
        COLLIMATOR: Tag(0x300A, 0x0120, b"DS"),
        TABLE: TABLE_TAGS[table],
    }


class IcomReport(NamedTuple):
    """The head of a message and the values of its elements by name."""

    when: datetime
    """By the linac's clock, to the second."""
    number: int
    """The counter."""
    values: Mapping[str, float]
    """A value that is not known is left out."""


class IcomGarbled(NamedTuple):
    """A message, or a part of one, that cannot be used."""

    what: str
    value: str


def encode_element(tag: Tag, text: str) -> bytes:
    """Return one element."""
    data = text.encode("ascii")
    return tag.head(len(data)) + data


def encode_message(when: datetime, count: int, elements: bytes) -> bytes:
    """Return a message; its first 8 bytes are zero."""
    return bytes(_BEFORE_DATE) + f"{when:{_FORMAT}}".encode() + bytes([count % 256]) + elements


class IcomReader:
    """Cuts a stream into messages; reports each as soon as all its angles have come."""

    def __init__(self, tags: Mapping[str, Tag]) -> None:
        self._tags = tags
        self._held = bytearray()
        self.reset()

    def reset(self) -> None:
        """Forget what is held: a new stream begins."""
        self._held.clear()
        self._inside = self._told = False

    def feed(self, data: bytes) -> list[IcomReport | IcomGarbled]:
        """Add bytes; return what they complete.

        Raises `ProtocolError` where the stream has no messages of this form at all.
        """
        held = self._held
        held += data
        found: list[IcomReport | IcomGarbled] = []
        while self._find_head():
            following = _DATE.search(held, _HEAD)
            end = following.start() - _BEFORE_DATE if following else None
            if not self._told:
                item = _read(bytes(held[:end]), self._tags, whole=end is not None)
                self._told = item is not None
                found += [] if item is None else [item]
            if following is None:
                break
            del held[: following.start()]
            self._told = False
        if len(held) > LONGEST_MESSAGE:
            raise ProtocolError(_no_message(self._inside, bytes(held[:16])))
        return found

    def _find_head(self) -> bool:
        """Tell whether the bytes held begin with a whole head, after dropping what is before it."""
        if not self._inside:
            first = _DATE.search(self._held)
            if first is None:
                return False
            del self._held[: first.start()]
            self._inside = True
        return len(self._held) >= _HEAD


def _no_message(inside: bool, first: bytes) -> str:
    what = "a message without an end" if inside else "no iCOM message, or an unknown version of it"
    return f"{what} in {LONGEST_MESSAGE} bytes, which begin with {first.hex()}"


def _read(
    message: bytes, tags: Mapping[str, Tag], *, whole: bool
) -> IcomReport | IcomGarbled | None:
    """Return the report of a message; ``None``: its angles have not all come yet."""
    date = message[:_DATE_BYTES].decode()
    try:
        when = datetime.strptime(date, _FORMAT)  # noqa: DTZ007  the linac says no zone
    except ValueError:
        return IcomGarbled("iCOM date", date)
    values: dict[str, float] = {}
    for name, tag in tags.items():
        text = _text_of(message, tag, whole=whole)
        if isinstance(text, IcomGarbled):
            return text._replace(what=f"iCOM {text.what} of {name}")
        if text is None:
            if name not in ANGLES:
                continue
            return IcomGarbled("iCOM message", f"has no {name}") if whole else None
        if text != UNKNOWN:
            values[name] = float(text)
        elif name in ANGLES:
            return IcomGarbled(f"iCOM {name}", "is not known to the linac")
    return IcomReport(when, message[_DATE_BYTES], values)


def _text_of(message: bytes, tag: Tag, *, whole: bool) -> str | IcomGarbled | None:
    """Return the text of an element, a number; ``None``: it is not there, or not whole yet."""
    at = message.find(tag.head(0)[:-4], _HEAD)
    if at < 0 or len(message) < at + _ELEMENT.size:
        return None
    start = at + _ELEMENT.size
    (length,) = struct.unpack_from("<I", message, start - 4)
    if not 0 < length <= LONGEST_VALUE:
        return IcomGarbled("length", f"{length} bytes, allowed are 1 to {LONGEST_VALUE}")
    text, rest = message[start : start + length], message[start + length :]
    if len(rest) < _BEGINS_BYTES and not whole:
        return None
    if (rest or len(text) < length) and not _BEGINS.match(rest):
        return IcomGarbled("length", f"{length} bytes, and no element follows them")
    number = text.strip(b" \0")
    if not _NUMBER.fullmatch(number):
        return IcomGarbled("value", repr(text[:24])[1:])
    return number.decode()

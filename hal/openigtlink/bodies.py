"""Contents of OpenIGTLink messages ⇄ bytes, type by type; every number read is finite."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Container
from dataclasses import dataclass

from hal.errors import ProtocolError
from hal.messages import Triple
from hal.openigtlink.contents import (
    Content,
    Form,
    IgtlText,
    IgtlTool,
    Position,
    QuaternionData,
    QuaternionTool,
    Sensor,
    StartTracking,
    Status,
    StopTracking,
    TrackingAnswer,
    TrackingData,
    Transform,
)

LONGEST_BODY = 65536
"""Bytes; longer bodies of the types understood here are refused."""

NAME_BYTES = 20
"""Length of the field of a device's or a tool's name."""

_MATRIX = struct.Struct(">12f")
_TOOL = struct.Struct(">20sBB12f")
_QUATERNION_TOOL = struct.Struct(">20sBB7f")
_STATUS = struct.Struct(">Hq20s")
_START = struct.Struct(">I32s")
_NAME = re.compile(rb"([ -~]*)(?:\0.*)?", re.DOTALL)


def refused(what: str) -> ProtocolError:
    """Return the error for a message that must not be used."""
    return ProtocolError(f"OpenIGTLink message refused: {what}")


def chars(text: str, size: int) -> bytes:
    """Return a name in a field of ``size`` bytes, filled up with zeros."""
    data = text.encode()
    if len(data) > size or not text.isascii() or not text.isprintable():
        raise refused(f"name {text!r}; at most {size} printable ASCII characters")
    return data.ljust(size, b"\0")


def utf8(data: bytes) -> str:
    """Return text as UTF-8 bytes, as it goes on the wire."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise refused(f"text {data[:40]!r} is not UTF-8") from error


def write_content(content: Content) -> tuple[str, bytes]:
    """Return the type name and the bytes of a content."""
    match content:
        case Transform():
            return "TRANSFORM", _floats(_MATRIX, content.matrix)
        case Position():
            quaternion = content.quaternion or ()
            values = (*content.position_mm, *quaternion)
            return "POSITION", _floats(struct.Struct(f">{len(values)}f"), values)
        case TrackingData():
            return "TDATA", b"".join(
                _floats(_TOOL, tool.matrix, chars(tool.name, NAME_BYTES), tool.kind, 0)
                for tool in content.tools
            )
        case QuaternionData():
            return "QTDATA", b"".join(
                _floats(
                    _QUATERNION_TOOL,
                    (*tool.position_mm, *tool.quaternion),
                    chars(tool.name, NAME_BYTES),
                    tool.kind,
                    0,
                )
                for tool in content.tools
            )
        case StartTracking():
            name = chars(content.coordinates, 32)
            return f"STT_{content.form}", _START.pack(content.resolution_ms, name)
        case StopTracking():
            return f"STP_{content.form}", b""
        case TrackingAnswer():
            return f"RTS_{content.form}", b"\0" if content.accepted else b"\1"
        case Status():
            error = chars(content.error_name, 20)
            return "STATUS", _STATUS.pack(content.code, content.subcode, error) + (
                content.text.encode() + b"\0"
            )
        case IgtlText():
            text = content.text.encode()
            encoding = 3 if content.text.isascii() else 106
            return "STRING", struct.pack(">HH", encoding, len(text)) + text
        case Sensor():
            count = len(content.values)
            layout = struct.Struct(f">BBQ{count}d")
            return "SENSOR", _floats(layout, content.values, count, content.status, content.unit)


def _read_transform(_type: str, data: bytes) -> Content:
    return Transform(_finite(_MATRIX.unpack(data)))


def _read_position(_type: str, data: bytes) -> Content:
    values = _finite(struct.unpack(f">{len(data) // 4}f", data))
    position: Triple = (values[0], values[1], values[2])
    if len(values) == 3:
        return Position(position)
    x, y, z = values[3:6]
    w = values[6] if len(values) == 7 else math.sqrt(max(0.0, 1.0 - x * x - y * y - z * z))
    return Position(position, (x, y, z, w))


def _read_tools(_type: str, data: bytes) -> Content:
    tools: list[IgtlTool] = []
    for name, kind, _, *matrix in _TOOL.iter_unpack(data):
        tools.append(IgtlTool(_name(name), _finite(tuple(matrix)), kind))
    return TrackingData(tuple(tools))


def _read_quaternion_tools(_type: str, data: bytes) -> Content:
    tools: list[QuaternionTool] = []
    for name, kind, _, *values in _QUATERNION_TOOL.iter_unpack(data):
        x, y, z, qx, qy, qz, w = _finite(tuple(values))
        tools.append(QuaternionTool(_name(name), (x, y, z), (qx, qy, qz, w), kind))
    return QuaternionData(tuple(tools))


def _read_start(type_name: str, data: bytes) -> Content:
    resolution_ms, name = _START.unpack(data)
    return StartTracking(_form(type_name), resolution_ms, _name(name))


def _read_stop(type_name: str, _data: bytes) -> Content:
    return StopTracking(_form(type_name))


def _read_answer(type_name: str, data: bytes) -> Content:
    return TrackingAnswer(_form(type_name), data == b"\0")


def _read_status(_type: str, data: bytes) -> Content:
    code, subcode, error = _STATUS.unpack_from(data)
    return Status(code, subcode, _name(error), utf8(data[_STATUS.size :].rstrip(b"\0")))


def _read_text(_type: str, data: bytes) -> Content:
    _, length = struct.unpack_from(">HH", data)
    if length != len(data) - 4:
        raise refused(f"STRING says {length} bytes and has {len(data) - 4}")
    return IgtlText(utf8(data[4:]))


def _read_sensor(_type: str, data: bytes) -> Content:
    count, status, unit = struct.unpack_from(">BBQ", data)
    if len(data) != 10 + 8 * count:
        raise refused(f"SENSOR says {count} values in {len(data)} bytes")
    return Sensor(_finite(struct.unpack_from(f">{count}d", data, 10)), status, unit)


def _name(data: bytes) -> str:
    match = _NAME.fullmatch(data)
    if match is None:
        raise refused(f"name {data!r}")
    return match[1].decode()


def _form(type_name: str) -> Form:
    return "QTDATA" if type_name.endswith("QTDATA") else "TDATA"


def _finite(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(map(math.isfinite, values)):
        raise refused(f"{values} are not all finite")
    return values


def _floats(layout: struct.Struct, values: tuple[float, ...], *before: int | bytes) -> bytes:
    """Pack finite numbers after what goes before them."""
    try:
        return layout.pack(*before, *_finite(values))
    except (struct.error, OverflowError) as error:
        raise refused(f"{values} cannot be written ({error})") from error


@dataclass(frozen=True, slots=True)
class Reader:
    """How a type's content is read, and which sizes it may have."""

    read: Callable[[str, bytes], Content]
    sizes: Container[int]


READERS: dict[str, Reader] = {
    "TRANSFORM": Reader(_read_transform, (48,)),
    "POSITION": Reader(_read_position, (12, 24, 28)),
    "TDATA": Reader(_read_tools, range(0, 70 * 256, 70)),
    "QTDATA": Reader(_read_quaternion_tools, range(0, 50 * 256, 50)),
    "STATUS": Reader(_read_status, range(30, 4096)),
    "STRING": Reader(_read_text, range(4, LONGEST_BODY)),
    "SENSOR": Reader(_read_sensor, range(10, 10 + 8 * 256, 8)),
    **{
        f"{verb}_{form}": reader
        for form in ("TDATA", "QTDATA")
        for verb, reader in (
            ("STT", Reader(_read_start, (36,))),
            ("STP", Reader(_read_stop, (0,))),
            ("RTS", Reader(_read_answer, (1,))),
        )
    },
}

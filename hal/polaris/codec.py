"""NDI's combined API on the wire: commands, text replies and the BX binary reply, both ways.

A command is ``NAME:parameters`` + CRC + CR; a text reply ends with four hex digits of CRC and
CR; a BX reply is binary with one CRC for its header and one for its body. Source: NDI's public
command set as spoken by open clients; the CRC is CRC-16/ARC.
"""

from __future__ import annotations

import itertools
import math
import re
import struct

import msgspec

from hal.errors import ProtocolError
from hal.messages import Triple
from hal.polaris.error_table import ERRORS

ROM_BYTES = 1024
ROM_BLOCK = 64
TX_MODE = "0801"
"""Transforms and status, and out-of-volume tools too (so that we know why one is missing)."""

PORT_IN = 0x01
PORT_INITIALISED = 0x10
PORT_ENABLED = 0x20
PORT_OUT_OF_VOLUME = 0x40
PORT_PARTIALLY_OUT = 0x80

BAD_FLOAT = -3.697314e28
"""NDI's number for "not measured": no pose that holds it is one."""
BX_START = 0xA5C4
BX_VALID, BX_MISSING, BX_DISABLED = 1, 2, 4
_BX_MAX_BODY = 4096
_TEXT_MAX = 8192


def _crc_table() -> tuple[int, ...]:
    rows: list[int] = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
        rows.append(byte)
    return tuple(rows)


_CRC = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/ARC: polynomial x^16+x^15+x^2+1, reflected, start value 0."""
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


class ToolPose(msgspec.Struct, frozen=True, gc=False):
    """A tool's place in the tracker's frame: unit quaternion, position, RMS error."""

    quaternion: tuple[float, float, float, float]
    position_mm: Triple
    error_mm: float


class PolarisTool(msgspec.Struct, frozen=True, gc=False):
    """One port handle in a TX or BX reply; no pose: missing, or disabled where ``frame`` is -1."""

    handle: int
    pose: ToolPose | None
    port_status: int = PORT_IN | PORT_INITIALISED | PORT_ENABLED
    frame: int = -1


class Tracking(msgspec.Struct, frozen=True, gc=False):
    """What TX and BX both say."""

    tools: tuple[PolarisTool, ...]
    system_status: int = 0


class PolarisText(msgspec.Struct, frozen=True, gc=False):
    """A text reply without its CRC."""

    text: str


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """``ERRORxx``."""

    code: int

    @property
    def meaning(self) -> str:
        """The error in words."""
        return f"error {self.code:02X}, {ERRORS.get(self.code, 'not in the table')}"


class PolarisGarbled(msgspec.Struct, frozen=True, gc=False):
    """Bytes that are no reply; what is wrong with them and how they begin."""

    what: str
    value: str


Reply = PolarisText | Refusal | Tracking | PolarisGarbled


def command(name: str, parameters: str = "") -> bytes:
    """Return a command with its CRC, as it goes to the tracker."""
    body = f"{name}:{parameters}".encode("ascii")
    return body + b"%04X\r" % crc16(body)


def read_command(line: bytes) -> tuple[str, str]:
    """Return name and parameters of one command (without its CR), with CRC or without.

    Raises `ProtocolError` where the CRC is wrong or there is no name.
    """
    colon, space = line.find(b":"), line.find(b" ")
    if colon >= 0 and (space < 0 or colon < space):
        body, crc = line[:-4], line[-4:]
        if len(body) <= colon or not re.fullmatch(rb"[0-9A-F]{4}", crc):
            raise ProtocolError("Polaris command without a CRC")
        if int(crc, 16) != crc16(body):
            raise ProtocolError(f"Polaris command fails its CRC: {line[:20]!r}")
        name, parameters = body[:colon], body[colon + 1 :]
    else:
        name, _, parameters = line.partition(b" ")
    if not re.fullmatch(rb"[0-9A-Z]{1,12}", name):
        raise ProtocolError(f"Polaris command without a name: {line[:20]!r}")
    return name.decode("ascii"), parameters.decode("ascii", "replace")


def text_reply(text: str) -> bytes:
    """Return a text reply with CRC and CR."""
    body = text.encode("ascii")
    return body + b"%04X\r" % crc16(body)


def refusal(code: int) -> bytes:
    """Return an error reply."""
    return text_reply(f"ERROR{code:02X}")


def rom_blocks(handle: int, rom: bytes) -> list[str]:
    """Return the parameters of the PVWR commands that upload a tool definition (1024 bytes)."""
    if not 0 < len(rom) <= ROM_BYTES:
        raise ProtocolError(
            f"tool definition of {len(rom)} bytes, limit {ROM_BYTES}: export a .rom file"
        )
    padded = rom.ljust(-(-len(rom) // ROM_BLOCK) * ROM_BLOCK, b"\0")
    return [
        f"{handle:02X}{at:04X}{padded[at : at + ROM_BLOCK].hex().upper()}"
        for at in range(0, len(padded), ROM_BLOCK)
    ]


def read_handles(text: str) -> list[tuple[int, int]]:
    """Return the handles and their status in a PHSR reply."""
    if re.fullmatch(r"[0-9A-F]{2}(?:[0-9A-F]{5})*", text) is None:
        raise ProtocolError(f"PHSR reply is no list of handles: {text[:20]!r}")
    if len(text) != 2 + 5 * int(text[:2], 16):
        raise ProtocolError(f"PHSR reply counts {text[:2]} handles in {len(text)} characters")
    fields = [text[at : at + 5] for at in range(2, len(text), 5)]
    return [(int(field[:2], 16), int(field[2:], 16)) for field in fields]


def handles_reply(handles: list[tuple[int, int]]) -> bytes:
    """Return a PHSR reply."""
    return text_reply(f"{len(handles):02X}" + "".join(f"{h:02X}{s:03X}" for h, s in handles))


_HEX = "[0-9A-F]"
_POSE = r"[+-]\d{5}[+-]\d{5}[+-]\d{5}[+-]\d{5}[+-]\d{6}[+-]\d{6}[+-]\d{6}[+-]\d{5}"
_TX_TOOL = re.compile(
    rf"({_HEX}{{2}})(?:UNOCCUPIED|(?:({_POSE})|MISSING|(DISABLED))({_HEX}{{8}})({_HEX}{{8}}))\n"
)


def read_tx(text: str) -> Tracking:
    """Return a TX reply of mode 0001 or 0801; raises `ProtocolError` where it is none."""
    if re.match(rf"{_HEX}{{2}}", text) is None:
        raise ProtocolError(f"TX reply without a count: {text[:20]!r}")
    tools: list[PolarisTool] = []
    at = 2
    for _ in range(int(text[:2], 16)):
        found = _TX_TOOL.match(text, at)
        if found is None:
            raise ProtocolError(f"TX reply with a strange tool: {text[at : at + 30]!r}")
        at = found.end()
        handle, pose, disabled, status, frame = found.groups()
        if status is None or disabled:
            tools.append(PolarisTool(int(handle, 16), None, int(status or "0", 16), -1))
        else:
            place = _pose_of(pose) if pose else None
            tools.append(PolarisTool(int(handle, 16), place, int(status, 16), int(frame, 16)))
    if re.fullmatch(rf"{_HEX}{{4}}", text[at:]) is None:
        raise ProtocolError(f"TX reply with a strange end: {text[at : at + 20]!r}")
    return Tracking(tuple(tools), int(text[at:], 16))


def _pose_of(field: str) -> ToolPose:
    ends = (0, 6, 12, 18, 24, 31, 38, 45, 51)
    q0, qx, qy, qz, x, y, z, e = (int(field[a:b]) for a, b in itertools.pairwise(ends))
    return _checked(
        ToolPose((q0 / 1e4, qx / 1e4, qy / 1e4, qz / 1e4), (x / 100, y / 100, z / 100), e / 1e4)
    )


def _checked(pose: ToolPose) -> ToolPose:
    """Refuse what no tracker measures: a quaternion that is no rotation, a negative error."""
    norm = math.sqrt(sum(q * q for q in pose.quaternion))
    far = max(abs(c) for c in pose.position_mm)
    if not (0.98 < norm < 1.02 and far < 10_000.0 and 0.0 <= pose.error_mm < 100.0):
        raise ProtocolError(f"Polaris pose out of all bounds: norm {norm:g}, {pose.position_mm} mm")
    return pose


def tx_reply(tracking: Tracking) -> bytes:
    """Return a TX reply of mode 0001 or 0801."""
    parts = [f"{len(tracking.tools):02X}"]
    for tool in tracking.tools:
        if tool.frame < 0:
            parts.append(f"{tool.handle:02X}DISABLED{tool.port_status:08X}{0:08X}\n")
            continue
        shown = "MISSING"
        if tool.pose is not None:
            numbers = [f"{round(q * 1e4):+06d}" for q in tool.pose.quaternion]
            numbers += [f"{round(c * 100):+07d}" for c in tool.pose.position_mm]
            shown = "".join(numbers) + f"{round(tool.pose.error_mm * 1e4):+06d}"
        parts.append(f"{tool.handle:02X}{shown}{tool.port_status:08X}{tool.frame:08X}\n")
    return text_reply("".join(parts) + f"{tracking.system_status:04X}")


def read_bx_body(body: bytes) -> Tracking:
    """Return the body of a BX reply; raises `ProtocolError` where it is none."""
    tools: list[PolarisTool] = []
    try:
        at = 1
        for _ in range(body[0]):
            handle, state = body[at], body[at + 1]
            at += 2
            pose = None
            if state == BX_VALID:
                n = struct.unpack_from("<8f", body, at)
                at += 32
                if not all(map(math.isfinite, n)):
                    raise ProtocolError("BX reply with a number that is not finite")
                if min(n) > 0.99 * BAD_FLOAT:
                    pose = _checked(ToolPose((n[0], n[1], n[2], n[3]), (n[4], n[5], n[6]), n[7]))
            elif state not in (BX_MISSING, BX_DISABLED):
                raise ProtocolError(f"BX reply with tool state {state:02X}")
            status, frame = 0, -1
            if state != BX_DISABLED:
                status, frame = struct.unpack_from("<II", body, at)
                at += 8
            tools.append(PolarisTool(handle, pose, status, frame))
        (system_status,) = struct.unpack_from("<H", body, at)
    except (IndexError, struct.error):
        raise ProtocolError("BX reply ends inside a tool") from None
    if at + 2 != len(body):
        raise ProtocolError(f"BX reply of {len(body)} bytes uses {at + 2}")
    return Tracking(tuple(tools), system_status)


def bx_reply(tracking: Tracking) -> bytes:
    """Return a BX reply of mode 0001 or 0801, header, body and both CRCs."""
    body = bytearray([len(tracking.tools)])
    for tool in tracking.tools:
        if tool.frame < 0:
            body += bytes([tool.handle, BX_DISABLED])
            continue
        body += bytes([tool.handle, BX_MISSING if tool.pose is None else BX_VALID])
        if tool.pose is not None:
            pose = tool.pose
            body += struct.pack("<8f", *pose.quaternion, *pose.position_mm, pose.error_mm)
        body += struct.pack("<II", tool.port_status, tool.frame)
    body += struct.pack("<H", tracking.system_status)
    head = struct.pack("<HH", BX_START, len(body))
    head += struct.pack("<H", crc16(head))
    return head + bytes(body) + struct.pack("<H", crc16(bytes(body)))


class PolarisReplies:
    """Cuts the tracker's bytes into replies; `drop` forgets a reply that stopped half way.

    The tracker speaks only when asked, so after anything garbled everything held is dropped
    and the session asks again once the line is quiet. ``tracking`` tells whether a text reply
    is the answer to TX.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self.tracking = False

    def drop(self) -> None:
        """Forget the beginning of a reply."""
        self._held.clear()

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes and give the replies they complete."""
        self._held += data
        replies: list[Reply] = []
        while self._held:
            reply = self._binary() if self._held[0] == BX_START & 0xFF else self._text()
            if reply is None:
                break
            replies.append(reply)
            if isinstance(reply, PolarisGarbled):
                self._held.clear()
        return replies

    def _text(self) -> Reply | None:
        end = self._held.find(b"\r")
        if end < 0:
            if len(self._held) > _TEXT_MAX:
                return PolarisGarbled("Polaris reply without an end", f"{len(self._held)} bytes")
            return None
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        body, crc = line[:-4], line[-4:]
        if re.fullmatch(rb"[0-9A-F]{4}", crc) is None or int(crc, 16) != crc16(body):
            return PolarisGarbled("Polaris reply fails its CRC", repr(line[:24]))
        text = body.decode("ascii", "replace")
        if re.fullmatch(r"ERROR[0-9A-F]{2}", text):
            return Refusal(int(text[5:], 16))
        if not self.tracking:
            return PolarisText(text)
        try:
            return read_tx(text)
        except ProtocolError as error:
            return PolarisGarbled(str(error), text[:24])

    def _binary(self) -> Reply | None:
        if len(self._held) < 6:
            return None
        start, length, crc = struct.unpack_from("<HHH", self._held)
        if start != BX_START or crc16(bytes(self._held[:4])) != crc or length > _BX_MAX_BODY:
            return PolarisGarbled("BX header fails its CRC", self._held[:6].hex())
        if len(self._held) < length + 8:
            return None
        body = bytes(self._held[6 : 6 + length])
        (crc,) = struct.unpack_from("<H", self._held, 6 + length)
        del self._held[: length + 8]
        if crc16(body) != crc:
            return PolarisGarbled("BX body fails its CRC", body[:8].hex())
        try:
            return read_bx_body(body)
        except ProtocolError as error:
            return PolarisGarbled(str(error), body[:8].hex())

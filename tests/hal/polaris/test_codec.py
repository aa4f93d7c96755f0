"""Polaris bytes: vectors of the protocol notes, fed whole, in pieces, with a rest, corrupted."""

from __future__ import annotations

import struct

import pytest

from hal.errors import ProtocolError
from hal.polaris import codec
from hal.polaris.codec import (
    BAD_FLOAT,
    BX_VALID,
    PolarisGarbled,
    PolarisReplies,
    PolarisText,
    PolarisTool,
    Refusal,
    ToolPose,
    Tracking,
)
from hal.polaris.error_table import ERRORS

POSE = ToolPose((0.5, -0.5, 0.5, 0.5), (12.34, -56.78, -1500.01), 0.12)
TRACKING = Tracking(
    (PolarisTool(1, POSE, 0x31, 120), PolarisTool(2, None, 0x31, 120), PolarisTool(3, None)), 0x0002
)


@pytest.mark.parametrize(
    ("body", "crc"), [("INIT:", 0xE3A5), ("OKAY", 0xA896), ("RESET", 0xBE6F), ("VER:0", 0x65EE)]
)
def test_crc_of_the_notes(body: str, crc: int) -> None:
    assert codec.crc16(body.encode()) == crc


def test_command_forms() -> None:
    assert codec.command("INIT") == b"INIT:E3A5\r"
    assert codec.command("VER", "0") == b"VER:065EE\r"
    assert codec.read_command(b"INIT:E3A5") == ("INIT", "")
    assert codec.read_command(b"TX 0801") == ("TX", "0801")
    assert codec.text_reply("OKAY") == b"OKAYA896\r"


@pytest.mark.parametrize(
    "line", [b"INIT:E3A6", b"INIT:", b":1234", b"", b"\xff\xff", b"VER:1065EE"]
)
def test_bad_commands_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        codec.read_command(line)


def test_tx_layout_to_the_character() -> None:
    text = codec.tx_reply(
        Tracking((PolarisTool(1, POSE, 0x31, 120), PolarisTool(2, None, 0x71, 121)))
    )
    assert text[:-5] == (
        b"02"
        b"01+05000-05000+05000+05000+001234-005678-150001+012000000003100000078\n"
        b"02MISSING0000007100000079\n"
        b"0000"
    )


def test_bx_layout_to_the_byte() -> None:
    reply = codec.bx_reply(Tracking((PolarisTool(2, None, 0x31, 7), PolarisTool(3, None)), 0x0102))
    assert reply[:4] == bytes.fromhex("c4a50f00")
    assert reply[6:-2] == bytes.fromhex("02 02 02 31000000 07000000 03 04 0201")


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (codec.text_reply("OKAY"), PolarisText("OKAY")),
        (codec.refusal(0x2B), Refusal(0x2B)),
        (codec.bx_reply(TRACKING), TRACKING),
    ],
)
def test_whole_bytewise_and_with_a_rest(wire: bytes, expected: codec.Reply) -> None:
    def close(reply: codec.Reply) -> codec.Reply:
        if not isinstance(reply, Tracking):
            return reply
        first = reply.tools[0].pose
        assert first is not None
        assert first.position_mm == pytest.approx(POSE.position_mm, abs=1e-4)
        assert first.error_mm == pytest.approx(0.12)
        tools = (
            PolarisTool(1, POSE, reply.tools[0].port_status, reply.tools[0].frame),
            *reply.tools[1:],
        )
        # A disabled port has no status on the binary wire.
        tools = (*tools[:2], PolarisTool(3, None))
        return Tracking(tools, reply.system_status)

    assert [close(r) for r in PolarisReplies().feed(wire)] == [expected]
    replies = PolarisReplies()
    bytewise = [r for i in range(len(wire)) for r in replies.feed(wire[i : i + 1])]
    assert [close(r) for r in bytewise] == [expected]
    replies = PolarisReplies()
    first = replies.feed(wire + wire[:5])
    rest = replies.feed(wire[5:])
    assert [close(r) for r in first + rest] == [expected, expected]


def test_tx_round_trip() -> None:
    replies = PolarisReplies()
    replies.tracking = True
    wire = codec.tx_reply(TRACKING)
    assert replies.feed(wire) == [TRACKING]
    assert codec.read_tx("01" + "0AUNOCCUPIED\n" + "0000") == Tracking((PolarisTool(10, None, 0),))


@pytest.mark.parametrize("kind", ["tx", "bx"])
def test_every_byte_corrupted(kind: str) -> None:
    wire = codec.tx_reply(TRACKING) if kind == "tx" else codec.bx_reply(TRACKING)
    for at in range(len(wire)):
        for flip in (0x01, 0x80, 0xFF, 0x0D):
            replies = PolarisReplies()
            replies.tracking = True
            damaged = wire[:at] + bytes([wire[at] ^ flip]) + wire[at + 1 :]
            got = replies.feed(damaged)
            assert all(isinstance(r, PolarisGarbled) for r in got), (at, flip, got)
            replies.drop()
            assert isinstance(replies.feed(wire)[-1], Tracking)


@pytest.mark.parametrize(
    "pose",
    [
        ToolPose((0.1, 0.1, 0.1, 0.1), (0.0, 0.0, 0.0), 0.1),
        ToolPose((1.0, 0.0, 0.0, 0.0), (float("nan"), 0.0, 0.0), 0.1),
        ToolPose((1.0, 0.0, 0.0, 0.0), (0.0, float("inf"), 0.0), 0.1),
        ToolPose((1.0, 0.0, 0.0, 0.0), (0.0, 2e4, 0.0), 0.1),
        ToolPose((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), -1.0),
    ],
)
def test_valid_crc_does_not_make_a_pose(pose: ToolPose) -> None:
    (reply,) = PolarisReplies().feed(codec.bx_reply(Tracking((PolarisTool(1, pose, 0x31, 1),))))
    assert isinstance(reply, PolarisGarbled)


def test_rom_in_blocks() -> None:
    blocks = codec.rom_blocks(0x0A, bytes(range(100)))
    assert [block[:6] for block in blocks] == ["0A0000", "0A0040"]
    assert all(len(block) == 6 + 128 for block in blocks)
    for rom in (b"", bytes(1025)):
        with pytest.raises(ProtocolError, match="limit 1024"):
            codec.rom_blocks(1, rom)


def test_handles() -> None:
    assert codec.read_handles("020A0310B001") == [(0x0A, 0x031), (0x0B, 0x001)]
    assert codec.handles_reply([(0x0A, 0x31)])[:-5] == b"010A031"
    for text in ("", "02", "0x", "010A03", "010A031FF"):
        with pytest.raises(ProtocolError):
            codec.read_handles(text)


def test_endless_text_is_garbled_not_kept() -> None:
    assert isinstance(PolarisReplies().feed(b"A" * 9000)[0], PolarisGarbled)


def test_every_code_of_the_error_table_has_its_meaning() -> None:
    """NDI's table: 01 to 42 without the reserved 26, 27, 3A, 3E and 3F, and F1, F4 to F6."""
    reserved = {0x26, 0x27, 0x3A, 0x3E, 0x3F}
    assert set(ERRORS) == ({*range(1, 0x43), 0xF1, 0xF4, 0xF5, 0xF6} - reserved)
    assert len(set(ERRORS.values())) == len(ERRORS)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (0x02, "too long"),
        (0x06, "baud rate"),
        (0x07, "number of parameters"),
        (0x13, "tool could not be initialised"),
        (0x1A, "internal error"),
        (0x2C, "unplugged"),
        (0x33, "feature not available"),
        (0x39, "permission denied"),
        (0x40, "tool definition file"),
        (0xF4, "erased"),
        (0x3A, "not in the table"),
        (0xEE, "not in the table"),
    ],
)
def test_an_error_reply_is_told_in_words(code: int, meaning: str) -> None:
    (reply,) = PolarisReplies().feed(codec.refusal(code))
    assert isinstance(reply, Refusal)
    assert f"error {code:02X}, " in reply.meaning
    assert meaning in reply.meaning


@pytest.mark.parametrize("field", range(8))
def test_a_pose_that_holds_the_number_for_not_measured_is_missing(field: int) -> None:
    numbers = [0.5, -0.5, 0.5, 0.5, 12.0, -56.0, -1500.0, 0.125]
    numbers[field] = BAD_FLOAT
    body = bytes([1, 7, BX_VALID]) + struct.pack("<8fIIH", *numbers, 0x31, 120, 0)
    assert codec.read_bx_body(body) == Tracking((PolarisTool(7, None, 0x31, 120),))

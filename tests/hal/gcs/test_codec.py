"""GCS text: answers of one and more lines, control bytes, and what is no answer."""

from __future__ import annotations

import pytest

from hal.errors import ProtocolError
from hal.gcs import codec
from hal.gcs.codec import Answers, Commands, GcsAnswer, Ready

WIRE = b"0\nX=1.5000 \nY=-2.0e-1 \nZ=3\n\xb1\n\xb0\n"
ANSWERS = [GcsAnswer(["0"]), GcsAnswer(["X=1.5000", "Y=-2.0e-1", "Z=3"]), Ready(True), Ready(False)]


def test_lines() -> None:
    words = codec.axis_values({"X": 1.23456, "Y": -2.0})
    assert codec.command("MOV", *words) == b"MOV X 1.2346 Y -2.0000\n"
    assert codec.answer(["X=1", "Y=2"]) == b"X=1 \nY=2\n"


def test_whole_bytewise_and_with_a_rest() -> None:
    assert Answers().feed(WIRE) == ANSWERS
    answers = Answers()
    assert [a for i in range(len(WIRE)) for a in answers.feed(WIRE[i : i + 1])] == ANSWERS
    answers = Answers()
    assert answers.feed(WIRE + b"X=1 \nY") == ANSWERS
    assert answers.feed(b"=2\n") == [GcsAnswer(["X=1", "Y=2"])]


def test_commands_and_control_bytes_in_order() -> None:
    commands = Commands()
    assert commands.feed(b"MOV X 1\nPO\x05S?\x18\n") == ["MOV X 1", 0x05, 0x18, "POS?"]
    bytewise = Commands()
    wire = b"MOV X 1\nERR?\n\x07"
    got = [c for i in range(len(wire)) for c in bytewise.feed(wire[i : i + 1])]
    assert got == ["MOV X 1", "ERR?", 0x07]


def test_values() -> None:
    assert codec.read_values(["X=1", "Y=-2.5e-1"], ("X", "Y")) == {"X": 1.0, "Y": -0.25}
    assert codec.read_flags(["X=1", "Y=0"], ("X", "Y")) == {"X": True, "Y": False}
    assert codec.read_error(["-7"]) == -7
    assert codec.meaning(7) == "error 7, position out of limits"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["X=1"],
        ["Y=1", "X=2"],
        ["X=1", "Y=nan"],
        ["X=1", "Y=inf"],
        ["X=1", "Y=1e999"],
        ["X=1", "Y 2"],
        ["X=1", "Y=2", "Z=3"],
        ["X=1", "X=2"],
        ["X=1,5", "Y=2"],
        ["X=1", "Y="],
        ["X=1", "Y=0x10"],
        ["X=1", "Y=1_0"],
    ],
)
def test_what_is_no_position(lines: list[str]) -> None:
    with pytest.raises(ProtocolError):
        codec.read_values(lines, ("X", "Y"))


@pytest.mark.parametrize("lines", [[], ["x"], ["1", "2"], ["1.5"], [""], ["999999"]])
def test_what_is_no_error_code(lines: list[str]) -> None:
    with pytest.raises(ProtocolError):
        codec.read_error(lines)


def test_flags_are_zero_or_one() -> None:
    with pytest.raises(ProtocolError):
        codec.read_flags(["X=2"], ("X",))


@pytest.mark.parametrize("wire", [b"\xff\n", b"X=\x001\n", b"\xb2\n", b"A" * 5000])
def test_what_is_no_text(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        Answers().feed(wire)


def test_damaged_byte_changes_the_text_or_is_refused() -> None:
    wire = codec.answer(["X=1.000000", "Y=2.000000"])
    for at in range(len(wire)):
        damaged = wire[:at] + bytes([wire[at] ^ 0x80]) + wire[at + 1 :]
        try:
            got = Answers().feed(damaged)
        except ProtocolError:
            continue
        for answer in got:
            assert isinstance(answer, GcsAnswer)
            with pytest.raises(ProtocolError):
                codec.read_values(answer.lines, ("X", "Y"))


def test_a_move_reads_back_as_the_device_reads_it() -> None:
    line = codec.command("MOV", *codec.axis_values({"X": -1.23456, "Y": 2.0}))
    assert codec.read_move(line) == {"X": -1.2346, "Y": 2.0}
    for wrong in (b"MVR X 1.0\n", b"MOV X 1.0", b"MOV X\n", b"MOV X nan\n", b"MOV X inf\n"):
        with pytest.raises(ProtocolError, match="GCS"):
            codec.read_move(wrong)

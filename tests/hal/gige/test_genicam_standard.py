"""GenICam by the standard: where a register lies, what a formula computes, what is refused by name.

The expected values were read with the EMVA's reference implementation (`descriptions`).
"""

from __future__ import annotations

import pytest

from hal.errors import DeviceError, ProtocolError
from hal.gige.codec import READREG, WRITEMEM, WRITEREG, Ack
from hal.gige.formula import evaluate
from hal.gige.genicam import FeatureMap
from tests.hal.gige.descriptions import mixed, run
from tests.hal.gige.made_descriptions import HEAD, Maker


def described(body: str) -> FeatureMap:
    return FeatureMap((HEAD + body + "</RegisterDescription>").encode())


def reg(name: str, address: str, rest: str = "", length: int = 4) -> str:
    return (
        f'<IntReg Name="{name}">{address}<Length>{length}</Length><AccessMode>RW</AccessMode>'
        f"<pPort>Device</pPort>{rest}<Sign>Unsigned</Sign><Endianess>BigEndian</Endianess></IntReg>"
    )


def lies(body: str, name: str = "X") -> int | float:
    """Return the address of a register; local values decide it, so nothing is read."""
    return run(described(body).address(name), lambda address: 0)


LOCAL = '<Integer Name="Local"><Value>2</Value></Integer>'
FIVE = '<Integer Name="Five"><Value>5</Value></Integer>'
AT = "<Address>0x1000</Address>"


@pytest.mark.parametrize(
    ("terms", "address"),
    [
        (AT, 0x1000),
        (AT + '<pIndex Offset="64">Local</pIndex>', 0x1080),
        (AT + '<pIndex Offset="0x40">Local</pIndex>', 0x1080),
        (AT + "<pIndex>Local</pIndex>", 0x1008),  # the register's length
        (AT + '<pIndex pOffset="Five">Local</pIndex>', 0x100A),
        (AT + "<Address>0x20</Address><pAddress>Local</pAddress><pAddress>Five</pAddress>", 0x1027),
        (AT + '<pIndex Offset="4">Local</pIndex><pIndex Offset="16">Five</pIndex>', 0x1058),
        (
            AT + '<IntSwissKnife Name="IK"><pVariable Name="A">Local</pVariable>'
            "<Formula>A * 16</Formula></IntSwissKnife>",
            0x1020,
        ),
        ("<Address>010</Address>", 10),  # leading zeros are no octal
        ("<pAddress>Five</pAddress>", 5),
    ],
)
def test_an_address_is_the_sum_of_all_its_terms(terms: str, address: int) -> None:
    assert lies(LOCAL + FIVE + reg("X", terms)) == address


def test_a_structure_shares_all_terms_of_its_address() -> None:
    body = (
        LOCAL + '<StructReg Comment="s"><Address>0x100</Address><pIndex Offset="16">Local</pIndex>'
        "<Length>4</Length><AccessMode>RW</AccessMode><pPort>Device</pPort>"
        '<Endianess>BigEndian</Endianess><StructEntry Name="X"><LSB>15</LSB><MSB>8</MSB>'
        "</StructEntry></StructReg>"
    )
    assert lies(body) == 0x120


SELECTED = (
    LOCAL + '<Enumeration Name="TriggerSelector"><EnumEntry Name="FrameStart"><Value>0</Value>'
    '</EnumEntry><EnumEntry Name="AcquisitionStart"><Value>3</Value></EnumEntry>'
    "<pValue>Local</pValue></Enumeration>"
    + reg("Indexed", AT + '<pIndex Offset="64">Local</pIndex>')
    + reg("Raw", "<Address>0x2000</Address>")
    + '<Integer Name="Muxed"><pIndex>Local</pIndex><pValueIndexed Index="0">Raw</pValueIndexed>'
    '<pValueIndexed Index="2">Indexed</pValueIndexed><pValueDefault>Raw</pValueDefault></Integer>'
    '<SwissKnife Name="Rate"><pVariable Name="R">Raw</pVariable><Constant Name="TEN">10</Constant>'
    '<Expression Name="HALF">R / 2</Expression><Formula>HALF * TEN</Formula></SwissKnife>'
)


class Memory:
    """A camera's registers of four bytes; notes what is read and written."""

    def __init__(self, values: dict[int, int]) -> None:
        self.values = values
        self.read: list[int] = []
        self.written: list[tuple[int, int]] = []

    def run(self, script):
        try:
            ask = next(script)
            while True:
                at = int.from_bytes(ask.payload[:4], "big")
                answer = b""
                if ask.command == READREG:
                    self.read.append(at)
                    answer = self.values.get(at, 0).to_bytes(4, "big")
                elif ask.command == WRITEREG:
                    value = int.from_bytes(ask.payload[4:], "big")
                    self.written.append((at, value))
                    self.values[at] = value
                else:
                    assert ask.command != WRITEMEM
                    count = int.from_bytes(ask.payload[6:8], "big")
                    self.read.append(at)
                    words = [self.values.get(at + n, 0) for n in range(0, count, 4)]
                    answer = ask.payload[:4] + b"".join(w.to_bytes(4, "big") for w in words)
                ask = script.send(Ack(0, ask.command + 1, 1, answer))
        except StopIteration as end:
            return end.value


def test_an_index_a_constant_and_a_local_value_lead_to_the_right_register() -> None:
    memory = Memory({0x1000: 7, 0x1080: 8, 0x10C0: 9, 0x2000: 30})
    features = described(SELECTED)
    assert memory.run(features.read("Indexed")) == 8
    assert memory.run(features.read("Muxed")) == 8
    assert memory.run(features.read("Rate")) == 150.0
    memory.run(features.write("TriggerSelector", "AcquisitionStart"))
    assert memory.written == []  # the description keeps it: no register does
    assert memory.run(features.read("Indexed")) == 9
    assert memory.run(features.read("Muxed")) == 30  # no row for 3: the default
    memory.run(features.write("Muxed", 77))
    assert memory.written == [(0x2000, 77)]
    memory.run(features.write("TriggerSelector", "FrameStart"))
    assert memory.run(features.read("Indexed")) == 7


def test_two_cameras_keep_their_local_values_apart() -> None:
    one, two = described(SELECTED), described(SELECTED)
    memory = Memory({0x1000: 7, 0x1080: 8})
    memory.run(one.write("TriggerSelector", "FrameStart"))
    assert (memory.run(one.read("Indexed")), memory.run(two.read("Indexed"))) == (7, 8)


def test_a_value_is_copied_where_the_description_says() -> None:
    body = reg("A", "<Address>0x10</Address>") + reg("B", "<Address>0x20</Address>")
    body += '<Integer Name="I"><pValue>A</pValue><pValueCopy>B</pValueCopy></Integer>'
    memory = Memory({})
    memory.run(described(body).write("I", 3))
    assert memory.written == [(0x10, 3), (0x20, 3)]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("V.Min", 5), ("V.Max", 99), ("V.Inc", 4), ("V.Value", 42), ("V", 42), ("V.Entry.B", None)],
)
def test_a_variable_may_ask_for_a_property(variable: str, value: int | None) -> None:
    body = reg("A", "<Address>0x10</Address>") + (
        '<Integer Name="W"><pValue>A</pValue><Min>5</Min><Max>99</Max><Inc>4</Inc></Integer>'
        f'<IntSwissKnife Name="K"><pVariable Name="{variable}">W</pVariable>'
        f"<Formula>{variable}</Formula></IntSwissKnife>"
    )
    features, memory = described(body), Memory({0x10: 42})
    if value is None:
        with pytest.raises(ProtocolError, match=r"'W' has no 'Entry.B' for 'V.Entry.B'"):
            memory.run(features.read("K"))
    else:
        assert memory.run(features.read("K")) == value


def test_a_variable_may_name_an_entry() -> None:
    body = (
        '<Enumeration Name="S"><EnumEntry Name="A"><Value>0</Value></EnumEntry>'
        '<EnumEntry Name="B"><Value>3</Value></EnumEntry><Value>0</Value></Enumeration>'
        '<IntSwissKnife Name="K"><pVariable Name="V.Entry.B">S</pVariable>'
        "<Formula>V.Entry.B + 1</Formula></IntSwissKnife>"
    )
    assert Memory({}).run(described(body).read("K")) == 4


@pytest.mark.parametrize(
    ("text", "as_float", "as_whole"),
    [
        ("7 / 2", 3.5, 3),
        ("(7 / 2) * 2", 7.0, 6),
        ("-7 / 2", -3.5, -3),
        ("-7 % 3", -1.0, -1),
        ("7 % -3", 1.0, 1),
        ("2 ** 3 ** 2", 64.0, 64),
        ("-2 ** 2", 4.0, 4),
        ("3 | 4 ^ 5", 2, 2),
        ("1 + 2 << 1", 5, 5),
        ("1 || 0 && 0", 0, 0),
        ("A & 1 = 1", 1, 1),
        ("0 ? 1 : 0 ? 5 : 6", 6, 6),
        ("1 < 2 = 1", 1, 1),
        ("SGN(-3) + NEG(3)", -4, -4),
        ("A = 0 ? 0 : 100 / (A - 3)", 50, 50),
        ("A = 5 ? 1 : 1 / 0", 1, 1),
    ],
)
def test_operators_bind_as_in_the_reference(text: str, as_float: float, as_whole: int) -> None:
    assert evaluate(text, {"A": 5}) == as_float
    whole = evaluate(text, {"A": 5}, whole=True)
    assert (whole, type(whole)) == (as_whole, int)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ROUND(2.567, 2)", 2.57),
        ("ROUND(2.5)", 3.0),
        ("ROUND(-2.5)", -3.0),
        ("TRUNC(-2.7)", -2.0),
        ("FLOOR(-2.5) + CEIL(-2.5)", -5.0),
        ("LG(100) + LN(E)", 3.0),
        ("sin(PI / 2)", 1.0),
        ("ASIN(1) * 2 = PI", 1),
        ("2 ** -1", 0.5),
        ("7.5 % 2", 1.5),
    ],
)
def test_functions_of_the_standard(text: str, value: float) -> None:
    assert evaluate(text, {}) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "whole", "says"),
    [
        ("2.5 * 2", True, "2.5 in a formula of whole numbers"),
        ("A + HALF", False, "'HALF' is unknown"),
        ("SQRT(1, 2)", False, "SQRT with 2 arguments"),
        ("1 == 1", False, "'=' is unknown"),
        ("0 - 2 ** 0.5 * 1e308 * 10", False, "not finite"),
        ("(0 - 2) ** 0.5", False, "formula"),
        ("1 / 0", True, "zero"),
    ],
)
def test_a_formula_that_cannot_be_computed_is_refused(text: str, whole: bool, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        evaluate(text, {"A": 1}, whole=whole)


CHUNK_PORT = '<Port Name="Chunk"><ChunkID>12</ChunkID></Port>'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (reg("X", AT + "<Shift>4</Shift>"), r"feature 'X': <Shift> in its address"),
        (reg("X", '<Address Base="Y">0x10</Address>'), r"<Address Base> in its address"),
        (reg("X", AT + '<pIndex Step="4">Local</pIndex>'), r"<pIndex Step> in its address"),
        (
            reg("X", AT + '<pIndex Offset="4" pOffset="Five">Local</pIndex>'),
            r"both Offset and pOffset",
        ),
        (reg("X", ""), "feature 'X' has no address"),
        (reg("X", "<pAddress>Nowhere</pAddress>"), "no feature 'Nowhere'"),
        (reg("X", "<pAddress>X</pAddress>"), "refers to itself"),
        (reg("X", "<Address>0x1G</Address>"), "feature 'X': '0x1G' is no whole number"),
        (reg("X", "<Address>0x123456789</Address>"), "0x123456789: 32 bits"),
        (reg("X", AT, length=16), "'X' .IntReg. of 16 bytes"),
        (reg("X", AT).replace("BigEndian", "MiddleEndian"), "byte order 'MiddleEndian'"),
        (reg("X", AT).replace("Device", "Chunk") + CHUNK_PORT, "behind the port 'Chunk'"),
        (
            '<MaskedIntReg Name="X"><Address>0</Address><LSB>3</LSB></MaskedIntReg>',
            "LSB and MSB, or Bit, are needed",
        ),
        (
            '<MaskedIntReg Name="X"><Address>0</Address><Bit>40</Bit></MaskedIntReg>',
            "bits 40 to 40 of 32",
        ),
        ('<SmartFeature Name="X"><FeatureID>1</FeatureID></SmartFeature>', "SmartFeature"),
        (
            '<Integer Name="X"><pIndex>Local</pIndex><ValueIndexed Index="0">5</ValueIndexed>'
            "</Integer>",
            "no value for index 2",
        ),
        ('<Boolean Name="X"><Value>7</Value></Boolean>', "is 7, neither on .1. nor off .0."),
        ('<Integer Name="X"></Integer>', "'X' .Integer. has no value"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(body: str, says: str) -> None:
    features = described(LOCAL + FIVE + body)
    with pytest.raises(DeviceError, match=says):
        Memory({}).run(features.read("X"))
    # The rest of the description is read all the same.
    assert Memory({}).run(features.read("Local")) == 2


@pytest.mark.parametrize(
    ("guard", "says"),
    [
        ("<pIsImplemented>Zero</pIsImplemented>", "not implemented .Zero is 0."),
        ("<pIsAvailable>Zero</pIsAvailable>", "not available now .Zero is 0."),
        ("<pIsLocked>Local</pIsLocked>", "locked now .Local is not 0."),
        ("<ImposedAccessMode>RO</ImposedAccessMode>", "can only be read"),
    ],
)
def test_what_the_camera_denies_is_not_set(guard: str, says: str) -> None:
    zero = '<Integer Name="Zero"><Value>0</Value></Integer>'
    body = LOCAL + zero + reg("R", AT) + f'<Integer Name="X">{guard}<pValue>R</pValue></Integer>'
    memory = Memory({})
    with pytest.raises(DeviceError, match=says):
        memory.run(described(body).write("X", 1))
    assert memory.written == []


@pytest.mark.parametrize(
    ("value", "says"),
    [(4, "at least 5"), (100, "at most 99"), (10, "in steps of 4 from 5"), (9, "")],
)
def test_limits_and_steps_hold(value: int, says: str) -> None:
    body = reg("A", "<Address>0x10</Address>")
    body += '<Integer Name="W"><pValue>A</pValue><Min>5</Min><Max>99</Max><Inc>4</Inc></Integer>'
    memory = Memory({})
    if not says:
        memory.run(described(body).write("W", value))
        assert memory.written == [(0x10, 9)]
        return
    with pytest.raises(DeviceError, match=says):
        memory.run(described(body).write("W", value))


def test_a_value_too_large_for_its_register_is_refused() -> None:
    body = reg("A", "<Address>0x10</Address>", length=2)
    with pytest.raises(DeviceError, match="its 16 bits hold 0 to 65535"):
        Memory({}).run(described(body).write("A", 65536))


def test_an_entry_that_is_not_available_is_refused() -> None:
    body = (
        '<Integer Name="Zero"><Value>0</Value></Integer>'
        '<Enumeration Name="F"><EnumEntry Name="Mono8"><Value>1</Value></EnumEntry>'
        '<EnumEntry Name="Mono16"><Value>2</Value><pIsAvailable>Zero</pIsAvailable></EnumEntry>'
        "<Value>1</Value></Enumeration>"
    )
    with pytest.raises(DeviceError, match="'Mono16' is not available"):
        Memory({}).run(described(body).write("F", "Mono16"))
    Memory({}).run(described(body).write("F", "Mono8"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda xml: xml.replace(b"<ToolTip>", b"<ToolTip>\xb5s \xff "),  # Windows-1252 in UTF-8
        lambda xml: xml.replace(b"<ToolTip>", b"<ToolTip>\x01\x0c"),
        lambda xml: b"\xef\xbb\xbf" + xml.replace(b"<ToolTip>", b"<ToolTip>\xb0C"),
        lambda xml: b"\r\n" + xml,
        lambda xml: xml + b"\x00\x00garbage after the end",
        lambda xml: xml.replace(b'encoding="utf-8"', b'encoding="no-such-code"'),
        lambda xml: xml.replace(b"<ToolTip>", b"<!-- x --><ToolTip>"),
    ],
)
def test_what_is_not_needed_refuses_nothing(damage) -> None:
    xml = (HEAD + reg("X", AT, "<ToolTip>exposure</ToolTip>") + "</RegisterDescription>").encode()
    damaged = damage(xml)
    assert damaged != xml
    assert Memory({0x1000: 5}).run(FeatureMap(damaged).read("X")) == 5


def test_constants_and_variables_are_no_features() -> None:
    features = described(SELECTED)
    assert "TEN" not in features
    assert "HALF" not in features
    assert "R" not in features
    assert "FrameStart" not in features


def test_registers_of_any_length_are_read_at_multiples_of_four() -> None:
    """GVCP reads and writes whole groups of four bytes; what lies beside is written back."""
    body = reg("X", "<Address>0x1002</Address>", length=4) + reg(
        "Y", "<Address>0x1001</Address>", "", 2
    )
    memory = Memory({0x1000: 0x01020304, 0x1004: 0x05060708})
    features = described(body)
    assert memory.run(features.read("X")) == 0x03040506
    assert memory.run(features.read("Y")) == 0x0203
    assert all(at % 4 == 0 for at in memory.read)
    memory.run(features.write("Y", 0xAABB))
    assert memory.written == [(0x1000, 0x01AABB04)]


@pytest.mark.parametrize("seed", range(5))
def test_made_up_descriptions_are_read_or_refused_in_words(seed: int) -> None:
    """Every feature gives a number or a `DeviceError`; the command compares them with others'."""
    features = FeatureMap(Maker(seed).description())
    refusals: dict[str, str] = {}
    names = [n for n, node in features.nodes.items() if node.kind not in ("Port", "Category")]
    for name in names:
        try:
            assert isinstance(run(features.read(name), mixed), int | float)
        except DeviceError as error:
            refusals[name] = str(error)
    assert all("feature" in why for why in refusals.values())
    assert len(names) - len(refusals) > 20

"""A camera's own description: registers, masks, converters, formulas; what cannot be is refused."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from hal.errors import DeviceError, ProtocolError
from hal.gige.codec import READMEM, READREG, WRITEMEM, WRITEREG, Ack
from hal.gige.formula import evaluate
from hal.gige.genicam import FeatureMap, unpack_description

XML = b"""<?xml version="1.0"?>
<RegisterDescription xmlns="http://www.genicam.org/GenApi/Version_1_0"><Group Comment="all">
<Integer Name="Width"><pValue>WidthReg</pValue><Min>16</Min><pMax>WidthMax</pMax></Integer>
<IntReg Name="WidthReg"><Address>0x100</Address><Length>4</Length>
<Endianess>BigEndian</Endianess></IntReg>
<Integer Name="WidthMax"><Value>1280</Value></Integer>
<IntReg Name="Little"><Address>0x104</Address><Length>4</Length><Sign>Signed</Sign></IntReg>
<IntReg Name="Wide"><Address>0x110</Address><Length>8</Length>
<Endianess>BigEndian</Endianess></IntReg>
<MaskedIntReg Name="Bits"><Address>0x108</Address><Length>4</Length><LSB>27</LSB><MSB>24</MSB>
<Endianess>BigEndian</Endianess></MaskedIntReg>
<MaskedIntReg Name="OneBit"><Address>0x108</Address><Length>4</Length><Bit>31</Bit>
<Endianess>BigEndian</Endianess></MaskedIntReg>
<StructReg Comment="s"><Address>0x108</Address><Length>4</Length><Endianess>BigEndian</Endianess>
<StructEntry Name="High"><LSB>15</LSB><MSB>0</MSB></StructEntry></StructReg>
<FloatReg Name="Gain"><Address>0x120</Address><Length>4</Length>
<Endianess>BigEndian</Endianess></FloatReg>
<Float Name="Exposure"><pValue>ExposureConv</pValue></Float>
<Converter Name="ExposureConv"><FormulaTo>FROM * SCALE</FormulaTo>
<FormulaFrom>TO / SCALE</FormulaFrom>
<pVariable Name="SCALE">Scale</pVariable><pValue>ExposureReg</pValue></Converter>
<Integer Name="Scale"><Value>8</Value></Integer>
<IntReg Name="ExposureReg"><Address>0x124</Address><pAddress>Base</pAddress><Length>4</Length>
<Endianess>BigEndian</Endianess></IntReg>
<IntSwissKnife Name="Base"><Formula>0x1000 * (Scale = 8 ? 2 : 1)</Formula>
<pVariable Name="Scale">Scale</pVariable></IntSwissKnife>
<Enumeration Name="Mode"><EnumEntry Name="Off"><Value>0</Value></EnumEntry>
<EnumEntry Name="On"><Value>5</Value></EnumEntry><pValue>ModeReg</pValue></Enumeration>
<IntReg Name="ModeReg"><Address>0x128</Address><Length>4</Length>
<Endianess>BigEndian</Endianess></IntReg>
<Boolean Name="Flip"><pValue>OneBit</pValue><OnValue>1</OnValue><OffValue>0</OffValue></Boolean>
<Command Name="Go"><pValue>ModeReg</pValue><CommandValue>9</CommandValue></Command>
<Integer Name="Loop"><pValue>Loop</pValue></Integer>
</Group></RegisterDescription>"""


class Memory:
    """A camera's memory; carries scripts out."""

    def __init__(self) -> None:
        self.bytes = bytearray(0x4000)

    def run(self, script):
        try:
            ask = next(script)
            while True:
                at = int.from_bytes(ask.payload[:4], "big")
                answer = b""
                if ask.command == READREG:
                    answer = bytes(self.bytes[at : at + 4])
                elif ask.command == READMEM:
                    count = int.from_bytes(ask.payload[6:8], "big")
                    answer = ask.payload[:4] + bytes(self.bytes[at : at + count])
                else:
                    assert ask.command in (WRITEREG, WRITEMEM)
                    self.bytes[at : at + len(ask.payload) - 4] = ask.payload[4:]
                ask = script.send(Ack(0, ask.command + 1, 1, answer))
        except StopIteration as end:
            return end.value


FEATURES = FeatureMap(XML)


@pytest.mark.parametrize(
    ("name", "value", "at", "raw"),
    [
        ("Width", 640, 0x100, "00000280"),
        ("Little", -2, 0x104, "feffffff"),
        ("Wide", 0x0102030405060708, 0x110, "0102030405060708"),
        ("Bits", 0xA, 0x108, "000000a0"),
        ("OneBit", 1, 0x108, "00000001"),
        ("High", 0xBEEF, 0x108, "beef0000"),
        ("Gain", 1.5, 0x120, struct.pack(">f", 1.5).hex()),
        ("Exposure", 2.5, 0x2124, "00000014"),
        ("ModeReg", 5, 0x128, "00000005"),
        ("Flip", True, 0x108, "00000001"),
    ],
)
def test_features_are_written_where_they_live_and_read_back(name, value, at, raw) -> None:
    memory = Memory()
    memory.run(FEATURES.write(name, value))
    assert memory.bytes[at : at + len(raw) // 2].hex() == raw
    assert memory.run(FEATURES.read(name)) == value


def test_a_masked_register_leaves_its_neighbours_alone() -> None:
    memory = Memory()
    memory.bytes[0x108:0x10C] = b"\xff\xff\xff\xff"
    memory.run(FEATURES.write("Bits", 0))
    assert memory.bytes[0x108:0x10C].hex() == "ffffff0f"


def test_enumerations_go_by_name_and_commands_are_carried_out() -> None:
    memory = Memory()
    memory.run(FEATURES.write("Mode", "On"))
    assert memory.bytes[0x12B] == 5
    memory.run(FEATURES.execute("Go"))
    assert memory.bytes[0x12B] == 9


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Nothing", 1, "no feature 'Nothing'"),
        ("Width", 8, "at least 16"),
        ("Width", 1281, "at most 1280"),
        ("Mode", "Perhaps", "it knows Off, On"),
        ("Base", 1, "cannot be set"),
        ("Loop", 1, "refers to itself"),
    ],
)
def test_what_cannot_be_set_says_why(name, value, says) -> None:
    with pytest.raises(DeviceError, match=says):
        Memory().run(FEATURES.write(name, value))


def test_only_commands_are_carried_out() -> None:
    with pytest.raises(DeviceError, match="no command"):
        Memory().run(FEATURES.execute("Width"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("(1000000 / FROM)", 40_000),
        ("2 ** 3 * 2", 16),
        ("FROM > 3 && FROM <> 4 ? 0xF & FROM : -1", 9),
        ("~0 & 0xFF", 255),
        ("SQRT(16) + ABS(-2)", 6),
        ("1 << 4 | 1", 17),
        ("-2 * -3", 6),
        ("1.5e3", 1500),
    ],
)
def test_formulas(text: str, value: float) -> None:
    assert evaluate(text, {"FROM": 25}) == value


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1 / 0", "A", "1 $ 2", "1 2", "__import__", "?"])
def test_formulas_that_are_none(text: str) -> None:
    with pytest.raises(ProtocolError):
        evaluate(text, {})


def test_descriptions_may_be_zipped_and_rubbish_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("camera.xml", XML)
    assert unpack_description(packed.getvalue(), "camera.zip") == XML
    assert unpack_description(XML + b"\0\0", "camera.xml") == XML
    with pytest.raises(ProtocolError):
        unpack_description(b"rubbish", "camera.ZIP")
    with pytest.raises(ProtocolError):
        FeatureMap(b"<a><b></a>")

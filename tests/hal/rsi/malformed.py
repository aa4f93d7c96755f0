"""RSI telegrams, right ones and endlessly many wrong ones; `feed` tells whether one is believed."""

from __future__ import annotations

import random
from pathlib import Path

from hal.errors import ProtocolError
from hal.rsi.codec import robot_form, sensor_form
from hal.rsi.configuration import read_ethernet

ROBOT = (
    b'<Rob Type="KUKA"><RIst X="1620.0008" Y="-35.5000" Z="1910.2500" A="0.0" B="90.0" C="-1.5"/>'
    b'<RSol X="1620.0000" Y="0.0000" Z="1910.0000" A="0.0" B="90.0" C="0.0"/>'
    b'<AIPos A1="0.0" A2="-90.0" A3="90.0" A4="0.0" A5="0.0" A6="1e-05"/>'
    b'<Delay D="3"/><DiL>-7</DiL><Digout o1="1" o2="0"/><IPOC>4208163634</IPOC></Rob>'
)
SENSOR = (
    b'<Sen Type="ImFree"><EStr>hello</EStr>'
    b'<RKorr X="1.2500" Y="-0.0625" Z="0.0000" A="0.0000" B="0.0000" C="0.0000"/>'
    b"<DiO>125</DiO><IPOC>123456</IPOC></Sen>"
)
IN_VALUES = frozenset(b"0123456789.+-eE")
SPACES = frozenset(b" \t\r\n")
SILENT = SENSOR.replace(b"hello", b"")
"""Without a text, as another text is a valid text."""

_ETHERNET = read_ethernet(
    (Path(__file__).parent / "RSI_EthernetConfig.xml").read_text(encoding="utf-8")
)
_FORMS = (robot_form(_ETHERNET), sensor_form(_ETHERNET))


def feed(data: bytes) -> bool:
    """Whether either end believes the telegram; anything but `ProtocolError` is a crash."""
    believed = 0
    for form in _FORMS:
        try:
            form.decode(data)
        except ProtocolError:
            continue
        believed += 1
    return believed > 0


def malformed(rng: random.Random) -> bytes:
    """A telegram of either kind no decoder may accept: more than a digit has changed."""
    original = rng.choice((ROBOT, SILENT))
    data = bytearray(original)
    structure = [i for i, byte in enumerate(data) if byte not in IN_VALUES | SPACES]
    kind = rng.randrange(6)
    if kind == 0:
        data[rng.choice(structure)] = rng.choice(b"\x00<>&\"'/=\x80\xff!#")
        if bytes(data) == original:
            del data[structure[0]]
    elif kind == 1:
        del data[rng.randrange(1, len(data)) :]
    elif kind == 2:
        del data[: rng.randrange(1, len(data))]
    elif kind == 3:
        start = rng.randrange(len(data) - 20)
        data[start:start] = data[start : start + rng.randrange(8, 20)]
    elif kind == 4:
        for _ in range(rng.randrange(1, 8)):
            data[rng.choice(structure)] = rng.choice(b"\x00<>&\x80\xff")
        data[structure[0]] = 0
    else:
        data = bytearray(rng.randbytes(rng.randrange(0, 400)))
    return bytes(data)

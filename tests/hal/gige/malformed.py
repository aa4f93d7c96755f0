"""GigE Vision datagrams whose headers are wrong, of control and of stream; `feed` tells of belief.

The first byte says which half: a GVCP answer to the discovery that is out, or the one GVSP packet
that a picture still lacks. Neither protocol has a checksum of its own: identity, pixels and
timestamp themselves are left alone here, since nothing but UDP's checksum keeps them.
"""

from __future__ import annotations

import random

import numpy as np

from hal.errors import DeviceError
from hal.gige import codec
from hal.gige.packets import MONO8, RESENT, Leader, packets_of
from hal.gige.reassembly import GvspFrame, Reassembly
from hal.gige.session import GigeSession, GigeSettings

CONTROL, STREAM = 0, 1
_PACKET_BYTES = 576
_PICTURE = np.arange(30 * 40, dtype=np.uint16).astype(np.uint8).reshape(30, 40)
_LEADER = Leader(5000, MONO8, 40, 30, 0, 0, 0)
_BEFORE = [
    packet
    for block in (1, 2)
    for packet in packets_of(block, _LEADER, _PICTURE.tobytes(), _PACKET_BYTES)
]
_PACKETS = packets_of(3, _LEADER, _PICTURE.tobytes(), _PACKET_BYTES)
_SETTINGS = GigeSettings(device="camera", host="10.0.0.9")
_WHO = codec.GigeIdentity("twin", "one", "1", "SN1", "", "10.0.0.9", "020000000001")
_ANSWER = codec.encode_ack(codec.Ack(0, codec.DISCOVERY + 1, 1, codec.encode_identity(_WHO)))
_TIMESTAMP = range(12, 20)
"""Of the leader, behind its header."""


def feed(data: bytes) -> bool:
    """Whether it is believed; anything but `DeviceError` is a crash."""
    try:
        return _answered(data[1:]) if data[0] == CONTROL else _completed(data[1], data[2:])
    except DeviceError:
        return False


def _answered(answer: bytes) -> bool:
    """Whether a driver whose first request is out takes this for the answer."""
    session = GigeSession(_SETTINGS, ("127.0.0.1", 5000))
    session.begin(0)
    session.receive(answer, 0)
    return session.identity is not None


def _completed(number: int, packet: bytes) -> bool:
    """Whether a third picture that lacks this one packet comes about with it."""
    assembly = Reassembly("camera", _PACKET_BYTES, 1_000_000_000)
    for each in _BEFORE:
        assembly.receive(each, 0)
    said = [
        item
        for index, each in enumerate(_PACKETS)
        for item in assembly.receive(packet if index == number else each, 0)
    ]
    return any(isinstance(item, GvspFrame) for item in said)


def malformed(rng: random.Random) -> bytes:
    """One datagram of either half, its header or length wrong, or nothing but noise."""
    if rng.randrange(2) == CONTROL:
        wrong = _wrong(rng, _ANSWER, range(8))
        return bytes((CONTROL,)) + wrong
    number = rng.randrange(len(_PACKETS))
    whole = _PACKETS[number]
    last = number == len(_PACKETS) - 1
    checked = [at for at in range(44) if at not in _TIMESTAMP] if number == 0 else range(8)
    wrong = _wrong(rng, whole, range(len(whole)) if last else checked)
    if wrong in (_again(whole), whole[:-4] + bytes(4) if last else b""):
        wrong = b""  # the same packet sent again is right, and so is a trailer without a height
    return bytes((STREAM, number)) + wrong


def _again(packet: bytes) -> bytes:
    return RESENT.to_bytes(2, "big") + packet[2:]


def _wrong(rng: random.Random, whole: bytes, checked: range | list[int]) -> bytes:
    """Flip bits where they are checked, cut it short, or put noise in its place."""
    data = bytearray(whole)
    kind = rng.randrange(3)
    if kind == 0:
        for _ in range(rng.randrange(1, 4)):
            data[checked[rng.randrange(len(checked))]] ^= rng.randrange(1, 256)
    elif kind == 1:
        del data[rng.randrange(len(data)) :]
    else:
        data = bytearray(rng.randbytes(rng.randrange(80)))
    return b"" if bytes(data) == whole else bytes(data)

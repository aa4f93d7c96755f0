"""Answers to a gate's reading, right and wrong; `feed` tells whether one becomes a beam status.

Modbus on TCP has no checksum of its own, so the byte of the status bit is left alone here: TCP's
checksum and the next reading keep the bit, and the others in its byte say nothing.
"""

from __future__ import annotations

import random

from hal.errors import DeviceError
from hal.messages import BeamStatus
from hal.modbus import codec
from hal.modbus.session import GateSession, GateSettings

_SETTINGS = GateSettings(watchdog=None)


def _asking() -> GateSession:
    """A driver whose reading (transaction 3) is out."""
    session = GateSession("gate", _SETTINGS)
    session.begin(0)
    session.receive(codec.encode_answer(codec.ModbusAnswer(1, codec.WRITE_COIL, (0,))), 0)
    session.receive(codec.encode_answer(codec.ModbusAnswer(2, codec.WRITE_COIL, (0,))), 0)
    session.data_to_send()
    return session


_READING = codec.encode_answer(codec.ModbusAnswer(3, codec.READ_COILS, (0,)))


def feed(data: bytes) -> bool:
    """Whether it is believed; anything but `DeviceError` is a crash."""
    session = _asking()
    try:
        samples = session.receive(data, 0)
    except DeviceError:
        return False
    return any(isinstance(sample, BeamStatus) for sample in samples)


def malformed(rng: random.Random) -> bytes:
    """An answer that is not the one to the reading that is out."""
    data = bytearray(_READING)
    kind = rng.randrange(4)
    if kind == 0:
        data[rng.randrange(len(data) - 1)] ^= rng.randrange(1, 256)
    elif kind == 1:
        del data[rng.randrange(len(data)) :]
    elif kind == 2:
        for _ in range(rng.randrange(2, 5)):
            data[rng.randrange(len(data) - 1)] ^= rng.randrange(1, 256)
    else:
        data = bytearray(rng.randbytes(rng.randrange(40)))
    return b"" if bytes(data) == _READING else bytes(data)

"""BITalino bytes: commands, packing, CRC4, and a boundary that survives damage."""

from __future__ import annotations

import random

import pytest

from hal.bitalino import codec
from hal.bitalino.codec import BitalinoFrame, BitalinoTrouble, Found, Frames


def stream(count: int, channels: int = 1, start: int = 0) -> list[bytes]:
    values = [500 + (7 * i) % 11 // 3 for i in range(count)]
    rest = (100,) * (channels - 1)
    rest = tuple(min(v, 40) if i >= 3 else v for i, v in enumerate(rest))
    return [
        codec.encode_frame(BitalinoFrame((start + i) % 16, (v, *rest)))
        for i, v in enumerate(values)
    ]


def counted(found: list[Found | BitalinoTrouble]) -> list[int]:
    return [f.frame.sequence for f in found if isinstance(f, Found)]


def test_commands() -> None:
    assert [codec.sampling(rate) for rate in codec.RATES] == [b"\x03", b"\x43", b"\x83", b"\xc3"]
    assert codec.start((1,)) == b"\x05"
    assert codec.start((1, 2, 3, 4, 5, 6)) == b"\xfd"
    assert codec.read_command(0xFD) == ("start", (1, 2, 3, 4, 5, 6))
    assert codec.read_command(0xC3) == ("sampling", (1000,))
    assert codec.read_command(0xBF) == ("digital", (1, 1))
    assert codec.read_command(0xFF)[0] == "stop"
    assert codec.find_version(b"\x12\x34BITalino_v5.1\n") == "5.1"
    assert codec.find_version(b"BITalino_v5.") is None


@pytest.mark.parametrize(("channels", "size"), [(1, 3), (2, 4), (3, 6), (4, 7), (5, 8), (6, 8)])
def test_frame_length_and_round_trip(channels: int, size: int) -> None:
    chance = random.Random(channels)
    for _ in range(200):
        counts = tuple(chance.randrange(1024 if i < 4 else 64) for i in range(channels))
        frame = BitalinoFrame(chance.randrange(16), counts, chance.randrange(16), 7)
        data = codec.encode_frame(frame)
        assert len(data) == size
        assert codec.decode_frame(data, channels, 7) == frame


def test_packing_to_the_bit() -> None:
    data = codec.encode_frame(BitalinoFrame(0xA, (0b1111000000, 0b1000000001), 0b0101))
    assert data[-1] >> 4 == 0xA
    assert data[-2] == 0b0101_1111
    assert data[-3] == 0b000000_10
    assert data[-4] == 0b00000001


def bitwise_crc4(data: bytes) -> int:
    x = 0
    for byte in [*data[:-1], data[-1] & 0xF0]:
        for bit in range(7, -1, -1):
            x <<= 1
            if x & 0x10:
                x ^= 0x03
            x ^= byte >> bit & 1
    return x & 0x0F


def test_crc_by_table_is_the_bitwise_one() -> None:
    chance = random.Random(4)
    for _ in range(500):
        data = chance.randbytes(chance.randint(1, 8))
        assert codec.crc4(data) == bitwise_crc4(data)


@pytest.mark.parametrize("channels", range(1, 7))
@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_whole_in_pieces_and_with_a_rest(channels: int, piece: int) -> None:
    data = b"".join(stream(20, channels))
    frames = Frames(channels)
    found = [f for i in range(0, len(data), piece) for f in frames.feed(data[i : i + piece], i)]
    assert counted(found) == [i % 16 for i in range(3, 20)], "the first four confirm the boundary"
    last = codec.encode_frame(BitalinoFrame(4, (500, *([40] * (channels - 1)))))
    assert frames.feed(last[:2], 0) == []


@pytest.mark.parametrize("at", range(3))
def test_every_byte_corrupted_never_becomes_a_sample(at: int) -> None:
    """All 255 errors of each byte, though CRC4 alone lets 15 of them through."""
    good = {codec.decode_frame(data, 1) for data in stream(40)}
    for flip in range(1, 256):
        wire = stream(40)
        damaged = bytearray(wire[10])
        damaged[at] ^= flip
        wire[10] = bytes(damaged)
        found = Frames(1).feed(b"".join(wire), 0)
        frames = [f.frame for f in found if isinstance(f, Found)]
        assert set(frames) <= good, flip
        assert len(frames) == 36, flip
        assert [f.what for f in found if isinstance(f, BitalinoTrouble)] == ["belt frame damaged"]


@pytest.mark.parametrize("cut", [1, 2, 4, 5])
def test_bytes_lost_and_found_again(cut: int) -> None:
    data = b"".join(stream(60))
    found = Frames(1).feed(data[:30] + data[30 + cut :], 0)
    sequences = counted(found)
    assert sequences[-1] == 59 % 16
    assert len(sequences) >= 45
    assert any(isinstance(f, Found) and f.resynchronised for f in found[1:])


def test_whole_frames_lost_are_a_gap_not_a_fault() -> None:
    wire = stream(40)
    found = Frames(1).feed(b"".join(wire[:10] + wire[13:]), 0)
    assert not [f for f in found if isinstance(f, BitalinoTrouble)]
    assert counted(found)[6:9] == [9, 13, 14]


def test_noise_before_the_stream() -> None:
    chance = random.Random(1)
    found = Frames(1).feed(chance.randbytes(200) + b"".join(stream(20)), 0)
    assert counted(found)[-1] == 3
    assert isinstance(found[0], BitalinoTrouble)
    assert found[0].what == "belt bytes skipped"


def test_a_step_waits_for_its_confirmation() -> None:
    frames = Frames(1, largest_step=8)
    levels = [500] * 6 + [600] * 3
    wire = [codec.encode_frame(BitalinoFrame(i % 16, (v,))) for i, v in enumerate(levels)]
    frames.feed(b"".join(wire[:6]), 1)
    assert frames.feed(wire[6], 2) == []
    first, second = frames.feed(wire[7], 3)
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert (first.frame.counts, first.frame.t_ns) == ((600,), 2)
    assert second.frame.t_ns == 3


def test_lines_that_change_are_believed_when_they_stay() -> None:
    wire = [codec.encode_frame(BitalinoFrame(i % 16, (500,), 0 if i < 8 else 5)) for i in range(16)]
    found = Frames(1).feed(b"".join(wire), 0)
    assert len(counted(found)) == 13
    assert not [f for f in found if isinstance(f, BitalinoTrouble)]

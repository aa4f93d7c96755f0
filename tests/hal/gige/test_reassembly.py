"""Pictures out of packets: whole, shuffled, lost, repeated, every header byte corrupted."""

from __future__ import annotations

import numpy as np
import pytest

from hal.gige.packets import (
    CHUNKS_FOLLOW,
    IMAGE,
    MONO8,
    MONO16,
    OTHER_PAYLOADS,
    STATUS_WORDS,
    UNAVAILABLE,
    GvspPacket,
    Leader,
    Trailer,
    encode_leader,
    encode_packet,
    encode_trailer,
    packets_of,
    with_chunks,
)
from hal.gige.reassembly import GIVE_UP_NS, QUIET_NS, GvspFrame, Reassembly
from hal.messages import BadSample

RNG = np.random.default_rng(2)
PICTURE = RNG.integers(0, 256, (30, 40), dtype=np.uint8)
PACKET_BYTES = 576 // 4
MS = 1_000_000


def sent(block: int = 1, picture: np.ndarray = PICTURE, ticks: int = 5000) -> list[bytes]:
    kind = MONO8 if picture.dtype == np.uint8 else MONO16
    leader = Leader(ticks, kind, picture.shape[1], picture.shape[0], 0, 0, 0)
    return packets_of(block, leader, picture.tobytes(), PACKET_BYTES)


def made() -> Reassembly:
    return Reassembly("camera", PACKET_BYTES, 1_000_000_000)


def fed(
    assembly: Reassembly, datagrams: list[bytes], now_ns: int = 0
) -> list[GvspFrame | BadSample]:
    return [item for data in datagrams for item in assembly.receive(data, now_ns)]


def settled(assembly: Reassembly, now_ns: int = 0) -> list[GvspFrame | BadSample]:
    """Let time pass until nothing is open."""
    said: list[GvspFrame | BadSample] = []
    while assembly.wake_ns is not None:
        now_ns = max(now_ns, assembly.wake_ns)
        said += assembly.wake(now_ns)
    return said


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_picture_comes_out_as_it_went_in(dtype: type) -> None:
    picture = RNG.integers(0, np.iinfo(dtype).max, (30, 40)).astype(dtype)
    (frame,) = fed(made(), sent(7, picture, 77), 123)
    assert isinstance(frame, GvspFrame)
    assert np.array_equal(frame.pixels, picture)
    assert (frame.t_ns, frame.number, frame.timestamp) == (123, 7, 77)


def test_order_does_not_matter() -> None:
    datagrams = sent()
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(datagrams))
        (frame,) = fed(made(), [datagrams[i] for i in order])
        assert isinstance(frame, GvspFrame)
        assert np.array_equal(frame.pixels, PICTURE)


def test_packets_of_two_pictures_may_mix() -> None:
    one, two = sent(1), sent(2, PICTURE[::-1].copy())
    mixed = [data for both in zip(one, two, strict=True) for data in both]
    frames = fed(made(), mixed)
    assert [f.number for f in frames if isinstance(f, GvspFrame)] == [1, 2]


def test_a_repeated_packet_is_harmless_and_a_differing_one_spoils_the_picture() -> None:
    datagrams = sent()
    assert isinstance(fed(made(), [datagrams[1], *datagrams])[0], GvspFrame)
    other = sent(1, PICTURE[::-1].copy())
    (bad,) = fed(made(), [other[2], *datagrams])
    assert isinstance(bad, BadSample)
    assert bad.what == "inconsistent frame"


@pytest.mark.parametrize("lost", range(12))
def test_each_lost_packet_is_asked_for_and_taken(lost: int) -> None:
    datagrams = sent()
    assert len(datagrams) == 14
    assembly = made()
    assert fed(assembly, datagrams[:lost] + datagrams[lost + 1 :]) == []
    (wanted,) = assembly.wanted
    assert (wanted.block, wanted.first, wanted.last) == (1, lost, lost)
    (frame,) = assembly.receive(datagrams[lost], 1 * MS)
    assert isinstance(frame, GvspFrame)
    assert np.array_equal(frame.pixels, PICTURE)


def test_a_lost_end_is_asked_for_after_silence() -> None:
    datagrams = sent()
    assembly = made()
    assert fed(assembly, datagrams[:-2]) == []
    assert assembly.wanted == []
    assert assembly.wake_ns == QUIET_NS
    assert assembly.wake(QUIET_NS) == []
    (wanted,) = assembly.wanted
    assert (wanted.first, wanted.last) == (12, 13)
    assert isinstance(fed(assembly, datagrams[-2:])[0], GvspFrame)


def test_a_lost_end_is_asked_for_when_the_next_picture_begins() -> None:
    assembly = made()
    fed(assembly, sent(1)[:-1])
    fed(assembly, sent(2)[:1])
    assert [(w.block, w.first, w.last) for w in assembly.wanted] == [(1, 13, 13)]


def test_an_incomplete_picture_is_a_bad_sample_and_never_a_frame() -> None:
    for lost in range(14):
        datagrams = sent()
        assembly = made()
        assert fed(assembly, datagrams[:lost] + datagrams[lost + 1 :]) == []
        (bad,) = settled(assembly)
        assert isinstance(bad, BadSample)
        assert bad.what == "incomplete frame"
        assert "1 of 14 packets missing" in bad.value
        # What comes too late opens nothing.
        assert assembly.receive(datagrams[lost], GIVE_UP_NS + 1) == []
        assert assembly.wake_ns is None


def test_a_camera_that_has_the_packet_no_more_ends_the_waiting() -> None:
    datagrams = sent()
    assembly = made()
    fed(assembly, datagrams[:5] + datagrams[6:])
    gone = encode_packet(GvspPacket(UNAVAILABLE, 1, 3, 5, memoryview(b""), False))
    assembly.receive(gone, 2 * MS)
    (bad,) = settled(assembly, 2 * MS)
    assert isinstance(bad, BadSample)


def test_an_endless_stream_of_beginnings_stays_bounded() -> None:
    assembly = made()
    said = [item for block in range(1, 60) for item in fed(assembly, sent(block)[:3])]
    assert len(said) == 55
    assert all(isinstance(item, BadSample) for item in said)


def test_the_frame_count_goes_on_where_the_block_id_starts_again() -> None:
    assembly = made()
    numbers = []
    for block in (65_533, 65_534, 1, 65_535, 2, 3):
        (frame,) = fed(assembly, sent(block))
        numbers.append(frame.number if isinstance(frame, GvspFrame) else None)
    assert numbers == [65_533, 65_534, 65_536, 65_535, 65_537, 65_538]


def test_a_clock_that_jumps_is_not_believed() -> None:
    assembly = made()
    assert isinstance(fed(assembly, sent(1, ticks=10 * MS), 10 * MS)[0], GvspFrame)
    (bad,) = fed(assembly, sent(2, ticks=5_000 * MS), 27 * MS)
    assert isinstance(bad, BadSample)
    assert "clock jumped" in bad.value


def test_no_corrupted_header_byte_makes_another_picture() -> None:
    """The timestamp's low bytes are the exception: only UDP's checksum guards them."""
    whole = sent(3)
    for number, datagram in enumerate(whole):
        header = range(44 if number == 0 else 16 if number == 13 else 8)
        for at in header:
            if number == 0 and 12 <= at < 20:
                continue
            for flip in (0x01, 0x10, 0x80, 0xFF):
                assembly = made()
                bad = datagram[:at] + bytes([datagram[at] ^ flip]) + datagram[at + 1 :]
                said = fed(assembly, [*whole[:number], bad, *whole[number + 1 :]])
                said += settled(assembly)
                for item in said:
                    if isinstance(item, GvspFrame):
                        assert np.array_equal(item.pixels, PICTURE), (number, at, flip)
                # The conversation recovers, with the second picture if the first leader was wrong.
                again = fed(assembly, sent(5000), 10**9) + fed(assembly, sent(5001), 10**9)
                assert isinstance(again[-1], GvspFrame)


def test_fifty_thousand_malformed_packets_make_no_frame_and_no_crash() -> None:
    rng = np.random.default_rng(3)
    whole = sent(3)
    assembly = made()
    for step in range(50_000):
        data = bytearray(whole[int(rng.integers(len(whole)))])
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(min(44, len(data))))] ^= int(rng.integers(1, 256))
        for item in assembly.receive(
            bytes(data[: int(rng.integers(1, len(data) + 1))]), step * 1000
        ):
            assert isinstance(item, BadSample)
        if step % 50 == 0:
            settled(assembly, step * 1000)
        assembly.wanted.clear()


def test_a_region_of_the_sensor_that_changed_makes_no_picture() -> None:
    """Every point in it would lie elsewhere than calibrated."""
    assembly = made()
    for block in (1, 2):
        assert isinstance(fed(assembly, sent(block))[0], GvspFrame)
    moved = Leader(6000, MONO8, 40, 30, 8, 0, 0)
    for block in (3, 4, 5):
        said = fed(assembly, packets_of(block, moved, PICTURE.tobytes(), PACKET_BYTES))
        said += settled(assembly)
        assert not [item for item in said if isinstance(item, GvspFrame)]
        words = [item.value for item in said if isinstance(item, BadSample)]
        assert "GVSP image of 40 x 30 from 8, 0 in 0x01080001" in words[0]


def chunked(block: int = 1, *chunks: tuple[int, bytes]) -> list[bytes]:
    """Return the packets of a picture with chunk data behind it."""
    leader = Leader(5000, MONO8, 40, 30, 0, 0, 0, chunks=True)
    return packets_of(block, leader, with_chunks(PICTURE.tobytes(), *chunks), PACKET_BYTES)


@pytest.mark.parametrize(
    "chunks",
    [(), ((0x1001, b"\0\0\0\7"),), ((0x1001, b"1234"), (0x2002, b"x" * 300)), ((7, b""),)],
)
def test_a_picture_with_chunk_data_is_the_picture(chunks: tuple[tuple[int, bytes], ...]) -> None:
    assembly = made()
    for block in (1, 2, 3):
        (frame,) = fed(assembly, chunked(block, *chunks), block * 20 * MS)
        assert isinstance(frame, GvspFrame)
        assert np.array_equal(frame.pixels, PICTURE)


@pytest.mark.parametrize("lost", [0, 1, 5, 12, 13])
def test_a_lost_packet_of_a_picture_with_chunks_is_asked_for(lost: int) -> None:
    datagrams = chunked(1, (0x1001, b"y" * 200))
    assembly = made()
    assert fed(assembly, datagrams[:lost] + datagrams[lost + 1 :]) == []
    (wanted,) = assembly.wanted
    assert (wanted.first, wanted.last) == (lost, lost)
    (frame,) = assembly.receive(datagrams[lost], MS)
    assert isinstance(frame, GvspFrame)
    assert np.array_equal(frame.pixels, PICTURE)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PICTURE.tobytes(), "chunk"),  # no chunk data at all
        (with_chunks(PICTURE.tobytes()[:-1]), "1199 bytes of picture, leader says 1200"),
        (with_chunks(PICTURE.tobytes(), (1, b"z" * 8))[:-3], "chunk"),
        (with_chunks(PICTURE.tobytes()) + b"\0\0\0\1\xff\xff\xff\xff", "a chunk of 4294967295"),
        (b"\0\0" + with_chunks(b"") + b"", "chunk data begin inside"),
    ],
)
def test_chunk_data_that_do_not_fit_spoil_the_picture(content: bytes, says: str) -> None:
    leader = Leader(5000, MONO8, 40, 30, 0, 0, 0, chunks=True)
    (bad,) = fed(made(), packets_of(1, leader, content, PACKET_BYTES))
    assert isinstance(bad, BadSample)
    assert bad.what == "inconsistent frame"
    assert says in bad.value


def test_the_trailer_tells_how_long_the_chunk_data_are() -> None:
    datagrams = chunked(1, (5, b"abcd"))
    wrong = encode_trailer(Trailer(30, 4711), chunks=True)
    number = len(datagrams) - 1
    datagrams[-1] = encode_packet(GvspPacket(0, 1, 2, number, memoryview(wrong), False))
    (bad,) = fed(made(), datagrams)
    assert isinstance(bad, BadSample)
    assert "1220 bytes with chunk data, trailer says 4711" in bad.value


@pytest.mark.parametrize("kind", OTHER_PAYLOADS)
@pytest.mark.parametrize("chunks", [0, CHUNKS_FOLLOW])
def test_another_payload_is_refused_once_a_picture_with_a_remedy(kind: int, chunks: int) -> None:
    leader = bytearray(encode_leader(Leader(5000, MONO8, 40, 30, 0, 0, 0)))
    leader[2:4] = (kind | chunks).to_bytes(2, "big")
    assembly = made()
    for block in (1, 2):
        datagrams = sent(block)
        datagrams[0] = encode_packet(
            GvspPacket(0, block, 1, 0, memoryview(bytes(leader) + b"\0" * 48), False)
        )
        (bad,) = fed(assembly, datagrams, block * 20 * MS)
        assert isinstance(bad, BadSample)
        assert bad.what == "picture refused"
        what, remedy = OTHER_PAYLOADS[kind]
        assert what in bad.value
        assert remedy in bad.value
    assert assembly.wake_ns is None
    (frame,) = fed(assembly, sent(3), 60 * MS)
    assert isinstance(frame, GvspFrame)


@pytest.mark.parametrize("kind", [4, 5, 6, 7, 8])
def test_packets_of_another_payload_refuse_the_picture_once(kind: int) -> None:
    assembly = made()
    strange = [
        encode_packet(GvspPacket(0, 1, kind, number, memoryview(b"x" * 50), False))
        for number in range(1, 9)
    ]
    (bad,) = fed(assembly, [sent()[0], *strange])
    assert isinstance(bad, BadSample)
    assert f"(kind {kind})" in bad.value


@pytest.mark.parametrize("status", [*STATUS_WORDS, 0x8ABC, 0x0200])
@pytest.mark.parametrize("at", [0, 5, 13])
def test_a_status_that_says_the_picture_is_damaged_spoils_it(status: int, at: int) -> None:
    """The trailer says "data overrun" where the camera lost a part of the picture."""
    datagrams = sent()
    assert len(datagrams) == 14
    datagrams[at] = status.to_bytes(2, "big") + datagrams[at][2:]
    (bad,) = fed(made(), datagrams)
    assert isinstance(bad, BadSample)
    assert bad.what == "inconsistent frame"
    assert f"(0x{status:04x})" in bad.value
    assert STATUS_WORDS.get(status, "not in the table") in bad.value


@pytest.mark.parametrize("status", [0x8010, 0x8014])
def test_a_packet_that_cannot_be_had_yet_is_asked_for_again(status: int) -> None:
    datagrams = sent()
    assembly = made()
    fed(assembly, datagrams[:5] + datagrams[6:])
    assert len(assembly.wanted) == 1
    later = encode_packet(GvspPacket(status, 1, 3, 5, memoryview(b""), False))
    assert assembly.receive(later, 2 * MS) == []
    assert assembly.wake_ns is not None
    assembly.wake(assembly.wake_ns)
    assert len(assembly.wanted) == 2
    assert isinstance(assembly.receive(datagrams[5], 20 * MS)[0], GvspFrame)


@pytest.mark.parametrize("status", [0x8011, 0x8012])
def test_a_packet_removed_from_memory_ends_the_waiting(status: int) -> None:
    datagrams = sent()
    assembly = made()
    fed(assembly, datagrams[:5] + datagrams[6:])
    gone = encode_packet(GvspPacket(status, 1, 3, 5, memoryview(b""), False))
    assembly.receive(gone, 2 * MS)
    (bad,) = settled(assembly, 2 * MS)
    assert isinstance(bad, BadSample)
    assert bad.what == "incomplete frame"


def test_bytes_after_the_last_row_are_left_out() -> None:
    leader = Leader(5000, MONO8, 40, 30, 0, 0, 0, padding_y=6)
    (frame,) = fed(made(), packets_of(1, leader, PICTURE.tobytes() + b"padded", PACKET_BYTES))
    assert isinstance(frame, GvspFrame)
    assert np.array_equal(frame.pixels, PICTURE)


def test_a_camera_without_a_clock_is_not_judged_by_it() -> None:
    assembly = Reassembly("camera", PACKET_BYTES, 0)
    for block, ticks in ((1, 0), (2, 10**15), (3, 0)):
        (frame,) = fed(assembly, sent(block, ticks=ticks), block * 20 * MS)
        assert isinstance(frame, GvspFrame)


def test_a_clock_that_was_set_spoils_one_picture_and_is_followed() -> None:
    """One step by an hour either way, and five pictures far ahead: one spoiled at each step."""
    hour = 3600 * 10**9
    offsets = [0, 0, -hour, -hour, -hour, hour, hour, *[700_000 * 10**9] * 5, hour, hour]
    assembly = made()
    spoiled = []
    for number, offset in enumerate(offsets):
        now_ns = number * 20 * MS
        ticks = 10**18 + now_ns + offset
        (item,) = fed(assembly, sent(number + 1, ticks=ticks), now_ns)
        if isinstance(item, BadSample):
            assert "the camera's clock jumped" in item.value
            spoiled.append(number)
    assert spoiled == [2, 5, 7, 12]


def test_the_payload_type_of_an_image_with_chunks_is_its_own() -> None:
    leader = encode_leader(Leader(5000, MONO8, 40, 30, 0, 0, 0, chunks=True))
    assert int.from_bytes(leader[2:4], "big") == IMAGE | CHUNKS_FOLLOW == 0x4001

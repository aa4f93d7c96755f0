"""GVCP and GVSP bytes: vectors, both directions, every byte corrupted, rubbish."""

from __future__ import annotations

import numpy as np
import pytest

from hal.errors import ProtocolError
from hal.gige import codec, packets

MESSAGES = [
    codec.GvcpAsk(codec.DISCOVERY),
    codec.read_register(0x0A00),
    codec.write_register(0x0D04, 0x4000_0578),
    codec.read_memory(0x0200, 512),
    codec.write_memory(0x9000, b"\x01\x02\x03\x04"),
    codec.resend(codec.Resend(0, 17, 3, 9)),
]


def test_vectors_from_the_protocol_notes() -> None:
    assert codec.encode_command(codec.GvcpAsk(codec.DISCOVERY), 1).hex() == "4201000200000001"
    assert codec.encode_command(codec.read_register(0x0A00), 0xFFFF).hex() == (
        "420100800004ffff00000a00"
    )
    assert codec.encode_command(codec.write_register(0x0A00, 2), 3).hex() == (
        "420100820008000300000a0000000002"
    )
    ack = codec.decode_ack(bytes.fromhex("00000081000400243b9aca00"))
    assert (ack.status, ack.answer, ack.request_id) == (0, 0x81, 0x24)
    assert codec.register_value(ack) == 1_000_000_000


@pytest.mark.parametrize("ask", MESSAGES)
def test_commands_survive_the_wire(ask: codec.GvcpAsk) -> None:
    command = codec.decode_command(codec.encode_command(ask, 77, ack_wanted=False))
    assert (command.command, command.payload, command.request_id) == (ask.command, ask.payload, 77)
    assert not command.ack_wanted


@pytest.mark.parametrize("ask", MESSAGES)
def test_a_corrupted_command_is_refused_or_another_command(ask: codec.GvcpAsk) -> None:
    whole = codec.encode_command(ask, 77)
    for at in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            bad = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
            try:
                assert codec.decode_command(bad) != codec.decode_command(whole)
            except ProtocolError:
                continue


@pytest.mark.parametrize("ask", MESSAGES)
def test_cut_and_lengthened_commands_are_refused(ask: codec.GvcpAsk) -> None:
    whole = codec.encode_command(ask, 77)
    for length in range(len(whole)):
        with pytest.raises(ProtocolError):
            codec.decode_command(whole[:length])
    with pytest.raises(ProtocolError):
        codec.decode_command(whole + b"\0")


def test_acks_survive_the_wire_and_refuse_cuts() -> None:
    ack = codec.Ack(0x8006, 0x83, 5, b"\0\0\0\1")
    whole = codec.encode_ack(ack)
    assert codec.decode_ack(whole) == ack
    for length in range(len(whole)):
        with pytest.raises(ProtocolError):
            codec.decode_ack(whole[:length])


def test_identities_survive_the_wire() -> None:
    identity = codec.GigeIdentity("Maker", "Type", "1.2", "S-3", "left", "10.1.2.3", "02aabbccddee")
    payload = codec.encode_identity(identity)
    assert len(payload) == 248
    assert codec.decode_identity(payload) == identity
    with pytest.raises(ProtocolError):
        codec.decode_identity(payload[:-1])


def test_resend_requests_survive_the_wire_with_short_and_long_block_ids() -> None:
    short = codec.Resend(0, 65_535, 2, 0xFF_FFFF)
    assert codec.decode_resend(codec.resend(short).payload) == short
    long = codec.Resend(0, 2**40, 2, 7, extended=True)
    assert codec.decode_resend(codec.resend(long).payload) == long
    flags = [
        codec.encode_command(codec.resend(each), 1, ack_wanted=False)[1] for each in (short, long)
    ]
    assert flags == [0, 0x10]  # the header says whether a 64-bit block id follows
    with pytest.raises(ProtocolError):
        codec.decode_resend(codec.resend(codec.Resend(0, 1, 9, 3)).payload)


LEADER = packets.Leader(123_456_789_012, packets.MONO8, 40, 30, 0, 0, 0)


def test_a_leader_as_a_camera_sends_it() -> None:
    head = bytes.fromhex("0000 0011 01000000".replace(" ", ""))
    body = bytes.fromhex(
        "0000 0001 0000001cbe991a14 01080001 00000028 0000001e 00000000 00000000 0000 0000".replace(
            " ", ""
        )
    )
    packet = packets.decode_packet(head + body)
    assert (packet.block, packet.kind, packet.number) == (17, packets.LEADER, 0)
    assert packets.decode_leader(packet.content) == LEADER


@pytest.mark.parametrize("extended", [False, True])
def test_packets_survive_the_wire(extended: bool) -> None:
    block = 2**33 if extended else 9
    packet = packets.GvspPacket(0, block, packets.PAYLOAD, 4, memoryview(b"abc"), extended)
    again = packets.decode_packet(packets.encode_packet(packet))
    assert again == packet


def test_pictures_of_formats_not_read_are_refused_by_name() -> None:
    with pytest.raises(ProtocolError, match="Mono8"):
        _ = LEADER._replace(pixel_format=0x0108_0008).picture_bytes


@pytest.mark.parametrize("length", range(36))
def test_cut_leaders_are_refused(length: int) -> None:
    with pytest.raises(ProtocolError):
        packets.decode_leader(memoryview(packets.encode_leader(LEADER))[:length])


def test_rubbish_is_refused_or_harmless() -> None:
    rng = np.random.default_rng(11)
    for size in rng.integers(0, 300, 20_000):
        rubbish = rng.bytes(int(size))
        for decode in (codec.decode_command, codec.decode_ack, packets.decode_packet):
            try:
                decode(rubbish)
            except ProtocolError:
                continue

"""What goes out over OpenIGTLink, and the server that hands it to its clients."""

from __future__ import annotations

import asyncio
import time

from hal.openigtlink.codec import IgtlPacket, StreamReader
from hal.openigtlink.contents import IgtlText, Sensor, Status, Transform, at
from hal.openigtlink.publication import DISABLED, OK, Publication
from hal.openigtlink.server import UNREAD_AT_MOST, serve

START_NS = 1_700_000_000_000_000_000


def packets(data: bytes) -> list[IgtlPacket]:
    found = StreamReader().feed(data)
    assert all(isinstance(item, IgtlPacket) for item in found)
    return [item for item in found if isinstance(item, IgtlPacket)]


def test_positions_become_transforms_with_unix_time() -> None:
    publication = Publication(START_NS, version=2)
    (packet,) = packets(publication.position("Target", 1_500_000_000, (1.0, -2.0, 3.5)))
    assert packet.device_name == "Target"
    assert packet.unix_ns == START_NS + 1_500_000_000
    assert packet.content == Transform(at((1.0, -2.0, 3.5)))
    assert packet.version == 2
    assert packet.message_id == 1


def test_positions_are_thinned_by_name_and_states_are_not() -> None:
    publication = Publication(START_NS)
    sent = dict.fromkeys(("Target", "Prediction"), 0)
    for tick in range(100):
        for name in sent:
            sent[name] += bool(publication.position(name, tick * 10_000_000, (0.0, 0.0, 0.0)))
    assert sent == {"Target": 25, "Prediction": 25}
    assert all(publication.state("State", tick, OK, "TRACKING") for tick in range(5))
    assert publication.position("Target", 0, (0.0, 0.0, 0.0))  # a run that began again


def test_state_is_status_and_words() -> None:
    publication = Publication(START_NS)
    data = publication.state("State", 0, DISABLED, "HOLDING", "marker stale: 120 ms, limit 100 ms")
    status, text = packets(data)
    assert status.content == Status(15, 0, "HOLDING", "marker stale: 120 ms, limit 100 ms")
    assert text.content == IgtlText("HOLDING: marker stale: 120 ms, limit 100 ms")
    (numbers,) = packets(publication.numbers("Phase", 0, (0.25,)))
    assert numbers.content == Sensor((0.25,))


async def _read(reader: asyncio.StreamReader, count: int) -> list[IgtlPacket]:
    stream, found = StreamReader(), list[IgtlPacket]()
    while len(found) < count:
        data = await asyncio.wait_for(reader.read(65536), 5)
        assert data
        found += [item for item in stream.feed(data) if isinstance(item, IgtlPacket)]
    return found


def test_every_client_gets_the_newest_first_and_then_all() -> None:
    async def scenario() -> None:
        publication = Publication(START_NS, least_period_ns=0)
        async with serve(publication, "127.0.0.1", 0) as outlet:
            outlet.send(publication.position("Target", 0, (0.0, 0.0, 0.0)))
            outlet.send(publication.position("Target", 1, (1.0, 0.0, 0.0)))
            outlet.send(b"")
            connections = [
                await asyncio.open_connection("127.0.0.1", outlet.port) for _ in range(3)
            ]
            for reader, _ in connections:
                (first,) = await _read(reader, 1)
                assert first.content == Transform(at((1.0, 0.0, 0.0)))
            assert outlet.clients == 3
            connections[0][1].write(b"anything at all")
            outlet.send(publication.position("Target", 2, (2.0, 0.0, 0.0)))
            for reader, _ in connections:
                (second,) = await _read(reader, 1)
                assert second.content == Transform(at((2.0, 0.0, 0.0)))
            connections[0][1].close()
            await connections[0][1].wait_closed()
            for _ in range(500):
                if outlet.clients == 2:
                    break
                await asyncio.sleep(0.01)
            assert outlet.clients == 2
        for _, writer in connections[1:]:
            writer.close()

    asyncio.run(scenario())


def test_a_client_that_does_not_read_is_dropped_and_costs_no_time() -> None:
    async def scenario() -> None:
        publication = Publication(START_NS, least_period_ns=0)
        async with serve(publication, "127.0.0.1", 0) as outlet:
            reader, writer = await asyncio.open_connection("127.0.0.1", outlet.port, limit=1024)
            await asyncio.sleep(0.05)
            data = publication.numbers("Numbers", 0, (0.5,) * 255)
            slowest = 0.0
            for _ in range(20 * UNREAD_AT_MOST // len(data)):
                before = time.perf_counter()
                outlet.send(data)
                slowest = max(slowest, time.perf_counter() - before)
                if outlet.dropped:
                    break
                await asyncio.sleep(0)
            assert outlet.dropped == 1
            assert slowest < 0.25
            writer.close()
            assert reader is not None

    asyncio.run(scenario())

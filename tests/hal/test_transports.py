"""Wires: addresses, and bytes through each kind both ways, on real descriptors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hal.errors import LinkError
from hal.events import Command
from hal.messages import Sample
from hal.serial_line import SerialLine
from hal.transports import (
    DatagramWire,
    Memory,
    Serial,
    Tcp,
    Udp,
    describe,
    open_wire,
    parse_address,
)
from sim.serve import serve


class Echo:
    """A twin that sends back what it gets."""

    wake_ns = None

    def __init__(self) -> None:
        self.out = b""

    def begin(self, now_ns: int) -> None: ...

    def show(self, sample: Sample, now_ns: int) -> None: ...

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        self.out += data
        return []

    def wake(self, now_ns: int) -> list[Command]:
        return []

    def data_to_send(self) -> bytes:
        data, self.out = self.out, b""
        return data


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:8765", Tcp("127.0.0.1", 8765)),
        ("udp://10.0.0.2:49152", Udp("10.0.0.2", 49152)),
        ("udp://:49152", Udp("", 49152)),
        ("serial:///dev/ttyUSB0", Serial("/dev/ttyUSB0")),
        (
            "serial:///dev/ttyS1?baud=9600&parity=E&data_bits=7&stop_bits=2",
            Serial("/dev/ttyS1", SerialLine(9600, 7, "E", 2)),
        ),
    ],
)
def test_addresses(text: str, address: object) -> None:
    assert parse_address(text) == address
    assert describe(parse_address(text)) == text.split("?", maxsplit=1)[0]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:8765",
        "tcp://127.0.0.1",
        "tcp://:8765",
        "udp://host",
        "tcp://h:99999",
        "serial://",
        "serial:///dev/ttyS1?baud=fast",
        "serial:///dev/ttyS1?parity=Q",
        "http://host:80",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(LinkError, match="write tcp://host:port"):
        parse_address(text)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("place", ["tcp://127.0.0.1:0", "udp://:0", "pty:", "memory", "link"])
def test_bytes_go_there_and_come_back(place: str, tmp_path: Path) -> None:
    async def run() -> None:
        got = bytearray()
        lost: list[str] = []
        where = Memory() if place == "memory" else place
        where = f"pty://{tmp_path}/tracker" if place == "link" else where
        async with serve(Echo(), where, lambda: 0) as served:
            wire = await open_wire(served.address, got.extend, lost.append)
            wire.set_line(SerialLine(19200))
            for piece in (b"one ", bytes(range(256)), b"three"):
                wire.send(piece)
            await until(lambda: len(got) == 265)
            assert bytes(got) == b"one " + bytes(range(256)) + b"three"
            assert wire.unsent == 0
            wire.close()
            wire.close()
            wire.send(b"nowhere")
            assert lost == []

    asyncio.run(run())


def test_both_ends_notice_that_the_other_is_gone() -> None:
    async def run() -> None:
        lost: list[str] = []
        async with serve(Echo(), "tcp://127.0.0.1:0", lambda: 0) as served:
            wire = await open_wire(served.address, lambda data: None, lost.append)
            await until(lambda: served.connected)
            served.drop()
            await until(lambda: lost)
            assert lost == ["closed by the other end"]
            wire = await open_wire(served.address, lambda data: None, lost.append)
            await until(lambda: served.connections == 2)
            wire.close()
            await until(lambda: not served.connected)

    asyncio.run(run())


@pytest.mark.parametrize(
    "address", [Tcp("127.0.0.1", 1), Serial("/dev/no-such-line"), Memory(), Tcp("no.such.host.", 1)]
)
def test_wires_that_cannot_be_opened(address: Tcp | Serial | Memory) -> None:
    async def run() -> None:
        with pytest.raises(LinkError, match=r".+"):
            await open_wire(address, lambda data: None, lambda why: None, within_s=2.0)

    asyncio.run(run())


def test_a_host_that_does_not_answer_is_given_up() -> None:
    async def run() -> None:
        # A full backlog takes no more connections and says nothing.
        listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        port = listening.getsockname()[1]
        waiting: list[socket.socket] = []
        try:
            for _ in range(8):
                waiting.append(socket.socket())
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(("127.0.0.1", port))
            with pytest.raises(LinkError, match=r"no answer in 0\.2 s"):
                await open_wire(
                    Tcp("127.0.0.1", port), lambda d: None, lambda why: None, within_s=0.2
                )
        finally:
            for one in (*waiting, listening):
                one.close()

    asyncio.run(run())


def test_datagrams_answer_whoever_wrote_last() -> None:
    async def run() -> None:
        got: list[bytes] = []
        wire = await open_wire(Udp("", 0), got.append, lambda why: None)
        assert isinstance(wire, DatagramWire)
        wire.send(b"to nobody yet")
        answers: list[bytes] = []
        others = [
            await open_wire(Udp("127.0.0.1", wire.local_port), answers.append, lambda why: None)
            for _ in range(2)
        ]
        for number, other in enumerate(others):
            other.send(b"from %d" % number)
            await until(lambda: len(got) == number + 1)  # noqa: B023
            wire.send(b"to %d" % number)
        await until(lambda: len(answers) == 2)
        assert answers == [b"to 0", b"to 1"]
        for one in (wire, *others):
            one.close()

    asyncio.run(run())


def test_nobody_listening_loses_datagrams_not_the_wire() -> None:
    async def run() -> None:
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        lost: list[str] = []
        wire = await open_wire(Udp("127.0.0.1", port), lambda data: None, lost.append)
        for _ in range(3):
            wire.send(b"x")
            await asyncio.sleep(0.01)
        assert lost == []
        wire.close()

    asyncio.run(run())

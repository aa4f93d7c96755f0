"""A device's link: stamping, reports, deadlines, reconnection, and what ends it for good."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from hal.clock import HostClock
from hal.errors import DeviceError, LinkError
from hal.events import Command, LinkChanged, SendHold, SendStop
from hal.link import Link, LinkSettings
from hal.messages import BadSample, BeltSample, Sample
from hal.polaris.session import PolarisSession, PolarisSettings
from hal.transports import Address, Memory, Tcp
from sim.polaris import PolarisTwin
from sim.serve import serve

QUICK = LinkSettings(write_ms=50, first_pause_s=0.02, longest_pause_s=0.08)


class Talk:
    """A conversation in which each byte received is a sample, and some bytes are trouble."""

    def __init__(self) -> None:
        self.ready = False
        self.wake_ns: int | None = None
        self.woken: list[tuple[int, int]] = []
        self.begun = 0
        self.answer_at_once = True
        self.out = b""

    def begin(self, now_ns: int) -> None:
        self.begun += 1
        self.ready = False
        self.out = b"hello"

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        if b"!" in data:
            raise LinkError("not what it was")
        if b"?" in data:
            raise ZeroDivisionError("a fault of ours")
        self.ready = self.ready or self.answer_at_once
        return [BeltSample("talk", now_ns, byte, 0.0) for byte in data]

    def wake(self, now_ns: int) -> list[Sample]:
        assert self.wake_ns is not None
        self.woken.append((self.wake_ns, now_ns))
        self.wake_ns = None
        return [BadSample("talk", now_ns, "woken", "")]

    def obey(self, command: Command, now_ns: int) -> None:
        if isinstance(command, SendStop):
            raise DeviceError("it has no brake")
        self.out = b"hold"

    def data_to_send(self) -> bytes:
        data, self.out = self.out, b""
        return data


class Other:
    """The device's end: answers the first bytes, then says what the test says."""

    wake_ns = None

    def __init__(self, greeting: bytes = b"A") -> None:
        self.greeting = greeting
        self.heard = bytearray()
        self.out = b""

    def begin(self, now_ns: int) -> None:
        self.out = b""

    def show(self, sample: Sample, now_ns: int) -> None:
        assert isinstance(sample, BadSample)
        self.out += sample.what.encode()

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        if data == b"hello":
            self.out += self.greeting
        self.heard += data
        return []

    def wake(self, now_ns: int) -> list[Command]:
        return []

    def data_to_send(self) -> bytes:
        data, self.out = self.out, b""
        return data


class Running:
    def __init__(self, link: Link, task: asyncio.Task[None], reports: list[object]) -> None:
        self.link = link
        self.task = task
        self.reports = reports

    def changes(self) -> list[tuple[bool, str]]:
        return [(r.up, r.detail) for r in self.reports if isinstance(r, LinkChanged)]


@contextlib.asynccontextmanager
async def linked(
    talk: Talk, address: Address, settings: LinkSettings = QUICK
) -> AsyncIterator[Running]:
    reports: list[object] = []
    link = Link("talk", talk, address, HostClock(), reports.append, settings)
    task = asyncio.create_task(link.run())
    try:
        yield Running(link, task, reports)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(true: Callable[[], object], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def say(text: str) -> BadSample:
    return BadSample("", 0, text, "")


@pytest.mark.parametrize("memory", [True, False])
def test_up_when_ready_then_samples_then_down_when_cancelled(memory: bool) -> None:
    async def run() -> None:
        where = Memory() if memory else "tcp://127.0.0.1:0"
        async with serve(Other(), where, HostClock()) as served:
            async with linked(Talk(), served.address) as running:
                await until(lambda: running.link.up)
                served.show(say("BC"))
                await until(lambda: len(running.reports) == 4)
            kinds = [type(report).__name__ for report in running.reports]
            assert kinds == ["BeltSample", "LinkChanged", *["BeltSample"] * 2, "LinkChanged"]
            b, c = running.reports[2:4]
            assert isinstance(b, BeltSample)
            assert isinstance(c, BeltSample)
            assert b.t_ns == c.t_ns, "one arrival, one stamp"
            assert running.changes()[-1] == (False, "closed by us")
            assert running.link.counts.samples == 3

    asyncio.run(run())


def test_commands_go_out_at_once_and_refusals_come_back() -> None:
    async def run() -> None:
        other = Other()
        async with (
            serve(other, "tcp://127.0.0.1:0", HostClock()) as served,
            linked(Talk(), served.address) as running,
        ):
            hold = SendHold(0, "talk", ())
            running.link.obey(hold)
            assert running.link.counts.refused_commands == 1, "not up yet: dropped"
            await until(lambda: running.link.up)
            running.link.obey(hold)
            await until(lambda: other.heard.endswith(b"hold"))
            assert other.heard == b"hellohold"
            running.link.obey(SendStop(0, "talk"))
            bad = running.reports[-1]
            assert isinstance(bad, BadSample)
            assert (bad.what, bad.value) == ("it has no brake", "SendStop")
            assert running.link.up

    asyncio.run(run())


def test_waking_on_time() -> None:
    async def run() -> None:
        talk = Talk()
        async with (
            serve(Other(), Memory(), HostClock()) as served,
            linked(talk, served.address) as running,
        ):
            await until(lambda: running.link.up)
            talk.wake_ns = running.link._clock() + 30_000_000
            served.show(say("B"))
            await until(lambda: talk.woken)
        ((due_ns, at_ns),) = talk.woken
        assert 0 <= at_ns - due_ns < 2_000_000_000

    asyncio.run(run())


@pytest.mark.parametrize("how", ["closed", "trouble"])
def test_link_that_breaks_comes_back(how: str) -> None:
    async def run() -> None:
        talk = Talk()
        async with (
            serve(Other(), "tcp://127.0.0.1:0", HostClock()) as served,
            linked(talk, served.address) as running,
        ):
            await until(lambda: running.link.up)
            if how == "closed":
                served.drop()
            else:
                served.show(say("!"))
            await until(lambda: len(running.changes()) == 3)
            why = "closed by the other end" if how == "closed" else "not what it was"
            assert running.changes() == [(True, ""), (False, why), (True, "")]
            assert talk.begun == 2
            assert running.link.counts.openings == 2

    asyncio.run(run())


def test_pauses_double_and_an_absent_device_is_reported_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        tries: list[float] = []

        async def absent(*_: object, **__: object) -> None:
            tries.append(loop.time())
            raise LinkError("nobody is there")

        monkeypatch.setattr("hal.link.open_wire", absent)
        async with linked(Talk(), Memory()) as running:
            await until(lambda: len(tries) >= 6)
            assert running.changes() == [(False, "nobody is there")]
        return tries

    tries = asyncio.run(run())
    gaps = [b - a for a, b in itertools.pairwise(tries)]
    assert gaps[0] >= 0.02
    assert gaps[1] >= 0.04
    assert gaps[2] >= 0.08
    assert 0.08 <= min(gaps[3:]) < 0.16


def test_start_up_that_never_ends_is_cut() -> None:
    async def run() -> None:
        talk = Talk()
        talk.answer_at_once = False
        async with (
            serve(Other(), "tcp://127.0.0.1:0", HostClock()) as served,
            linked(talk, served.address, LinkSettings(ready_s=0.3, first_pause_s=0.02)) as running,
        ):
            await until(running.changes)
            assert running.changes() == [(False, "start-up not finished in 0.3 s")]
            await until(lambda: talk.begun == 2)

    asyncio.run(run())


def test_a_fault_of_ours_ends_the_run() -> None:
    async def run() -> None:
        async with (
            serve(Other(b"?"), "tcp://127.0.0.1:0", HostClock()) as served,
            linked(Talk(), served.address) as running,
        ):
            await asyncio.wait([running.task], timeout=5)
            assert isinstance(running.task.exception(), ZeroDivisionError)

    asyncio.run(run())


def test_writes_have_a_deadline() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        accepted: list[asyncio.StreamWriter] = []

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reader._transport.pause_reading()  # pyright: ignore
            writer.write(b"A")
            accepted.append(writer)

        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        talk = Talk()
        async with linked(talk, Tcp("127.0.0.1", port)) as running:
            await until(lambda: running.link.up)
            begun = loop.time()
            for _ in range(200):
                talk.out = bytes(1 << 16)
                running.link._after(running.link._clock())
            await until(lambda: len(running.changes()) > 1)
            assert running.changes()[1] == (False, "nothing written in 50 ms")
            assert loop.time() - begun < 2.0
        for writer in accepted:
            writer.transport.abort()
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_polaris_on_a_pty_with_reset_by_break() -> None:
    """A pty carries no break: the driver goes on without, and changes a rate it cannot see."""

    async def run() -> None:
        clock = HostClock()
        settings = PolarisSettings(reset="break", reset_ms=400)
        driver = PolarisSession("camera", (b"rom",), settings)
        async with serve(PolarisTwin(), "pty:", clock) as served:
            link = Link("camera", driver, served.address, clock, lambda report: None)
            task = asyncio.create_task(link.run())
            await until(lambda: link.up, 10)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(run())


def test_host_clock_counts_from_its_start() -> None:
    clock = HostClock()
    first, second = clock(), clock()
    assert 0 <= first <= second < 1_000_000_000

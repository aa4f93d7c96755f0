"""The gate driver against libmodbus, read beside it by mbpoll; the twin by mbpoll and pymodbus."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest

from hal.clock import HostClock
from hal.events import LinkChanged, SendHold, SendPermit
from hal.link import Link
from hal.messages import BadSample, BeamStatus, Sample
from hal.modbus.session import GateSession
from hal.modbus.trip import READ_INPUTS, ModbusReplies, Reply, read_bit, write_bit
from hal.transports import Tcp
from sim.modbus import ModbusTwin
from sim.serve import serve
from tests.peers.peer_process import client, output_of

pytestmark = [pytest.mark.realtime, pytest.mark.peer]

SOURCE = Path(__file__).parent / "modbus" / "gate_server.c"
MS = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None or shutil.which("pkg-config") is None:
        pytest.skip("no C compiler (apt gcc pkg-config)")
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"],
        capture_output=True,
        text=True,
        check=False,
    )
    if flags.returncode:
        pytest.skip("libmodbus is not installed (apt libmodbus-dev)")
    program = tmp_path_factory.mktemp("modbus") / "gate_server"
    subprocess.run(
        ["gcc", "-Wall", "-Werror", "-o", program, SOURCE, *flags.stdout.split()], check=True
    )
    return program


class Room:
    """The driver on its link to the C server, and what both said."""

    def __init__(self, port: int, link: Link, reports: list[Sample | LinkChanged]) -> None:
        self.port = port
        self.link = link
        self.reports = reports
        self.server_said: list[str] = []
        """Of the coil and of the watchdog."""
        self.loop_said: list[str] = []
        """Of the latch, and of the beam behind both."""
        self.stall_ms = 0.0
        """Longest time for which the machine did not let this program run."""

    @property
    def beam(self) -> BeamStatus | None:
        found = [r for r in self.reports if isinstance(r, BeamStatus)]
        return found[-1] if found else None


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  what is waited for is another program's doing
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def room(program: Path, clock: HostClock) -> AsyncIterator[Room]:
    process = await asyncio.create_subprocess_exec(
        program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    printed = process.stdout
    port = int((await printed.readline()).split()[1])
    reports: list[Sample | LinkChanged] = []
    link = Link("gate", GateSession("gate"), Tcp("127.0.0.1", port), clock, reports.append)
    here = Room(port, link, reports)

    async def listen() -> None:
        async for line in printed:
            said = line.decode().strip()
            of_loop = said.startswith(("beam", "latch"))
            (here.loop_said if of_loop else here.server_said).append(said)

    async def watch() -> None:
        while True:
            before = clock()
            await asyncio.sleep(0.005)
            here.stall_ms = max(here.stall_ms, (clock() - before) / MS - 5)

    tasks = [asyncio.create_task(act()) for act in (link.run, watch, listen)]
    try:
        await until(lambda: link.up)
        yield here
    finally:
        tasks[0].cancel()
        tasks[1].cancel()
        process.stdin.close()
        await process.wait()
        await asyncio.wait(tasks)


Attempt = Callable[[Room, HostClock], Coroutine[None, None, None]]


def undisturbed(try_it: Attempt, program: Path) -> None:
    """Run it; where it fails and the machine stalled for longer than a refresh, try again.

    A stall of 50 ms rightly costs the beam, one of 200 ms the lease; not the point here.
    """

    async def run(last: bool) -> bool:
        clock = HostClock()
        async with room(program, clock) as here:
            try:
                await try_it(here, clock)
            except AssertionError:
                if last or here.stall_ms < 30:
                    raise
                return False
        return True

    assert any(asyncio.run(run(last)) for last in (False, False, False, False, True))


async def hold_permit(here: Room, clock: HostClock, seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        now = clock()
        here.link.obey(SendPermit(now, "gate", now + 100 * MS))
        await asyncio.sleep(0.01)


def test_lease_on_a_libmodbus_server(server: Path) -> None:
    async def lease(here: Room, clock: HostClock) -> None:
        assert here.server_said == ["bite"], "the watchdog was proven with the coil off"
        await hold_permit(here, clock, 1.0)
        assert here.beam == BeamStatus("gate", here.beam.t_ns if here.beam else 0, True)
        if shutil.which("mbpoll"):
            reading = asyncio.create_task(
                output_of(
                    *("mbpoll", "-m", "tcp", "-p", str(here.port), "-a", "1", "-t", "0"),
                    *("-r", "1", "-c", "1", "-1", "127.0.0.1"),
                )
            )
            while not reading.done():
                await hold_permit(here, clock, 0.05)
            assert re.search(r"\[1\]:\s+1", reading.result()), reading.result()
        here.link.obey(SendHold(clock(), "gate", ("test",)))
        await asyncio.sleep(0.1)
        assert here.server_said[-1] == "coil 0"
        await hold_permit(here, clock, 0.3)
        assert here.server_said[-1] == "coil 1"
        await asyncio.sleep(0.2)  # the permit is not renewed
        assert here.server_said[-1] == "coil 0"
        assert here.beam is not None
        assert (here.beam.on, here.beam.lapsed) == (False, True)
        assert here.server_said.count("bite") == 1
        disagreed = [r for r in here.reports if isinstance(r, BadSample) and "dis" in r.what]
        assert not disagreed

    undisturbed(lease, server)


def test_a_driver_that_dies_loses_the_beam_within_the_watchdogs_time(server: Path) -> None:
    async def die(here: Room, clock: HostClock) -> None:
        await hold_permit(here, clock, 0.3)
        assert here.server_said[-1] == "coil 1"
        died = clock()
        wire = here.link._wire
        assert wire is not None
        wire.send = lambda data: None  # the process is there, its writes are not
        await until(lambda: here.server_said[-1] == "coil 0")
        took_ms = (clock() - died) / MS
        assert took_ms < 300, f"beam off {took_ms:.0f} ms after the last refresh"

    undisturbed(die, server)


def test_the_monitors_telegrams_take_the_beam_beside_the_driver(server: Path) -> None:
    async def trip(here: Room, clock: HostClock) -> None:
        await hold_permit(here, clock, 0.3)
        assert here.server_said[-1] == "coil 1"
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        replies = ModbusReplies()

        async def ask(*telegrams: bytes) -> list[Reply]:
            writer.write(b"".join(telegrams))
            found: list[Reply] = []
            while len(found) < len(telegrams):
                asking = asyncio.create_task(reader.read(999))
                while not asking.done():
                    await hold_permit(here, clock, 0.01)
                found += replies.feed(asking.result())
            return found

        try:
            reading = [read_bit(n, 1, READ_INPUTS, n) for n in (0, 1)]
            assert await ask(*reading) == [Reply(0, True), Reply(1, False)]
            assert await ask(write_bit(2, 1, 1, True)) == [Reply(2, None)]
            await hold_permit(here, clock, 0.3)
            assert await ask(*reading) == [Reply(0, False), Reply(1, True)]
            assert here.server_said[-1] == "coil 1"
            assert here.loop_said[-1] == "beam 0", "the driver's permit lights nothing"
            await ask(write_bit(3, 1, 1, False), write_bit(4, 1, 2, True))
            await hold_permit(here, clock, 0.1)
            assert await ask(*reading) == [Reply(0, True), Reply(1, False)]
        finally:
            writer.close()
            await writer.wait_closed()

    undisturbed(trip, server)


@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed (apt)")
def test_mbpoll_reads_the_twin() -> None:
    async def run() -> str:
        twin = ModbusTwin()
        twin.coils[2] = True
        async with serve(twin, "tcp://127.0.0.1:0", HostClock()) as served:
            port = served.text.rsplit(":", 1)[1]
            return await output_of(
                *("mbpoll", "-m", "tcp", "-p", port, "-a", "1", "-t", "0"),
                *("-r", "1", "-c", "4", "-1", "127.0.0.1"),
            )

    found = re.findall(r"\[(\d)\]:\s+(\d)", asyncio.run(run()))
    assert found == [("1", "0"), ("2", "0"), ("3", "1"), ("4", "0")]


def test_pymodbus_talks_to_the_twin() -> None:
    pytest.importorskip("pymodbus", reason="pymodbus is not installed")

    async def run() -> tuple[dict[str, object], ModbusTwin]:
        twin = ModbusTwin()
        async with serve(twin, "tcp://127.0.0.1:0", HostClock()) as served:
            port = int(served.text.rsplit(":", 1)[1])
            return await client("modbus", {"port": port}), twin

    result, twin = asyncio.run(run())
    assert result == {
        "coils": [True, False, True, False],
        "time": 2,
        "many": [5, 6],
        "unknown": 2,
        "expired": 4,
        "after_restart": False,
    }
    assert twin.bites == 1

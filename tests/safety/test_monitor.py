"""The monitor alone takes the beam, with the daemon frozen: each of its conditions on real wires.

The daemon tracks in a room of another process and is stopped (SIGSTOP) with the beam on. From
then on this test is the daemon's hands: it beats on the shared page and writes the permit's coil,
so that there is beam that only the monitor can take; the coupler's watchdog is set to 2 s. Then
one thing goes wrong. How long the beam stays on is read from the room's own record.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from hal.modbus import codec
from hal.modbus.codec import ModbusRequest, encode_request
from tests.live.machine_load import MachineLoad
from tests.live.processes import BEAM_ON, Process, children_of, process
from tests.safety.live_room import beam_of, room, run_arguments, written
from tracker.cli import main
from tracker.config import load_configuration
from tracker.live.dead_man.conditions import CONDITIONS, MS
from tracker.live.dead_man.heartbeat import monitor_setup
from tracker.live.dead_man.shared_page import DaemonRecord, SharedPage
from tracker.live.scheduling import prefer

pytestmark = pytest.mark.realtime

LIMIT_MS = 200.0
PRIORITY = 20
SETTLED_S = 0.4
SETTLED_NS = round(SETTLED_S * 1e9)
LATCHED_S = 0.4


def page_of(run: Process) -> SharedPage:
    """The page a running daemon shares with its monitor."""
    for link in Path(f"/proc/{run.pid}/fd").iterdir():
        if "tidetrack-page" in str(link.readlink()):
            descriptor = os.open(link, os.O_RDWR)
            try:
                return SharedPage(descriptor)
            finally:
                os.close(descriptor)
    raise AssertionError("the daemon has no page")


class Hands:
    """Beats and permits in the daemon's place, every 5 ms, until told what goes wrong."""

    def __init__(self, page: SharedPage, host: str, port: int) -> None:
        self._page = page
        self._gate = socket.create_connection((host, port), 2.0)
        self._lock = threading.Lock()
        self._fixed: dict[str, object] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._gate.close()

    def goes_wrong(self, **fixed: object) -> int:
        """Keep these fields as they are from now on; the moment."""
        with self._lock:
            self._fixed = fixed
            return time.monotonic_ns()

    def _work(self) -> None:
        prefer(PRIORITY)  # as the daemon it stands for; its own lateness would be found instead
        beats = self._page.daemon().beats
        coil = encode_request(ModbusRequest(1, codec.WRITE_COIL, 0, 1, (1,)))
        while not self._ended.wait(0.005):
            beats += 1
            with self._lock:
                now_ns = time.monotonic_ns()
                good = DaemonRecord(
                    beats=beats,
                    beat_ns=now_ns,
                    permit_until_ns=now_ns + 100 * MS,
                    surrogate_ns=now_ns,
                    beam_ns=now_ns,
                    demand_ns=now_ns,
                    tracking=True,
                    beam_on=True,
                )
                self._page.write_daemon(good._replace(**self._fixed))
            if beats % 4 == 0:
                self._gate.sendall(coil)
                self._gate.recv(4096)


class Shown(NamedTuple):
    """What was done, by name: when it went wrong, and until when the coil was still written."""

    wrong_ns: dict[str, int]
    until_ns: dict[str, int]
    condition: dict[str, int]
    """What the monitor itself said it took the beam for."""
    truth: Path
    load: MachineLoad


def wrong(hands: Hands, name: str) -> int:
    now_ns = time.monotonic_ns()
    match name:
        case "read-back":
            return hands.goes_wrong(permit_until_ns=now_ns)
        case "surrogate":
            return hands.goes_wrong(surrogate_ns=now_ns)
        case "envelope":
            return hands.goes_wrong(demand_x_mm=41.0)
        case _:
            return hands.goes_wrong(tracking=False)


LATCHING = ("read-back", "surrogate", "envelope", "state")
NUMBERS = {row.name: number for number, row in CONDITIONS.items()}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("monitor")
    file = written(folder, {"wires.gate": {"session": {"watchdog": {"time_ms": 2000}}}})
    setup = monitor_setup(load_configuration(file), "")
    wrong_ns: dict[str, int] = {}
    until_ns: dict[str, int] = {}
    condition: dict[str, int] = {}
    with MachineLoad() as load, room(file) as truth:
        with process(*run_arguments(file, folder / "live.mcap")) as run:
            run.until(BEAM_ON)
            time.sleep(SETTLED_S)
            wrong_ns["heartbeat"] = run.send(signal.SIGSTOP)
            time.sleep(SETTLED_S)
            until_ns["heartbeat"] = time.monotonic_ns()
            with page_of(run) as page:
                condition["heartbeat"] = page.monitor().condition
            for name in LATCHING:
                with page_of(run) as page, Hands(page, setup.host, setup.port) as hands:
                    time.sleep(SETTLED_S)
                    wrong_ns[name] = wrong(hands, name)
                    time.sleep(LATCHED_S)
                    until_ns[name] = time.monotonic_ns()
                    condition[name] = page.monitor().condition
                time.sleep(0.2)  # the last permit is over
                assert main(["monitor", str(file), "--reset"]) == 0
            assert len(children_of(run.pid)) == 4, "robot, imager, recorder, monitor"
        time.sleep(0.6)
    return Shown(wrong_ns, until_ns, condition, truth, load)


@pytest.mark.slow
def test_the_monitor_alone_takes_the_beam_in_time_and_keeps_it(shown: Shown) -> None:
    beam = beam_of(shown.truth)
    took_ms: dict[str, float] = {}
    for name, at_ns in shown.wrong_ns.items():
        if not beam.at(at_ns) and shown.load.starved(at_ns - SETTLED_NS, at_ns):
            continue  # the machine kept this test waiting, and its beam was taken before
        assert beam.at(at_ns), f"{name}: no beam to take"
        took_ms[name] = beam.off_after_ms(at_ns)
        off_ns = at_ns + round(took_ms[name] * MS)
        assert not beam.ever_on(off_ns, shown.until_ns[name]), f"{name}: came back"
    print({name: round(ms) for name, ms in took_ms.items()})
    assert took_ms, "none of the cases was shown"
    for name, took in took_ms.items():
        at_ns = shown.wrong_ns[name]
        taken_ms = shown.load.taken_ms(at_ns - 50 * MS, at_ns + round(LIMIT_MS) * MS)
        assert took <= LIMIT_MS + taken_ms, took_ms
        # Where this test was kept waiting, the monitor may have found the daemon silent first.
        assert shown.condition[name] == NUMBERS[name] or taken_ms, shown.condition

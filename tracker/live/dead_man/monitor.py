"""The monitor: a process that checks the daemon and can do one thing, take the beam away.

    python -m tracker.live.dead_man.monitor '{"page": "3", ...}'  # a `MonitorSetup` as JSON

It shares no code path with the controller: no event loop, engine, driver or numerical library. It
reads a page of shared memory that the daemon writes, and has a Modbus connection of its own to the
gate. It checks every 10 ms. The conditions are in `tracker.live.dead_man.conditions`. It takes the
beam by switching the permit's coil off and, where the condition says so, by setting the gate's
latch, which only a person resets. It never switches the beam on.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass

from hal.modbus.trip import READ_COILS, READ_INPUTS, ModbusReplies, read_bit, write_bit
from tracker.live.dead_man.conditions import (
    CONDITIONS,
    MS,
    Axes,
    Envelope,
    MonitorFinding,
    MonitorLimits,
    judge,
)
from tracker.live.dead_man.shared_page import MonitorRecord, SharedPage, named_page
from tracker.live.scheduling import prefer

ROUND_NS = 10 * MS
READING_NS = 20 * MS
SILENT_NS = 150 * MS
"""A gate that has not answered for so long counts as not reached."""
AGAIN_NS = 200 * MS
LINGER_NS = 2_000 * MS
"""How long the monitor goes on after the daemon has died, to switch the beam off."""


@dataclass(frozen=True, slots=True)
class MonitorSetup:
    """The settings of a monitor; ``page`` is the number of a file descriptor, or a path."""

    page: str
    host: str
    port: int
    unit: int
    coil: int
    reads_input: bool
    readback_address: int
    trip_coil: int
    """-1: the gate has no latch."""
    tripped_input: int
    heartbeat_ms: float
    readback_ms: float
    surrogate_ms: float
    position_mm: float
    speed_mm_s: float
    quantum_mm: Axes = (0.0, 0.0, 0.0)
    priority: int = 60
    parent: int = 0
    """Process of the daemon that started it, after which it ends; 0: it was started by itself."""

    def as_json(self) -> str:
        """Return the settings as the argument of the process."""
        return json.dumps(asdict(self))

    def limits(self) -> MonitorLimits:
        """Return the limits of the conditions."""
        x, y, z = self.quantum_mm
        return MonitorLimits(
            self.heartbeat_ms,
            self.readback_ms,
            self.surrogate_ms,
            self.position_mm,
            self.speed_mm_s,
            (x, y, z),
        )


class Channel:
    """The monitor's own connection to the gate; no call waits."""

    def __init__(self, setup: MonitorSetup) -> None:
        self._setup = setup
        self._reading = READ_INPUTS if setup.reads_input else READ_COILS
        self._socket: socket.socket | None = None
        self._replies = ModbusReplies()
        self._asked: dict[int, str] = {}
        self._transaction = 0
        self._opened_ns = self._read_ns = -(10**18)
        self.answered_ns = -1
        self.beam_on = False
        self.tripped = False

    def reaches(self, now_ns: int) -> bool:
        """Tell whether the gate has answered lately."""
        return self.answered_ns >= 0 and now_ns - self.answered_ns <= SILENT_NS

    def round(self, now_ns: int) -> None:
        """Read the replies, ask again for beam and latch, connect again after an error."""
        if self._socket is None:
            if now_ns - self._opened_ns >= AGAIN_NS:
                self._open(now_ns)
            return
        try:
            self._read(now_ns)
        except (OSError, ValueError):
            self._close()
            return
        if now_ns - max(self.answered_ns, self._opened_ns) > 2 * SILENT_NS:
            self._close()
        elif now_ns - self._read_ns >= READING_NS:
            self._read_ns = now_ns
            self._ask("beam", self._reading, self._setup.readback_address)
            if self._setup.trip_coil >= 0:
                self._ask("tripped", READ_INPUTS, self._setup.tripped_input)

    def take_beam(self, latch: bool) -> None:
        """Switch the permit's coil off and, with ``latch``, set the latch; repeated each round."""
        self._write(self._setup.coil, False)
        if latch and self._setup.trip_coil >= 0:
            self._write(self._setup.trip_coil, True)

    def release_trip_coil(self) -> None:
        """End the pulse; the latch stays set."""
        self._write(self._setup.trip_coil, False)

    def close(self) -> None:
        """Close the connection."""
        self._close()

    def _open(self, now_ns: int) -> None:
        self._opened_ns = now_ns
        self._replies, self._asked = ModbusReplies(), {}
        wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            wire.setblocking(False)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.connect_ex((self._setup.host, self._setup.port))
        except OSError:
            wire.close()
            return
        self._socket = wire

    def _close(self) -> None:
        wire, self._socket = self._socket, None
        if wire is not None:
            wire.close()

    def _read(self, now_ns: int) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return
        if not data:
            raise OSError("closed by the gate")
        for reply in self._replies.feed(data):
            asked = self._asked.pop(reply.transaction, "")
            self.answered_ns = now_ns
            if asked == "beam":
                self.beam_on = bool(reply.bit)  # no bit: the outputs are off
            elif asked == "tripped" and reply.bit is not None:
                self.tripped = reply.bit

    def _ask(self, what: str, function: int, address: int) -> None:
        if len(self._asked) > 64:
            self._asked.clear()  # a gate that leaves questions unanswered is found silent
        self._transaction = self._transaction % 0xFFFF + 1
        self._asked[self._transaction] = what
        self._send(read_bit(self._transaction, self._setup.unit, function, address))

    def _write(self, address: int, on: bool) -> None:
        self._transaction = self._transaction % 0xFFFF + 1
        self._send(write_bit(self._transaction, self._setup.unit, address, on))

    def _send(self, data: bytes) -> None:
        if self._socket is not None:
            try:
                self._socket.send(data)
            except BlockingIOError:
                return  # not connected yet, or a gate that does not read: it is silent
            except OSError:
                self._close()


class BeamMonitor:
    """Reads, judges, acts and reports, once each round."""

    def __init__(self, setup: MonitorSetup, page: SharedPage) -> None:
        self._page = page
        self._limits = setup.limits()
        self._latch = setup.trip_coil >= 0
        self._envelope = Envelope(self._limits)
        self._channel = Channel(setup)
        self._taken = MonitorFinding(0, 0.0)
        self._latching = False
        self._beats = self._takings = 0
        self._taking = False
        self.channel = self._channel

    def round(self, now_ns: int) -> None:
        """Check daemon and gate once, and act."""
        channel = self._channel
        record = self._page.daemon()
        channel.round(now_ns)
        outside_mm = self._envelope.outside_mm(record)
        found = judge(now_ns, record, channel.beam_on, outside_mm, self._limits)
        self._takings += found is not None and not self._taking
        self._taking = found is not None
        if found is not None:
            latches = CONDITIONS[found.condition].latches and self._latch
            if found.condition != self._taken.condition or not self._latching:
                self._taken = found
            self._latching = self._latching or (latches and not channel.tripped)
            channel.take_beam(latches)
        if self._latching:
            if channel.tripped:
                self._latching = False
                channel.release_trip_coil()
            elif found is None:
                channel.take_beam(True)  # the gate has not set its latch yet
        self._beats += 1
        self._page.write_monitor(
            MonitorRecord(
                self._beats,
                now_ns,
                self._takings,
                channel.reaches(now_ns),
                channel.beam_on,
                channel.tripped,
                self._taken.condition,
                min(self._taken.value, 1e9),
            )
        )


def monitor_until_ended(setup: MonitorSetup, page: SharedPage) -> None:
    """Check each round until SIGTERM, or until `LINGER_NS` after the parent daemon has ended."""
    monitor = BeamMonitor(setup, page)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    orphaned_ns = -1
    due_ns = time.monotonic_ns()
    try:
        while not ended:
            now_ns = time.monotonic_ns()
            monitor.round(now_ns)
            if setup.parent and os.getppid() != setup.parent:
                orphaned_ns = now_ns if orphaned_ns < 0 else orphaned_ns
                if now_ns - orphaned_ns > LINGER_NS:
                    return
            due_ns += ROUND_NS
            left_ns = due_ns - time.monotonic_ns()
            if left_ns < 0:
                due_ns -= left_ns  # late: the next round is due a whole one from now
            time.sleep(max(0, left_ns) / 1e9)
    finally:
        monitor.channel.close()


def main() -> int:
    """Run the monitor with the settings of the first argument."""
    setup = MonitorSetup(**json.loads(sys.argv[1]))
    if setup.parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon's to answer
    prefer(setup.priority)
    descriptor = int(setup.page) if setup.page.isdigit() else named_page(setup.page)
    with SharedPage(descriptor) as page:
        os.close(descriptor)
        gc.collect()
        gc.freeze()
        gc.disable()
        monitor_until_ended(setup, page)
    return 0


if __name__ == "__main__":
    sys.exit(main())

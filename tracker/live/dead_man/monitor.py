"""The monitor: a process that watches the daemon and can do one thing, take the beam away.

    python -m tracker.live.dead_man.monitor '{"page": "3", ...}'  # a `MonitorSetup` as JSON

It has a code path of its own: no event loop, no engine, no driver, no numbers library; a page of
shared memory to see the daemon by, and a Modbus connection of its own to the gate. Its rounds are
10 ms apart. What it takes the beam for stands in `tracker.live.dead_man.conditions`. It takes it by
switching the permit's coil off and, where the row says so, by setting the gate's latch, which
only a person resets. It never switches anything on.
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
"""A gate that has not answered for so long is out of reach."""
AGAIN_NS = 200 * MS
LINGER_NS = 2_000 * MS
"""How long the monitor outlives a daemon that died, to see the beam off."""


@dataclass(frozen=True, slots=True)
class MonitorSetup:
    """All the monitor is told; ``page`` is a descriptor's number or a path."""

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
    priority: int = 60
    parent: int = 0
    """The daemon that started it, whose end is its own; 0: it stands by itself."""

    def as_json(self) -> str:
        """As the process takes it."""
        return json.dumps(asdict(self))

    def limits(self) -> MonitorLimits:
        """Those of the conditions."""
        return MonitorLimits(
            self.heartbeat_ms,
            self.readback_ms,
            self.surrogate_ms,
            self.position_mm,
            self.speed_mm_s,
        )


class Channel:
    """The monitor's own connection to the gate; nothing here waits."""

    def __init__(self, watch: MonitorSetup) -> None:
        self._watch = watch
        self._reading = READ_INPUTS if watch.reads_input else READ_COILS
        self._socket: socket.socket | None = None
        self._replies = ModbusReplies()
        self._asked: dict[int, str] = {}
        self._transaction = 0
        self._opened_ns = self._read_ns = -(10**18)
        self.answered_ns = -1
        self.beam_on = False
        self.tripped = False

    def reaches(self, now_ns: int) -> bool:
        """Whether the gate has answered lately."""
        return self.answered_ns >= 0 and now_ns - self.answered_ns <= SILENT_NS

    def round(self, now_ns: int) -> None:
        """Take what came; ask again for beam and latch; open again what is broken."""
        if self._socket is None:
            if now_ns - self._opened_ns >= AGAIN_NS:
                self._open(now_ns)
            return
        try:
            self._take(now_ns)
        except (OSError, ValueError):
            self._close()
            return
        if now_ns - max(self.answered_ns, self._opened_ns) > 2 * SILENT_NS:
            self._close()
        elif now_ns - self._read_ns >= READING_NS:
            self._read_ns = now_ns
            self._ask("beam", self._reading, self._watch.readback_address)
            if self._watch.trip_coil >= 0:
                self._ask("tripped", READ_INPUTS, self._watch.tripped_input)

    def take_beam(self, latch: bool) -> None:
        """Permit's coil off, and the latch set; repeated each round until the gate shows it."""
        self._write(self._watch.coil, False)
        if latch and self._watch.trip_coil >= 0:
            self._write(self._watch.trip_coil, True)

    def release_trip_coil(self) -> None:
        """End the pulse; the latch stays."""
        self._write(self._watch.trip_coil, False)

    def close(self) -> None:
        """Give the connection back."""
        self._close()

    def _open(self, now_ns: int) -> None:
        self._opened_ns = now_ns
        self._replies, self._asked = ModbusReplies(), {}
        wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            wire.setblocking(False)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.connect_ex((self._watch.host, self._watch.port))
        except OSError:
            wire.close()
            return
        self._socket = wire

    def _close(self) -> None:
        wire, self._socket = self._socket, None
        if wire is not None:
            wire.close()

    def _take(self, now_ns: int) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return
        if not data:
            raise OSError("closed by the gate")
        for reply in self._replies.take(data):
            asked = self._asked.pop(reply.transaction, "")
            self.answered_ns = now_ns
            if asked == "beam":
                self.beam_on = bool(reply.bit)  # none: the watchdog has bitten, outputs are off
            elif asked == "tripped" and reply.bit is not None:
                self.tripped = reply.bit

    def _ask(self, what: str, function: int, address: int) -> None:
        if len(self._asked) > 64:
            self._asked.clear()  # a gate that leaves questions unanswered is found silent
        self._transaction = self._transaction % 0xFFFF + 1
        self._asked[self._transaction] = what
        self._send(read_bit(self._transaction, self._watch.unit, function, address))

    def _write(self, address: int, on: bool) -> None:
        self._transaction = self._transaction % 0xFFFF + 1
        self._send(write_bit(self._transaction, self._watch.unit, address, on))

    def _send(self, data: bytes) -> None:
        if self._socket is not None:
            try:
                self._socket.send(data)
            except BlockingIOError:
                return  # not connected yet, or a gate that does not read: it is silent
            except OSError:
                self._close()


class BeamMonitor:
    """One round after the other: look, judge, act, say what was done."""

    def __init__(self, watch: MonitorSetup, page: SharedPage) -> None:
        self._page = page
        self._limits = watch.limits()
        self._latch = watch.trip_coil >= 0
        self._envelope = Envelope(self._limits)
        self._channel = Channel(watch)
        self._taken = MonitorFinding(0, 0.0)
        self._latching = False
        self._beats = self._takings = 0
        self._taking = False
        self.channel = self._channel

    def round(self, now_ns: int) -> None:
        """One look at daemon and gate, and what follows."""
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
                channel.take_beam(True)  # owed: the gate did not take it yet
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


def monitor_until_ended(watch: MonitorSetup, page: SharedPage) -> None:
    """Rounds until SIGTERM, or until the daemon that started this one is gone and the beam off."""
    monitor = BeamMonitor(watch, page)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    orphaned_ns = -1
    due_ns = time.monotonic_ns()
    try:
        while not ended:
            now_ns = time.monotonic_ns()
            monitor.round(now_ns)
            if watch.parent and os.getppid() != watch.parent:
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
    """Watch what the first argument says."""
    watch = MonitorSetup(**json.loads(sys.argv[1]))
    if watch.parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon's to answer
    prefer(watch.priority)
    descriptor = int(watch.page) if watch.page.isdigit() else named_page(watch.page)
    with SharedPage(descriptor) as page:
        os.close(descriptor)
        gc.collect()
        gc.freeze()
        gc.disable()
        monitor_until_ended(watch, page)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The daemon's side of the dead man: it writes the heartbeat and checks that the monitor works.

What the daemon receives and sends is noted as it happens, and written to the shared page at the end
of each tick. If the monitor is silent, does not reach the gate or finds the gate's latch set, its
link is reported down, and the engine holds. A monitor that ended by itself is started again.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from hal.driver import MonitoredGate
from hal.errors import LinkError
from hal.events import Command, Event, LinkChanged, SendDemand, SendHold, SendPermit, SendStop
from hal.messages import BeamStatus, Message
from tracker.config import Configuration, ConfigurationError
from tracker.core.safety.situation import MONITOR
from tracker.core.surrogate.sources.source import SourceKind
from tracker.core.surrogate.sources.table import kind_of
from tracker.daemon_settings import Monitor
from tracker.live.dead_man.conditions import CONDITIONS
from tracker.live.dead_man.monitor import MonitorSetup
from tracker.live.dead_man.shared_page import (
    DaemonRecord,
    MonitorRecord,
    SharedPage,
    anonymous_page,
    named_page,
)
from tracker.live.own_process import process_environment
from tracker.live.scheduling import Elsewhere

FINISH_S = 2.0
AGAIN_NS = 1_000_000_000
RESET = "look why, then: tidetrack monitor CONFIG --reset"


def monitored_gate(configuration: Configuration) -> MonitoredGate:
    """Return how the monitor reaches the gate; raises `ConfigurationError` where it cannot."""
    wire = None if configuration.wires is None else configuration.wires.devices.get("gate")
    if wire is None:
        raise ConfigurationError(
            [f"{configuration.path}: wires.gate: missing, and the monitor takes the beam there"]
        )
    if wire.driver.monitored is None:
        rows = configuration.drivers.rows
        able = ", ".join(row.name for row in rows if row.monitored is not None) or "none"
        raise ConfigurationError(
            [
                f"{configuration.path}: wires.gate.driver: the monitor cannot reach a gate on"
                f' {wire.driver.name}, but on: {able}; choose another or set monitor.start = "off"'
            ]
        )
    try:
        return wire.driver.monitored(wire.settings)
    except LinkError as error:
        raise ConfigurationError([f"wires.gate.address: {error}"]) from None


def monitor_setup(configuration: Configuration, page: str, parent: int = 0) -> MonitorSetup:
    """Return the settings of a monitor; raises `ConfigurationError` where it has no gate."""
    gate, limits = monitored_gate(configuration), configuration.operation.monitor
    guard, actuator = configuration.controller.guard, configuration.controller.actuator
    return MonitorSetup(
        page=page,
        host=gate.host,
        port=gate.port,
        unit=gate.unit,
        coil=gate.coil,
        reads_input=gate.reads_input,
        readback_address=gate.readback_address,
        trip_coil=-1 if gate.trip_coil is None else gate.trip_coil,
        tripped_input=gate.tripped_input,
        heartbeat_ms=limits.heartbeat_ms,
        readback_ms=limits.readback_ms,
        surrogate_ms=limits.surrogate_ms,
        position_mm=guard.position_mm,
        speed_mm_s=guard.speed_mm_s,
        quantum_mm=actuator.quantum_mm,
        priority=limits.priority,
        parent=parent,
    )


def monitor_command(setup: MonitorSetup) -> list[str]:
    """Return the command line of a monitor."""
    return [sys.executable, "-m", "tracker.live.dead_man.monitor", setup.as_json()]


class DeadMan:
    """Starts the monitor and writes the heartbeat; a context manager around the run."""

    def __init__(
        self,
        configuration: Configuration,
        start_ns: int,
        elsewhere: Elsewhere = contextlib.nullcontext,
    ) -> None:
        """``start_ns``: the moment of the system's monotonic clock the run counts from.

        ``elsewhere`` is entered around each start of the monitor.
        """
        self._elsewhere = elsewhere
        self._settings: Monitor = configuration.operation.monitor
        self._start_ns = start_ns
        self._configuration = configuration
        self._breathing: dict[str, SourceKind] = {
            source.device: kind_of(source, configuration.sources.kinds)
            for source in configuration.controller.surrogate_sources().values()
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._started_ns = -1
        self._descriptor = -1
        self._page: SharedPage | None = None
        self._beats = 0
        self._permit_until_ns = self._surrogate_ns = self._beam_ns = -1
        self._beam_on = False
        self._demand: tuple[int, float, float, float] = (-1, 0.0, 0.0, 0.0)
        self._said: str = ""
        self._takings: int = 0
        self.up = False
        """The monitor works, reaches the gate, and the gate's latch is not set."""

    @property
    def pid(self) -> int | None:
        """The process of the monitor; ``None`` if this run did not start it."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        if self._settings.start == "apart":
            self._descriptor = named_page(self._settings.page or default_page())
        else:
            self._descriptor = anonymous_page()
        self._page = SharedPage(self._descriptor)
        self._page.write_daemon(DaemonRecord())
        self._takings = self._page.monitor().takings
        if self._settings.start == "child":
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(FINISH_S)
            process.kill()
            process.wait()
        if self._page is not None:
            self._page.close()
            os.close(self._descriptor)

    def on_arrival(self, event: Event) -> None:
        """Note what a device reported."""
        if isinstance(event, BeamStatus):
            self._beam_ns, self._beam_on = event.t_ns + self._start_ns, event.on
        elif isinstance(event, Message):
            kind = self._breathing.get(event.device)
            if kind is not None and isinstance(event, kind.message) and kind.shows_breath(event):
                self._surrogate_ns = event.t_ns + self._start_ns

    def on_command(self, command: Command) -> None:
        """Note a command that was sent to a device."""
        match command:
            case SendPermit():
                self._permit_until_ns = command.until_ns + self._start_ns
            case SendHold():
                until_ns = command.t_ns + self._start_ns
                self._permit_until_ns = min(self._permit_until_ns, until_ns)
            case SendDemand():
                self._demand = (command.t_ns + self._start_ns, *command.position_mm)
            case SendStop():
                self._demand = (-1, 0.0, 0.0, 0.0)
            case _:
                pass

    def beat(self, now_ns: int, tracking: bool) -> list[LinkChanged]:
        """Write the heartbeat; return what has changed about the monitor."""
        if self._page is None:
            return []
        at_ns = now_ns + self._start_ns
        self._beats += 1
        self._page.write_daemon(
            DaemonRecord(
                self._beats,
                at_ns,
                self._permit_until_ns,
                self._surrogate_ns,
                self._beam_ns,
                *self._demand,
                tracking,
                self._beam_on,
            )
        )
        if self._beats % 10 == 0:
            self._start_again(at_ns)
        return self._news(now_ns, at_ns, self._page.monitor())

    def _news(self, now_ns: int, at_ns: int, record: MonitorRecord) -> list[LinkChanged]:
        news: list[LinkChanged] = []
        if record.takings != self._takings:
            self._takings, self._said, self.up = record.takings, "took the beam", False
            news.append(LinkChanged(MONITOR, now_ns, False, f"took the beam: {_words(record)}"))
        what, detail = self._trouble(at_ns, record)
        if what != self._said or (not what and not self.up):
            self._said, self.up = what, not what
            news.append(LinkChanged(MONITOR, now_ns, self.up, detail))
        return news

    def _trouble(self, at_ns: int, record: MonitorRecord) -> tuple[str, str]:
        """Return what is wrong with the monitor, and the same with numbers; empty if nothing is."""
        silent_ms = (at_ns - record.beat_ns) / 1e6
        if record.beat_ns < 0:
            return "starting", "has not spoken yet"
        if silent_ms > self._settings.lost_ms:
            return "silent", f"silent for {silent_ms:.0f} ms, limit {self._settings.lost_ms:g} ms"
        if not record.reaches_gate:
            return "no gate", "does not reach the gate on its own connection"
        if record.tripped:
            return "tripped", f"the gate's latch is set ({_words(record)}); {RESET}"
        return "", ""

    def _start(self) -> None:
        setup = monitor_setup(self._configuration, str(self._descriptor), os.getpid())
        with self._elsewhere():
            self._process = subprocess.Popen(
                monitor_command(setup),
                pass_fds=[self._descriptor],
                stdin=subprocess.DEVNULL,
                env=process_environment(),
            )

    def _start_again(self, at_ns: int) -> None:
        process = self._process
        if process is None or process.poll() is None or at_ns - self._started_ns < AGAIN_NS:
            return
        self._started_ns = at_ns
        self._start()


def default_page() -> str:
    """Return the path of the page shared with a monitor that was started by itself."""
    return str(Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / "tidetrack-page")


def _words(record: MonitorRecord) -> str:
    row = CONDITIONS.get(record.condition)
    return "set before this monitor began" if row is None else row.words.format(record.value)

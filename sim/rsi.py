"""Simulate a KUKA controller with RSI: the UDP client that sets the cycle.

In each cycle it closes the one before (answered, or late), lets the robot follow, and sends the
next telegram. Like the real controller it accepts a reply only with the IPOC it sent last and the
configured SENTYPE. Without a reply it keeps the corrections that HOLDON names. It clamps
corrections (POSCORR), counts late and invalid replies together, and ends RSI when more than Timeout
are late.

The position of the robot comes from ``dynamics`` where that is given. Otherwise it comes from the
`ActuatorStatus` that the twin was last shown: the room then moves the robot by the demands that
`RobotTwin.wake` returns. Without either, the robot is where it was asked to be.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hal.errors import ProtocolError
from hal.events import Command, SendDemand
from hal.messages import ActuatorStatus, Sample, Triple
from hal.rsi.codec import Telegram, robot_form, sensor_form
from hal.rsi.configuration import POSE, EthernetConfiguration
from hal.rsi.driver import RsiWire
from hal.rsi.ethernet_file import read_ethernet_file
from sim.scenario import ROBOT, RoomScenario
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

Dynamics = Callable[[int, Triple], Triple]
"""(now_ns, asked offset in mm) → offset the robot has at that moment."""

_AXES = ("X", "Y", "Z")


class ControllerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of this controller.

    ``lower_mm`` and ``upper_mm`` are POSCORR's clamps; ``monitor_mm`` is POSCORRMON's MaxTrans,
    beyond which the robot stops. With ``restart_ns`` an operator starts RSI again that long after
    it broke off; ``None``: nobody does.
    """

    cycle_ns: int = 4_000_000
    timeout_packets: int = 100
    lower_mm: Triple = (-20.0, -20.0, -20.0)
    upper_mm: Triple = (20.0, 20.0, 20.0)
    monitor_mm: float = float("inf")
    start_mm: Triple = (1620.0, -35.5, 1910.25)
    start_deg: Triple = (0.0, 90.0, 0.0)
    first_ipoc: int = 4208163
    restart_ns: int | None = None


class RobotTwin:
    """The controller at its end of the wire (datagrams); `sim.serve` or a test calls it."""

    def __init__(
        self,
        device: str,
        configuration: EthernetConfiguration,
        settings: ControllerSettings | None = None,
        dynamics: Dynamics | None = None,
    ) -> None:
        self._device = device
        self._settings = settings or ControllerSettings()
        self._dynamics = dynamics
        self._robot = robot_form(configuration)
        self._sensor = sensor_form(configuration)
        self._only_send = configuration.only_send
        self._holds = _holds(configuration)
        self._sends = tuple(
            (f"{element.name}.{attribute}" if attribute else element.name)
            for element in configuration.sends
            if element.kind != "STRING"
            for attribute in element.attributes
        )
        self._ipoc = self._settings.first_ipoc
        self._due_ns: int | None = None
        self._restart_due_ns: int | None = None
        self._reply: Telegram | None = None
        self._telegram = b""
        self._waiting = False
        self._shown_mm: Triple | None = None
        self.pendant = "RSI off"
        self.text = ""
        self.faulty_packets = 0
        self.refused = 0
        self.why_refused = ""
        self.cycles = 0
        self.clamped = False
        self.asked_mm: Triple = (0.0, 0.0, 0.0)
        self.offset_mm: Triple = (0.0, 0.0, 0.0)

    @property
    def ready(self) -> bool:
        """Whether RSI is on."""
        return self._due_ns is not None

    @property
    def wake_ns(self) -> int | None:
        """The time of the next cycle, or of the restart of RSI."""
        return self._due_ns if self._due_ns is not None else self._restart_due_ns

    def begin(self, now_ns: int) -> None:
        """Start RSI as RSI_ON(#ABSOLUTE) does: corrections and the late count are zero."""
        self._due_ns = now_ns
        self._restart_due_ns = None
        self._reply = None
        self._waiting = False
        self._telegram = b""
        self.faulty_packets = self.cycles = 0
        self.clamped = False
        self.asked_mm = (0.0, 0.0, 0.0)
        self.pendant = "RSI on"

    def stop(self, now_ns: int, why: str = "RSI_OFF") -> None:
        """Stop RSI as RSI_OFF does; the controller then sends nothing."""
        self._due_ns = None
        self._waiting = False
        self.pendant = why
        after = self._settings.restart_ns
        self._restart_due_ns = None if after is None else now_ns + after

    def show(self, sample: Sample, now_ns: int) -> None:
        """Adopt the position to which the room has moved the robot."""
        if isinstance(sample, ActuatorStatus):
            self._shown_mm = sample.position_mm

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Keep the reply to the last telegram and drop every other one."""
        if not self.ready or self._only_send:
            return []
        try:
            reply = self._sensor.decode(data)
        except ProtocolError as error:
            self._refuse(str(error))
            return []
        if self._waiting and reply.ipoc == self._ipoc:
            self._reply = reply
        else:
            self._refuse(f"late or invalid: IPOC {reply.ipoc}, expected {self._ipoc}")
        return []

    def wake(self, now_ns: int) -> list[Command]:
        """Run one interpolation cycle if one is due; return where the robot shall go."""
        if self._due_ns is None:
            if self._restart_due_ns is None or now_ns < self._restart_due_ns:
                return []
            self.begin(now_ns)
        due_ns = self._due_ns if self._due_ns is not None else now_ns
        if now_ns < due_ns:
            return []
        if self._waiting and not self._close_cycle(now_ns):
            return []
        self.offset_mm = self._where(now_ns)
        self._ipoc += self._settings.cycle_ns // 1_000_000
        self._telegram = self._robot.encode(self._state_of_the_robot())
        self._waiting = not self._only_send
        self.cycles += 1
        # A controller keeps its clock; a twin woken far too late cannot make up for it.
        next_ns = due_ns + self._settings.cycle_ns
        self._due_ns = next_ns if next_ns > now_ns else now_ns + self._settings.cycle_ns
        return [SendDemand(now_ns, self._device, self.asked_mm)]

    def data_to_send(self) -> bytes:
        """Return the telegram of the cycle just begun."""
        telegram, self._telegram = self._telegram, b""
        return telegram

    def _refuse(self, why: str) -> None:
        self.refused += 1
        self.why_refused = why

    def _where(self, now_ns: int) -> Triple:
        if self._dynamics is not None:
            return self._dynamics(now_ns, self.asked_mm)
        return self.asked_mm if self._shown_mm is None else self._shown_mm

    def _close_cycle(self, now_ns: int) -> bool:
        """Apply the reply or count its absence; return whether RSI continues."""
        reply, self._reply = self._reply, None
        settings = self._settings
        if reply is None:
            self.faulty_packets += 1
            if self.faulty_packets > settings.timeout_packets:
                self.stop(
                    now_ns,
                    "KSS29002 Signal flow (running): Object ETHERNET1 returns error RSITimeout",
                )
                return False
            x, y, z = (
                value if self._holds[axis] else 0.0
                for axis, value in zip(_AXES, self.asked_mm, strict=True)
            )
        else:
            self.text = reply.texts.get("EStr", self.text)
            x, y, z = (reply.numbers.get(f"RKorr.{axis}", 0.0) for axis in _AXES)
        self.asked_mm = self._clamp((x, y, z))
        if max(abs(value) for value in self.asked_mm) > settings.monitor_mm:
            self.stop(now_ns, "Stop by $CORRECTION function: POSCORRMON MaxTrans exceeded")
            return False
        return True

    def _clamp(self, asked: Triple) -> Triple:
        low, up = self._settings.lower_mm, self._settings.upper_mm
        inside = (
            min(max(asked[0], low[0]), up[0]),
            min(max(asked[1], low[1]), up[1]),
            min(max(asked[2], low[2]), up[2]),
        )
        self.clamped = inside != asked
        return inside

    def _state_of_the_robot(self) -> Telegram:
        """Return every configured number; all but the pose and the late count are zero."""
        numbers = dict.fromkeys(self._sends, 0.0)
        for element, offset in (("RIst", self.offset_mm), ("RSol", self.asked_mm)):
            if f"{element}.X" in numbers:
                place = (
                    *(a + b for a, b in zip(self._settings.start_mm, offset, strict=True)),
                    *self._settings.start_deg,
                )
                numbers |= {f"{element}.{name}": v for name, v in zip(POSE, place, strict=True)}
        if "Delay.D" in numbers:
            numbers["Delay.D"] = float(self.faulty_packets)
        return Telegram(self._ipoc, numbers)


def _holds(configuration: EthernetConfiguration) -> dict[str, bool]:
    """Return, for each axis, whether the last correction stays when a reply is missing."""
    inputs = {
        (element.name, attribute): hold
        for element in configuration.receives
        for attribute, hold in zip(element.attributes, element.hold_on, strict=True)
    }
    return {axis: inputs.get(("RKorr", axis), True) for axis in _AXES}


WIRE_MS = 8.0
"""What RSI adds to an actuator's latency: a demand's line takes one period of 10 ms where the
room holds a demand for half of one on average, then comes the cycle it leaves in."""
RESTART_NS = 1_000_000_000
"""The time after which an operator restarts RSI that broke off."""


def _twin(settings: RsiWire, context: TwinContext) -> RobotTwin:
    ethernet = read_ethernet_file(context.folder / settings.ethernet)
    controller = ControllerSettings(
        cycle_ns=settings.session.cycle_ns,
        timeout_packets=settings.session.timeout_packets,
        restart_ns=RESTART_NS,
        lower_mm=(-50.0, -50.0, -50.0),
        upper_mm=(50.0, 50.0, 50.0),
    )
    return RobotTwin(context.device, ethernet, controller)


def _summary(robot: RobotTwin) -> str:
    return (
        f"robot: {robot.pendant}; {robot.cycles} cycles in this run of RSI, "
        f"{robot.faulty_packets} replies missing, {robot.refused} refused "
        f"{robot.why_refused}".rstrip()
    )


def _alone(request: TwinRequest) -> RsiWire:
    port = request.port_only("rsi", "RSI is on UDP", 49152)
    return RsiWire(address=f"udp://:{port}", ethernet=str(request.ethernet.absolute()))


def _with_robot(room: RoomScenario) -> RoomScenario:
    return msgspec.structs.replace(room, actuator=ROBOT)


RSI = TwinRow(
    driver="rsi",
    make=_twin,
    open=on_wire(_twin, _summary),
    alone=Alone(
        name="rsi",
        does="KUKA robot, asks that port",
        section="actuator",
        settings=_alone,
        furnish=_with_robot,
        device="robot",
    ),
    wire_ms=WIRE_MS,
)

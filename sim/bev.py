"""Twin of a controller that takes demands in beam's-eye view over UDP.

It shows where the room's machine is, and asks the room for what it is sent. A demand that is not
newer than the last, or is no message at all, is counted and ignored.
"""

from __future__ import annotations

from collections import deque

import msgspec

from hal.bev.codec import VERSION, BevDemand, BevStatus, BevStop, decode_message, encode_message
from hal.bev.driver import BevWire
from hal.errors import ProtocolError
from hal.events import Command, SendDemand, SendStop
from hal.messages import ActuatorStatus, Sample
from sim.scenario import MLC, RoomScenario
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire


class BevTwin:
    """The receiver's end."""

    def __init__(self, device: str) -> None:
        """Make a receiver that has heard nobody."""
        self._device = device
        self._out: deque[bytes] = deque()
        self._number = 0
        self.ignored = 0
        """Datagrams that were late or no messages."""
        self.demands = 0

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: it sends a status whenever it is shown one."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new sender."""
        self._out.clear()
        self._number = 0

    def show(self, sample: Sample, now_ns: int) -> None:
        """Send the position of the room's machine, once somebody has written."""
        if isinstance(sample, ActuatorStatus) and self._number:
            x, y, _ = sample.position_mm
            status = BevStatus(VERSION, self._number, x, y, sample.fault)
            self._out.append(encode_message(status))

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Obey a demand or a stop."""
        try:
            message = decode_message(data)
        except ProtocolError:
            self.ignored += 1
            return []
        if isinstance(message, BevStop) and message.number == 1:
            self._number = 0  # a sender begins again
        if isinstance(message, BevStatus) or message.number <= self._number:
            self.ignored += 1
            return []
        self._number = message.number
        if isinstance(message, BevDemand):
            self.demands += 1
            return [SendDemand(now_ns, self._device, (message.x_mm, message.y_mm, 0.0))]
        return [SendStop(now_ns, self._device)]

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: no work is ever due."""
        return []

    def data_to_send(self) -> bytes:
        """Return the next datagram."""
        return self._out.popleft() if self._out else b""


def _twin(settings: BevWire, context: TwinContext) -> BevTwin:
    return BevTwin(context.device)


def _summary(twin: BevTwin) -> str:
    return f"leaves: {twin.demands} demands, {twin.ignored} datagrams ignored"


def _alone(request: TwinRequest) -> BevWire:
    port = request.port_only("bev-udp", "its messages are datagrams", 50120)
    return BevWire(address=f"udp://127.0.0.1:{port}")


def _with_leaves(room: RoomScenario) -> RoomScenario:
    return msgspec.structs.replace(room, actuator=MLC)


BEV_UDP = TwinRow(
    driver="bev-udp",
    make=_twin,
    open=on_wire(_twin, _summary),
    alone=Alone(
        name="leaves",
        does="controller of leaves that takes demands in beam's-eye view, on that port",
        section="actuator",
        settings=_alone,
        furnish=_with_leaves,
        device="mlc",
    ),
)

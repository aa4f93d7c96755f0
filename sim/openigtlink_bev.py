"""Twin of a controller that takes demands in beam's-eye view as OpenIGTLink messages.

It is a server. It says where the room's machine is whenever it is shown that, and asks the room for
what it is sent. A message that is no demand is counted and ignored.
"""

from __future__ import annotations

import msgspec

from hal.events import Command, SendDemand
from hal.messages import ActuatorStatus, Sample
from hal.openigtlink.bev_session import IgtlBevSettings
from hal.openigtlink.codec import IgtlGarbled, IgtlPacket, StreamReader, encode
from hal.openigtlink.contents import Content, Status, Transform, at, position_of
from hal.openigtlink.driver import IgtlBevWire
from sim.scenario import MLC, RoomScenario
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

_UNIX_NS = 1_700_000_000_000_000_000
_OK, _NOT_READY = 1, 13


class IgtlBevTwin:
    """The controller's end."""

    def __init__(self, device: str, settings: IgtlBevSettings) -> None:
        """Take the names of the messages."""
        self._device = device
        self._settings = settings
        self._reader = StreamReader()
        self._out = bytearray()
        self._fault = ""
        self.demands = 0
        self.ignored = 0
        """Messages that were no demands."""

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: it says where it is whenever it is shown that."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new client."""
        self._reader.reset()
        self._out.clear()
        self._fault = ""

    def show(self, sample: Sample, now_ns: int) -> None:
        """Send the position of the room's machine, and its fault when that changes."""
        if not isinstance(sample, ActuatorStatus):
            return
        if sample.fault != self._fault:
            self._fault = sample.fault
            status = Status(_NOT_READY, text=sample.fault) if sample.fault else Status(_OK)
            self._say(self._settings.fault, sample.t_ns, status)
        x, y, _ = sample.position_mm
        self._say(self._settings.position, sample.t_ns, Transform(at((x, y, 0.0))))

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Obey every demand."""
        commands: list[Command] = []
        for item in self._reader.feed(data):
            if (
                isinstance(item, IgtlGarbled)
                or item.device_name != self._settings.demand
                or not isinstance(item.content, Transform)
            ):
                self.ignored += 1
                continue
            self.demands += 1
            x, y, _ = position_of(item.content.matrix)
            commands.append(SendDemand(now_ns, self._device, (x, y, 0.0)))
        return commands

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: no work is ever due."""
        return []

    def data_to_send(self) -> bytes:
        """Return the bytes that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _say(self, name: str, t_ns: int, content: Content) -> None:
        packet = IgtlPacket(name, _UNIX_NS + t_ns, content, self._settings.version)
        self._out += encode(packet)


def _twin(settings: IgtlBevWire, context: TwinContext) -> IgtlBevTwin:
    return IgtlBevTwin(context.device, settings.session)


def _summary(twin: IgtlBevTwin) -> str:
    return f"leaves: {twin.demands} demands, {twin.ignored} messages ignored"


def _alone(request: TwinRequest) -> IgtlBevWire:
    port = request.port_only("openigtlink-bev", "OpenIGTLink is on TCP", 18947)
    return IgtlBevWire(address=f"tcp://127.0.0.1:{port}")


def _with_leaves(room: RoomScenario) -> RoomScenario:
    return msgspec.structs.replace(room, actuator=MLC)


OPENIGTLINK_BEV = TwinRow(
    driver="openigtlink-bev",
    make=_twin,
    open=on_wire(_twin, _summary),
    alone=Alone(
        name="openigtlink-leaves",
        does="controller of leaves that takes demands in beam's-eye view over OpenIGTLink",
        section="actuator",
        settings=_alone,
        furnish=_with_leaves,
        device="mlc",
    ),
)

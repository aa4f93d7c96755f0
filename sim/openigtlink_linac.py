"""Twin of an OpenIGTLink server that sends the angles of the treatment machine.

It sends gantry, collimator and table as TRANSFORM messages whenever it is shown a report, and the
monitor units as SENSOR where the driver wants them. Its rotations are its own.
"""

from __future__ import annotations

from math import cos, radians, sin

from hal.events import Command
from hal.messages import LinacStatus, Sample
from hal.openigtlink.codec import IgtlPacket, encode
from hal.openigtlink.contents import Content, Sensor, Transform
from hal.openigtlink.driver import IgtlLinacWire
from hal.openigtlink.linac_session import IgtlLinacSettings
from sim.linac import with_arc
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

_UNIX_NS = 1_700_000_000_000_000_000


class IgtlLinacTwin:
    """The server's end; it sends unasked."""

    def __init__(self, settings: IgtlLinacSettings) -> None:
        """Take the names of the messages."""
        self._settings = settings
        self._out = bytearray()

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: it sends only when it is shown a report."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new client."""
        self._out.clear()

    def show(self, sample: Sample, now_ns: int) -> None:
        """Send a report; the gantry comes last, because it completes one."""
        if not isinstance(sample, LinacStatus):
            return
        settings = self._settings
        if settings.monitor_units and sample.monitor_units is not None:
            self._say(settings.monitor_units, sample.t_ns, Sensor((sample.monitor_units,)))
        if settings.collimator:
            self._say(settings.collimator, sample.t_ns, turned_about_z(sample.collimator_deg))
        if settings.table:
            self._say(settings.table, sample.t_ns, turned_about_z(sample.table_deg))
        self._say(settings.gantry, sample.t_ns, turned_about_y(sample.gantry_deg))

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Ignore what a client sends."""
        return []

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: no work is ever due."""
        return []

    def data_to_send(self) -> bytes:
        """Return the bytes that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _say(self, name: str, t_ns: int, content: Content) -> None:
        self._out += encode(IgtlPacket(name, _UNIX_NS + t_ns, content))


def turned_about_y(angle_deg: float) -> Transform:
    """Return the turn about +Y: it takes +Z to +X at 90 degrees. Columns first, as on the wire."""
    c, s = cos(radians(angle_deg)), sin(radians(angle_deg))
    return Transform((c, 0.0, -s, 0.0, 1.0, 0.0, s, 0.0, c, 0.0, 0.0, 0.0))


def turned_about_z(angle_deg: float) -> Transform:
    """Return the turn about +Z: it takes +X to +Y at 90 degrees. Columns first, as on the wire."""
    c, s = cos(radians(angle_deg)), sin(radians(angle_deg))
    return Transform((c, s, 0.0, -s, c, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0))


def _twin(settings: IgtlLinacWire, context: TwinContext) -> IgtlLinacTwin:
    return IgtlLinacTwin(settings.session)


def _alone(request: TwinRequest) -> IgtlLinacWire:
    return IgtlLinacWire(address=request.address("tcp://127.0.0.1:18946"))


OPENIGTLINK_LINAC = TwinRow(
    driver="openigtlink-linac",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(
        name="linac",
        does="angles of a gantry that turns over an arc, behind an OpenIGTLink server",
        section="linac",
        settings=_alone,
        furnish=with_arc,
    ),
)

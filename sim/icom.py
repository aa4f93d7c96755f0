"""Twin of an Elekta linac that sends its iCOM stream: angles, monitor units and a fixed aperture.

It sends the newest report that it was shown, once in each period. The order of the elements follows
their tags. The aperture is a square of 10 cm, so that a reader of whole deliveries finds leaves and
jaws. What the maker does not publish is left out: the state of the beam and the linac's own names.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hal.events import Command
from hal.icom.codec import (
    COLLIMATOR,
    GANTRY,
    TABLE,
    TABLE_TAGS,
    UNITS,
    Tag,
    encode_element,
    encode_message,
    tags_with,
)
from hal.icom.driver import IcomWire
from hal.icom.session import IcomSettings
from hal.messages import LinacStatus, Sample
from sim.linac import with_arc
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

_START = datetime(2026, 1, 1, 8, 0, 0)  # noqa: DTZ001  the linac's clock knows no zone
_LIMITING, _POSITION = Tag(0x300A, 0x00B8, b"DS"), Tag(0x300A, 0x011C, b"DS")
_MACHINE = Tag(0x300A, 0x00B2, b"SH", b"P")
_ENERGY = Tag(0x300A, 0x0114, b"SH")
_APERTURE: tuple[tuple[str, int], ...] = (("ASYMX", 2), ("ASYMY", 2), ("MLCX", 160))
_HALF_CM = 5.0


def _aperture() -> bytes:
    out = b""
    for name, count in _APERTURE:
        out += encode_element(_LIMITING, name)
        out += encode_element(_POSITION, f"{_HALF_CM:.2f}") * count
    return out


class IcomTwin:
    """The linac's end; it sends unasked."""

    def __init__(self, settings: IcomSettings) -> None:
        """Take the scales of the angles and the period."""
        self._settings = settings
        self._tags = tags_with(settings.table_element)
        self._period_ns = round(settings.period_ms * 1e6)
        self._aperture = _aperture()
        self._out = bytearray()
        self._due_ns = 0
        self.count = 0
        """Of the next message."""

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: it sends only when it is shown a report."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new client."""
        self._out.clear()

    def show(self, sample: Sample, now_ns: int) -> None:
        """Send a report, if a message is due."""
        if not isinstance(sample, LinacStatus) or now_ns < self._due_ns:
            return
        self._due_ns += self._period_ns
        if self._due_ns <= now_ns:
            self._due_ns = now_ns + self._period_ns
        when = _START + timedelta(seconds=now_ns // 1_000_000_000)
        self._out += encode_message(when, self.count, self.elements(sample))
        self.count = (self.count + 1) % 256

    def elements(self, status: LinacStatus) -> bytes:
        """Return the elements of a report."""
        settings, tags = self._settings, self._tags
        other = next(tag for tag in TABLE_TAGS.values() if tag != tags[TABLE])
        table = f"{settings.table.value(status.table_deg):.0f}"
        out = b""
        if status.monitor_units is not None:
            out += encode_element(tags[UNITS], f"{status.monitor_units:.2f}")
        out += encode_element(_MACHINE, "TWIN") + self._aperture + encode_element(_ENERGY, "6 MV")
        gantry = settings.gantry.value(status.gantry_deg)
        collimator = settings.collimator.value(status.collimator_deg)
        out += encode_element(tags[GANTRY], f"{gantry:.1f}")
        out += encode_element(tags[COLLIMATOR], f"{collimator:.1f}")
        for tag in sorted(TABLE_TAGS.values()):
            out += encode_element(tag, "0" if tag == other else table)
        for element in (0x0128, 0x0129, 0x012A):  # the table's vertical, longitudinal and lateral
            out += encode_element(Tag(0x300A, element, b"DS"), "0.0")
        return out

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


def _twin(settings: IcomWire, context: TwinContext) -> IcomTwin:
    return IcomTwin(settings.session)


def _alone(request: TwinRequest) -> IcomWire:
    port = request.port_only("icom", "iCOM is on TCP", 1706)
    return IcomWire(address=f"tcp://127.0.0.1:{port}")


ICOM = TwinRow(
    driver="icom",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(
        name="icom",
        does="angles of a gantry that turns over an arc, as an Elekta linac sends them",
        section="linac",
        settings=_alone,
        furnish=with_arc,
    ),
)

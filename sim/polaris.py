"""Simulate the Polaris tracker at its end of the wire, for the driver or another client.

It shows the marker frame it was last given; the frame number on the wire is that frame's
``ticks``, so a room that stops giving frames is a tracker whose counter is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from hal.errors import ProtocolError
from hal.events import Command
from hal.messages import MarkerFrame, Sample, Triple
from hal.polaris import codec
from hal.polaris.driver import PolarisWire
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

_UPRIGHT = (1.0, 0.0, 0.0, 0.0)
_IDENTITY = (
    "Polaris Vega Control Firmware\nNDI S/N: P9-00042\nCharacterization Date: 01/01/26\n"
    "Freeze Tag: {freeze}\nFreeze Date: 01/01/26\n(C) twin\n"
)


class _Port:
    """One port handle: its tool definition and its state."""

    def __init__(self) -> None:
        self.rom = bytearray(codec.ROM_BYTES)
        self.loaded = False
        self.initialised = False
        self.enabled = False

    @property
    def status(self) -> int:
        """The port status bits as PHSR and TX report them."""
        return (
            codec.PORT_IN
            | (codec.PORT_INITIALISED if self.initialised else 0)
            | (codec.PORT_ENABLED if self.enabled else 0)
        )


_PORTS_ASKED_FOR: dict[str, Callable[[_Port], bool]] = {
    "": lambda port: True,
    "00": lambda port: True,
    "01": lambda port: False,
    "02": lambda port: not port.initialised,
    "03": lambda port: port.initialised and not port.enabled,
    "04": lambda port: port.enabled,
}
"""Which port handles each reply option of PHSR lists."""


class PolarisTwin:
    """The device end; ``volume_mm`` (lowest and highest corner) bounds what it can see."""

    def __init__(
        self,
        freeze_tag: str = "Polaris Vega 009",
        volume_mm: tuple[Triple, Triple] | None = None,
    ) -> None:
        self._freeze_tag = freeze_tag
        self._volume = volume_mm
        self.system_status = 0
        self.unplugged: set[int] = set()
        """Indices of tools whose port is disabled while tracking."""
        self.mode: Literal["on", "set up", "tracking"] = "on"
        self.ports: dict[int, _Port] = {}
        self.baud_digit = "0"
        self._frame: MarkerFrame | None = None
        self._held = bytearray()
        self._out = bytearray()

    @property
    def ready(self) -> bool:
        """Whether the tracker is tracking."""
        return self.mode == "tracking"

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: the tracker sends only when asked."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new client; the tracker keeps its state."""
        self._held.clear()
        self._out.clear()

    def line_break(self) -> None:
        """Reset the tracker, as a serial break does."""
        self._reset()
        self._out += codec.text_reply("RESET")

    def show(self, sample: Sample, now_ns: int) -> None:
        """Keep the newest marker frame."""
        if isinstance(sample, MarkerFrame):
            self._frame = sample

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: no work is ever due."""
        return []

    def data_to_send(self) -> bytes:
        """Return the replies that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Answer each whole command; return nothing: a tracker gives the room no commands."""
        self._held += data
        while (end := self._held.find(b"\r")) >= 0:
            line = bytes(self._held[:end]).lstrip(b"\n")
            del self._held[: end + 1]
            if line:
                self._out += self._answer(line)
        return []

    def _answer(self, line: bytes) -> bytes:
        try:
            name, parameters = codec.read_command(line)
        except ProtocolError as error:
            return codec.refusal(0x04 if "fails its CRC" in str(error) else 0x01)
        if name == "RESET":
            self._reset()
            return codec.text_reply("RESET")
        if name not in _ALLOWED:
            return codec.refusal(0x01)
        if self.mode not in _ALLOWED[name]:
            return codec.refusal(0x10 if self.mode == "on" else 0x0C)
        answer = {
            "INIT": self._init,
            "COMM": self._comm,
            "VER": self._ver,
            "GETINFO": self._info,
            "BEEP": self._okay,
            "PHSR": self._phsr,
            "PHRQ": self._phrq,
            "PHF": self._phf,
            "PVWR": self._pvwr,
            "PINIT": self._pinit,
            "PENA": self._pena,
            "PDIS": self._pdis,
            "TSTART": self._tstart,
            "TSTOP": self._tstop,
            "TX": self._tx,
            "BX": self._bx,
        }[name]
        return answer(parameters)

    def _reset(self) -> None:
        self.mode = "on"
        self.ports.clear()
        self.baud_digit = "0"
        self._held.clear()

    def _okay(self, parameters: str) -> bytes:
        return codec.text_reply("OKAY")

    def _init(self, parameters: str) -> bytes:
        self.mode = "set up"
        return self._okay(parameters)

    def _comm(self, parameters: str) -> bytes:
        if len(parameters) != 5 or parameters[0] not in "0234567A":
            return codec.refusal(0x07)
        self.baud_digit = parameters[0]
        return self._okay(parameters)

    def _ver(self, parameters: str) -> bytes:
        return codec.text_reply(_IDENTITY.format(freeze=self._freeze_tag))

    def _info(self, parameters: str) -> bytes:
        if parameters != "Features.Firmware.Version":
            return codec.refusal(0x01)
        return codec.text_reply("Features.Firmware.Version=009.000.001;3;1;1;0;16;;")

    def _phsr(self, parameters: str) -> bytes:
        wanted = _PORTS_ASKED_FOR.get(parameters)
        if wanted is None:
            return codec.refusal(0x07)
        return codec.handles_reply([(h, p.status) for h, p in self.ports.items() if wanted(p)])

    def _phrq(self, parameters: str) -> bytes:
        if len(parameters) != 14:
            return codec.refusal(0x07)
        free = next((h for h in range(1, 25) if h not in self.ports), None)
        if free is None:
            return codec.refusal(0x2D)
        self.ports[free] = _Port()
        return codec.text_reply(f"{free:02X}")

    def _port(self, parameters: str, length: int) -> _Port | bytes:
        """Return the port that a command names, or the refusal when there is none."""
        try:
            handle = int(parameters[:2], 16)
        except ValueError:
            return codec.refusal(0x08)
        if len(parameters) != length:
            return codec.refusal(0x07)
        return self.ports.get(handle) or codec.refusal(0x2B)

    def _phf(self, parameters: str) -> bytes:
        port = self._port(parameters, 2)
        if isinstance(port, bytes):
            return port
        del self.ports[int(parameters, 16)]
        return self._okay(parameters)

    def _pvwr(self, parameters: str) -> bytes:
        port = self._port(parameters, 6 + 2 * codec.ROM_BLOCK)
        if isinstance(port, bytes):
            return port
        try:
            at, block = int(parameters[2:6], 16), bytes.fromhex(parameters[6:])
        except ValueError:
            return codec.refusal(0x07)
        if at + len(block) > codec.ROM_BYTES:
            return codec.refusal(0x40)
        port.rom[at : at + len(block)] = block
        port.loaded = True
        return self._okay(parameters)

    def _pinit(self, parameters: str) -> bytes:
        port = self._port(parameters, 2)
        if isinstance(port, bytes):
            return port
        if not port.loaded:
            return codec.refusal(0x40)
        port.initialised = True
        return self._okay(parameters)

    def _pena(self, parameters: str) -> bytes:
        port = self._port(parameters, 3)
        if isinstance(port, bytes):
            return port
        if parameters[2] not in "DSB":
            return codec.refusal(0x07)
        if not port.initialised:
            return codec.refusal(0x0E)
        port.enabled = True
        return self._okay(parameters)

    def _pdis(self, parameters: str) -> bytes:
        port = self._port(parameters, 2)
        if isinstance(port, bytes):
            return port
        port.enabled = False
        return self._okay(parameters)

    def _tstart(self, parameters: str) -> bytes:
        self.mode = "tracking"
        return self._okay(parameters)

    def _tstop(self, parameters: str) -> bytes:
        self.mode = "set up"
        return self._okay(parameters)

    def _tx(self, parameters: str) -> bytes:
        if parameters not in ("", "0001", "0801"):
            return codec.refusal(0x07)
        return codec.tx_reply(self._tracking(parameters == "0801"))

    def _bx(self, parameters: str) -> bytes:
        if parameters not in ("", "0001", "0801"):
            return codec.refusal(0x07)
        return codec.bx_reply(self._tracking(parameters == "0801"))

    def _tracking(self, outside_too: bool) -> codec.Tracking:
        tools: list[codec.PolarisTool] = []
        frame = self._frame
        for index, (handle, port) in enumerate(self.ports.items()):
            if index in self.unplugged or not port.enabled:
                tools.append(codec.PolarisTool(handle, None, port.status))
                continue
            place = None
            if frame is not None and index < len(frame.markers_mm):
                place = frame.markers_mm[index]
            status, pose = port.status, None
            if place is not None and not self._inside(place):
                status |= codec.PORT_OUT_OF_VOLUME
                place = place if outside_too else None
            if place is not None and frame is not None:
                error = frame.errors_mm[index] if index < len(frame.errors_mm) else 0.0
                pose = codec.ToolPose(_UPRIGHT, place, error)
            number = 0 if frame is None else frame.ticks % (1 << 32)
            tools.append(codec.PolarisTool(handle, pose, status, number))
        return codec.Tracking(tuple(tools), self.system_status)

    def _inside(self, place: Triple) -> bool:
        if self._volume is None:
            return True
        low, high = self._volume
        return all(a <= c <= b for a, c, b in zip(low, place, high, strict=True))


_ANY = frozenset({"on", "set up", "tracking"})
_SET_UP = frozenset({"set up"})
_ALLOWED: dict[str, frozenset[str]] = {
    "INIT": frozenset({"on", "set up"}),
    "COMM": frozenset({"on", "set up"}),
    "VER": _ANY,
    "GETINFO": _ANY,
    "BEEP": _ANY,
    "PHSR": frozenset({"set up", "tracking"}),
    "PHRQ": _SET_UP,
    "PHF": _SET_UP,
    "PVWR": _SET_UP,
    "PINIT": _SET_UP,
    "PENA": _SET_UP,
    "PDIS": _SET_UP,
    "TSTART": _SET_UP,
    "TSTOP": frozenset({"tracking"}),
    "TX": frozenset({"tracking"}),
    "BX": frozenset({"tracking"}),
}
"""In which mode each command is understood."""


def _twin(settings: PolarisWire, context: TwinContext) -> PolarisTwin:
    return PolarisTwin()


def _alone(request: TwinRequest) -> PolarisWire:
    return PolarisWire(address=request.address("tcp://127.0.0.1:8765"))


POLARIS = TwinRow(
    driver="polaris",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(name="polaris", does="NDI tracker", section="camera", settings=_alone),
)

"""The couch's twin: a PI hexapod on GCS 2.0 with limits, servo, reference and limited speed.

Alone it moves by itself, at the system velocity and with a finite acceleration. Shown an
`ActuatorStatus` it is where the room says, and the room's couch does the moving.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hal.events import Command, SendDemand, SendStop
from hal.gcs import codec
from hal.gcs.driver import GcsWire
from hal.messages import ActuatorStatus, Sample
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

_SECOND = 1_000_000_000
AXES: tuple[str, ...] = ("X", "Y", "Z", "U", "V", "W")
_IDENTITY = "(c)2026 Physik Instrumente (PI) GmbH & Co. KG, C-887.52 twin, 0, 2.7.0.0"
_STEP_S = 0.001


class GcsTwin:
    """The device end; ``limit_mm`` and ``limit_deg`` bound its axes both ways."""

    def __init__(
        self,
        device: str = "couch",
        *,
        referenced: bool = True,
        limit_mm: float = 50.0,
        limit_deg: float = 10.0,
        largest_speed_mm_s: float = 50.0,
        acceleration_mm_s2: float = 500.0,
        reference_s: float = 2.0,
    ) -> None:
        self._device = device
        self._limits = dict.fromkeys(AXES[:3], limit_mm) | dict.fromkeys(AXES[3:], limit_deg)
        self._largest_speed = largest_speed_mm_s
        self._acceleration = acceleration_mm_s2
        self._reference_ns = round(reference_s * _SECOND)
        self.referenced = dict.fromkeys(AXES, referenced)
        self.servo = dict.fromkeys(AXES, True)
        self.position = dict.fromkeys(AXES, 0.0)
        self.target = dict.fromkeys(AXES, 0.0)
        self.speed_mm_s = 10.0
        self.parameters = {codec.TRAJECTORY_SOURCE: 0.0}
        self.mute = False
        """Whether the controller hangs: it reads every command and answers none."""
        self._velocity = [0.0] * 6
        self._error = 0
        self._shown = False
        self._busy_until_ns = 0
        self._moved_ns = 0
        self._commands = codec.Commands()
        self._out = bytearray()
        self._asked: list[Command] = []

    @property
    def ready(self) -> bool:
        """Whether the axes are referenced and under servo control, so that MOV is obeyed."""
        return all(self.referenced.values()) and all(self.servo.values())

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: the position is computed when it is asked for."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new client; the couch continues its motion."""
        self._commands.drop()
        self._out.clear()

    def show(self, sample: Sample, now_ns: int) -> None:
        """Adopt the position of the room's couch."""
        if isinstance(sample, ActuatorStatus):
            self._shown = True
            self.position.update(zip(AXES[:3], sample.position_mm, strict=True))

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: no work is ever due."""
        self.advance(now_ns)
        return []

    def data_to_send(self) -> bytes:
        """Return the answers that wait to be sent."""
        data = b"" if self.mute else bytes(self._out)
        self._out.clear()
        return data

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Obey lines and control bytes; return the targets and stops for the room."""
        self._asked = []
        self.advance(now_ns)
        for command in self._commands.feed(data):
            if isinstance(command, int):
                self._control(command, now_ns)
            elif command:
                self._line(command.split(), now_ns)
        return self._asked

    # Motion.

    def advance(self, now_ns: int) -> None:
        """Move towards the target until now; translation and rotation each on a straight line."""
        while self._moved_ns < now_ns:
            left_s = (now_ns - self._moved_ns) / _SECOND
            step_s = min(_STEP_S, left_s)
            if self._shown or not self.moving:
                self._moved_ns = now_ns
                return
            for first in (0, 3):
                self._slew(range(first, first + 3), step_s)
            self._moved_ns += max(1, round(step_s * _SECOND))

    def _slew(self, axes: range, step_s: float) -> None:
        away = [self.target[AXES[i]] - self.position[AXES[i]] for i in axes]
        distance = math.sqrt(sum(a * a for a in away))
        brake = math.sqrt(2 * self._acceleration * distance)
        speed = min(self.speed_mm_s, brake, distance / step_s)
        wanted = [a / distance * speed if distance > 0 else 0.0 for a in away]
        change = [w - self._velocity[i] for w, i in zip(wanted, axes, strict=True)]
        size = math.sqrt(sum(c * c for c in change))
        share = min(1.0, self._acceleration * step_s / size) if size > 0 else 0.0
        for c, i in zip(change, axes, strict=True):
            self._velocity[i] += c * share
            self.position[AXES[i]] += self._velocity[i] * step_s

    @property
    def moving(self) -> bool:
        """Whether the couch still moves towards its target."""
        return not all(self._on_target(axis) for axis in AXES) or max(map(abs, self._velocity)) > 1

    def _on_target(self, axis: str) -> bool:
        return abs(self.position[axis] - self.target[axis]) < 0.005

    def _halt(self, now_ns: int) -> None:
        self._velocity = [0.0] * 6
        self.target = dict(self.position)
        self._busy_until_ns = 0
        self._error = codec.STOPPED
        self._asked.append(SendStop(now_ns, self._device))

    # Commands.

    def _control(self, byte: int, now_ns: int) -> None:
        self._finish_reference(now_ns)
        if byte == codec.STOP_ALL[0]:
            self._halt(now_ns)
        elif byte == codec.READY[0]:
            busy = now_ns < self._busy_until_ns
            self._out += bytes([codec.BUSY_BYTE if busy else codec.READY_BYTE]) + b"\n"
        elif byte in (0x04, 0x05, 0x06, 0x08):
            mask = sum(1 << i for i, axis in enumerate(AXES) if not self._on_target(axis))
            moving = now_ns < self._busy_until_ns or (self.moving and not self._shown)
            self._out += codec.answer([f"{mask or 63:x}" if moving else "0"])
        elif byte == 0x03:
            self._out += codec.answer([f"{axis}={self.position[axis]:.6f}" for axis in AXES])

    def _line(self, words: list[str], now_ns: int) -> None:
        self._finish_reference(now_ns)
        name, words = words[0].upper(), words[1:]
        if name == "ERR?":
            self._out += codec.answer([str(self._error)])
            self._error = 0
            return
        query = self._queries.get(name)
        if query is not None:
            axes = words or list(AXES)
            if all(axis in AXES for axis in axes):
                self._out += codec.answer([f"{axis}={query(self, axis)}" for axis in axes])
            else:
                self._error = 15
            return
        setter = self._setters.get(name)
        if setter is not None:
            try:
                setter(self, words, now_ns)
            except ValueError:
                self._error = 1
            return
        fixed = self._fixed.get(name)
        if fixed is not None:
            self._out += codec.answer(fixed)
        else:
            self._answer_rest(name, words)

    def _answer_rest(self, name: str, words: list[str]) -> None:
        if name == "VLS?":
            self._out += codec.answer([f"{self.speed_mm_s:.6f}"])
        elif name == "SPA?" and len(words) == 2:
            number = int(words[1], 0)
            if number in self.parameters:
                value = f"{words[0]} {words[1]}={self.parameters[number]:g}"
                self._out += codec.answer([value])
            else:
                self._error = 17
        else:
            self._error = 2

    def _pairs(self, words: list[str]) -> dict[str, float] | None:
        """Return the axis and number pairs of a set command; ``None`` with the error noted."""
        if not words or len(words) % 2:
            self._error = 24
            return None
        pairs = {axis: float(value) for axis, value in zip(words[::2], words[1::2], strict=True)}
        if not all(axis in AXES for axis in pairs):
            self._error = 15
            return None
        if not all(map(math.isfinite, pairs.values())):
            self._error = 1
            return None
        return pairs

    def _mov(self, words: list[str], now_ns: int) -> None:
        pairs = self._pairs(words)
        if pairs is not None:
            self._go(pairs, now_ns)

    def _mvr(self, words: list[str], now_ns: int) -> None:
        pairs = self._pairs(words)
        if pairs is not None and self.parameters[codec.TRAJECTORY_SOURCE] == 1:
            self._error = 2  # relative moves are refused while MOV streams targets
        elif pairs is not None:
            self._go({axis: self.target[axis] + value for axis, value in pairs.items()}, now_ns)

    def _go(self, pairs: dict[str, float], now_ns: int) -> None:
        if not self.ready or now_ns < self._busy_until_ns:
            self._error = 5
        elif any(abs(value) > self._limits[axis] for axis, value in pairs.items()):
            self._error = 7
        else:
            self.target.update(pairs)
            x, y, z = (self.target[axis] for axis in AXES[:3])
            self._asked.append(SendDemand(now_ns, self._device, (x, y, z)))

    def _vls(self, words: list[str], now_ns: int) -> None:
        if len(words) != 1:
            self._error = 24
        elif not 0 < float(words[0]) <= self._largest_speed:
            self._error = 8
        else:
            self.speed_mm_s = float(words[0])

    def _svo(self, words: list[str], now_ns: int) -> None:
        pairs = self._pairs(words)
        if pairs is not None:
            self.servo.update({axis: value == 1 for axis, value in pairs.items()})

    def _frf(self, words: list[str], now_ns: int) -> None:
        if not all(axis in AXES for axis in words):
            self._error = 15
        elif not all(self.servo.values()):
            self._error = 5
        else:
            self.referenced = dict.fromkeys(AXES, False)
            self._busy_until_ns = now_ns + self._reference_ns

    def _finish_reference(self, now_ns: int) -> None:
        if 0 < self._busy_until_ns <= now_ns:
            self._busy_until_ns = 0
            self.referenced = dict.fromkeys(AXES, True)
            self.position = dict.fromkeys(AXES, 0.0)
            self.target = dict.fromkeys(AXES, 0.0)

    def _spa(self, words: list[str], now_ns: int) -> None:
        if len(words) != 3:
            self._error = 24
        elif int(words[1], 0) not in self.parameters:
            self._error = 17
        else:
            self.parameters[int(words[1], 0)] = float(words[2])

    def _stop(self, words: list[str], now_ns: int) -> None:
        self._halt(now_ns)

    _queries: dict[str, Callable[[GcsTwin, str], str]] = {
        "POS?": lambda twin, axis: f"{twin.position[axis]:.6f}",
        "MOV?": lambda twin, axis: f"{twin.target[axis]:.6f}",
        "ONT?": lambda twin, axis: str(int(twin._on_target(axis))),
        "FRF?": lambda twin, axis: str(int(twin.referenced[axis])),
        "SVO?": lambda twin, axis: str(int(twin.servo[axis])),
        "TMN?": lambda twin, axis: f"{-twin._limits[axis]:.6f}",
        "TMX?": lambda twin, axis: f"{twin._limits[axis]:.6f}",
        "CST?": lambda twin, axis: "HEXAPOD",
        "PUN?": lambda twin, axis: "MM" if axis in AXES[:3] else "DEG",
    }
    _setters: dict[str, Callable[[GcsTwin, list[str], int], None]] = {
        "MOV": _mov,
        "MVR": _mvr,
        "VLS": _vls,
        "SVO": _svo,
        "FRF": _frf,
        "SPA": _spa,
        "HLT": _stop,
        "STP": _stop,
    }
    _fixed: dict[str, list[str]] = {
        "*IDN?": [_IDENTITY],
        "SAI?": list(AXES),
        "CSV?": ["2.0"],
        "VER?": ["FW_ARM: V2.7.0.0"],
        "HLP?": ["The following commands are valid:", "MOV {<AxisID> <Position>}", "end of help"],
    }


def _twin(settings: GcsWire, context: TwinContext) -> GcsTwin:
    return GcsTwin(context.device)


def _alone(request: TwinRequest) -> GcsWire:
    return GcsWire(address=request.address("tcp://127.0.0.1:50000"))


GCS = TwinRow(
    driver="gcs",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(name="gcs", does="PI hexapod couch", section="actuator", settings=_alone),
)

"""The conversation with a hexapod couch: start-up by a table, streamed targets, polled position.

GCS has no watchdog: when the sender falls silent, the couch goes to its last target and stays
there. For this reason the start stops any motion, stale demands are answered with HLT, and
``ERR?`` follows each set command. One target is unanswered at a time; a newer demand replaces
one that waits.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import msgspec

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command, SendDemand, SendStop
from hal.gcs import codec
from hal.messages import ActuatorStatus, BadSample, Sample, Triple, is_finite

MS = 1_000_000


class GcsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The couch's axes and how it is driven."""

    mounting: tuple[str, str, str] = ("+X", "+Y", "+Z")
    """Which axis of the device moves the patient along X, Y, Z of the fixed frame, and its sign."""
    speed_mm_s: float = 20.0
    reference: bool = False
    """Whether the start may move an unreferenced couch to its reference marks.

    No person may be on it.
    """
    reference_s: float = 60.0
    trajectory_source: int | None = 1
    """Parameter 0x19001900: 1 = each MOV is the next cyclic target; ``None``: leave it."""
    status_ms: float = 20.0
    stale_ms: float = 100.0
    """Age of the newest demand before the couch is halted."""
    reply_ms: float = 300.0
    quiet_ms: float = 50.0
    retries: int = 2
    jump_mm: float = 0.5
    """How much further than its speed allows a position may lie from the last one."""


class GcsStep(msgspec.Struct, frozen=True, gc=False):
    """A request of the start-up and what reads its answer."""

    data: bytes
    then: str
    wait_ms: float = 0.0


class _Expected(msgspec.Struct, frozen=True, gc=False):
    """A request whose answer has not come yet."""

    kind: str
    since_ns: int


class GcsSession:
    """A `hal.ports.Conversation`: obeys `SendDemand` and `SendStop`, reports `ActuatorStatus`."""

    def __init__(self, device: str, settings: GcsSettings | None = None) -> None:
        self._device = device
        self._set = settings or GcsSettings()
        for axis in self._set.mounting:
            if len(axis) < 2 or axis[0] not in "+-":
                raise DeviceError(f"{device}: mounting {axis!r}, write a sign and an axis: +X")
        self._axes = tuple(axis[1:] for axis in self._set.mounting)
        self._signs = tuple(-1.0 if axis[0] == "-" else 1.0 for axis in self._set.mounting)
        self._answers = codec.Answers()
        self.identity = ""
        self.limits_mm: tuple[Triple, Triple] | None = None
        self.on_target = False
        self._restart(0)

    def _restart(self, now_ns: int) -> None:
        self._answers.drop()
        self._out = bytearray()
        self._expected: deque[_Expected] = deque()
        self._plan: deque[GcsStep] = deque()
        self._step: GcsStep | None = None
        self._all_axes: tuple[str, ...] = ()
        self._low: dict[str, float] = {}
        self._referencing_since_ns: int | None = None
        self._running = False
        self._next_ns = now_ns
        self._quiet_ns: int | None = None
        self._failures = 0
        self._waiting = b""
        self._demanded_ns: int | None = None
        self._fault = ""
        self._moved_ns = now_ns
        self._position: Triple | None = None
        self._jumped: Triple | None = None

    @property
    def ready(self) -> bool:
        """Referenced, limits and speed known; demands are obeyed."""
        return self._running

    @property
    def wake_ns(self) -> int | None:
        """The next poll, stale demand, end of quiet or missing answer."""
        if self._quiet_ns is not None:
            return self._quiet_ns
        moments: list[int] = []
        if self._expected:
            moments.append(self._expected[0].since_ns + round(self._set.reply_ms * MS))
        elif not self._running:
            moments.append(self._next_ns)
        if self._running:
            moments.append(self._next_ns)
        if self._demanded_ns is not None:
            moments.append(self._demanded_ns + round(self._set.stale_ms * MS))
        return min(moments, default=None)

    def begin(self, now_ns: int) -> None:
        """Stop any motion of an earlier run, then begin the start-up table."""
        self._restart(now_ns)
        self._out += codec.STOP_ALL
        self._plan.extend(
            [
                GcsStep(codec.command("ERR?"), "forget"),
                GcsStep(codec.command("*IDN?"), "identity"),
                GcsStep(codec.command("SAI?"), "axes"),
            ]
        )
        self._next(now_ns)

    def data_to_send(self) -> bytes:
        """Return the lines and control bytes that wait."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def obey(self, command: Command, now_ns: int) -> None:
        """Stream a target, or stop at once; raises `DeviceError` for a target out of limits."""
        if isinstance(command, SendStop):
            # Sent before all waiting lines: a control byte needs no answer.
            self._out[:0] = codec.STOP_ALL
            self._waiting, self._demanded_ns = b"", None
            if self._quiet_ns is None:
                self._ask(codec.command("ERR?"), "stop error", now_ns)
            return
        if not isinstance(command, SendDemand):
            raise DeviceError(f"{self._device}: a couch cannot obey {type(command).__name__}")
        self._waiting = self._line_for(command.position_mm)
        self._demanded_ns = now_ns
        self._send_waiting(now_ns)

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Read answers; begin the dialogue again when an answer does not fit its request."""
        if self._quiet_ns is not None:
            self._quiet_ns = now_ns + round(self._set.quiet_ms * MS)
            return []
        samples: list[Sample] = []
        try:
            for answer in self._answers.feed(data):
                if not self._expected:
                    raise ProtocolError(f"GCS answer that was not asked for: {answer}")
                expected = self._expected.popleft()
                samples += self._read_answer(expected.kind, answer, now_ns)
        except ProtocolError as error:
            samples += self._lost_thread(str(error), now_ns)
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Poll, halt on stale demands, or count an answer that did not come."""
        if self._quiet_ns is not None:
            if now_ns < self._quiet_ns:
                return []
            self._quiet_ns = None
            if not self._running:
                self._next(now_ns)
            else:
                self._send_waiting(now_ns)
        if self._expected:
            waited_ms = (now_ns - self._expected[0].since_ns) / MS
            if waited_ms >= self._set.reply_ms:
                what = f"no answer to {self._expected[0].kind} in {self._set.reply_ms:g} ms"
                return self._lost_thread(what, now_ns)
        if not self._running:
            if not self._expected and now_ns >= self._next_ns:
                self._next(now_ns)
            return []
        samples = self._halt_stale(now_ns)
        if now_ns >= self._next_ns:
            self._poll(now_ns)
        return samples

    # Requests.

    def _ask(self, data: bytes, kind: str, now_ns: int) -> None:
        self._out += data
        self._expected.append(_Expected(kind, now_ns))

    def _next(self, now_ns: int) -> None:
        """Return the next step of the start-up, or the one whose answer was lost."""
        if self._step is None and self._plan:
            self._step = self._plan.popleft()
        if self._step is not None:
            self._ask(self._step.data, self._step.then, now_ns)

    def _poll(self, now_ns: int) -> None:
        self._next_ns = now_ns + round(self._set.status_ms * MS)
        if any(expected.kind == "position" for expected in self._expected):
            return  # the last poll is still out
        self._ask(codec.command("POS?", *self._axes), "position", now_ns)
        self._ask(codec.command("ONT?", *self._axes), "on target", now_ns)

    def _send_waiting(self, now_ns: int) -> None:
        busy = self._quiet_ns is not None or any(e.kind == "move error" for e in self._expected)
        if not self._waiting or busy:
            return
        line, self._waiting = self._waiting, b""
        self._out += line
        self._ask(codec.command("ERR?"), "move error", now_ns)

    def _line_for(self, target: Triple) -> bytes:
        """Return the MOV line of a demand, judged by what its bytes say."""
        if not is_finite(target):
            raise DeviceError(f"{self._device}: demand {target} is not finite")
        values = {
            axis: sign * target_mm
            for axis, sign, target_mm in zip(self._axes, self._signs, target, strict=True)
        }
        line = codec.command("MOV", *codec.axis_values(values))
        carried = codec.read_move(line)
        x, y, z = (s * carried[a] for a, s in zip(self._axes, self._signs, strict=True))
        if max(abs(x - target[0]), abs(y - target[1]), abs(z - target[2])) > codec.RESOLUTION_MM:
            raise DeviceError(f"{self._device}: demand {target} mm would be sent as {line!r}")
        self._check_limits((x, y, z))
        return line

    def _halt_stale(self, now_ns: int) -> list[Sample]:
        demanded_ns = self._demanded_ns
        if demanded_ns is None or now_ns - demanded_ns < round(self._set.stale_ms * MS):
            return []
        self._demanded_ns = None
        self._waiting = b""
        self._out += codec.command("HLT")
        self._ask(codec.command("ERR?"), "halt error", now_ns)
        value = f"no demand for {self._set.stale_ms:g} ms"
        return [BadSample(self._device, now_ns, "couch halted, demands stale", value)]

    def _check_limits(self, target: Triple) -> None:
        limits = self.limits_mm
        if limits is None:
            return
        for name, low, value, high in zip("XYZ", limits[0], target, limits[1], strict=True):
            if not low <= value <= high:
                self._fault = f"demand {name} {value:.2f} mm outside {low:g} to {high:g} mm"
                raise DeviceError(f"{self._device}: {self._fault}; it was not sent")

    def _lost_thread(self, what: str, now_ns: int) -> list[Sample]:
        """Drop all open requests, wait until the line is quiet, and begin the dialogue again."""
        self._failures += 1
        if self._failures > self._set.retries:
            raise LinkError(f"{self._device}: {what}, {self._failures} times in a row")
        self._expected.clear()
        self._answers.drop()
        self._quiet_ns = now_ns + round(self._set.quiet_ms * MS)
        self._next_ns = self._quiet_ns
        return [BadSample(self._device, now_ns, what, "")]

    # Answers, by the name of what was asked.

    def _read_answer(
        self, kind: str, answer: codec.GcsAnswer | codec.Ready, now_ns: int
    ) -> list[Sample]:
        if isinstance(answer, codec.Ready):
            if kind != "ready":
                raise ProtocolError(f"GCS ready byte in answer to {kind}")
            self._advance(now_ns, lambda: self._read_ready(answer.ready, now_ns))
            return []
        lines = answer.lines
        if kind == "position":
            return self._read_position(lines, now_ns)
        if kind == "on target":
            self.on_target = all(codec.read_flags(lines, self._axes).values())
            self._failures = 0
            return []
        if kind in ("move error", "stop error", "halt error"):
            return self._read_error(kind, codec.read_error(lines), now_ns)
        reader: dict[str, Callable[[list[str]], None]] = {
            "forget": self._read_leftover,
            "done": self._read_done,
            "identity": self._read_identity,
            "axes": self._read_axes,
            "servo": self._read_servo,
            "referenced": self._read_referenced,
            "lowest": self._read_lowest,
            "highest": self._read_highest,
        }
        if kind not in reader:
            raise ProtocolError(f"GCS text in answer to {kind}")
        self._advance(now_ns, lambda: reader[kind](lines))
        return []

    def _advance(self, now_ns: int, read: Callable[[], None]) -> None:
        """Read an answer of the start-up and go on to its next step."""
        step = self._step
        read()
        self._step = None
        self._failures = 0
        if self._plan:
            wait_ms = self._plan[0].wait_ms
            self._next_ns = now_ns + round(wait_ms * MS)
            if not wait_ms:
                self._next(now_ns)
        elif step is not None:
            self._running = True
            self._moved_ns = now_ns
            self._poll(now_ns)

    def _set_and_check(self, name: str, *words: str) -> GcsStep:
        return GcsStep(codec.command(name, *words) + codec.command("ERR?"), "done")

    def _read_leftover(self, lines: list[str]) -> None:
        codec.read_error(lines)  # of an earlier run, or that of the stop just sent

    def _read_done(self, lines: list[str]) -> None:
        code = codec.read_error(lines)
        if code:
            sent = self._step.data.split(b"\n")[0].decode() if self._step else ""
            raise DeviceError(f"{self._device}: couch refused {sent!r}: {codec.meaning(code)}")

    def _read_identity(self, lines: list[str]) -> None:
        self.identity = " ".join(lines)

    def _read_axes(self, lines: list[str]) -> None:
        self._all_axes = tuple(line.strip() for line in lines)
        missing = [axis for axis in self._axes if axis not in self._all_axes]
        if missing:
            have = " ".join(self._all_axes)
            raise DeviceError(f"{self._device}: couch has no axis {missing[0]}, it has {have}")
        self._plan.append(GcsStep(codec.command("SVO?", *self._all_axes), "servo"))

    def _read_servo(self, lines: list[str]) -> None:
        flags = codec.read_flags(lines, self._all_axes)
        off = [word for axis, on in flags.items() if not on for word in (axis, "1")]
        if off:
            self._plan.append(self._set_and_check("SVO", *off))
        self._plan.append(GcsStep(codec.command("FRF?", *self._all_axes), "referenced"))

    def _read_referenced(self, lines: list[str]) -> None:
        if all(codec.read_flags(lines, self._all_axes).values()):
            low = GcsStep(codec.command("TMN?", *self._axes), "lowest")
            self._plan += [low, GcsStep(codec.command("TMX?", *self._axes), "highest")]
            self._plan.append(self._set_and_check("VLS", f"{self._set.speed_mm_s:g}"))
            if self._set.trajectory_source is not None:
                parameter = f"{codec.TRAJECTORY_SOURCE:#010x}"
                value = str(self._set.trajectory_source)
                self._plan.append(self._set_and_check("SPA", self._axes[0], parameter, value))
            return
        if not self._set.reference or self._referencing_since_ns is not None:
            raise DeviceError(
                f"{self._device}: couch is not referenced; clear it, then set reference = true "
                "for one start, or reference it with the maker's program"
            )
        self._referencing_since_ns = -1
        self._plan.append(self._set_and_check("FRF", self._all_axes[0]))
        self._plan.append(GcsStep(codec.READY, "ready", wait_ms=100.0))

    def _read_ready(self, ready: bool, now_ns: int) -> None:
        if self._referencing_since_ns in (None, -1):
            self._referencing_since_ns = now_ns
        if ready:
            self._plan.append(GcsStep(codec.command("FRF?", *self._all_axes), "referenced"))
            return
        if now_ns - (self._referencing_since_ns or 0) > self._set.reference_s * 1e9:
            raise DeviceError(
                f"{self._device}: reference move not finished in {self._set.reference_s:g} s"
            )
        self._plan.append(GcsStep(codec.READY, "ready", wait_ms=100.0))

    def _read_lowest(self, lines: list[str]) -> None:
        self._low = codec.read_values(lines, self._axes)

    def _read_highest(self, lines: list[str]) -> None:
        high = codec.read_values(lines, self._axes)
        pairs = [
            sorted((sign * self._low[axis], sign * high[axis]))
            for axis, sign in zip(self._axes, self._signs, strict=True)
        ]
        (x0, x1), (y0, y1), (z0, z1) = pairs
        self.limits_mm = ((x0, y0, z0), (x1, y1, z1))

    def _read_error(self, kind: str, code: int, now_ns: int) -> list[Sample]:
        samples: list[Sample] = []
        if kind == "move error":
            if code == 0:
                if self._demanded_ns is not None:
                    self._fault = ""
            else:
                self._fault = codec.meaning(code)
                samples.append(BadSample(self._device, now_ns, "couch refused MOV", self._fault))
            self._send_waiting(now_ns)
        elif code not in (0, codec.STOPPED):
            self._fault = codec.meaning(code)
            samples.append(BadSample(self._device, now_ns, "couch refused to stop", self._fault))
        return samples

    def _read_position(self, lines: list[str], now_ns: int) -> list[Sample]:
        values = codec.read_values(lines, self._axes)
        x, y, z = (s * values[a] for a, s in zip(self._axes, self._signs, strict=True))
        position = (x, y, z)
        last = self._position
        reach_mm = self._set.jump_mm + 2 * self._set.speed_mm_s * (now_ns - self._moved_ns) / 1e9
        if last is not None and math.dist(last, position) > reach_mm:
            again = self._jumped
            if again is None or math.dist(again, position) > reach_mm:
                # Text without a checksum: a jump counts only if the next answer agrees.
                self._jumped = position
                value = f"{math.dist(last, position):.2f} mm in one poll"
                return [BadSample(self._device, now_ns, "couch position jumped", value)]
        self._position, self._jumped, self._moved_ns = position, None, now_ns
        return [ActuatorStatus(self._device, now_ns, position, self._fault)]

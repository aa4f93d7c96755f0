"""The conversation with the beam gate: a coil permits the beam for a lease, backed by a watchdog.

While the beam is permitted, the coil is written on at least every 50 ms. When the permit runs out,
on hold, and in any doubt, the coil is written off at once, without waiting for open answers. The
device's own watchdog (200 ms) is a second safeguard: it is set up, read back and, before the gate
counts as ready, made to expire once with the coil off.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command, SendHold, SendPermit
from hal.messages import BadSample, BeamStatus, Sample
from hal.modbus import codec
from hal.modbus.codec import ModbusAnswer, ModbusRequest

MS = 1_000_000


class Watchdog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device's watchdog; the registers are those of WAGO 750 couplers.

    A register that a device does not have is ``None``; a device with one register for the time
    in milliseconds (Turck: 0x1120) has ``unit_ms = 1`` and all others ``None``.
    """

    time_ms: int = 200
    unit_ms: int = 100
    """What one count of the time register means; 100 ms for WAGO is unverified."""
    time_register: int = 0x1000
    mask_register: int | None = 0x1001
    mask: int = 0x0010
    """Only writing a coil (function 5) feeds it: a program that merely reads holds no beam."""
    trigger_register: int | None = 0x1003
    restart_register: int | None = 0x1007
    stop_register: int | None = 0x1008
    stop_value: int = 0x55AA
    prove: bool = True
    """Let it expire once at start; after that every request is answered with exception 4."""


class GateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses and times of the gate."""

    unit: int = 1
    coil: int = 0
    readback: Literal["coil", "input"] = "coil"
    readback_address: int = 0
    refresh_ms: float = 40.0
    deadline_ms: float = 50.0
    """Longest time from a write to its answer before the gate counts as doubtful."""
    give_up_ms: float = 200.0
    """Unanswered this long, the link is closed; the device's watchdog has expired by then."""
    longest_lease_ms: float = 250.0
    disagree_ms: float = 100.0
    """Hazard H19: how long command and read-back may differ."""
    watchdog: Watchdog | None = Watchdog()
    trip_coil: int | None = 1
    """Sets the gate's latch, whose contact breaks the beam's loop whatever the permit's coil says.
    Only the monitor writes it. ``None``: the gate has no latch."""
    tripped_input: int = 1
    """Reads the latch's own contact: on while it is set."""
    reset_coil: int | None = 2
    """Resets the latch when a person asks for it; ``None``: only a key at the gate does."""


class GateStep(msgspec.Struct, frozen=True, gc=False):
    """One request of the start-up and what its answer must be."""

    function: int
    address: int
    value: int = 0
    expect: Literal["done", "any", "equal", "expired"] = "done"
    silent_ms: float = 0.0
    """Time to say nothing before this step."""


def start_up(settings: GateSettings) -> list[GateStep]:
    """Return the start-up table for these settings."""
    dog = settings.watchdog
    off = GateStep(codec.WRITE_COIL, settings.coil, 0)
    if dog is None:
        return [off]
    counts = max(1, dog.time_ms // dog.unit_ms)
    steps: list[GateStep] = []
    if dog.restart_register is not None:  # it may have expired in an earlier run
        steps.append(GateStep(codec.WRITE_REGISTER, dog.restart_register, 1, "any"))
    if dog.stop_register is not None:
        steps.append(GateStep(codec.WRITE_REGISTER, dog.stop_register, dog.stop_value, "any"))
    steps += [off, GateStep(codec.WRITE_REGISTER, dog.time_register, counts)]
    if dog.mask_register is not None:
        steps.append(GateStep(codec.WRITE_REGISTER, dog.mask_register, dog.mask))
        steps.append(GateStep(codec.READ_REGISTERS, dog.mask_register, dog.mask, "equal"))
    steps.append(GateStep(codec.READ_REGISTERS, dog.time_register, counts, "equal"))
    if dog.trigger_register is not None:
        steps.append(GateStep(codec.WRITE_REGISTER, dog.trigger_register, 1))
    steps.append(off)
    if dog.prove and dog.restart_register is not None:
        steps.append(GateStep(codec.WRITE_COIL, settings.coil, 0, "expired", 1.5 * dog.time_ms))
        steps.append(GateStep(codec.WRITE_REGISTER, dog.restart_register, 1))
        steps.append(off)
    return steps


class _Sent(msgspec.Struct):
    """A request that waits for its answer."""

    request: ModbusRequest
    sent_ns: int
    late: bool = False


class GateSession:
    """A `hal.ports.Conversation`: obeys `SendPermit` and `SendHold`, reports `BeamStatus`."""

    def __init__(self, device: str, settings: GateSettings | None = None) -> None:
        self._device = device
        self._set = settings or GateSettings()
        self._telegrams = codec.Telegrams()
        self._restart(0)

    def _restart(self, now_ns: int) -> None:
        self._telegrams.drop()
        self._out = bytearray()
        self._transaction = 0
        self._sent: dict[int, _Sent] = {}
        self._steps: deque[GateStep] = deque(start_up(self._set))
        self._step: GateStep | None = None
        self._running = False
        self._next_ns = now_ns
        self._until_ns = 0
        self._written_on = False
        self._acknowledged: bool | None = None
        self._differs_since_ns: int | None = None
        self._differs_told = False
        self._doubt = False
        self._lapsed = False
        self._restarting = False

    @property
    def identity(self) -> str:
        """Modbus names no coupler; what the start found of its watchdog is told instead."""
        dog = self._set.watchdog
        if not self._running:
            return ""
        if dog is None:
            return "Modbus coupler, no watchdog"
        return f"Modbus coupler, watchdog {dog.time_ms} ms {'bites' if dog.prove else 'is set'}"

    @property
    def ready(self) -> bool:
        """The watchdog is set up and proven; permits are obeyed."""
        return self._running

    @property
    def wake_ns(self) -> int | None:
        """The next refresh, end of the permit or deadline, whichever comes first."""
        moments: list[int] = []
        if self._running or (self._step is None and self._steps):
            moments.append(self._next_ns)
        if self._written_on:
            moments.append(self._until_ns)
        for sent in self._sent.values():
            limit_ms = self._set.give_up_ms if sent.late else self._set.deadline_ms
            moments.append(sent.sent_ns + round(limit_ms * MS))
        return min(moments, default=None)

    def begin(self, now_ns: int) -> None:
        """Switch the coil off and set up the watchdog; no permit survives a reconnection."""
        self._restart(now_ns)
        self._next_step(now_ns)

    def data_to_send(self) -> bytes:
        """Return the requests that wait."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def obey(self, command: Command, now_ns: int) -> None:
        """Renew the lease, or end it at once; raises `DeviceError` for what a gate cannot do."""
        if isinstance(command, SendPermit):
            if self._doubt or not self._running:
                return  # the permit lapses unused; what caused the doubt has been reported
            longest = now_ns + round(self._set.longest_lease_ms * MS)
            self._until_ns = min(command.until_ns, longest)
            if now_ns < self._until_ns and not self._written_on:
                self._lapsed = False
                self._write_coil(now_ns)
        elif isinstance(command, SendHold):
            self._until_ns = now_ns
            self._write_coil(now_ns)
        else:
            raise DeviceError(f"{self._device}: a beam gate cannot obey {type(command).__name__}")

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take answers; raises `DeviceError` where the gate cannot be trusted any more."""
        samples: list[Sample] = []
        for answer in self._telegrams.answers(data):
            sent = self._sent.pop(answer.transaction, None)
            if sent is None:
                samples.append(self._bad(now_ns, "gate answered what was not asked", _said(answer)))
                continue
            self._check_fits(sent.request, answer)
            if self._step is not None:
                self._start_up_answer(answer, now_ns)
            elif answer.exception:
                samples += self._refused(sent.request, answer, now_ns)
            elif answer.function == codec.WRITE_COIL:
                self._written(sent, now_ns)
            elif answer.function in (codec.READ_COILS, codec.READ_INPUTS):
                samples += self._read_back(bool(answer.values[0]), now_ns)
            else:
                self._restarting = False
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Drop a lease that ran out, refresh the coil, count answers that are late."""
        samples = self._late_answers(now_ns)
        if not self._running:
            if self._step is None and self._steps and now_ns >= self._next_ns:
                self._next_step(now_ns)
            return samples
        if self._written_on and now_ns >= self._until_ns:
            self._lapsed = True
            self._write_coil(now_ns)
        elif now_ns >= self._next_ns:
            self._write_coil(now_ns)
        return samples

    # Requests.

    def _ask(self, function: int, address: int, value: int, now_ns: int) -> None:
        self._transaction = self._transaction % 0xFFFF + 1
        reading = function < codec.WRITE_COIL
        values = () if reading else (value,)
        request = ModbusRequest(self._transaction, function, address, 1, values, self._set.unit)
        self._sent[self._transaction] = _Sent(request, now_ns)
        self._out += codec.encode_request(request)

    def _write_coil(self, now_ns: int) -> None:
        """Write the coil as the lease says; the only place that writes it on."""
        on = self._running and not self._doubt and now_ns < self._until_ns
        self._written_on = on
        self._ask(codec.WRITE_COIL, self._set.coil, int(on), now_ns)
        self._next_ns = now_ns + round(self._set.refresh_ms * MS)

    def _drop(self, now_ns: int) -> None:
        """Switch the beam off; accept no permit before a write and its read-back are good."""
        self._doubt = True
        self._until_ns = now_ns
        if self._written_on:
            self._write_coil(now_ns)

    def _late_answers(self, now_ns: int) -> list[Sample]:
        samples: list[Sample] = []
        for sent in list(self._sent.values()):
            waited_ms = (now_ns - sent.sent_ns) / MS
            if waited_ms >= self._set.give_up_ms:
                raise LinkError(f"{self._device}: gate silent for {waited_ms:.0f} ms")
            if waited_ms >= self._set.deadline_ms and not sent.late:
                sent.late = True
                what = f"gate did not answer in {self._set.deadline_ms:g} ms"
                samples.append(self._bad(now_ns, what, f"function {sent.request.function}"))
                if self._running:
                    self._drop(now_ns)
        return samples

    # Answers.

    def _check_fits(self, request: ModbusRequest, answer: ModbusAnswer) -> None:
        """Raise an error when an answer does not repeat its request."""
        wrong = codec.difference(request, answer)
        if wrong:
            asked = f"function {request.function} at {request.address:#06x}"
            raise ProtocolError(f"{self._device}: answer to {asked} does not fit: {wrong}")

    def _start_up_answer(self, answer: ModbusAnswer, now_ns: int) -> None:
        step, self._step = self._step, None
        if step is None:
            return
        dog = self._set.watchdog
        if step.expect == "expired":
            if answer.exception != codec.FAILURE:
                limit = dog.time_ms if dog else 0
                raise DeviceError(
                    f"{self._device}: the gate's watchdog of {limit} ms did not bite in "
                    f"{step.silent_ms:g} ms of silence; check its registers before any beam"
                )
        elif answer.exception and step.expect != "any":
            meaning = codec.EXCEPTIONS.get(answer.exception, "not in the table")
            raise DeviceError(
                f"{self._device}: gate refused function {step.function} at "
                f"{step.address:#06x}: exception {answer.exception}, {meaning}"
            )
        elif step.expect == "equal" and answer.values[0] != step.value:
            raise DeviceError(
                f"{self._device}: register {step.address:#06x} reads {answer.values[0]} "
                f"after {step.value} was written"
            )
        if not self._steps:
            self._running = True
            self._acknowledged = False
            self._write_coil(now_ns)
            return
        self._next_ns = now_ns + round(self._steps[0].silent_ms * MS)
        if not self._steps[0].silent_ms:
            self._next_step(now_ns)

    def _next_step(self, now_ns: int) -> None:
        self._step = step = self._steps.popleft()
        self._ask(step.function, step.address, step.value, now_ns)

    def _refused(self, request: ModbusRequest, answer: ModbusAnswer, now_ns: int) -> list[Sample]:
        dog = self._set.watchdog
        meaning = codec.EXCEPTIONS.get(answer.exception, "not in the table")
        if answer.exception != codec.FAILURE or dog is None or dog.restart_register is None:
            raise DeviceError(
                f"{self._device}: gate refused function {request.function}: "
                f"exception {answer.exception}, {meaning}"
            )
        if request.function == codec.WRITE_REGISTER:
            raise DeviceError(f"{self._device}: gate's watchdog expired and does not restart")
        if self._restarting:
            return []  # asked before the restart
        self._restarting = True
        self._doubt = self._lapsed = True
        self._ask(codec.WRITE_REGISTER, dog.restart_register, 1, now_ns)
        self._write_coil(now_ns)
        return [
            self._bad(now_ns, "gate's watchdog expired", f"{dog.time_ms} ms"),
            BeamStatus(self._device, now_ns, on=False, lapsed=True),
        ]

    def _written(self, sent: _Sent, now_ns: int) -> None:
        self._acknowledged = bool(sent.request.values[0])
        reading = codec.READ_COILS if self._set.readback == "coil" else codec.READ_INPUTS
        if not any(s.request.function == reading for s in self._sent.values()):
            self._ask(reading, self._set.readback_address, 0, now_ns)

    def _read_back(self, on: bool, now_ns: int) -> list[Sample]:
        samples: list[Sample] = [
            BeamStatus(self._device, now_ns, on=on, lapsed=self._lapsed and not self._written_on)
        ]
        commanded = self._written_on
        if on == commanded:
            self._differs_since_ns, self._differs_told = None, False
            late = any(sent.late for sent in self._sent.values())
            if not on and not self._restarting and not late:
                self._doubt = False
            return samples
        if self._differs_since_ns is None:
            self._differs_since_ns = now_ns
        differs_ms = (now_ns - self._differs_since_ns) / MS
        if differs_ms >= self._set.disagree_ms and not self._differs_told:
            self._differs_told = True
            said, read = ("on", "off") if commanded else ("off", "on")
            value = f"commanded {said}, reads {read} for {differs_ms:.0f} ms"
            samples.append(self._bad(now_ns, "beam gate read-back disagrees", value))
            self._doubt = self._doubt or on  # beam where none was asked for: no permit on top
        return samples

    def _bad(self, now_ns: int, what: str, value: str) -> BadSample:
        return BadSample(self._device, now_ns, what, value)


def _said(answer: ModbusAnswer) -> str:
    """Return the fields of an answer that nobody asked for, in words."""
    what = f"exception {answer.exception}" if answer.exception else f"{len(answer.values)} values"
    return f"transaction {answer.transaction}, function {answer.function}, {what}"

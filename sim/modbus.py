"""Simulate the gate's coupler: remote I/O on Modbus TCP with a WAGO-style watchdog.

Switching coil 0 on gives the room a `SendPermit` until the watchdog would act. Switching it off, or
the watchdog, gives a `SendHold`. The room's gate turns these into beam, and input 0 reads the beam
that the twin is shown. Coil 1 sets a latch in the same loop, input 1 reads it, and coil 2 resets
it. The watchdog clears the coils and leaves the latch. A coupler talks to several clients at once.
"""

from __future__ import annotations

import msgspec

from hal.errors import ProtocolError
from hal.events import Command, SendHold, SendPermit
from hal.messages import BeamStatus, Sample
from hal.modbus import codec
from hal.modbus.codec import ModbusAnswer, ModbusRequest
from hal.modbus.driver import ModbusWire
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire

MS = 1_000_000
_FOREVER_NS = 3600 * 1_000_000_000
_TRIP, _RESET = 1, 2
_TRIPPED = 1
_TIME, _MASK, _TRIGGER, _STATUS, _RESTART, _STOP = 0x1000, 0x1001, 0x1003, 0x1006, 0x1007, 0x1008


class ModbusTwin:
    """The device end; outputs go to 0 when its watchdog bites."""

    def __init__(self, device: str = "gate", *, coils: int = 8, unit_ms: int = 100) -> None:
        self._device = device
        self._unit_ms = unit_ms
        self.coils = [False] * coils
        self.inputs = [False] * coils
        self.registers: dict[int, int] = {_TIME: 100, _MASK: 0xFFFF, 0x1002: 0, _TRIGGER: 0}
        self.registers |= {_STATUS: 0, _RESTART: 0, _STOP: 0}
        self.stuck: bool | None = None
        """The fixed state of coil 0: welded (``True``) or broken (``False``); ``None``: none."""
        self.tripped = False
        """Whether the latch is set; the loop is then open."""
        self.mute = False
        """Whether the coupler hangs: it reads every request and answers none."""
        self.no_bite = False
        """Whether the watchdog is broken: it accepts its settings and never acts."""
        self.padding = False
        """Whether the bits that fill up the last byte of an answer are set."""
        self.bites = 0
        self._fed_ns: int | None = None
        self._telegrams = codec.Telegrams()
        self._out = bytearray()

    @property
    def ready(self) -> bool:
        """Return True: a coupler answers from the start."""
        return True

    @property
    def watchdog(self) -> str:
        """``off``, ``running`` or ``expired``."""
        return ("off", "running", "expired")[self.registers[_STATUS]]

    @property
    def wake_ns(self) -> int | None:
        """The time at which the watchdog acts."""
        if self._fed_ns is None or self.no_bite:
            return None
        return self._fed_ns + self._time_ns

    @property
    def _time_ns(self) -> int:
        return self.registers[_TIME] * self._unit_ms * MS

    def begin(self, now_ns: int) -> None:
        """Start with a new client; outputs and watchdog stay as they are."""
        self._telegrams.drop()
        self._out.clear()

    def show(self, sample: Sample, now_ns: int) -> None:
        """Show the beam, as the linac reports it, on input 0."""
        if isinstance(sample, BeamStatus):
            self.inputs[0] = sample.on

    def data_to_send(self) -> bytes:
        """Return the answers that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def wake(self, now_ns: int) -> list[Command]:
        """Switch the outputs off when the watchdog was not triggered in time."""
        wake_ns = self.wake_ns
        if wake_ns is None or now_ns < wake_ns:
            return []
        self._fed_ns = None
        self.registers[_STATUS] = 2
        self.bites += 1
        self.coils = [False] * len(self.coils)
        return [SendHold(now_ns, self._device, ("watchdog",))]

    def join(self) -> ModbusGuest:
        """Return a twin that talks to one more client of the same coupler."""
        return ModbusGuest(self)

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Answer each request; a telegram that is none silences the connection."""
        answers, commands = self.answer(self._telegrams, data, now_ns)
        self._out += answers
        return commands

    def answer(
        self, telegrams: codec.Telegrams, data: bytes, now_ns: int
    ) -> tuple[bytes, list[Command]]:
        """Return the answers to a client's bytes and the resulting commands for the room."""
        commands = self.wake(now_ns)
        out = b""
        try:
            requests = telegrams.requests(data)
        except ProtocolError:
            telegrams.drop()
            return out, commands
        for request in requests:
            if self.mute:
                continue
            answer, asked = self._answer(request, now_ns)
            commands += asked
            if self.padding and request.function in (codec.READ_COILS, codec.READ_INPUTS):
                filled = (*answer.values, *[1] * (-len(answer.values) % 8))
                answer = msgspec.structs.replace(answer, values=filled)
            out += codec.encode_answer(answer, request.count)
        return out, commands

    def _answer(self, request: ModbusRequest, now_ns: int) -> tuple[ModbusAnswer, list[Command]]:
        def refused(exception: int) -> tuple[ModbusAnswer, list[Command]]:
            return ModbusAnswer(
                request.transaction, request.function, exception=exception, unit=request.unit
            ), []

        first, count, function = request.address, request.count, request.function
        if self.watchdog == "expired" and (function, first) != (codec.WRITE_REGISTER, _RESTART):
            return refused(codec.FAILURE)
        if function in (codec.READ_COILS, codec.READ_INPUTS, codec.WRITE_COIL, codec.WRITE_COILS):
            if first + count > len(self.coils):
                return refused(codec.ADDRESS)
        elif function in (codec.READ_REGISTERS, codec.WRITE_REGISTER, codec.WRITE_REGISTERS):
            if any(at not in self.registers for at in range(first, first + count)):
                return refused(codec.ADDRESS)
            if self.watchdog == "running" and function != codec.READ_REGISTERS and first == _TIME:
                return refused(codec.VALUE)
        else:
            return refused(codec.FUNCTION)
        values = request.values
        commands: list[Command] = []
        if function == codec.READ_COILS:
            values = tuple(map(int, self.coils[first : first + count]))
            if self.stuck is not None and first == 0:
                values = (int(self.stuck), *values[1:])
        elif function == codec.READ_INPUTS:
            values = tuple(map(int, self.inputs[first : first + count]))
        elif function == codec.READ_REGISTERS:
            values = tuple(self.registers[at] for at in range(first, first + count))
        elif function in (codec.WRITE_COIL, codec.WRITE_COILS):
            commands = self._write_coils(first, values, now_ns)
        else:
            for at, value in enumerate(values, first):
                self._write_register(at, value, now_ns)
        if self._fed_ns is not None and self.registers[_MASK] >> (function - 1) & 1:
            self._fed_ns = now_ns
        return ModbusAnswer(
            request.transaction, function, values, first, unit=request.unit
        ), commands

    def _write_coils(self, first: int, values: tuple[int, ...], now_ns: int) -> list[Command]:
        was_on, was_tripped = self.coils[0], self.tripped
        for at, value in enumerate(values, first):
            self.coils[at] = bool(value)
        if self.coils[_TRIP]:
            self.tripped = True
        elif self.coils[_RESET]:
            self.tripped = False
        self.inputs[_TRIPPED] = self.tripped
        if self.tripped:
            dropped = was_on or not was_tripped
            return [SendHold(now_ns, self._device, ("latch set",))] if dropped else []
        if first > 0:
            return []
        on = self.coils[0] if self.stuck is None else self.stuck
        if on:
            lease_ns = _FOREVER_NS if self._fed_ns is None else self._time_ns
            return [SendPermit(now_ns, self._device, now_ns + lease_ns)]
        return [SendHold(now_ns, self._device, ("coil off",))] if was_on else []

    def _write_register(self, at: int, value: int, now_ns: int) -> None:
        if at == _STOP:
            if value in (0x55AA, 0xAA55):
                self._fed_ns, self.registers[_STATUS] = None, 0
            return
        if at == _RESTART:
            if value and self.watchdog == "expired":
                self._fed_ns, self.registers[_STATUS] = now_ns, 1
            return
        self.registers[at] = value
        if at == _TRIGGER and value:
            self._fed_ns, self.registers[_STATUS] = now_ns, 1


class ModbusGuest:
    """A further client of a coupler: its own telegrams, the same coils; the bite is the host's."""

    ready = True
    wake_ns: int | None = None

    def __init__(self, host: ModbusTwin) -> None:
        self._host = host
        self._telegrams = codec.Telegrams()
        self._out = bytearray()

    def begin(self, now_ns: int) -> None:
        """Do nothing: the coupler stays as it is."""

    def show(self, sample: Sample, now_ns: int) -> None:
        """Do nothing: the beam is shown to the coupler itself."""

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: the coupler's own `wake` runs its watchdog."""
        return []

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Answer each request."""
        answers, commands = self._host.answer(self._telegrams, data, now_ns)
        self._out += answers
        return commands

    def data_to_send(self) -> bytes:
        """Return the answers that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data


def _twin(settings: ModbusWire, context: TwinContext) -> ModbusTwin:
    return ModbusTwin(context.device)


def _alone(request: TwinRequest) -> ModbusWire:
    return ModbusWire(address=request.address("tcp://127.0.0.1:502"))


MODBUS = TwinRow(
    driver="modbus",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(name="modbus", does="beam gate", section="gate", settings=_alone),
)

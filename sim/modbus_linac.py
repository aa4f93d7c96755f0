"""Simulate a Modbus device that holds the angles of a linac and its monitor units in registers.

It answers function 4 or 3, as it is configured, for the registers that the driver is told of, and
refuses everything else. Its counter goes on with each report that it is shown.
"""

from __future__ import annotations

from hal.errors import ProtocolError
from hal.events import Command
from hal.messages import LinacStatus, Sample
from hal.modbus import codec
from hal.modbus.codec import ModbusAnswer, ModbusRequest
from hal.modbus.driver import ModbusLinacWire
from hal.modbus.linac_registers import (
    WORD,
    AngleRegister,
    LinacRegisters,
    UnitsRegister,
    nearest_count,
    words_of,
)
from sim.linac import with_arc
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire


class ModbusLinacTwin:
    """The device end; it answers what it is asked."""

    def __init__(self, settings: LinacRegisters) -> None:
        """Take the places of the values; every register holds 0."""
        self._set = settings
        first, count = settings.span
        self.registers: dict[int, int] = dict.fromkeys(range(first, first + count), 0)
        self.mute = False
        """Whether it hangs: it reads every request and answers none."""
        self.exception = 0
        """Answers every request with this exception; 0: it answers as it should."""
        self._telegrams = codec.Telegrams()
        self._out = bytearray()

    @property
    def wake_ns(self) -> int | None:
        """Return ``None``: it only answers."""
        return None

    def begin(self, now_ns: int) -> None:
        """Start with a new client."""
        self._telegrams.drop()
        self._out.clear()

    def show(self, sample: Sample, now_ns: int) -> None:
        """Put a report into the registers."""
        if not isinstance(sample, LinacStatus):
            return
        settings = self._set
        for name, angle in settings.angles():
            count = nearest_count(angle, getattr(sample, f"{name}_deg"))
            self._put(angle.register, count, angle.words)
        units = settings.monitor_units
        if units is not None and sample.monitor_units is not None:
            self._put(units.register, round(sample.monitor_units / units.factor), units.words)
        if settings.counter is not None:
            self.registers[settings.counter] = (self.registers[settings.counter] + 1) % WORD

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        """Answer each request; a telegram that is none silences the connection."""
        try:
            requests = self._telegrams.requests(data)
        except ProtocolError:
            self._telegrams.drop()
            return []
        for request in requests:
            if not self.mute:
                self._out += codec.encode_answer(self._answer(request), request.count)
        return []

    def wake(self, now_ns: int) -> list[Command]:
        """Do nothing: no work is ever due."""
        return []

    def data_to_send(self) -> bytes:
        """Return the answers that wait to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _put(self, at: int, value: int, count: int) -> None:
        for offset, word in enumerate(words_of(value, count, self._set.word_order)):
            self.registers[at + offset] = word

    def _answer(self, request: ModbusRequest) -> ModbusAnswer:
        area = self._set.area
        function = codec.READ_INPUT_REGISTERS if area == "input" else codec.READ_REGISTERS
        asked = range(request.address, request.address + request.count)
        exception = self.exception
        if request.function != function:
            exception = codec.FUNCTION
        elif not asked or not self.registers.keys() >= set(asked):
            exception = codec.ADDRESS
        values = () if exception else tuple(self.registers[at] for at in asked)
        return ModbusAnswer(
            request.transaction, request.function, values, exception=exception, unit=request.unit
        )


def _twin(settings: ModbusLinacWire, context: TwinContext) -> ModbusLinacTwin:
    return ModbusLinacTwin(settings.session)


def _alone(request: TwinRequest) -> ModbusLinacWire:
    port = request.port_only("modbus-linac", "it is on TCP", 15021)
    gantry, collimator, table = (AngleRegister(register=number) for number in range(3))
    registers = LinacRegisters(
        gantry=gantry,
        collimator=collimator,
        table=table,
        monitor_units=UnitsRegister(register=3),
        counter=5,
    )
    return ModbusLinacWire(address=f"tcp://127.0.0.1:{port}", session=registers)


MODBUS_LINAC = TwinRow(
    driver="modbus-linac",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(
        name="modbus-linac",
        does="angles of a gantry that turns over an arc, in registers",
        section="linac",
        settings=_alone,
        furnish=with_arc,
    ),
)

"""The conversation with a Modbus device that holds the angles of a linac: it is read in turn.

One request reads all registers. The next one leaves a period after the last, and not before its
answer has come. The device never says by itself that its registers are old; a counter among them
shows it, where there is one.
"""

from __future__ import annotations

from typing import Final

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command
from hal.linac_angles import FULL_TURN_DEG, MOST_UNITS
from hal.messages import BadSample, LinacStatus, Sample
from hal.modbus import codec
from hal.modbus.codec import ModbusAnswer, ModbusRequest
from hal.modbus.linac_registers import WORD, LinacRegisters, number_in

MS: Final = 1_000_000
_PASSING: Final = (codec.FAILURE, codec.BUSY)
"""Exceptions that may go away by themselves; others say that the configuration is wrong."""


class ModbusLinacSession:
    """`hal.ports.Conversation` with the device; reports `LinacStatus`."""

    def __init__(self, device: str, settings: LinacRegisters) -> None:
        self._device = device
        self._set = settings
        self._first, self._count = settings.span
        self._telegrams = codec.Telegrams()
        self._transaction = 0
        self._restart(0)

    def _restart(self, now_ns: int) -> None:
        """Forget an earlier connection."""
        self._telegrams.drop()
        self._out = b""
        self._asked: ModbusRequest | None = None
        self._asked_ns = now_ns
        self._late = self._streaming = False
        self._counter: int | None = None
        self._counted_ns = now_ns
        self._still = False

    @property
    def ready(self) -> bool:
        """Whether angles arrive."""
        return self._streaming

    @property
    def wake_ns(self) -> int | None:
        """When the next request is due, or an answer is late."""
        if self._asked is None:
            return self._asked_ns + round(self._set.period_ms * MS)
        return self._asked_ns + round(
            (self._set.give_up_ms if self._late else self._set.deadline_ms) * MS
        )

    def begin(self, now_ns: int) -> None:
        """The connection is open: ask for the registers."""
        self._restart(now_ns)
        self._ask(now_ns)

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take answers; raises `DeviceError` where the device does not have these registers."""
        samples: list[Sample] = []
        for answer in self._telegrams.answers(data):
            asked = self._asked
            if asked is None or answer.transaction != asked.transaction:
                value = f"transaction {answer.transaction}, function {answer.function}"
                samples.append(self._bad("linac answered what was not asked", value, now_ns))
                continue
            wrong = codec.difference(asked, answer)
            if wrong:
                raise ProtocolError(f"{self._device}: answer does not fit its request: {wrong}")
            self._asked = None
            if not self._late:  # a late answer holds old angles
                samples += self._use(answer, now_ns)
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Ask again, or say that the answer is late; raises `LinkError` when it does not come."""
        wake_ns = self.wake_ns
        if wake_ns is None or now_ns < wake_ns:
            return []
        if self._asked is None:
            self._ask(now_ns)
            return []
        waited_ms = (now_ns - self._asked_ns) / MS
        if waited_ms >= self._set.give_up_ms:
            raise LinkError(f"{self._device}: no answer for {waited_ms:.0f} ms")
        self._late = True
        return [self._bad("linac did not answer", f"in {self._set.deadline_ms:g} ms", now_ns)]

    def obey(self, command: Command, now_ns: int) -> None:
        """Raise `DeviceError`: it only reports."""
        raise DeviceError(f"{self._device} reports angles and cannot obey {command!r}")

    def data_to_send(self) -> bytes:
        """Return the request that waits."""
        data, self._out = self._out, b""
        return data

    def _ask(self, now_ns: int) -> None:
        self._transaction = self._transaction % 0xFFFF + 1
        reading = codec.READ_INPUT_REGISTERS if self._set.area == "input" else codec.READ_REGISTERS
        self._asked = ModbusRequest(
            self._transaction, reading, self._first, self._count, unit=self._set.unit
        )
        self._asked_ns, self._late = now_ns, False
        self._out = codec.encode_request(self._asked)

    def _use(self, answer: ModbusAnswer, now_ns: int) -> list[Sample]:
        """Turn one answer into a report, or say what is wrong with it."""
        if answer.exception:
            meaning = codec.EXCEPTIONS.get(answer.exception, "not in the table")
            told = f"exception {answer.exception}, {meaning}"
            if answer.exception in _PASSING:
                return [self._bad("linac refused the reading", told, now_ns)]
            last = self._first + self._count - 1
            raise DeviceError(
                f"{self._device}: {self._set.area} registers {self._first} to {last} cannot be "
                f"read: {told}; compare area and registers with the device"
            )
        wrong = self._counter_problem(answer.values, now_ns)
        if wrong is not None:
            return wrong
        angles: dict[str, float] = {}
        for name, angle in self._set.angles():
            number = self._number(answer.values, angle.register, angle.words, signed=angle.signed)
            turned_deg = angle.factor * number
            if not -FULL_TURN_DEG <= turned_deg <= FULL_TURN_DEG:
                value = f"{turned_deg:g} degrees, allowed are -360 to 360; look at signed and words"
                return [self._bad(f"linac's {name}", value, now_ns)]
            angles[name] = angle.scale.angle_deg(number)
        units = self._units(answer.values)
        if units is not None and units > MOST_UNITS:
            value = f"{units:g}, allowed are 0 to {MOST_UNITS:g}; look at factor and word_order"
            return [self._bad("linac's monitor units", value, now_ns)]
        self._streaming = True
        collimator, table = angles.get("collimator", 0.0), angles.get("table", 0.0)
        return [LinacStatus(self._device, now_ns, angles["gantry"], collimator, table, units)]

    def _number(self, values: tuple[int, ...], at: int, words: int, *, signed: bool) -> int:
        start = at - self._first
        return number_in(values[start : start + words], self._set.word_order, signed=signed)

    def _units(self, values: tuple[int, ...]) -> float | None:
        units = self._set.monitor_units
        if units is None:
            return None
        return units.factor * self._number(values, units.register, units.words, signed=False)

    def _counter_problem(self, values: tuple[int, ...], now_ns: int) -> list[Sample] | None:
        """Return what to say instead of a report where the counter shows old angles."""
        if self._set.counter is None:
            return None
        count = values[self._set.counter - self._first]
        last = self._counter
        if last is None or (0 < (count - last) % WORD < WORD // 2):
            self._counter, self._counted_ns, self._still = count, now_ns, False
            return None
        if count != last:
            self._counter = count
            return [self._bad("linac's counter went back", f"{last} to {count}", now_ns)]
        stands_ms = (now_ns - self._counted_ns) / MS
        if self._still:
            return []
        if stands_ms < self._set.still_ms:
            return None
        self._still = True
        return [
            self._bad("linac's counter stands still", f"at {count} for {stands_ms:.0f} ms", now_ns)
        ]

    def _bad(self, what: str, value: str, now_ns: int) -> BadSample:
        return BadSample(self._device, now_ns, what, value)

"""The belt of the example as numbers: it sends each sample that it is shown, once told to go."""

from __future__ import annotations

from hal.events import Command
from hal.messages import BeltSample, Sample
from sim.twin import Alone, TwinContext, TwinRequest, TwinRow, on_wire
from tests.examples.line_belt import LineBeltWire, encode


class LineBeltTwin:
    """The belt's end of the wire; see `sim.serve.Twin`."""

    wake_ns = None

    def __init__(self) -> None:
        self._going = False
        self._out = b""

    def begin(self, now_ns: int) -> None:
        self._going, self._out = False, b""

    def show(self, sample: Sample, now_ns: int) -> None:
        if self._going and isinstance(sample, BeltSample):
            self._out += encode(sample.ticks, int(sample.value_au))

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        self._going = self._going or b"GO\n" in data
        return []

    def wake(self, now_ns: int) -> list[Command]:
        return []

    def data_to_send(self) -> bytes:
        data, self._out = self._out, b""
        return data


def _twin(settings: LineBeltWire, context: TwinContext) -> LineBeltTwin:
    return LineBeltTwin()


def _alone(request: TwinRequest) -> LineBeltWire:
    return LineBeltWire(address=request.address("pty:"))


LINE_BELT_TWIN = TwinRow(
    driver="line-belt",
    make=_twin,
    open=on_wire(_twin),
    alone=Alone(
        name="line-belt", does="breathing belt of the example", section="belt", settings=_alone
    ),
)

"""Connect a driver and a twin in memory and run both on virtual time.

Bytes pass through two filters on their way, so a test can cut, drop or corrupt them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hal.errors import DeviceError
from hal.events import Command
from hal.messages import Sample

MS = 1_000_000
SECOND = 1_000_000_000

Filter = Callable[[bytes], bytes]


def untouched(data: bytes) -> bytes:
    """Return the data unchanged, as an undisturbed wire does."""
    return data


class BackToBack:
    """Runs the two until a moment; keeps what the driver reported and what the twin received."""

    def __init__(self, driver: Any, twin: Any, *, one_way_ns: int = 0) -> None:
        self.driver = driver
        self.twin = twin
        self.now_ns = 0
        self.to_driver: Filter = untouched
        self.to_twin: Filter = untouched
        self.samples: list[Sample] = []
        self.commands: list[Command] = []
        self.sent = bytearray()
        """Everything the driver wrote."""
        self.heard = bytearray()
        """Everything the driver was given."""
        self.error: DeviceError | None = None
        self._one_way_ns = one_way_ns
        self._under_way: list[tuple[int, bool, bytes]] = []
        twin.begin(0)
        driver.begin(0)

    def run(
        self,
        until_ns: int,
        world: Callable[[int], list[Sample]] | None = None,
        period_ns: int = 10 * MS,
    ) -> BackToBack:
        """Run driver and twin up to ``until_ns``.

        ``world`` gives the twin new samples each ``period_ns``.
        """
        due = self.now_ns
        while self.error is None:
            if world is not None and self.now_ns >= due:
                for sample in world(self.now_ns):
                    self.twin.show(sample, self.now_ns)
                due += period_ns
            try:
                self._settle()
            except DeviceError as error:
                self.error = error
                break
            moments = [self.driver.wake_ns, self.twin.wake_ns, until_ns]
            moments += [at for at, _, _ in self._under_way]
            if world is not None:
                moments.append(due)
            coming = min(m for m in moments if m is not None)
            if coming >= until_ns:
                self.now_ns = until_ns
                break
            self.now_ns = max(coming, self.now_ns)
        return self

    def _settle(self) -> None:
        for _ in range(1000):
            busy = self._carry()
            for side, kept in ((self.driver, self.samples), (self.twin, self.commands)):
                if side.wake_ns is not None and side.wake_ns <= self.now_ns:
                    kept.extend(side.wake(self.now_ns))
                    busy = True
            busy |= self._collect()
            if not busy:
                return
        raise AssertionError("driver and twin never come to rest")

    def _collect(self) -> bool:
        sets_line = getattr(self.driver, "line_to_set", None)
        line = sets_line() if sets_line else None
        if line is not None and line.break_ms:
            self.twin.line_break()
        arrival = self.now_ns + self._one_way_ns
        found = False
        while data := self.driver.data_to_send():
            self.sent += data
            self._under_way.append((arrival, False, self.to_twin(data)))
            found = True
        while data := self.twin.data_to_send():
            self._under_way.append((arrival, True, self.to_driver(data)))
            found = True
        return found

    def _carry(self) -> bool:
        due = [item for item in self._under_way if item[0] <= self.now_ns]
        self._under_way = [item for item in self._under_way if item[0] > self.now_ns]
        for _, to_driver, data in due:
            if to_driver and data:
                self.heard += data
                self.samples.extend(self.driver.receive(data, self.now_ns))
            elif data:
                self.commands.extend(self.twin.receive(data, self.now_ns))
        return bool(due)

    def of(self, kind: type) -> list[Any]:
        """Return the driver's reports of one kind."""
        return [sample for sample in self.samples if isinstance(sample, kind)]

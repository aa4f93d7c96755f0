"""The controller's configuration all RSI tests read, and driver and twin back to back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hal.errors import LinkError
from hal.events import SendDemand
from hal.messages import Sample, Triple
from hal.motion_limits import MotionLimits
from hal.rsi.configuration import EthernetConfiguration, read_ethernet
from hal.rsi.session import RsiSession, RsiSettings
from sim.rsi import ControllerSettings, Dynamics, RobotTwin

FILE = Path(__file__).parent / "RSI_EthernetConfig.xml"


@pytest.fixture(scope="session")
def xml() -> str:
    return FILE.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def ethernet(xml: str) -> EthernetConfiguration:
    return read_ethernet(xml)


class BackToBack:
    """Driver and twin on one virtual timeline, with a wire that can delay and lose.

    ``lost`` is asked per datagram with its direction (``"ask"`` or ``"answer"``) and the cycle;
    a datagram takes ``wire_ns``, and the driver ``think_ns(cycle)`` to answer.
    """

    def __init__(self, session: RsiSession, twin: RobotTwin) -> None:
        self.session, self.twin = session, twin
        self.now_ns = 0
        self.samples: list[Sample] = []
        self.broken: LinkError | None = None
        self.lost: Callable[[str, int], bool] = lambda _direction, _cycle: False
        self.think_ns: Callable[[int], int] = lambda _cycle: 100_000
        self.wire_ns = 50_000
        self.replies: list[bytes] = []
        self._pending: list[tuple[int, bytes]] = []

    def demand(self, position_mm: Triple) -> None:
        self.session.obey(SendDemand(self.now_ns, "robot", position_mm), self.now_ns)

    def run(self, seconds: float, every_cycle: Callable[[int], None] | None = None) -> None:
        """Go on until then, or until the session gives the link up."""
        until_ns = self.now_ns + round(seconds * 1e9)
        while self.broken is None:
            moments = [self.twin.wake_ns, self.session.wake_ns, *(at for at, _ in self._pending)]
            due = [moment for moment in moments if moment is not None]
            if not due or min(due) > until_ns:
                break
            self.now_ns = max(self.now_ns, min(due))
            self._deliver()
            try:
                self.session.wake(self.now_ns)
            except LinkError as error:
                self.broken = error
            if self.twin.wake_ns is not None and self.twin.wake_ns <= self.now_ns:
                self.twin.wake(self.now_ns)
                self._ask()
                if every_cycle is not None:
                    every_cycle(self.now_ns)
        self.now_ns = max(self.now_ns, until_ns)

    def _ask(self) -> None:
        telegram = self.twin.data_to_send()
        if not telegram or self.lost("ask", self.twin.cycles):
            return
        try:
            self.samples += self.session.receive(telegram, self.now_ns + self.wire_ns)
        except LinkError as error:
            self.broken = error
        reply = self.session.data_to_send()
        if not reply:
            return
        self.replies.append(reply)
        if not self.lost("answer", self.twin.cycles):
            delay_ns = 2 * self.wire_ns + self.think_ns(self.twin.cycles)
            self._pending.append((self.now_ns + delay_ns, reply))

    def _deliver(self) -> None:
        arrived = [reply for at, reply in self._pending if at <= self.now_ns]
        self._pending = [item for item in self._pending if item[0] > self.now_ns]
        for reply in arrived:
            self.twin.receive(reply, self.now_ns)


@pytest.fixture
def back_to_back(ethernet: EthernetConfiguration) -> Callable[..., BackToBack]:
    """Make a pair that has begun; the twin's RSI starts a little after the driver."""

    def make(
        session_settings: RsiSettings | None = None,
        twin_settings: ControllerSettings | None = None,
        limits: MotionLimits | None = None,
        dynamics: Dynamics | None = None,
    ) -> BackToBack:
        session = RsiSession("robot", ethernet, limits or MotionLimits(), session_settings)
        pair = BackToBack(session, RobotTwin("twin", ethernet, twin_settings, dynamics))
        session.begin(0)
        pair.twin.begin(0)
        return pair

    return make

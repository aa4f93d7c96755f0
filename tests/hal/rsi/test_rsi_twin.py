"""The controller twin's own behaviour: HOLDON, clamps, monitors, what it refuses."""

from __future__ import annotations

import pytest

from hal.messages import Triple
from hal.rsi.codec import Telegram, robot_form, sensor_form
from hal.rsi.configuration import EthernetConfiguration, read_ethernet
from sim.rsi import ControllerSettings, RobotTwin

CYCLE_NS = 4_000_000


class Sensor:
    """Answers the twin by hand, cycle by cycle."""

    def __init__(self, ethernet: EthernetConfiguration, settings: ControllerSettings) -> None:
        self.twin = RobotTwin("twin", ethernet, settings)
        self.robot, self.sensor = robot_form(ethernet), sensor_form(ethernet)
        self.twin.begin(0)
        self.cycle = 0

    def ask(self) -> Telegram:
        self.twin.wake(self.cycle * CYCLE_NS)
        self.cycle += 1
        return self.robot.decode(self.twin.data_to_send())

    def answer(self, ipoc: int, correction_mm: Triple) -> None:
        x, y, z = correction_mm
        numbers = {"RKorr.X": x, "RKorr.Y": y, "RKorr.Z": z}
        self.twin.receive(self.sensor.encode(Telegram(ipoc, numbers)), 0)


def test_ipoc_grows_by_the_cycle_and_asked_is_seen_a_cycle_later(
    ethernet: EthernetConfiguration,
) -> None:
    sensor = Sensor(ethernet, ControllerSettings(first_ipoc=1000))
    first = sensor.ask()
    sensor.answer(first.ipoc, (1.0, 2.0, 3.0))
    second = sensor.ask()
    assert (first.ipoc, second.ipoc) == (1004, 1008)
    start = ControllerSettings().start_mm
    assert first.numbers["RIst.Z"] == start[2]
    assert second.numbers["RIst.Z"] == start[2] + 3.0
    assert second.numbers["RSol.B"] == 90.0
    assert second.numbers["Delay.D"] == 0


@pytest.mark.parametrize(("hold_on", "left"), [("1", 2.0), ("0", 0.0)])
def test_holdon_decides_what_a_missing_reply_leaves(xml: str, hold_on: str, left: float) -> None:
    text = xml.replace('INDX="2" HOLDON="1"', f'INDX="2" HOLDON="{hold_on}"')
    sensor = Sensor(read_ethernet(text), ControllerSettings())
    sensor.answer(sensor.ask().ipoc, (1.0, 2.0, 3.0))
    sensor.ask()
    late = sensor.ask()
    assert sensor.twin.asked_mm == (1.0, left, 3.0)
    assert late.numbers["Delay.D"] == 1


def test_poscorr_clamps_and_says_so(ethernet: EthernetConfiguration) -> None:
    sensor = Sensor(ethernet, ControllerSettings(upper_mm=(5.0, 5.0, 5.0)))
    sensor.answer(sensor.ask().ipoc, (4.0, 9.0, -30.0))
    sensor.ask()
    assert sensor.twin.asked_mm == (4.0, 5.0, -20.0)
    assert sensor.twin.clamped


def test_poscorrmon_stops_the_robot(ethernet: EthernetConfiguration) -> None:
    sensor = Sensor(ethernet, ControllerSettings(monitor_mm=6.0, restart_ns=None))
    sensor.answer(sensor.ask().ipoc, (0.0, 7.0, 0.0))
    sensor.twin.wake(sensor.cycle * CYCLE_NS)
    assert sensor.twin.data_to_send() == b""
    assert not sensor.twin.ready
    assert "POSCORRMON" in sensor.twin.pendant
    assert sensor.twin.wake_ns is None
    assert sensor.twin.wake(10**9) == []


def test_what_is_no_answer_to_the_last_telegram_is_dropped(
    ethernet: EthernetConfiguration,
) -> None:
    sensor = Sensor(ethernet, ControllerSettings())
    first = sensor.ask()
    second = sensor.ask()
    sensor.answer(first.ipoc, (1.0, 0.0, 0.0))
    assert "late or invalid" in sensor.twin.why_refused
    reply = sensor.sensor.encode(Telegram(second.ipoc, {"RKorr.X": 1.0}))
    sensor.twin.receive(reply.replace(b"ImFree", b"Other!"), 0)
    assert "Type is 'Other!'" in sensor.twin.why_refused
    assert sensor.twin.refused == 2
    third = sensor.ask()
    assert sensor.twin.asked_mm == (0.0, 0.0, 0.0)
    assert third.numbers["Delay.D"] == 2


def test_only_send_wants_no_answers(xml: str) -> None:
    text = xml.replace("<ONLYSEND>FALSE", "<ONLYSEND>TRUE")
    sensor = Sensor(read_ethernet(text), ControllerSettings(timeout_packets=3))
    for _ in range(10):
        sensor.answer(sensor.ask().ipoc, (1.0, 0.0, 0.0))
    assert sensor.twin.ready
    assert sensor.twin.faulty_packets == 0
    assert sensor.twin.asked_mm == (0.0, 0.0, 0.0)


def test_a_twin_woken_late_does_not_make_up_for_lost_cycles(
    ethernet: EthernetConfiguration,
) -> None:
    twin = RobotTwin("twin", ethernet)
    twin.begin(0)
    twin.wake(0)
    twin.wake(CYCLE_NS - 1)  # nothing is due
    assert twin.cycles == 1
    twin.wake(50 * CYCLE_NS + 1)
    assert twin.cycles == 2
    assert twin.wake_ns == 51 * CYCLE_NS + 1


def test_dynamics_move_the_robot(ethernet: EthernetConfiguration) -> None:
    twin = RobotTwin("twin", ethernet, dynamics=lambda now_ns, asked: (now_ns * 1e-6, *asked[1:]))
    twin.begin(0)
    twin.wake(0)
    twin.wake(CYCLE_NS)
    assert twin.offset_mm == (4.0, 0.0, 0.0)

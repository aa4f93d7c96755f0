"""Demands of every kind through guard and encoders: none may be outside the envelope on the wire.

    python -m tests.safety.demands --count 1000000 [--seed 1] [--workers 2]

Drawn dense at each limit, as no number, huge, tiny, too soon and out of order, and judged by the
guard as the engine does it. What passes goes to the couch's and the robot's drivers. Their bytes
are decoded by the twins' side of the codecs and compared, in whole counts of the wire's last
decimal, with the guard's limits: position, step, speed and acceleration, axis by axis. A share of
the robot's replies is lost. Demands that the guard refused are also put to fresh drivers, as by a
controller gone wrong: the limits the drivers have themselves must hold then too.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hal.errors import DeviceError
from hal.events import SendDemand
from hal.gcs.session import GcsSession, GcsSettings
from hal.messages import Triple
from hal.motion_limits import MotionLimits
from hal.rsi.codec import Telegram, robot_form, sensor_form
from hal.rsi.configuration import read_ethernet
from hal.rsi.session import RsiSession, RsiSettings
from sim.back_to_back import SECOND, BackToBack
from sim.gcs import GcsTwin
from tracker.core.machine import steering_kernel
from tracker.core.machine.guard import DemandGuard, GuardLimits

SETS = (
    GuardLimits(position_mm=20.0, speed_mm_s=25.0, acceleration_mm_s2=500.0, step_mm=2.0),
    GuardLimits(position_mm=42.0, speed_mm_s=250.0, acceleration_mm_s2=5000.0, step_mm=20.0),
    GuardLimits(position_mm=5.0, speed_mm_s=1e4, acceleration_mm_s2=1e6, step_mm=10.0),
    GuardLimits(position_mm=40.0, speed_mm_s=1e4, acceleration_mm_s2=1e6, step_mm=1.0),
    GuardLimits(position_mm=40.0, speed_mm_s=30.0, acceleration_mm_s2=1e6, step_mm=10.0),
    GuardLimits(position_mm=40.0, speed_mm_s=1e3, acceleration_mm_s2=60.0, step_mm=10.0),
)
"""Limits as shipped for couch and robot, then sets in which one kind of limit is met first."""
COUNTS = 10_000
"""Counts of the wire's last decimal in a millimetre."""
CYCLE_NS = 4_000_000
ETHERNET = Path(__file__).parent.parent / "hal" / "rsi" / "RSI_EthernetConfig.xml"
GAPS_NS = (1, 1000, 1_000_000, 4_000_000, 9_999_999, 10_000_000, 10_000_001, 30_000_000)
NO_NUMBERS = (math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0, 1e9, 1e-9)
NEAR = (0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 1e-2, 0.3, 10.0)
_LOST = 0.002


@dataclass
class Outcome:
    """How often each thing happened; ``escapes`` names what was outside, value and limit."""

    counts: Counter[str] = field(default_factory=Counter[str])
    escapes: list[str] = field(default_factory=list[str])

    def add(self, other: Outcome) -> None:
        """Take another part's outcome in."""
        self.counts += other.counts
        self.escapes += other.escapes


def as_sent(position_mm: Triple) -> Triple:
    """Round a demand as steering does, so that what is judged is what a wire carries."""
    x, y, z = position_mm
    return (steering_kernel.as_sent(x), steering_kernel.as_sent(y), steering_kernel.as_sent(z))


def drawn(rng: random.Random, guard: DemandGuard, limits: GuardLimits, now_ns: int) -> Triple:
    """One demand: in most draws near a limit of one kind on one axis, calm on the others."""
    last_mm = guard._position_mm
    assert last_mm is not None
    dt_s = max((now_ns - guard._t_ns) * 1e-9, 1e-9)
    chosen = rng.randrange(3)
    kind = rng.choice(("calm", "position", "step", "speed", "acceleration", "no number"))
    place: list[float] = []
    for axis in range(3):
        at, speed = last_mm[axis], guard._velocity_mm_s[axis]
        calm = at + _calm(rng, limits, at, speed, dt_s) * dt_s
        if axis != chosen or kind == "calm":
            place.append(calm)
            continue
        if kind == "no number":
            place.append(rng.choice(NO_NUMBERS))
            continue
        sign, near = rng.choice((-1.0, 1.0)), rng.choice((-1.0, 1.0)) * rng.choice(NEAR)
        limit = {
            "position": limits.position_mm,
            "step": limits.step_mm,
            "speed": limits.speed_mm_s * dt_s,
            "acceleration": (limits.acceleration_mm_s2 * dt_s + sign * speed) * dt_s,
        }[kind]
        place.append((0.0 if kind == "position" else at) + sign * limit * (1.0 + near))
    return (place[0], place[1], place[2])


def _calm(rng: random.Random, limits: GuardLimits, at: float, speed: float, dt_s: float) -> float:
    """A speed (mm/s) inside all limits, toward somewhere inside the box."""
    reach = 0.9 * limits.acceleration_mm_s2 * dt_s
    most = 0.9 * min(limits.speed_mm_s, limits.step_mm / dt_s)
    goal = rng.uniform(-0.8, 0.8) * limits.position_mm
    brake = math.sqrt(limits.acceleration_mm_s2 * abs(goal - at))
    wanted = math.copysign(min(most, brake, abs(goal - at) / dt_s), goal - at)
    return min(speed + reach, max(speed - reach, wanted))


class Couch:
    """The couch's driver, started up; `sent` are the targets its bytes give, in counts."""

    def __init__(self, limits: GuardLimits) -> None:
        self.pair = BackToBack(GcsSession("couch", GcsSettings(speed_mm_s=25.0)), GcsTwin())
        self.pair.run(SECOND)
        self.pair.twin._limits = dict.fromkeys(self.pair.twin._limits, 1e9)  # it takes anything
        assert self.pair.driver.ready
        reach = limits.position_mm
        self.pair.driver.limits_mm = ((-reach,) * 3, (reach,) * 3)
        self.offset_ns = self.pair.now_ns

    def obey(self, t_ns: int, position_mm: Triple) -> list[Triple]:
        """Give the driver a demand and back what its bytes say, decoded by the twin."""
        driver, twin = self.pair.driver, self.pair.twin
        now_ns = self.offset_ns + t_ns
        driver.obey(SendDemand(now_ns, "couch", position_mm), now_ns)
        targets: list[Triple] = []
        while data := driver.data_to_send():
            asked = twin.receive(data, now_ns)
            targets += [each.position_mm for each in asked if isinstance(each, SendDemand)]
            driver.receive(twin.data_to_send(), now_ns)
        return targets


class Robot:
    """The robot's driver in a run of RSI, and what a robot does with its replies, in counts."""

    def __init__(self, limits: GuardLimits, seed: int) -> None:
        self.limits = limits
        configuration = read_ethernet(ETHERNET.read_text(encoding="utf-8"))
        reach = limits.position_mm
        low, up = (-reach, -reach, -reach), (reach, reach, reach)
        motion = MotionLimits(low, up, limits.speed_mm_s, limits.acceleration_mm_s2)
        self.session = RsiSession("robot", configuration, motion, RsiSettings())
        self._robot, self._sensor = robot_form(configuration), sensor_form(configuration)
        self._names = [
            name
            for element in configuration.sends
            if element.kind != "STRING"
            for name in [f"{element.name}.{a}" if a else element.name for a in element.attributes]
        ]
        self._rng = random.Random(seed)
        self._cycle = 0
        self._delay = 0
        self.at = (0, 0, 0)
        self._before = (0, 0, 0)
        self._held = False
        self.session.begin(-SECOND)

    def until(self, now_ns: int) -> Iterator[str]:
        """Run its cycles up to a moment; give each step that is outside the limits."""
        while self._cycle * CYCLE_NS <= now_ns:
            numbers = dict.fromkeys(self._names, 0.0) | {"Delay.D": float(self._delay)}
            asked = self._robot.encode(Telegram(1000 + 4 * self._cycle, numbers))
            self.session.receive(asked, self._cycle * CYCLE_NS)
            reply = self.session.data_to_send()
            self._cycle += 1
            if self._rng.random() < _LOST:
                self._delay += 1
                self._before, self._held = self.at, True
                continue
            told = self._sensor.decode(reply).numbers
            x, y, z = (round(told[f"RKorr.{axis}"] * COUNTS) for axis in "XYZ")
            yield from self._judged((x, y, z))

    def _judged(self, to: tuple[int, int, int]) -> Iterator[str]:
        dt_s, limits = CYCLE_NS * 1e-9, self.limits
        for axis in range(3):
            step, last = to[axis] - self.at[axis], self.at[axis] - self._before[axis]
            checks = {
                "robot position": (to[axis], limits.position_mm * COUNTS),
                "robot speed": (step, limits.speed_mm_s * COUNTS * dt_s),
                "robot acceleration": (
                    step - last,
                    limits.acceleration_mm_s2 * COUNTS * dt_s**2,
                ),
            }
            for name, (value, limit) in checks.items():
                if abs(value) > limit + 1e-6:
                    yield f"{name} {'xyz'[axis]}: {value} counts, limit {limit:.3f}"
        self._before, self.at, self._held = self.at, to, False


def outside(
    limits: GuardLimits, last: tuple[int, Triple, Triple], t_ns: int, target: Triple
) -> Iterator[str]:
    """What of a couch's target is outside the guard's limits, worked out anew from the bytes."""
    last_ns, before, velocity = last
    dt_s = (t_ns - last_ns) * 1e-9
    for axis in range(3):
        step = target[axis] - before[axis]
        checks = {
            "couch position": (target[axis], limits.position_mm),
            "couch step": (step, limits.step_mm),
            "couch speed": (step / dt_s, limits.speed_mm_s),
            "couch acceleration": (
                (step / dt_s - velocity[axis]) / dt_s,
                limits.acceleration_mm_s2,
            ),
        }
        for name, (value, limit) in checks.items():
            if not abs(value) <= limit:
                yield f"{name} {'xyz'[axis]}: {value}, limit {limit}"


def campaign(count: int, seed: int) -> Outcome:
    """Put so many demands through guard and drivers."""
    rng = random.Random(seed)
    outcome = Outcome()
    limits = SETS[seed % len(SETS)]
    guard, couch, robot = DemandGuard(limits), Couch(limits), Robot(limits, seed)
    loose_couch, loose_robot = Couch(limits), Robot(limits, seed + 1)
    now_ns = 0
    guard.start(0, (0.0, 0.0, 0.0))
    last: tuple[int, Triple, Triple] = (0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    for number in range(count):
        late = rng.random() < 0.01
        at_ns = now_ns - rng.choice((0, 1, 10_000_000)) if late else now_ns + _gap(rng)
        demand = as_sent(drawn(rng, guard, limits, at_ns))
        refusal = guard.judge(at_ns, demand)
        outcome.counts["demands"] += 1
        if refusal is not None:
            outcome.counts[f"refused for {refusal.split()[0]}"] += 1
            if number % 4 == 0:
                _loose(loose_couch, loose_robot, max(at_ns, now_ns), demand, outcome)
            continue
        now_ns = at_ns
        outcome.counts["passed"] += 1
        targets = couch.obey(now_ns, demand)
        outcome.counts["couch targets"] += len(targets)
        for target in targets:
            outcome.escapes += outside(limits, last, now_ns, target)
            speeds = [
                (b - a) / ((now_ns - last[0]) * 1e-9) for a, b in zip(last[1], target, strict=True)
            ]
            last = (now_ns, target, (speeds[0], speeds[1], speeds[2]))
        outcome.escapes += robot.until(now_ns)
        robot.session.obey(SendDemand(now_ns, "robot", demand), now_ns)
    outcome.counts["robot replies"] += robot._cycle + loose_robot._cycle
    return outcome


def _gap(rng: random.Random) -> int:
    return 10_000_000 if rng.random() < 0.6 else rng.choice(GAPS_NS)


def _loose(couch: Couch, robot: Robot, now_ns: int, demand: Triple, outcome: Outcome) -> None:
    """A demand the guard refused, put to drivers all the same."""
    limits = robot.limits
    outcome.counts["past the guard"] += 1
    try:
        for target in couch.obey(now_ns, demand):
            if not all(abs(value) <= limits.position_mm for value in target):
                outcome.escapes.append(f"couch past the guard: {target}")
    except DeviceError:
        outcome.counts["couch's driver refused"] += 1
    outcome.escapes += robot.until(now_ns)
    try:
        robot.session.obey(SendDemand(now_ns, "robot", demand), now_ns)
    except DeviceError:
        outcome.counts["robot's driver refused"] += 1


def _part(job: tuple[int, int]) -> Outcome:
    return campaign(*job)


def main() -> int:
    """Run the campaign; 1 when anything was outside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    parts = max(len(SETS), args.count // 10_000)
    jobs = [
        (args.count // parts + (n < args.count % parts), 6000 * args.seed + n) for n in range(parts)
    ]
    outcome = Outcome()
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        for part in pool.imap_unordered(_part, jobs):
            outcome.add(part)
    for name, number in sorted(outcome.counts.items()):
        print(f"{name:<28}{number:>12,}")
    print(
        f"{'outside the envelope':<28}{len(outcome.escapes):>12,}", *outcome.escapes[:20], sep="\n"
    )
    return int(bool(outcome.escapes))


if __name__ == "__main__":
    sys.exit(main())

"""The machine: dead time, then a second-order follower inside its own limits.

Motion is computed on a fixed 1 ms grid, so results do not depend on how often the position is asked
for, or on how a run is cut into steps. Per axis, at every step::

    a = clip(w^2 (demand - x) - 2 z w v, +-acceleration)    v = clip(v + a h, +-speed)

For slow signals the lag is ``dead_time + 2 z / w``, which is the ``latency_ms`` of the settings.
Positions are in the fixed frame (IEC 61217), millimetres from the start pose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hal.events import SendDemand, SendStop
from hal.messages import ActuatorStatus, BadSample, Sample, Triple
from sim import mishaps as trouble
from sim.chance import stream
from sim.sampling import sampling
from sim.scenario import Mishap
from sim.scenario import RoomActuator as ActuatorSettings

Floats = NDArray[np.float64]

STEP_NS = 1_000_000
FOLLOW, BRAKE = 0, 1
FREE, STALLED, RUNAWAY = 0, 1, 2
RUNAWAY_AXIS = 1
COMPLAINT = "drive temperature too high"


@njit(cache=True)
def follow(
    positions: Floats,
    velocity: Floats,
    start: int,
    stop: int,
    demand: Triple,
    braking: bool,
    limits: Floats,
    state: NDArray[np.uint8],
    runaway: Floats,
) -> None:
    """Move from grid step ``start`` to ``stop`` with one demand.

    ``positions`` (steps, 3) is filled, ``velocity`` (3,) updated; ``limits`` holds w (1/s), z,
    speed (mm/s), acceleration (mm/s^2), stroke (mm); ``state`` and ``runaway`` one a step.
    """
    h = 1e-3
    w, z, speed, acceleration, stroke = limits[0], limits[1], limits[2], limits[3], limits[4]
    for step in range(start, stop):
        for axis in range(3):
            x, v = positions[step, axis], velocity[axis]
            if state[step] == STALLED:
                v = 0.0
            elif state[step] == RUNAWAY:
                v = runaway[step] if axis == RUNAWAY_AXIS else 0.0
            else:
                wanted = -v / h if braking else w * w * (demand[axis] - x) - 2.0 * z * w * v
                v = v + h * min(max(wanted, -acceleration), acceleration)
                v = min(max(v, -speed), speed)
            x = x + h * v
            if x > stroke or x < -stroke:
                x, v = min(max(x, -stroke), stroke), 0.0
            positions[step + 1, axis] = x
            velocity[axis] = v


class SimulatedActuator:
    """The twin of the machine."""

    def __init__(
        self,
        settings: ActuatorSettings,
        device: str,
        mishaps: Sequence[Mishap],
        seed: int,
        duration_s: float,
    ) -> None:
        """Place the actuator at 0, at rest.

        Raises `ValueError` if the dead time is the whole latency.
        """
        late_s = (settings.latency_ms - settings.dead_time_ms) / 1000.0
        if late_s <= 0.0:
            what = f"room.actuator.dead_time_ms is {settings.dead_time_ms:g}"
            raise ValueError(f"{what}; keep it below latency_ms ({settings.latency_ms:g})")
        self.settings = settings
        self.device = device
        self._delay_ns = round(settings.dead_time_ms * 1e6)
        self._lags = trouble.of(mishaps, "actuator", "lag")
        steps = int(duration_s * 1000) + 2
        self._last = steps - 1
        self.positions = np.zeros((steps, 3))
        """Position at every millisecond, shape (steps, 3); valid up to what was asked for."""
        self._velocity = np.zeros(3)
        self._step = 0
        self._demand: Triple = (0.0, 0.0, 0.0)
        self._braking = False
        self._queue: deque[tuple[int, int, Triple]] = deque()
        self._limits = np.array(
            [
                2.0 * settings.damping / late_s,
                settings.damping,
                settings.speed_mm_s,
                settings.acceleration_mm_s2,
                settings.stroke_mm,
            ]
        )
        grid_s = np.arange(steps) / 1000.0
        self._state = np.full(steps, FREE, dtype=np.uint8)
        self._state[trouble.during(mishaps, "actuator", "runaway", grid_s)] = RUNAWAY
        self._state[trouble.during(mishaps, "actuator", "stall", grid_s)] = STALLED
        self._runaway = trouble.summed(mishaps, "actuator", "runaway", grid_s)
        self._plan_status(mishaps, seed, duration_s)

    def obey(self, command: SendDemand | SendStop) -> None:
        """Follow a demand after the dead time; a stop brakes at once and drops earlier demands."""
        if isinstance(command, SendStop):
            self.run_to(self._grid(command.t_ns))  # demands due by then have been obeyed
            self._queue.clear()
            self._queue.append((self._grid(command.t_ns), BRAKE, (0.0, 0.0, 0.0)))
            return
        takes_ns = self._delay_ns
        if self._lags:
            lag_ms = sum(m.size for m in self._lags if trouble.is_active(m, command.t_ns))
            takes_ns += round(max(lag_ms, 0.0) * 1e6)
        step = self._grid(command.t_ns + takes_ns)
        if self._queue:
            step = max(step, self._queue[-1][0])
        self._queue.append((step, FOLLOW, command.position_mm))

    def position_at(self, t_ns: int) -> Triple:
        """Return the true position, shape (3,); commands before ``t_ns`` must have been given."""
        step, rest = divmod(t_ns, STEP_NS)
        if step >= self._last:
            step, rest = self._last, 0
        item = self.positions.item
        if rest == 0:
            self.run_to(step)
            return (item(step, 0), item(step, 1), item(step, 2))
        if self._step <= step:
            self.run_to(step + 1)
        share = rest / STEP_NS
        x, y, z = item(step, 0), item(step, 1), item(step, 2)
        return (
            x + share * (item(step + 1, 0) - x),
            y + share * (item(step + 1, 1) - y),
            z + share * (item(step + 1, 2) - z),
        )

    def run_to(self, step: int) -> None:
        """Compute the motion up to a step of the millisecond grid, at most to the end."""
        if step <= self._step:
            return
        step = min(step, self._last)
        queue = self._queue
        while self._step < step:
            until = step
            if queue:
                if queue[0][0] <= self._step:
                    _, mode, self._demand = queue.popleft()
                    self._braking = mode == BRAKE
                    continue
                until = min(step, queue[0][0])
            follow(
                self.positions, self._velocity, self._step, until, self._demand, self._braking,
                self._limits, self._state, self._runaway,
            )  # fmt: skip
            self._step = until

    def _grid(self, t_ns: int) -> int:
        """Return the first step at or after a moment."""
        return -(-t_ns // STEP_NS)

    def _plan_status(self, mishaps: Sequence[Mishap], seed: int, duration_s: float) -> None:
        settings = self.settings
        self._plan = sampling(
            "actuator", mishaps, seed, duration_s,
            rate_hz=settings.status_hz, delay_ms=settings.status_delay_ms, phase=0.29,
        )  # fmt: skip
        times = self._plan.exposure_s
        noise = stream(seed, "actuator", "noise").standard_normal((len(times), 3))
        burst = stream(seed, "actuator", "burst").standard_normal((len(times), 3))
        extra = trouble.summed(mishaps, "actuator", "noise", times)[:, None]
        read_off = settings.encoder_noise_mm * noise + extra * burst
        read_off[:, RUNAWAY_AXIS] += trouble.summed(mishaps, "actuator", "bias", times)
        self._noise = read_off.tolist()
        complains = trouble.during(mishaps, "actuator", "complaint", times)
        self._complains = frozenset(np.flatnonzero(complains).tolist())
        self._next = 0
        self.due_ns = self._plan.arrival_ns[0]

    def collect(self, to_ns: int, out: list[Sample]) -> None:
        """Append the status messages that arrive at or before ``to_ns``."""
        plan = self._plan
        while self.due_ns <= to_ns:
            number = plan.sample[self._next]
            if plan.garbage[self._next]:
                out.append(BadSample(self.device, self.due_ns, "status", "\\x00\\xff"))
            else:
                x, y, z = self.position_at(plan.exposure_ns[number])
                dx, dy, dz = self._noise[number]
                factor = plan.factor[number]
                read = (factor * (x + dx), factor * (y + dy), factor * (z + dz))
                fault = COMPLAINT if number in self._complains else ""
                out.append(ActuatorStatus(self.device, self.due_ns, read, fault))
            self._next += 1
            self.due_ns = plan.arrival_ns[self._next]

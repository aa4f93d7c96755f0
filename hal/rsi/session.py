"""The conversation with a KUKA controller: answer every telegram, in its cycle, with its IPOC.

The robot is the UDP client and the clock; nothing is sent that was not asked for. Corrections
are ABSOLUTE (offset from the pose at RSI_ON), so a lost reply leaves the robot where it is.

The driver takes over a run of RSI only from its start. In the middle of a run (for example after
a restart of this program) it does not know which offset the robot holds, and a first correction
of zero would make the robot jump at once. Such a run is left unanswered until the controller
ends it.
"""

from __future__ import annotations

import enum
import math

import msgspec

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command, SendDemand, SendStop
from hal.messages import ActuatorStatus, BadSample, Sample, Triple
from hal.motion_limits import MotionLimits
from hal.rsi.codec import Telegram, robot_form, sensor_form
from hal.rsi.configuration import EthernetConfiguration, require_tracking
from hal.rsi.interpolation import ORIGIN, Interpolator
from hal.rsi.last_look import LastLook, leaving_room

Rotation = tuple[Triple, Triple, Triple]
"""Three rows of a rotation matrix."""

ALIGNED: Rotation = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

STALE_AT_MOST = 3
"""So many telegrams in a row may be older than the newest before the run counts as another."""


class RsiState(enum.Enum):
    """Where the conversation is."""

    LISTENING = "no run of RSI heard yet"
    FOREIGN = "a run is on that was not seen starting: it is not answered"
    FOLLOWING = "every telegram is answered"
    LOST = "the controller fell silent"


class RsiTrigger(enum.Enum):
    """What moves it."""

    BEGIN = "the socket is open"
    RUN_STARTS = "the first telegram of a run"
    RUN_GOES_ON = "a telegram of a run already on"
    SILENCE = "no telegram for longer than allowed"


TABLE: dict[tuple[RsiState, RsiTrigger], RsiState] = {
    **{(state, RsiTrigger.BEGIN): RsiState.LISTENING for state in RsiState},
    (RsiState.LISTENING, RsiTrigger.RUN_STARTS): RsiState.FOLLOWING,
    (RsiState.LISTENING, RsiTrigger.RUN_GOES_ON): RsiState.FOREIGN,
    (RsiState.FOREIGN, RsiTrigger.RUN_GOES_ON): RsiState.FOREIGN,
    (RsiState.FOREIGN, RsiTrigger.SILENCE): RsiState.LISTENING,
    (RsiState.FOLLOWING, RsiTrigger.RUN_GOES_ON): RsiState.FOLLOWING,
    (RsiState.FOLLOWING, RsiTrigger.SILENCE): RsiState.LOST,
}


class RsiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the conversation must know besides the controller's own file.

    ``timeout_packets`` repeats the ETHERNET object's Timeout; half of it is reported as a fault.
    ``silence_cycles`` without a telegram mean the controller is lost. ``jump_mm`` is farther than
    the robot can move in one cycle. ``base_from_fixed`` turns the fixed frame (IEC 61217) into
    the system RKorr is given in (the POSCORR object's RefCorrSys).
    """

    cycle_ns: int = 4_000_000
    timeout_packets: int = 100
    silence_cycles: int = 25
    demand_period_ns: int = 10_000_000
    status_period_ns: int = 10_000_000
    jump_mm: float = 12.0
    base_from_fixed: Rotation = ALIGNED

    def __post_init__(self) -> None:
        """Refuse what no controller does."""
        if self.cycle_ns not in (4_000_000, 12_000_000):
            raise ValueError(f"RSI cycle {self.cycle_ns} ns: KUKA has 4 ms (IPO_FAST) and 12 ms")
        if self.timeout_packets < 1 or self.silence_cycles < 2:
            raise ValueError("RSI timeout_packets must be at least 1, silence_cycles at least 2")
        if not _is_rotation(self.base_from_fixed):
            raise ValueError(f"RSI base_from_fixed {self.base_from_fixed} is no rotation matrix")


class RsiSession:
    """`hal.ports.Conversation` with one KUKA controller. Datagrams, one reply at a time."""

    def __init__(
        self,
        device: str,
        configuration: EthernetConfiguration,
        limits: MotionLimits,
        settings: RsiSettings | None = None,
    ) -> None:
        require_tracking(configuration)
        self._device = device
        self._settings = settings or RsiSettings()
        self._limits = limits
        self._planned = leaving_room(limits, self._settings.cycle_ns)
        self._robot = robot_form(configuration)
        self._sensor = sensor_form(configuration)
        self._has_text = any(element.name == "EStr" for element in configuration.receives)
        self._silence_ns = self._settings.silence_cycles * self._settings.cycle_ns
        self._state = RsiState.LISTENING
        self._motion = Interpolator(
            self._planned, self._settings.cycle_ns, self._settings.demand_period_ns
        )
        self._look = LastLook(limits, self._settings.cycle_ns)
        self._answered_mm = self._held_mm = ORIGIN
        self._reply = b""
        self._heard_ns: int | None = None
        self._telegram_ns: int | None = None
        self._quiet = False
        self._status_ns: int | None = None
        self._ipoc = -1
        self._step = self._advance = 0
        self._stale = 0
        self._delay = 0
        self._delay_at_start = 0
        self._start_mm: Triple = ORIGIN
        self._seen_mm: Triple = ORIGIN
        self.cycles = 0

    @property
    def ready(self) -> bool:
        """Whether a run of RSI is being answered, so that demands move the robot."""
        return self._state is RsiState.FOLLOWING

    @property
    def state(self) -> RsiState:
        """The state, for people."""
        return self._state

    @property
    def identity(self) -> str:
        """RSI sends no identity; the robot is known by its cycle only."""
        return f"KUKA RSI, {self._settings.cycle_ns / 1e6:g} ms cycle" if self.cycles else ""

    @property
    def late_packets(self) -> int:
        """Late or invalid replies the controller counted since this run began."""
        return self._delay - self._delay_at_start

    @property
    def wake_ns(self) -> int | None:
        """When silence will have lasted too long."""
        if self._heard_ns is None or self._state in (RsiState.LISTENING, RsiState.LOST):
            return None
        return self._heard_ns + self._silence_ns

    def begin(self, now_ns: int) -> None:
        """Listen for a run of RSI to start; what an earlier run left behind is kept apart."""
        self._move(RsiTrigger.BEGIN)
        self._heard_ns = now_ns
        self._quiet = False
        self._reply = b""

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take one telegram, prepare its reply, and report where the robot is.

        Raises `LinkError` when another run of RSI has begun without a pause.
        """
        try:
            telegram = self._robot.decode(data)
        except ProtocolError as error:
            return [BadSample(self._device, now_ns, "RSI telegram", str(error))]
        if self._state is RsiState.LOST:
            return []
        if self._state is RsiState.FOLLOWING:
            if telegram.ipoc <= self._ipoc:
                return [self._out_of_order(telegram.ipoc, now_ns)]
            self._move(RsiTrigger.RUN_GOES_ON)
            self._heard_ns = self._telegram_ns = now_ns
            return self._follow(telegram, now_ns)
        return self._listen(telegram, now_ns)

    def wake(self, now_ns: int) -> list[Sample]:
        """Note that silence lasted too long; raises `LinkError` when a run was being followed."""
        if self.wake_ns is None or now_ns < self.wake_ns:
            return []
        followed = self._state is RsiState.FOLLOWING
        self._move(RsiTrigger.SILENCE)
        self._quiet = True
        self._reply = b""
        if followed:
            raise LinkError(self._why_lost())
        return []

    def obey(self, command: Command, now_ns: int) -> None:
        """Aim for a demand, or brake at once; raises `DeviceError` before anything is sent."""
        match command:
            case SendDemand(position_mm=position_mm):
                self._aim(position_mm, now_ns)
            case SendStop():
                self._motion.stop(now_ns)
            case _:
                raise DeviceError(f"{self._device} is a robot and cannot obey {command!r}")

    def data_to_send(self) -> bytes:
        """Return the reply to the newest telegram; an older unsent reply is late and dropped."""
        reply, self._reply = self._reply, b""
        return reply

    def _move(self, trigger: RsiTrigger) -> None:
        self._state = TABLE[self._state, trigger]

    def _stand(self, position_mm: Triple) -> Triple:
        """Note that the robot stands here, so that the next step starts from rest."""
        self._look.stand(_decimals(position_mm))
        return self._motion.stand(position_mm)

    def _aim(self, position_mm: Triple, now_ns: int) -> None:
        if not self.ready:
            raise DeviceError(
                f"{self._device}: demand refused, {self._state.value}; start RSI on the robot"
            )
        correction_mm = _turned(self._settings.base_from_fixed, position_mm)
        if not self._limits.encloses(correction_mm):
            raise DeviceError(
                f"{self._device}: correction {_shown(correction_mm)} mm refused, limits are "
                f"{_shown(self._limits.lower_mm)} to {_shown(self._limits.upper_mm)} mm"
            )
        self._motion.demand(correction_mm, now_ns)

    def _listen(self, telegram: Telegram, now_ns: int) -> list[Sample]:
        """Decide whether this telegram opens a run, and take it over or leave it alone.

        It does where silence was listened to before it; or where nothing came for long enough,
        listened to or not, and no reply is missing yet: an older run would miss some by now.
        """
        delay = round(telegram.numbers["Delay.D"])
        long_ago = now_ns - self._silence_ns
        listened = self._quiet or (self._heard_ns is not None and self._heard_ns <= long_ago)
        untouched = delay == 0 and (self._telegram_ns is None or self._telegram_ns <= long_ago)
        was = self._state
        self._heard_ns = self._telegram_ns = now_ns
        if not (listened or untouched):
            self._move(RsiTrigger.RUN_GOES_ON)
            if was is RsiState.FOREIGN:
                return []
            what = "RSI was already on when the driver began; restart RSI on the robot"
            return [BadSample(self._device, now_ns, what, f"IPOC {telegram.ipoc}, Delay {delay}")]
        if was is RsiState.FOREIGN:
            self._move(RsiTrigger.SILENCE)
        self._move(RsiTrigger.RUN_STARTS)
        self._quiet = False
        self._motion = Interpolator(
            self._planned, self._settings.cycle_ns, self._settings.demand_period_ns
        )
        self._held_mm = self._answered_mm = self._stand(ORIGIN)
        self._start_mm = self._seen_mm = _place(telegram)
        self._delay = self._delay_at_start = delay
        self._step = self._advance = self._stale = self.cycles = 0
        self._ipoc = -1
        self._status_ns = None
        return self._follow(telegram, now_ns)

    def _follow(self, telegram: Telegram, now_ns: int) -> list[Sample]:
        """Answer one telegram of the run and report from it what is due."""
        delay = round(telegram.numbers["Delay.D"])
        steps = self._steps_since(telegram.ipoc)
        missing = delay - self._delay
        self._delay = delay
        self._ipoc = telegram.ipoc
        self._stale = 0
        self.cycles += 1
        if missing > 0 or steps > 1:
            # It holds the last reply it took: ours, or the one before when ours came too late.
            correction_mm = self._stand(self._held_mm if missing >= steps else self._answered_mm)
        else:
            correction_mm = self._motion.advance(now_ns)
        self._answer(telegram.ipoc, correction_mm)
        self._held_mm, self._answered_mm = (
            correction_mm if missing >= steps else self._answered_mm,
            correction_mm,
        )
        place_mm = _place(telegram)
        moved_mm = max(abs(a - b) for a, b in zip(place_mm, self._seen_mm, strict=True))
        self._seen_mm = place_mm
        if moved_mm > self._settings.jump_mm * steps:
            value = f"{moved_mm:.1f} mm in {steps} cycles, limit {self._settings.jump_mm} mm each"
            return [BadSample(self._device, now_ns, "robot pose jumps", value)]
        return self._report(place_mm, now_ns)

    def _steps_since(self, ipoc: int) -> int:
        """Return how many cycles ago the last telegram was.

        What the IPOC grows by per cycle is learned from two equal steps in a row, not assumed.
        """
        if self._ipoc < 0:
            return 1
        advance = ipoc - self._ipoc
        if advance == self._advance:
            self._step = advance
        self._advance = advance
        if self._step == 0:
            return 1
        return min(max(advance // self._step, 1), self._settings.silence_cycles)

    def _answer(self, ipoc: int, correction_mm: Triple) -> None:
        """Write the reply, and judge it by what its bytes say before it may leave.

        The wire has four decimals; cut, not rounded, they stay inside the box.
        """
        x, y, z = _decimals(correction_mm)
        numbers = {"RKorr.X": x, "RKorr.Y": y, "RKorr.Z": z}
        texts = {"EStr": f"tidetrack: late {self.late_packets}"} if self._has_text else {}
        reply = self._sensor.encode(Telegram(ipoc, numbers, texts))
        carried = self._sensor.decode(reply).numbers
        refusal = self._look.judge((carried["RKorr.X"], carried["RKorr.Y"], carried["RKorr.Z"]))
        if refusal:
            raise DeviceError(f"{self._device}: reply refused by the last look, {refusal}")
        self._reply = reply

    def _report(self, place_mm: Triple, now_ns: int) -> list[Sample]:
        """Return where the robot is, as often as asked for."""
        if self._status_ns is not None and now_ns < self._status_ns:
            return []
        self._status_ns = now_ns + self._settings.status_period_ns - self._settings.cycle_ns // 2
        offset = (
            place_mm[0] - self._start_mm[0],
            place_mm[1] - self._start_mm[1],
            place_mm[2] - self._start_mm[2],
        )
        position_mm = _turned(_transposed(self._settings.base_from_fixed), offset)
        return [ActuatorStatus(self._device, now_ns, position_mm, self._complaint())]

    def _complaint(self) -> str:
        """Report when half of the late packets that the controller tolerates have been used."""
        limit = self._settings.timeout_packets
        if 2 * self.late_packets < limit:
            return ""
        return f"RSI late packets {self.late_packets} of {limit}: replies miss their cycle"

    def _out_of_order(self, ipoc: int, now_ns: int) -> BadSample:
        self._stale += 1
        if self._stale > STALE_AT_MOST:
            raise LinkError(
                f"{self._device}: IPOC went back to {ipoc} from {self._ipoc}: RSI was started anew"
            )
        value = f"IPOC {ipoc} after {self._ipoc}"
        return BadSample(self._device, now_ns, "RSI telegram out of order", value)

    def _why_lost(self) -> str:
        silence_ms = self._silence_ns // 1_000_000
        late, limit = self.late_packets, self._settings.timeout_packets
        if late >= limit:
            return (
                f"{self._device}: RSI broke off (RSITimeout) with {late} late packets, Timeout is "
                f"{limit}; find what blocks the replies, then restart RSI on the robot"
            )
        return (
            f"{self._device}: controller lost, no telegram for {silence_ms} ms "
            f"({self._settings.silence_cycles} cycles); see the robot's pendant"
        )


def _decimals(position_mm: Triple) -> Triple:
    """Return what the wire can carry of a position, toward zero."""
    x, y, z = position_mm
    return (math.trunc(x * 1e4) / 1e4, math.trunc(y * 1e4) / 1e4, math.trunc(z * 1e4) / 1e4)


def _place(telegram: Telegram) -> Triple:
    numbers = telegram.numbers
    return (numbers["RIst.X"], numbers["RIst.Y"], numbers["RIst.Z"])


def _turned(rotation: Rotation, vector: Triple) -> Triple:
    x, y, z = vector
    a, b, c = rotation
    return (
        a[0] * x + a[1] * y + a[2] * z,
        b[0] * x + b[1] * y + b[2] * z,
        c[0] * x + c[1] * y + c[2] * z,
    )


def _transposed(rotation: Rotation) -> Rotation:
    a, b, c = rotation
    return ((a[0], b[0], c[0]), (a[1], b[1], c[1]), (a[2], b[2], c[2]))


def _is_rotation(matrix: Rotation) -> bool:
    """Return whether rows are orthonormal and the determinant is +1, to a millionth."""
    a, b, c = matrix
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    products = [_turned(matrix, row) for row in matrix]
    return all(
        abs(products[row][column] - (row == column)) < 1e-6
        for row in range(3)
        for column in range(3)
    ) and all(abs(left - right) < 1e-6 for left, right in zip(cross, c, strict=True))


def _shown(vector: Triple) -> str:
    return f"({vector[0]:.3f}, {vector[1]:.3f}, {vector[2]:.3f})"

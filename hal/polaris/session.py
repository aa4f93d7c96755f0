"""The conversation with a Polaris: reset, start-up by a table, then polling at its frame rate.

One request is unanswered at a time. A garbled or missing reply is reported; when the line is
quiet, the request is sent again; three failures in a row close the link. Every frame
number gives one `MarkerFrame`: faster polling repeats frames, and repeats are dropped.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command
from hal.messages import BadSample, MarkerFrame, Sample, Triple
from hal.polaris import codec
from hal.polaris.error_table import SYSTEM_STATUS
from hal.sender_clock import AGREEING
from hal.serial_line import SerialLine

MS = 1_000_000
_BAUD_DIGIT = {9600: 0, 19200: 2, 38400: 3, 57600: 4, 115200: 5, 921600: 6, 1228739: 7, 230400: 0xA}
_WRAP = 1 << 32
_NEAR = 60
"""Frames that follow each other within so many are of one count."""


class PolarisSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Start-up of the tracker, and how long it may be silent."""

    poll: Literal["BX", "TX"] = "BX"
    reset: Literal["break", "command", "none"] = "none"
    """A serial break, the RESET command (a pty or a USB adapter carries no break), or neither."""
    baud: int = 115200
    """Where COMM takes a serial line after start-up at 9600; without effect on TCP."""
    tool_class: Literal["D", "S", "B"] = "D"
    poll_ms: float = 4.0
    """Least time between polls; the tracker's frames come every 16.7 ms."""
    reply_ms: float = 250.0
    reset_ms: float = 7000.0
    quiet_ms: float = 20.0
    """Silence awaited before a garbled request is repeated."""
    retries: int = 2
    missing_frames: int = 6
    """Frames in a row without a tool before that is reported (100 ms)."""
    frozen_ms: float = 100.0
    """Hazard H02: age of the frame number before it counts as frozen."""
    give_up_ms: float = 2000.0
    """Frozen this long, the link is closed and opened again."""


class PolarisStep(msgspec.Struct, frozen=True, gc=False):
    """One request of the start-up: what is sent and which method reads the answer."""

    name: str
    parameters: str = ""
    then: str = "okay"
    wait_ms: float = 0.0
    """Time left to the tracker after its answer."""


START_UP = (
    PolarisStep("TSTOP"),
    PolarisStep("INIT", then="okay", wait_ms=100.0),
    PolarisStep("COMM", "{comm}", then="rate", wait_ms=100.0),
    PolarisStep("VER", "0", then="identity"),
    PolarisStep("PHSR", "01", then="free"),
    PolarisStep("PHSR", "00", then="upload"),
)
"""What `upload` appends: PHRQ and PVWR per tool, then PINIT and PENA per handle, then TSTART.

TSTOP comes first because an earlier run may have left the tracker tracking, where INIT is refused.
"""
_MAY_BE_REFUSED = frozenset({"RESET", "TSTOP", "COMM", "VER"})
"""A tracker that does not track refuses TSTOP, one on a network may know no COMM; no harm."""


class PolarisSession:
    """A `hal.ports.Conversation`: one marker per tool definition, in the order given."""

    def __init__(
        self, device: str, roms: tuple[bytes, ...], settings: PolarisSettings | None = None
    ) -> None:
        if not roms:
            raise DeviceError(f"{device}: no tool definition (.rom) given, at least one is needed")
        self._device = device
        self._roms = roms
        self._set = settings or PolarisSettings()
        self._replies = codec.PolarisReplies()
        self._out = bytearray()
        self._line: SerialLine | None = None
        self._line_later: SerialLine | None = None
        self.identity = ""
        self.frames_skipped = 0
        self._restart(0)

    def _restart(self, now_ns: int) -> None:
        self._replies.drop()
        self._replies.tracking = False
        self._out.clear()
        self._plan: deque[PolarisStep] = deque()
        self._step: PolarisStep | None = None
        self._handles: list[int] = []
        self._wake_ns: int | None = None
        self._line_later = None
        self._awaiting = False
        self._answer_read = False
        self._failures = 0
        self._tracking = False
        self._last_frame = -1
        self._went_back: list[int] = []
        """Frame numbers in a row that are lower than one before, and agree with each other."""
        self._fresh_ns = now_ns
        self._frozen = False
        self._missing = [0] * len(self._roms)
        self._outside = [False] * len(self._roms)
        self._status = 0
        self._polled_ns = now_ns
        self._rates = [9600, self._set.baud]

    @property
    def ready(self) -> bool:
        """Tracking."""
        return self._tracking

    @property
    def wake_ns(self) -> int | None:
        """When to poll, repeat or give up."""
        return self._wake_ns

    def begin(self, now_ns: int) -> None:
        """Start again: reset where that is set, then the start-up table."""
        self._restart(now_ns)
        comm = f"{_BAUD_DIGIT.get(self._set.baud, 5):X}0000"
        self._plan.extend(
            msgspec.structs.replace(step, parameters=step.parameters.format(comm=comm))
            for step in START_UP
        )
        self._line = SerialLine(self._rates[0])
        if self._set.reset == "none":
            self._next(now_ns)
            return
        self._step = PolarisStep("RESET", "0", then="reset", wait_ms=100.0)
        if self._set.reset == "command":
            self._out += codec.command("RESET", "0")
        else:
            self._line = SerialLine(self._rates[0], break_ms=300)
        self._awaiting = True
        self._wake_ns = now_ns + round(self._set.reset_ms * MS)

    def line_to_set(self) -> SerialLine | None:
        """Return the serial line's new setting, once."""
        line, self._line = self._line, None
        return line

    def data_to_send(self) -> bytes:
        """Return the request that waits."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def obey(self, command: Command, now_ns: int) -> None:
        """A tracker takes no commands."""
        raise DeviceError(f"{self._device}: a tracker cannot obey {type(command).__name__}")

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take reply bytes; raises `DeviceError` where the tracker refuses the start-up."""
        samples: list[Sample] = []
        if not self._awaiting:
            # Nothing was asked, or the line is being left to go quiet.
            if self._failures:
                self._wake_ns = now_ns + round(self._set.quiet_ms * MS)
            return samples
        for reply in self._replies.feed(data):
            if not self._awaiting:
                break
            self._awaiting = False
            if isinstance(reply, codec.PolarisGarbled) and self._tried_other_rate(now_ns):
                continue
            if isinstance(reply, codec.PolarisGarbled):
                samples.append(self._bad(now_ns, reply.what, reply.value))
                self._failed(now_ns, reply.what)
            elif isinstance(reply, codec.Refusal):
                samples += self._refused(reply, now_ns)
            elif isinstance(reply, codec.Tracking):
                self._failures = 0
                samples += self._measured(reply, now_ns)
            else:
                self._answered(reply.text, now_ns)
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Send what is due, or count a reply that did not come."""
        if self._wake_ns is None or now_ns < self._wake_ns:
            return []
        self._wake_ns = None
        if not self._awaiting:
            if self._answer_read:
                self._step = None  # the time it wanted after its answer has passed
            if self._line_later is not None:
                self._line, self._line_later = self._line_later, None
            self._next(now_ns)
            return []
        self._awaiting = False
        name = self._step.name if self._step else self._set.poll
        if name == "RESET":
            # No break on this line, or no tracker: the start-up will show which.
            self._step = None
            self._next(now_ns)
            return []
        if self._tried_other_rate(now_ns):
            return []
        what = f"no reply to {name} in {self._set.reply_ms:g} ms"
        bad = self._bad(now_ns, what, "")
        self._failed(now_ns, what)
        return [bad, *self._ageing(now_ns)]

    def _tried_other_rate(self, now_ns: int) -> bool:
        """At first contact: it may still speak at the rate an earlier run took it to."""
        if self._step is None or self._step.name != "TSTOP" or len(self._rates) < 2:
            return False
        self._rates.pop(0)
        self._line = SerialLine(self._rates[0])
        self._replies.drop()
        self._wake_ns = now_ns + round(self._set.quiet_ms * MS)
        return True

    def _failed(self, now_ns: int, what: str) -> None:
        self._failures += 1
        self._replies.drop()
        if self._failures > self._set.retries:
            raise LinkError(f"{self._device}: {what}, {self._failures} times in a row")
        self._wake_ns = now_ns + round(self._set.quiet_ms * MS)

    def _next(self, now_ns: int) -> None:
        """Make the request that is due: a repeated one, the plan's next, or a poll."""
        self._replies.drop()
        self._answer_read = False
        if self._step is None and self._plan:
            self._step = self._plan.popleft()
        if self._step is not None:
            self._out += codec.command(self._step.name, self._step.parameters)
        else:
            self._replies.tracking = True
            self._out += codec.command(self._set.poll, codec.TX_MODE)
            self._polled_ns = now_ns
        self._awaiting = True
        self._wake_ns = now_ns + round(self._set.reply_ms * MS)

    # The answers of the start-up, by the name in `PolarisStep.then`.

    def _answered(self, text: str, now_ns: int) -> None:
        step = self._step
        if step is None:
            raise ProtocolError(f"{self._device}: unexpected reply {text[:20]!r}")
        reader = {
            "okay": self._read_okay,
            "reset": self._read_reset,
            "rate": self._read_rate,
            "identity": self._read_identity,
            "free": self._read_free,
            "upload": self._read_upload,
            "handle": self._read_handle,
            "tracking": self._read_tracking,
        }[step.then]
        reader(text)
        self._failures = 0
        self._fresh_ns = now_ns
        self._answer_read = True
        if step.wait_ms:
            self._wake_ns = now_ns + round(step.wait_ms * MS)
            return
        self._step = None
        self._next(now_ns)

    def _read_okay(self, text: str) -> None:
        if text != "OKAY" and not text.startswith("WARNING"):
            name = self._step.name if self._step else ""
            raise DeviceError(f"{self._device}: {name} answered {text[:20]!r}, expected OKAY")

    def _read_reset(self, text: str) -> None:
        if text != "RESET":
            raise DeviceError(f"{self._device}: reset answered {text[:20]!r}, expected RESET")
        self._rates = [9600]
        self._line = SerialLine(9600)

    def _read_rate(self, text: str) -> None:
        self._read_okay(text)
        # The answer came at the old rate; the new one holds after wait_ms.
        self._rates = [self._set.baud]
        self._line_later = SerialLine(self._set.baud)

    def _read_identity(self, text: str) -> None:
        self.identity = text.replace("\n", "; ").strip("; ")

    def _read_free(self, text: str) -> None:
        for handle, _ in reversed(codec.read_handles(text)):
            self._plan.appendleft(PolarisStep("PHF", f"{handle:02X}"))

    def _read_upload(self, text: str) -> None:
        # Handles left by an earlier run would be reported beside ours.
        for handle, _ in codec.read_handles(text):
            self._plan.append(PolarisStep("PHF", f"{handle:02X}"))
        self._plan.extend(PolarisStep("PHRQ", "*********1****", then="handle") for _ in self._roms)

    def _read_handle(self, text: str) -> None:
        try:
            handle = int(text, 16)
        except ValueError:
            raise ProtocolError(f"{self._device}: PHRQ answered {text[:20]!r}") from None
        rom = self._roms[len(self._handles)]
        self._handles.append(handle)
        uploads = [PolarisStep("PVWR", block) for block in codec.rom_blocks(handle, rom)]
        self._plan.extendleft(reversed(uploads))
        if len(self._handles) == len(self._roms):
            self._plan.extend(PolarisStep("PINIT", f"{h:02X}") for h in self._handles)
            self._plan.extend(
                PolarisStep("PENA", f"{h:02X}{self._set.tool_class}") for h in self._handles
            )
            self._plan.append(PolarisStep("TSTART", then="tracking"))

    def _read_tracking(self, text: str) -> None:
        self._read_okay(text)
        self._tracking = True

    # Tracking.

    def _refused(self, reply: codec.Refusal, now_ns: int) -> list[Sample]:
        name = self._step.name if self._step else self._set.poll
        if reply.code == 0x04:  # the command was damaged on its way: send it again
            bad = self._bad(now_ns, f"tracker refused {name}", reply.meaning)
            self._failed(now_ns, bad.what)
            return [bad]
        again = self._failures > 0 and name == "TSTART" and reply.code == 0x0C
        if name in _MAY_BE_REFUSED or again:
            self._tracking = again  # the answer to the first TSTART was lost
            self._failures = 0
            self._fresh_ns = now_ns
            self._step = None
            self._next(now_ns)
            return []
        raise DeviceError(f"{self._device}: tracker refused {name}: {reply.meaning}")

    def _measured(self, reply: codec.Tracking, now_ns: int) -> list[Sample]:
        poll_ns = self._polled_ns + round(self._set.poll_ms * MS)
        self._wake_ns = max(poll_ns, now_ns)
        if poll_ns <= now_ns:
            self._next(now_ns)
        by_handle = {tool.handle: tool for tool in reply.tools}
        samples = self._system(reply.system_status, now_ns)
        frame = max((t.frame for t in reply.tools if t.handle in self._handles), default=-1)
        if frame < 0:
            return [*samples, *self._ageing(now_ns)]
        if self._last_frame >= 0:
            ahead = (frame - self._last_frame) % _WRAP
            if ahead == 0:
                return [*samples, *self._ageing(now_ns)]
            if self._went_back and frame == self._went_back[-1]:
                return [*samples, *self._ageing(now_ns)]  # the same frame, asked for twice
            if ahead > _WRAP // 2 and not self._began_anew(frame):
                bad = self._bad(now_ns, "frame number went back", f"{self._last_frame} to {frame}")
                return [*samples, bad, *self._ageing(now_ns)]
            if ahead <= _WRAP // 2:
                self.frames_skipped += ahead - 1
        self._went_back.clear()
        self._last_frame = frame
        self._fresh_ns = now_ns
        self._frozen = False
        markers: list[Triple | None] = []
        errors: list[float] = []
        for index, handle in enumerate(self._handles):
            tool = by_handle.get(handle)
            samples += self._seen(index, tool, frame, now_ns)
            usable = tool is not None and tool.frame == frame and not self._outside[index]
            pose = tool.pose if tool is not None and usable else None
            markers.append(pose.position_mm if pose else None)
            errors.append(pose.error_mm if pose else 0.0)
        samples.append(MarkerFrame(self._device, now_ns, frame, tuple(markers), tuple(errors)))
        return samples

    def _began_anew(self, frame: int) -> bool:
        """Return whether frames that went back agree for long enough to be a new count."""
        if self._went_back and not 0 < frame - self._went_back[-1] <= _NEAR:
            self._went_back.clear()
        self._went_back.append(frame)
        return len(self._went_back) >= AGREEING

    def _seen(
        self, index: int, tool: codec.PolarisTool | None, frame: int, now_ns: int
    ) -> list[Sample]:
        """Report a tool once when it leaves the volume, and once when it stays away."""
        outside = tool is not None and bool(tool.port_status & codec.PORT_OUT_OF_VOLUME)
        left, self._outside[index] = outside and not self._outside[index], outside
        gone = tool is None or tool.pose is None or tool.frame != frame
        self._missing[index] = self._missing[index] + 1 if gone else 0
        samples: list[Sample] = []
        if left:
            what = f"tool {index + 1} out of the volume"
            samples.append(self._bad(now_ns, what, f"frame {frame}"))
        if self._missing[index] == self._set.missing_frames:
            frames = f"{self._missing[index]} frames"
            samples.append(self._bad(now_ns, f"tool {index + 1} missing", frames))
        return samples

    def _system(self, status: int, now_ns: int) -> list[Sample]:
        """Report the system's complaints when they appear."""
        new, self._status = status & ~self._status, status
        return [
            self._bad(now_ns, f"tracker reports {meaning}", f"{status:04X}")
            for bit, meaning in SYSTEM_STATUS.items()
            if new & bit
        ]

    def _ageing(self, now_ns: int) -> list[Sample]:
        """Report a frame number that stands still; raises `LinkError` where it does for long."""
        if not self._tracking:
            return []
        age_ms = (now_ns - self._fresh_ns) / MS
        if age_ms > self._set.give_up_ms:
            raise LinkError(f"{self._device}: frame number frozen for {age_ms:.0f} ms")
        if age_ms <= self._set.frozen_ms or self._frozen:
            return []
        self._frozen = True
        return [self._bad(now_ns, "frame number frozen", f"{self._last_frame} for {age_ms:.0f} ms")]

    def _bad(self, now_ns: int, what: str, value: str) -> BadSample:
        return BadSample(self._device, now_ns, what, value)

"""The conversation with a BITalino belt: stop, version, rate, start, then a stream of frames.

The device takes single bytes and wants 100 ms between them. Every good frame becomes one
`BeltSample` in ADC counts; its ``ticks`` is the unwrapped sample count. The device has no
watchdog, so this conversation detects silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from hal.bitalino import codec
from hal.bitalino.codec import BitalinoFrame, Found
from hal.errors import DeviceError, LinkError
from hal.events import Command
from hal.messages import BadSample, BeltSample, Sample

MS = 1_000_000
_PAUSE_NS = 100 * MS
"""The device misses a command that follows sooner."""


class BitalinoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the belt acquires, and which samples are accepted."""

    rate_hz: Literal[10, 100, 1000] = 100
    channels: tuple[int, ...] = (1,)
    """Analogue inputs acquired, 1 to 6; one gives the shortest and safest frame."""
    belt_channel: int = 1
    largest_step_au: int = 8
    """A larger change from one sample to the next waits for the following sample to confirm it.

    For 100 Hz and more; slower rates allow as much more as a sample lasts longer.
    """
    silence_ms: float = 100.0
    give_up_ms: float = 1000.0
    reply_ms: float = 500.0
    retries: int = 2


Phase = Literal["closed", "stopping", "asking", "setting", "starting", "live"]


class BitalinoSession:
    """A `hal.ports.Conversation` with the belt."""

    def __init__(self, device: str, settings: BitalinoSettings | None = None) -> None:
        self._device = device
        self._set = settings or BitalinoSettings()
        if self._set.belt_channel not in self._set.channels:
            raise DeviceError(
                f"{device}: belt on channel {self._set.belt_channel}, "
                f"acquired are {self._set.channels}; add it to channels"
            )
        self._index = self._set.channels.index(self._set.belt_channel)
        step_au = round(self._set.largest_step_au * max(1.0, 100 / self._set.rate_hz))
        self._frames = codec.Frames(len(self._set.channels), self._index, step_au)
        self.version = ""
        self.samples_lost = 0
        self._restart()

    def _restart(self) -> None:
        self._frames.drop()
        self._out = bytearray()
        self._reply = bytearray()
        self._phase: Phase = "closed"
        self._due_ns: int | None = None
        self._tries = 0
        self._last: BitalinoFrame | None = None
        self._ticks = -1
        self._heard_ns = 0
        self._silent = False
        self._live = False

    @property
    def ready(self) -> bool:
        """Frames come, and their boundary is known."""
        return self._live

    @property
    def wake_ns(self) -> int | None:
        """The next command, or the moment at which silence is too long."""
        return self._due_ns

    def begin(self, now_ns: int) -> None:
        """Stop an acquisition that an earlier run may have left running, then start."""
        self._restart()
        self._say("stopping", codec.STOP, now_ns)

    def data_to_send(self) -> bytes:
        """Return the command byte that waits."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def obey(self, command: Command, now_ns: int) -> None:
        """Refuse every command: a belt takes none."""
        raise DeviceError(f"{self._device}: a belt cannot obey {type(command).__name__}")

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take bytes: a version while starting, frames while live."""
        if self._phase == "asking":
            self._reply += data
            version = codec.find_version(bytes(self._reply))
            if version is not None:
                self.version = version
                self._phase = "setting"
                self._due_ns = now_ns + _PAUSE_NS
            return []
        if self._phase != "live":
            return []
        samples: list[Sample] = []
        for found in self._frames.feed(data, now_ns):
            if isinstance(found, Found):
                samples += self._sampled(found)
            else:
                samples.append(BadSample(self._device, now_ns, found.what, found.value))
        return samples

    def wake(self, now_ns: int) -> list[Sample]:
        """Go on with the start-up table, or notice silence."""
        if self._due_ns is None or now_ns < self._due_ns:
            return []
        return self._table[self._phase](self, now_ns)

    def _say(
        self, phase: Phase, data: bytes, now_ns: int, wait_ns: int = _PAUSE_NS
    ) -> list[Sample]:
        self._phase = phase
        self._out += data
        self._due_ns = now_ns + wait_ns
        return []

    def _ask_version(self, now_ns: int) -> list[Sample]:
        self._reply.clear()
        return self._say("asking", codec.VERSION, now_ns, round(self._set.reply_ms * MS))

    def _ask_again(self, now_ns: int) -> list[Sample]:
        self._tries += 1
        if self._tries > self._set.retries:
            raise LinkError(
                f"{self._device}: no version in {self._set.reply_ms:g} ms, {self._tries} times; "
                "is the belt switched on and paired?"
            )
        self._say("stopping", codec.STOP, now_ns)
        what = f"no version in {self._set.reply_ms:g} ms"
        return [BadSample(self._device, now_ns, what, self._reply[:16].hex())]

    def _set_rate(self, now_ns: int) -> list[Sample]:
        return self._say("starting", codec.sampling(self._set.rate_hz), now_ns)

    def _start(self, now_ns: int) -> list[Sample]:
        self._heard_ns = now_ns
        self._say("live", codec.start(self._set.channels), now_ns)
        return self._listen(now_ns)

    def _listen(self, now_ns: int) -> list[Sample]:
        """Notice silence: no good frame for a while."""
        age_ms = (now_ns - self._heard_ns) / MS
        silence_ms = max(self._set.silence_ms, 6000.0 / self._set.rate_hz)
        give_up_ms = max(self._set.give_up_ms, 10 * silence_ms)
        if age_ms >= give_up_ms:
            raise LinkError(f"{self._device}: no belt sample for {age_ms:.0f} ms")
        if age_ms >= silence_ms and not self._silent:
            self._silent = True
            self._due_ns = self._heard_ns + round(give_up_ms * MS)
            return [BadSample(self._device, now_ns, "no belt sample", f"for {age_ms:.0f} ms")]
        limit_ms = give_up_ms if self._silent else silence_ms
        self._due_ns = self._heard_ns + round(limit_ms * MS)
        return []

    _table: dict[Phase, Callable[[BitalinoSession, int], list[Sample]]] = {
        "stopping": _ask_version,
        "asking": _ask_again,
        "setting": _set_rate,
        "starting": _start,
        "live": _listen,
    }
    """What each phase does when its time has passed."""

    def _sampled(self, found: Found) -> list[Sample]:
        frame = found.frame
        samples: list[Sample] = []
        lost = self._lost(found)
        if lost:
            self.samples_lost += lost
            samples.append(BadSample(self._device, frame.t_ns, "belt samples lost", str(lost)))
        self._ticks += lost + 1
        self._last = frame
        self._live = True
        self._heard_ns = frame.t_ns
        self._silent = False
        self._listen(frame.t_ns)
        value = float(frame.counts[self._index])
        samples.append(BeltSample(self._device, frame.t_ns, self._ticks, value))
        return samples

    def _lost(self, found: Found) -> int:
        """Return how many samples before this one are missing, by sequence (modulo 16) and time."""
        last = self._last
        if last is None:
            return 0
        lost = (found.frame.sequence - last.sequence - 1) % 16
        if found.resynchronised:
            by_time = (found.frame.t_ns - last.t_ns) * self._set.rate_hz / 1e9 - 1
            lost += 16 * max(0, round((by_time - lost) / 16))
        return lost

"""Requirements on an LSL stream, and its samples as `BeltSample`; no I/O, no library.

LSL stamps each sample with its sender's clock; ``correction_s`` (measured by the library) turns
that into this machine's. LSL numbers no samples: ``ticks`` are counted from the corrected stamps,
whole periods of ``rate_hz`` apart, so that lost samples leave a gap. A stamp that does not run with
the arrivals is refused until a few of them agree; then the belt's clock was set, and is followed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from hal.errors import LinkError
from hal.messages import BadSample, BeltSample, Sample
from hal.sender_clock import SampleCount, SenderClock

_MOST_S = 1e11
"""Stamps count from the start of a machine or from 1970; a larger number is no time."""


class LslSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which stream, which of its channels, and the waiting times."""

    name: str = ""
    type: str = "RESP"
    source_id: str = ""
    channel: int = 0
    rate_hz: float = 50.0
    """Samples a second, as the configuration has it for the belt."""
    find_s: float = 5.0
    """Longest search before the failure is reported; the search goes on."""
    silence_ms: float = 1000.0
    correction_s: float = 5.0
    """Time between looks at the clock correction."""
    clock_jump_ms: float = 500.0
    """A stamp this far off the arrivals is not believed, unless the next ones agree with it."""

    def __post_init__(self) -> None:
        """Refuse a search that could find anything, or that could break out of its query."""
        if not (self.name or self.type or self.source_id):
            raise ValueError("LSL: give the stream's name, type or source_id")
        if not 1.0 <= self.rate_hz <= 1000.0:
            raise ValueError(f"LSL: rate_hz {self.rate_hz}, allowed are 1 to 1000")
        if not 1.0 <= self.clock_jump_ms <= 60_000.0:
            raise ValueError(f"LSL: clock_jump_ms {self.clock_jump_ms}, allowed are 1 to 60000")
        for value in (self.name, self.type, self.source_id):
            if not value.isprintable() or "'" in value or '"' in value:
                raise ValueError(f"LSL: {value!r} has quotes or control characters")


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What a stream says about itself."""

    name: str
    type: str
    source_id: str
    host: str
    channels: int
    numeric: bool
    rate_hz: float

    def __str__(self) -> str:
        return f"{self.name!r} ({self.type}) on {self.host}"


def query(settings: LslSettings) -> str:
    """Return the XPath predicate LSL finds streams by."""
    wanted = {"name": settings.name, "type": settings.type, "source_id": settings.source_id}
    return " and ".join(f"{key}='{value}'" for key, value in wanted.items() if value)


def choose(found: list[StreamFacts], settings: LslSettings) -> int:
    """Return the stream that is the belt; raises `LinkError` where that is not certain."""
    if not found:
        raise LinkError(f"LSL: no stream with {query(settings)}; is the belt's program running?")
    if len(found) > 1:
        names = ", ".join(str(facts) for facts in found)
        raise LinkError(f"LSL: {len(found)} streams fit ({names}); give name and source_id")
    facts = found[0]
    if not facts.numeric:
        raise LinkError(f"LSL: stream {facts} carries text, not numbers")
    if settings.channel >= facts.channels:
        raise LinkError(
            f"LSL: stream {facts} has {facts.channels} channels, channel {settings.channel} is "
            "wanted (they count from 0)"
        )
    if facts.rate_hz > 0 and abs(facts.rate_hz - settings.rate_hz) > 0.1 * settings.rate_hz:
        raise LinkError(
            f"LSL: stream {facts} has {facts.rate_hz:g} samples a second, configured are "
            f"{settings.rate_hz:g}"
        )
    return 0


class LslReading:
    """The samples of one connection to a stream."""

    def __init__(self, device: str, settings: LslSettings, now_ns: int) -> None:
        self._device = device
        self._settings = settings
        self._heard_ns = now_ns
        self._clock = SenderClock(round(settings.clock_jump_ms * 1e6))
        self._count = SampleCount(settings.rate_hz)
        self.correction_s = 0.0

    def samples_of(self, values: list[float], stamp_s: float, now_ns: int) -> list[Sample]:
        """Return the sample that these values are, or a `BadSample` that says why they are none.

        A clock that was set is told beside the first sample of its new time.
        """
        settings = self._settings
        value = values[settings.channel] if settings.channel < len(values) else math.nan
        corrected_s = stamp_s + self.correction_s
        if not math.isfinite(value) or not abs(corrected_s) < _MOST_S:
            what = f"value {value}, stamp {stamp_s}"
            return [self._bad(now_ns, "belt value is not finite", what)]
        self._heard_ns = now_ns
        stamp_ns = round(corrected_s * 1e9)
        stamped = self._clock.judge(stamp_ns, now_ns)
        told: list[Sample] = []
        if stamped.off_ns:
            what = stamped.in_words()
            told.append(BadSample(self._device, now_ns, "belt clock jumps", what, clock=True))
        if not stamped.believed:
            return told
        if stamped.clock_was_set:
            self._count.shift(stamped.off_ns)
        last_ns = self._count.last_ns
        ticks = self._count.step(stamp_ns, repeats=False)
        if ticks is None:
            advance_ms = (stamp_ns - (last_ns or 0)) / 1e6
            what = f"{advance_ms:.3f} ms after the last sample"
            return [*told, self._bad(now_ns, "belt clock does not advance", what)]
        return [*told, BeltSample(self._device, now_ns, ticks, value)]

    def _bad(self, now_ns: int, what: str, value: str) -> BadSample:
        return BadSample(self._device, now_ns, what, value)

    def check_silence(self, now_ns: int) -> None:
        """Raise `LinkError` when the stream is open but says nothing."""
        silence_ms = (now_ns - self._heard_ns) / 1e6
        if silence_ms > self._settings.silence_ms:
            raise LinkError(f"LSL: no sample for {silence_ms:.0f} ms; is the belt worn and on?")

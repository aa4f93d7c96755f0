"""The LSL inlet's thread: finds the stream, pulls its samples, hands them to the event loop.

liblsl does its own networking and its calls block, so this device has a thread instead of a
`hal.link.Link`; to the rest of the program it looks the same: `run`, ``up``, ``counts``, and
``hand_over`` called in the event loop. Samples are stamped in the thread, as they leave liblsl.
"""

from __future__ import annotations

import asyncio
import importlib
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from hal.errors import LinkError
from hal.events import Command, LinkChanged
from hal.link_counts import LinkCounts
from hal.lsl.configuration import Scope, confine
from hal.lsl.session import LslReading, LslSettings, StreamFacts, choose, query
from hal.messages import BadSample, Sample

_SLICE_S = 0.2
"""How long a search or a wait for a sample blocks, so that the thread can be ended."""
_ANSWER_S = 1.0
"""How long a stream that was found may take to answer, and a second one to turn up."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class LslInlet:
    """One belt's stream; give the pieces a `hal.link.Link` is given."""

    def __init__(
        self,
        device: str,
        settings: LslSettings,
        clock: Callable[[], int],
        hand_over: Callable[[Sample | LinkChanged], None],
    ) -> None:
        self.device = device
        self.up = False
        self.counts = LinkCounts()
        self.correction_ms = 0.0
        self.stream: StreamFacts | None = None
        self._settings = settings
        self._clock = clock
        self._hand_over = hand_over
        self._stop = threading.Event()
        self._told_down = False

    async def run(self) -> None:
        """Keep the stream until cancelled; an error of ours in the thread is raised here."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self._stop.clear()
        thread = threading.Thread(
            target=self._work, args=(loop, ended), name=f"LSL {self.device}", daemon=True
        )
        thread.start()
        try:
            await asyncio.shield(ended)
        finally:
            self._stop.set()
            if not ended.done():
                await ended
            thread.join()
            if self.up:
                self._report(False, "closed by us", self._clock())

    def _work(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
        """Run the thread: connect again and again, with growing pauses."""
        pause_s = _FIRST_PAUSE_S
        try:
            while not self._stop.is_set():
                openings = self.counts.openings
                try:
                    self._connect(loop)
                except LinkError as error:
                    loop.call_soon_threadsafe(self._report, False, str(error), self._clock())
                pause_s = _FIRST_PAUSE_S if self.counts.openings > openings else pause_s
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        except Exception as error:  # a fault of ours: `run` raises it
            loop.call_soon_threadsafe(ended.set_exception, error)
        else:
            loop.call_soon_threadsafe(ended.set_result, None)

    def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        """Find the stream and read it until that ends."""
        pylsl = _library()
        info, self.stream = self._find(pylsl)
        if info is None:
            return
        inlet = pylsl.StreamInlet(info, max_buflen=2, recover=False)
        try:
            self._read(pylsl, inlet, loop)
        except pylsl.util.TimeoutError as error:
            raise LinkError(f"LSL: stream {self.stream} does not answer") from error
        except pylsl.util.LostError as error:
            raise LinkError(f"LSL: stream {self.stream} is gone") from error
        finally:
            inlet.close_stream()

    def _find(self, pylsl: Any) -> tuple[Any, StreamFacts | None]:
        """Return the stream's handle and what it says about itself; nothing when told to stop."""
        wanted = query(self._settings)
        for _ in range(max(1, round(self._settings.find_s / _SLICE_S))):
            if self._stop.is_set():
                return None, None
            found = pylsl.resolve_bypred(wanted, 1, _SLICE_S)
            if found:
                # Others may answer a little later; one that is not alone is not certain.
                found = pylsl.resolve_bypred(wanted, 2, _ANSWER_S) or found
                facts = [_facts(info, pylsl.cf_string) for info in found]
                chosen = choose(facts, self._settings)
                return found[chosen], facts[chosen]
        choose([], self._settings)
        return None, None

    def _read(self, pylsl: Any, inlet: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Pull samples until told to stop."""
        inlet.open_stream(_ANSWER_S)
        reading = LslReading(self.device, self._settings, self._clock())
        reading.correction_s = inlet.time_correction(_ANSWER_S)
        self.correction_ms = reading.correction_s * 1e3
        inlet.flush()  # what queued up meanwhile would be stamped too late
        self.counts.openings += 1
        loop.call_soon_threadsafe(self._report, True, str(self.stream), self._clock())
        look_ns = self._clock() + round(self._settings.correction_s * 1e9)
        while not self._stop.is_set():
            values, stamp_s = cast(
                tuple[list[float] | None, float | None], inlet.pull_sample(_SLICE_S)
            )
            now_ns = self._clock()
            if values is None or stamp_s is None:
                reading.check_silence(now_ns)
                continue
            for sample in reading.samples_of(values, stamp_s, now_ns):
                loop.call_soon_threadsafe(self._give, sample)
            if now_ns >= look_ns:
                reading.correction_s = inlet.time_correction(_SLICE_S)
                self.correction_ms = reading.correction_s * 1e3
                look_ns = now_ns + round(self._settings.correction_s * 1e9)

    def _give(self, sample: Sample) -> None:
        if isinstance(sample, BadSample):
            self.counts.bad_samples += 1
        else:
            self.counts.samples += 1
        self._hand_over(sample)

    def _report(self, up: bool, detail: str, now_ns: int) -> None:
        """Tell of a change; going down again is told once."""
        if up or self.up or not self._told_down:
            self._hand_over(LinkChanged(self.device, now_ns, up, detail))
        self.up, self._told_down = up, not up


class ConfinedInlet(LslInlet):
    """An inlet whose search stays within a scope; see `hal.ports.LibraryDevice`."""

    def __init__(
        self,
        device: str,
        settings: LslSettings,
        scope: Scope,
        peers: tuple[str, ...],
        clock: Callable[[], int],
        hand_over: Callable[[Sample | LinkChanged], None],
    ) -> None:
        super().__init__(device, settings, clock, hand_over)
        self._scope: Scope = scope
        self._peers = peers

    @property
    def identity(self) -> str:
        """The stream that was found; empty before."""
        return "" if self.stream is None else f"LSL stream {self.stream}"

    async def run(self) -> None:
        """Keep the stream until cancelled; liblsl reads its configuration at the first search."""
        with tempfile.TemporaryDirectory(prefix="tidetrack-lsl-") as folder:
            confine(Path(folder), self._scope, self._peers)
            await super().run()

    def obey(self, command: Command) -> None:
        """Count the command as refused: a belt takes none."""
        self.counts.refused_commands += 1


def _library() -> Any:
    try:
        return importlib.import_module("pylsl")
    except (ImportError, RuntimeError, OSError) as error:
        raise LinkError(
            f"LSL: the library is not there ({error}); pip install 'tidetrack[lsl]'"
        ) from error


def _facts(info: Any, text_format: int) -> StreamFacts:
    return StreamFacts(
        name=str(info.name()),
        type=str(info.type()),
        source_id=str(info.source_id()),
        host=str(info.hostname()),
        channels=int(info.channel_count()),
        numeric=int(info.channel_format()) != text_format,
        rate_hz=float(info.nominal_srate()),
    )

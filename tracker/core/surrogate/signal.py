"""The surrogate stage: the samples of all sources in, one breathing state out.

A sample goes to the source of its device, which judges it and brings it to its exposure time. While
the patient's quiet breathing is learned, the reading is gathered (`learning`). Afterwards it goes
to the filter (`fusion`). States that no late sample can change are remembered (`history`).
"""

from __future__ import annotations

import msgspec

from hal.messages import BadSample, Message
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.surrogate.breaths import Breaths
from tracker.core.surrogate.fusion import SurrogateFilter
from tracker.core.surrogate.history import SETTLED_NS, SettledStates
from tracker.core.surrogate.learning import Learning
from tracker.core.surrogate.novelty import Novelty
from tracker.core.surrogate.report import SourceReport, SurrogateReport
from tracker.core.surrogate.sources.source import Source, SourceLimits
from tracker.core.surrogate.sources.table import SOURCE_KINDS, SourceKinds, kind_of

_REPLAY = 30
"""Readings of each source from the learning phase that the new filter is started with."""
_LEFT_OUT = -1


class SurrogateSignal:
    """Routes samples to their sources, learns, fuses and remembers."""

    def __init__(self, settings: Controller, kinds: SourceKinds = SOURCE_KINDS) -> None:
        """Make every source that is enabled; raises `LookupError` for settings of no kind."""
        limits = SourceLimits(
            settings.session.orientation,
            settings.gating.speed_mm_s,
            settings.gating.envelope_mm,
        )
        self._fusion = settings.fusion
        self._sources: list[Source] = []
        self._by_device: dict[str, tuple[int, Source, type[Message]]] = {}
        self._switched_off: set[str] = set()
        for source_settings in settings.surrogate_sources().values():
            device = source_settings.device
            if not source_settings.enabled:
                self._switched_off.add(device)
                continue
            kind = kind_of(source_settings, kinds)
            source = kind.make(source_settings, limits)
            self._by_device[device] = (len(self._sources), source, kind.message)
            self._sources.append(source)
        self.messages = frozenset(kind.message for kind in kinds)
        """Every type of message that a kind of source reads, of configured ones or not."""
        self._rate_hz = sum(source.traits.rate_hz for source in self._sources)
        self._filter: SurrogateFilter | None = None
        self._numbers: list[int] = []
        """The number of each source in the filter, or `_LEFT_OUT`."""
        self._learning: Learning | None = None
        self._amplitudes: tuple[float, ...] = ()
        self._history = SettledStates()
        self._strangers: set[str] = set()
        self.breaths = Breaths()
        self.novelty = Novelty()

    # Samples ----------------------------------------------------------------------------------

    def receive(self, message: Message, couch: ActuatorTrack | None) -> str:
        """Give a sample to the source of its device.

        ``couch`` is the track of a couch that carries the patient, else ``None``. Returns a
        sentence when no source is configured for the device, once for each device; else "".
        """
        found = self._by_device.get(message.device)
        if found is None or not isinstance(message, found[2]):
            return self._stranger(message)
        number, source, _ = found
        reading = source.receive(message, couch)
        if reading is None:
            return ""
        if self._filter is not None:
            if self._numbers[number] != _LEFT_OUT:
                t_ns, values = reading
                self._filter.add(number, t_ns, values)
        elif self._learning is not None:
            self._learning.add(number, reading)
        return ""

    def _stranger(self, message: Message) -> str:
        device = message.device
        if device in self._switched_off or device in self._strangers:
            return ""
        self._strangers.add(device)
        known = ", ".join(self._by_device)
        return (
            f"{device} sent a {type(message).__name__}, and no surrogate source is configured for "
            f"that; its samples are not used. Sources: {known}. Add [sources.{device}] or correct "
            f"the device's name"
        )

    def add_bad_sample(self, sample: BadSample) -> bool:
        """Note an unreadable message of a source; ``False``: the device is none of the sources."""
        found = self._by_device.get(sample.device)
        if found is None:
            return False
        found[1].record.reject(sample)
        return True

    def restarted(self, device: str) -> None:
        """Learn a sensor's clock anew: it was connected again and may count from anywhere."""
        found = self._by_device.get(device)
        if found is not None:
            found[1].record.restart_clock()

    # Learning ---------------------------------------------------------------------------------

    def forget(self) -> None:
        """Forget the patient (another modelling follows); clocks and the last samples stay."""
        self._filter = None
        self._learning = None
        self._history.forget()
        for source in self._sources:
            source.forget()
        self.breaths.forget()
        self.novelty.forget()

    def learn_from(self, t_ns: int) -> None:
        """Begin to learn directions and scales from what comes from now on."""
        self._learning = Learning(t_ns, [source.traits for source in self._sources])

    def finish_learning(self, t_ns: int) -> str | None:
        """Learn from what was gathered; ``None`` when done, else why it must go on."""
        learning = self._learning
        if learning is None:
            return "learning has not begun"
        learned = learning.conclude(t_ns, self._fusion.learning_s)
        if isinstance(learned, str):
            return learned
        self._learning = None
        self._amplitudes = learned.model.amplitudes
        self._filter = SurrogateFilter(
            learned.model, self._fusion, self._rate_hz, learned.begun_ns - 1
        )
        self._numbers = []
        for number, directions in enumerate(learned.directions):
            self._numbers.append(_LEFT_OUT if directions is None else number)
            if directions is None:
                continue
            source = self._sources[number]
            source.use(directions)
            for at_ns, values in learned.used[number][-_REPLAY:]:
                self._filter.add(number, at_ns, source.displacements(values))
        return None

    @property
    def ready(self) -> bool:
        """Whether directions are learned and the filter runs."""
        return self._filter is not None

    # The breathing state ----------------------------------------------------------------------

    @property
    def filter(self) -> SurrogateFilter | None:
        """The filter, once it runs."""
        return self._filter

    @property
    def span(self) -> BreathingRange | None:
        """The range of the last breaths, once some have been seen."""
        return self._history.span

    def state_at(self, t_ns: int) -> BreathingState | None:
        """Return the breathing state at ``t_ns``, once it is known."""
        if self._filter is None:
            return None
        if self._history.covers(t_ns):
            return self._history.at(t_ns)
        state = self._filter.state_at(t_ns)
        if state is None:
            return None
        scatter = self.novelty.scatter_mm2(state, self._amplitudes)
        if scatter == 0.0:
            return state
        variance = state.amplitude_variance + scatter
        return msgspec.structs.replace(state, amplitude_variance=variance)

    def remember(self, now_ns: int, *, modelling: bool) -> None:
        """Keep a settled state now and then, for shots that arrive long after exposure."""
        settled_ns = now_ns - SETTLED_NS
        history = self._history
        if self._filter is None or not history.wants(settled_ns):
            return
        state = self._filter.state_at(settled_ns)
        if state is None:
            return
        history.add(state)
        self.novelty.observe(state, self._amplitudes, learning=modelling)
        if history.span is not None:
            self.breaths.add(state.t_ns, state.amplitude_mm, history.span)
        history.update_span()

    def report(self, now_ns: int) -> SurrogateReport:
        """Return what is known of the breathing at ``now_ns``, and of each source."""
        running = self._filter
        misplaced = ""
        reports: list[SourceReport] = []
        for number, source in enumerate(self._sources):
            misplaced = source.misplaced or misplaced
            newest_ns = -1 if running is None else running.newest_of(number)
            reports.append(source.record.report(newest_ns))
        return SurrogateReport(
            running is not None,
            self.state_at(now_ns),
            self._history.span,
            tuple(reports),
            self.novelty.found,
            misplaced,
        )

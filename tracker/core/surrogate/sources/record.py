"""What the samples of one device have shown so far: its clock, repeats, and what was wrong."""

from __future__ import annotations

from hal.messages import BadSample
from tracker.core.surrogate.delivery import Delivery
from tracker.core.surrogate.report import Finding, SourceReport
from tracker.core.surrogate.sources.traits import SourceTraits
from tracker.core.surrogate.timebase import CounterSetError, Timebase

REPEATED = 3
"""Identical samples in a row from which on the filter does not use them."""


class SampleRecord:
    """Keeps the clock of one device and what its report needs."""

    def __init__(self, traits: SourceTraits, delay_ms: float) -> None:
        """Start with an unknown clock; ``delay_ms`` lies between exposure and arrival."""
        self.device = traits.device
        self._form = traits.form
        self._rate_hz = traits.rate_hz
        self._delay_ns = round(delay_ms * 1e6)
        self._frozen = 0
        self._jumped_ns = -1
        self._fast: Finding | None = None
        self._bad: Finding | None = None
        self._clock_set: Finding | None = None
        self._report: SourceReport | None = None
        """The last report; ``None``: something has changed since."""
        self.restart_clock()

    def restart_clock(self) -> None:
        """Learn the clock anew: the device was connected again and may count from anywhere."""
        self._clock = Timebase(1e9 / self._rate_hz, self._delay_ns)
        self._delivery = Delivery(self._rate_hz)

    def stamp(self, ticks: int, arrival_ns: int) -> int | None:
        """Return when ``ticks`` happened (ns); ``None``, and a bad sample, if it does not count."""
        self._delivery.note(arrival_ns)
        try:
            stamped = self._clock.stamp(ticks, arrival_ns)
        except CounterSetError as error:
            self._note_clock(arrival_ns, str(error))
            return None
        except ValueError as error:
            self.refuse(arrival_ns, str(error))
            return None
        if stamped.jumped:
            self._jumped_ns = arrival_ns
            self._report = None
        if stamped.was_set:
            self._note_clock(arrival_ns, "its clock was set, and is followed from now on")
        return stamped.t_ns

    def count(self, *, repeated: bool) -> bool:
        """Count samples that repeat the one before; return whether there are too many in a row."""
        self._frozen = self._frozen + 1 if repeated else 0
        self._report = None
        return self._frozen >= REPEATED

    def refuse(self, arrival_ns: int, what: str) -> None:
        """Note a sample with values that cannot be."""
        self._bad = (arrival_ns, f"{self.device}: {what}")
        self._report = None

    def reject(self, sample: BadSample) -> None:
        """Note that something arrived that is no sample, or whose time is wrong."""
        what = f"{sample.what} {sample.value}".rstrip()
        if sample.clock:
            self._note_clock(sample.t_ns, what)
        else:
            self.refuse(sample.t_ns, what)

    def _note_clock(self, arrival_ns: int, what: str) -> None:
        self._clock_set = (arrival_ns, f"{self.device}: {what}")
        self._report = None

    def too_fast(self, arrival_ns: int, what: str) -> None:
        """Note a point that moved faster than breathing moves it."""
        self._fast = (arrival_ns, f"{self.device}: {what}")
        self._report = None

    def report(self, newest_ns: int) -> SourceReport:
        """Return what is known; ``newest_ns`` is the newest sample that the filter has applied.

        The last report is given again while no sample has come and ``newest_ns`` is the same.
        """
        report = self._report
        if report is None or report.newest_ns != newest_ns:
            report = self._report = SourceReport(
                self.device,
                self._form,
                self._frozen,
                self._jumped_ns,
                self._fast,
                self._bad,
                self._clock_set,
                self._delivery.complaint,
                newest_ns,
            )
        return report

"""Run a journal through the controller again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidetrack.html import html_table
from tidetrack.packages import needed
from tidetrack.sessions import RecordedSession
from tracker.journal import read_journal
from tracker.offline.replay import ReplayOutcome, engine_from_configuration
from tracker.offline.replay import replay as replay_journal

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingTypeStubs]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Whether the controller gave every output of the journal again, with the same bits."""

    path: Path
    outcome: ReplayOutcome
    """Numbers of events and outputs, the first difference, the largest difference of a number."""

    @property
    def identical(self) -> bool:
        """Whether every output was the same."""
        return self.outcome.first is None

    def to_frame(self) -> DataFrame:
        """Return the figures as a frame of one row. Raises `MissingPackageError` without pandas."""
        pandas = needed("to_frame", "pandas")
        index = pandas.Index([self.path.name], name="session")
        return pandas.DataFrame([self._row()], index=index, columns=_COLUMNS)

    def __repr__(self) -> str:
        """Return what ``tidetrack replay`` prints, in one line."""
        counts = f"{self.outcome.events} events, {self.outcome.outputs} outputs"
        if self.outcome.first is None:
            return f"<replay of {self.path.name}: identical, {counts}>"
        return f"<replay of {self.path.name}: {self.outcome.differing} outputs differ, of {counts}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self).strip("<>"), _COLUMNS, [self._row()])

    def _row(self) -> tuple[object, ...]:
        found = self.outcome
        first_s = None if found.first is None else found.first.t_ns * 1e-9
        largest, field = (None, "") if found.largest is None else found.largest[:2]
        return (
            self.identical, found.events, found.outputs, found.differing, first_s, largest, field
        )  # fmt: skip


_COLUMNS = (
    "identical", "events", "outputs", "differing", "first_difference_s", "largest_difference",
    "largest_in",
)  # fmt: skip


def replay(session: RecordedSession | str | Path) -> ReplayResult:
    """Feed the events of a journal to the same controller again and compare every output.

    Raises `JournalError` for a file that is no journal, `ConfigurationError` when the configuration
    in it is not right for this version.
    """
    path = session.path if isinstance(session, RecordedSession) else Path(session)
    journal = read_journal(path)
    engine = engine_from_configuration(journal.header.configuration)
    return ReplayResult(path, replay_journal(journal, engine))

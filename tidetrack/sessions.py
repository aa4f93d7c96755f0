"""Open the journal of a session: every signal as a frame, the holds of the beam, a plot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidetrack.html import html_table
from tidetrack.packages import needed
from tidetrack.recordings import new_figure
from tracker.exporting.session_tables import SessionTables, SignalTable, tables_of
from tracker.exporting.write_session import export_session
from tracker.journal import Journal, JournalError, read_journal
from tracker.report.holds import Hold
from tracker.report.records import Records, collect
from tracker.report.summary import about_of, summary_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame  # pyright: ignore[reportMissingTypeStubs]

_AXES = ("x: left", "y: superior", "z: anterior")


class RecordedSession:
    """A session as its journal recorded it; the journal is read when something is asked for."""

    def __init__(self, journal: Journal) -> None:
        """Keep the open journal; use `open_session` to open one."""
        self._journal = journal

    @property
    def path(self) -> Path:
        """The file of the journal."""
        return self._journal.path

    @property
    def configuration(self) -> str:
        """The configuration of the run, as TOML."""
        return self._journal.header.configuration

    @property
    def torn(self) -> str:
        """Where the journal breaks off, in one sentence; empty: it is whole."""
        return "" if self._journal.torn is None else self._journal.torn.describe()

    @cached_property
    def signals(self) -> tuple[str, ...]:
        """The names of the signals: one for each kind of record in the journal."""
        return tuple(table.name for table in self._tables.tables)

    @cached_property
    def _tables(self) -> SessionTables:
        return tables_of(self._journal)

    @cached_property
    def _collected(self) -> tuple[Records, str]:
        return collect(self._journal)

    def frame(self, signal: str) -> DataFrame:
        """Return a signal as a frame, one row a record, indexed by ``time_s``.

        ``frame.attrs`` has ``about``, and ``units`` and ``frames`` by column. Columns are those of
        the export. Raises `JournalError` for a signal that the session does not have, and
        `MissingPackageError` without pandas.
        """
        pandas = needed("frame", "pandas")
        table = self._table(signal)
        found: DataFrame = pandas.DataFrame(
            {column.name: column.values for column in table.columns},
            index=pandas.Index(table.times_s, name="time_s"),
        )
        found.attrs["about"] = table.about
        found.attrs["units"] = {column.name: column.unit for column in table.columns}
        found.attrs["frames"] = {column.name: column.frame for column in table.columns}
        return found

    def frames(self) -> dict[str, DataFrame]:
        """Return every signal as a frame, by its name."""
        return {name: self.frame(name) for name in self.signals}

    def to_frame(self) -> DataFrame:
        """Return the list of signals: rows, rate, first and last time, and what each is."""
        pandas = needed("to_frame", "pandas")
        return pandas.DataFrame(
            [_described(table) for table in self._tables.tables], columns=_DESCRIBED
        ).set_index("signal")

    def holds(self) -> DataFrame:
        """Return each hold of the beam: start, end, reason, value and limit, later reasons."""
        pandas = needed("holds", "pandas")
        records, _ = self._collected
        end_ns = records.end_ns
        rows = [_hold_row(hold, end_ns) for hold in records.holds.all()]
        return pandas.DataFrame(rows, columns=_HOLD_COLUMNS)

    def summary(self) -> dict[str, Any]:
        """Return the figures of the session, as ``tidetrack report`` writes them."""
        records, digest = self._collected
        return summary_of(records, about_of(self._journal, digest))

    def export(self, to: str, folder: str | Path, *, named: bool = False) -> list[Path]:
        """Write the session as ``csv``, ``parquet``, ``mat`` or ``bids``; return the files.

        Names of patient, plan and persons are withheld unless ``named``. Raises `ExportError`.
        """
        _, files = export_session(self.path, to, Path(folder), named=named)
        return files

    def plot(self, start_s: float | None = None, end_s: float | None = None) -> Figure:
        """Return a figure of breathing, target and machine; holds of the beam are shaded.

        Only what lies from ``start_s`` to ``end_s`` is drawn. Raises `MissingPackageError` without
        matplotlib.
        """
        records, _ = self._collected
        figure, panels = new_figure(4)
        panels[0].plot(records.surrogate[:, 0] * 1e-9, records.surrogate[:, 1], linewidth=0.8)
        panels[0].set_ylabel("breathing\n(mm)")
        for axis, panel in enumerate(panels[1:]):
            _draw_axis(panel, records, axis)
        for panel in panels:
            _shade(panel, records.holds.all(), records.end_ns)
        panels[1].legend(fontsize="small", loc="upper right", ncols=4)
        panels[0].set_title(f"{self.path.stem}: beam held where shaded")
        panels[-1].set_xlabel("time (s)")
        panels[-1].set_xlim(start_s, end_s)
        return figure

    def __repr__(self) -> str:
        """Return one line."""
        return f"<session {self.path.name}: {len(self.signals)} signals>"

    def _repr_html_(self) -> str:
        title = f"session {self.path.name}" + (f"; {self.torn}" if self.torn else "")
        return html_table(title, _DESCRIBED, [_described(each) for each in self._tables.tables])

    def _table(self, signal: str) -> SignalTable:
        table = self._tables.named(signal)
        if table is None:
            raise JournalError(
                f"{self.path}: has no signal {signal!r}; it has {', '.join(self.signals)}"
            )
        return table


_DESCRIBED = ("signal", "rows", "rate_hz", "first_s", "last_s", "about")
_HOLD_COLUMNS = ("start_s", "end_s", "duration_s", "reason", "detail", "later")


def open_session(path: str | Path) -> RecordedSession:
    """Open the journal of a session; raises `JournalError` for a file that is no journal."""
    return RecordedSession(read_journal(Path(path)))


def _described(table: SignalTable) -> tuple[object, ...]:
    times_s = table.times_s
    rate = 1.0 / float(np.median(np.diff(times_s))) if len(times_s) > 2 else float("nan")
    return (
        table.name, table.rows, rate if np.isfinite(rate) else float("nan"),
        float(times_s[0]), float(times_s[-1]), table.about.replace("`", ""),
    )  # fmt: skip


def _hold_row(hold: Hold, end_ns: int) -> tuple[object, ...]:
    end = end_ns if hold.end_ns is None else hold.end_ns
    return (
        hold.start_ns * 1e-9, end * 1e-9, (end - hold.start_ns) * 1e-9,
        hold.reason, hold.detail, ", ".join(hold.later),
    )  # fmt: skip


def _draw_axis(panel: Any, records: Records, axis: int) -> None:
    """Draw one axis of truth, estimate, prediction and images, patient frame."""
    if len(records.truth):
        panel.plot(records.truth[:, 0] * 1e-9, records.truth[:, 1 + axis], "0.6", label="truth")
    estimate, prediction = records.estimate, records.prediction
    panel.plot(estimate[:, 0] * 1e-9, estimate[:, 1 + axis], "C0", lw=0.8, label="estimate")
    panel.plot(prediction[:, 1] * 1e-9, prediction[:, 2 + axis], "C1", lw=0.8, label="prediction")
    seen = [(each.exposed_ns * 1e-9, each.position_mm[axis]) for each in records.observations]
    if seen:
        panel.plot(*zip(*seen, strict=True), "k.", label="image")
    panel.set_ylabel(f"target {_AXES[axis]}\n(mm)")


def _shade(panel: Any, holds: Sequence[Hold], end_ns: int) -> None:
    for hold in holds:
        end = end_ns if hold.end_ns is None else hold.end_ns
        panel.axvspan(hold.start_ns * 1e-9, end * 1e-9, color="C3", alpha=0.15, linewidth=0)

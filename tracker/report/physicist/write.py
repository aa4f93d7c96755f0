"""Make the physicist's report of one or more fractions of a patient, with all its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tracker.journal import read_journal
from tracker.report.physicist.files import (
    figures_csv,
    fraction_values,
    trend_values,
    write_sheet,
)
from tracker.report.physicist.fraction import (
    FractionReport,
    FractionSummary,
    read_fraction,
    summary_of_fraction,
)
from tracker.report.physicist.fraction_sheet import sheet_of
from tracker.report.physicist.gathered import file_sha256
from tracker.report.physicist.trend_sheet import outliers_in, trend_sheet
from tracker.report.report_error import ReportError
from tracker.report.setting import setting_of
from tracker.tolerance_settings import ReportRules

Say = Callable[[FractionReport], None]


def write_physicist(
    journals: Sequence[Path], directory: Path, rules: ReportRules | None, say: Say
) -> tuple[list[Path], list[FractionSummary]]:
    """Write the report of each fraction, and over fractions if there are several.

    One fraction: ``physicist.*`` in the directory. Several: ``NAME/physicist.*`` for each, and
    ``patient.*``. Raises `JournalError`, and `ReportError` for sessions that do not go together.
    """
    refuse_strangers(journals)
    paths: list[Path] = []
    fractions: list[FractionSummary] = []
    for journal in journals:
        report = read_fraction(journal, rules)
        summary = summary_of_fraction(report)
        fractions.append(summary)
        say(report)
        where = directory if len(journals) == 1 else directory / journal.stem
        values, table = fraction_values(report), figures_csv([summary])
        paths += write_sheet(sheet_of(report), values, table, where, "physicist")
    if len(fractions) > 1:
        sheet = trend_sheet(
            fractions, "Physicist's report over fractions", f"patient {fractions[0].patient_id}"
        )
        values = trend_values(fractions, outliers_in(fractions))
        paths += write_sheet(sheet, values, figures_csv(fractions), directory, "patient")
    return paths, fractions


def refuse_strangers(journals: Sequence[Path]) -> None:
    """Raise `ReportError` if two journals are the same, of two patients, or of one name.

    It reads the headers only, so nothing is written before the refusal. Raises `JournalError`.
    """
    seen: list[tuple[Path, str, str]] = []
    for path in journals:
        patient = setting_of(read_journal(path).header.configuration).patient_id
        sha256 = file_sha256(path)
        for before, their_patient, their_sha256 in seen:
            if sha256 == their_sha256:
                raise ReportError(f"{path} and {before} are the same; give each fraction once")
            if patient != their_patient:
                raise ReportError(
                    f"{path} is of patient {patient}, {before} of patient {their_patient};"
                    " give the fractions of one patient"
                )
            if path.stem == before.stem:
                raise ReportError(
                    f"{path} and {before} have one name; their files would overwrite each other:"
                    " rename one"
                )
        seen.append((path, patient, sha256))

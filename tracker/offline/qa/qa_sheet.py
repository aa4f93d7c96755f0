"""Lay out QA results as sheets: one test, the morning's set, and the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracker.offline.qa.evaluation import QA_TESTS, QaFigures
from tracker.offline.qa.history import QaEntry, QaHistory
from tracker.report.physicist.verdict import (
    JudgedFigure,
    answer_of,
    in_words,
    overall,
    to_do_of,
    tolerance_table,
    value_text,
    worst_first,
)
from tracker.report.sheet.html import VERDICT_WORDS
from tracker.report.sheet.values import (
    ChartSeries,
    Sheet,
    SheetChart,
    SheetSection,
    SheetTable,
    Verdict,
)
from tracker.tolerance_settings import QA_FIGURES, QaTest


class QaResult(NamedTuple):
    """One test that was run: its figures and verdict, and what it was computed from."""

    test: QaTest
    figures: QaFigures
    judged: list[JudgedFigure]
    identity: tuple[tuple[str, str], ...]

    @property
    def verdict(self) -> Verdict:
        """Fail if a figure fails or could not be measured."""
        return qa_verdict(self.judged)


def qa_verdict(judged: Sequence[JudgedFigure]) -> Verdict:
    """Return fail also where a figure could not be measured: a test that says nothing failed."""
    if any(each.verdict == "not judged" for each in judged):
        return "fail"
    return overall(judged)


def sheet_of_test(result: QaResult, history: QaHistory) -> Sheet:
    """Return the sheet of one test, with its history."""
    lost = [each for each in result.judged if each.verdict == "not judged"]
    to_do = to_do_of(result.judged)
    to_do += tuple(f"{each.words} could not be measured: repeat the test." for each in lost)
    entries = [each for each in history.entries if each.test == result.test]
    return Sheet(
        title=f"QA test: {result.test}",
        subtitle=QA_TESTS[result.test].does,
        verdict=result.verdict,
        answer=answer_of(result.judged),
        to_do=to_do,
        identity=result.identity,
        sections=(
            SheetSection("Figures", tables=(tolerance_table(result.judged),)),
            SheetSection("Measured", charts=result.figures.charts),
            SheetSection(
                "History", f"{len(entries)} runs of this test.", charts=_history_charts(entries)
            ),
        ),
        notice=_unread(history),
    )


def daily_sheet(results: Sequence[QaResult], history: QaHistory) -> Sheet:
    """Return the sheet of the morning's set."""
    judged = [each for result in results for each in result.judged]
    verdict = qa_verdict(judged)
    to_do = tuple(
        f"{result.test}: {each}"
        for result in results
        for each in sheet_of_test(result, history).to_do
    )
    rows: list[tuple[str, ...]] = []
    for result in results:
        worst = worst_first(result.judged)
        rows.append(
            (
                result.test, QA_TESTS[result.test].does, VERDICT_WORDS[result.verdict],
                in_words(worst[0]) if worst else "nothing was measured",
            )
        )  # fmt: skip
    return Sheet(
        title="Daily QA",
        subtitle="the morning's set",
        verdict=verdict,
        answer=answer_of(judged),
        to_do=to_do,
        identity=results[-1].identity if results else (),
        sections=(
            SheetSection(
                "Tests",
                tables=(
                    SheetTable(
                        "", ("test", "what", "verdict", "nearest to or beyond its limit"),
                        tuple(rows), verdicts=tuple(result.verdict for result in results),
                    ),
                ),
            ),
            SheetSection("Figures", tables=(tolerance_table(judged),)),
            *(
                SheetSection(f"Measured: {result.test}", charts=result.figures.charts)
                for result in results
                if result.figures.charts
            ),
        ),
        notice=_unread(history),
    )  # fmt: skip


def history_sheet(history: QaHistory) -> Sheet:
    """Return the sheet of all tests that were run, with a chart of each limited figure."""
    entries = history.entries
    failed = [each for each in entries if each.verdict != "pass"]
    last = {each.test: each for each in entries}
    open_tests = [each.test for each in last.values() if each.verdict != "pass"]
    said = (
        f"the last run of {', '.join(open_tests)} failed" if open_tests else "the last run passed"
    )
    verdict: Verdict = "not judged" if not entries else "fail" if open_tests else "pass"
    recent = entries[-60:][::-1]
    shown = tuple(
        (each.when[:19].replace("T", " "), each.test, VERDICT_WORDS[_verdict(each)], _worst(each))
        for each in recent
    )
    return Sheet(
        title="QA history",
        subtitle=f"{len(entries)} tests",
        verdict=verdict,
        answer=f"{len(entries)} tests, {len(failed)} failed; of each test {said}."
        if entries
        else "No test was recorded yet.",
        to_do=tuple(f"repeat qa {test} and follow its page" for test in open_tests),
        identity=(),
        sections=(
            *(
                SheetSection(test, charts=_history_charts(of_test))
                for test in QA_TESTS
                if (of_test := [each for each in entries if each.test == test])
            ),
            SheetSection(
                "The last tests, newest first",
                tables=(
                    SheetTable(
                        "", ("when (UTC)", "test", "verdict", "largest share of a limit"), shown,
                        verdicts=tuple(_verdict(each) for each in recent), most_on_paper=30,
                    ),
                ),
            ),
        ),
        notice=_unread(history),
    )  # fmt: skip


def _verdict(entry: QaEntry) -> Verdict:
    return "pass" if entry.verdict == "pass" else "fail"


def _worst(entry: QaEntry) -> str:
    """Return the figure that used most of its limit, as text."""
    uses = [
        (value / entry.limits[name] if entry.limits[name] else value, name, value)
        for name, value in entry.figures.items()
        if value is not None and name in entry.limits
    ]
    if not uses:
        return "nothing was measured"
    _, name, value = max(uses)
    kind = QA_FIGURES.get(name)
    return f"{name} {value:.3g}" if kind is None else f"{kind.words} {value_text(value, kind.unit)}"


def _history_charts(entries: Sequence[QaEntry]) -> tuple[SheetChart, ...]:
    """Return a chart of each limited figure over the runs, with its latest limit."""
    if not entries:
        return ()
    charts: list[SheetChart] = []
    for name, limit in entries[-1].limits.items():
        points = [
            (float(place), value)
            for place, entry in enumerate(entries, 1)
            if (value := entry.figures.get(name)) is not None
        ]
        kind = QA_FIGURES.get(name)
        x, y = tuple(x for x, _ in points), tuple(y for _, y in points)
        charts.append(
            SheetChart(
                name if kind is None else kind.words,
                "run",
                "" if kind is None else kind.unit,
                (ChartSeries(name, x, y, "both"),),
                limits=((limit, "limit"),),
                y_from_zero=True,
            )
        )
    return tuple(charts)


def _unread(history: QaHistory) -> str:
    if not history.unread:
        return ""
    lines = ", ".join(map(str, history.unread[:10]))
    return f"Lines of the QA history that cannot be read and are left out: {lines}."

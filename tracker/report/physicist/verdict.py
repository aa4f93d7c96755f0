"""Judge figures against a table of tolerances, and put the result into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracker.report.sheet.html import VERDICT_WORDS
from tracker.report.sheet.values import NOT_RECORDED, SheetTable, Verdict
from tracker.tolerance_settings import FigureKind, Sense


class FigureLimit(NamedTuple):
    """A limit on one figure, as a tolerance table states it."""

    figure: str
    limit: float
    remedy: str
    source: str


class JudgedFigure(NamedTuple):
    """A figure with its limit: whether it is kept, and how much of the limit it uses.

    ``use`` is 1 at the limit and more beyond it; 0 where nothing can be said.
    """

    figure: str
    words: str
    value: float | None
    unit: str
    sense: Sense
    limit: float
    verdict: Verdict
    use: float
    remedy: str
    source: str


def judge(
    figures: Mapping[str, float | None],
    limits: Sequence[FigureLimit],
    kinds: Mapping[str, FigureKind],
) -> list[JudgedFigure]:
    """Judge each limit; a figure without a value is not judged."""
    return [_judged(figures.get(row.figure), row, kinds[row.figure]) for row in limits]


def _judged(value: float | None, row: FigureLimit, kind: FigureKind) -> JudgedFigure:
    verdict: Verdict = "not judged"
    use = 0.0
    if value is not None:
        kept = value <= row.limit if kind.sense == "at most" else value >= row.limit
        verdict = "pass" if kept else "fail"
        use = _use(value, row.limit, kind)
    return JudgedFigure(
        row.figure, kind.words, value, kind.unit, kind.sense, row.limit, verdict, use,
        row.remedy, row.source,
    )  # fmt: skip


def _use(value: float, limit: float, kind: FigureKind) -> float:
    """Return how much of what the limit allows is used: of shares, what is missing to all."""
    if kind.sense == "at most":
        used, allowed = value, limit
    else:
        used, allowed = 1.0 - value, 1.0 - limit
    if allowed <= 0.0:
        return 0.0 if used <= 0.0 else float("inf")
    return max(0.0, used / allowed)


def overall(judged: Sequence[JudgedFigure]) -> Verdict:
    """Return fail if one figure fails, pass if some pass and none fails."""
    verdicts = {each.verdict for each in judged}
    if "fail" in verdicts:
        return "fail"
    return "pass" if "pass" in verdicts else "not judged"


def worst_first(judged: Sequence[JudgedFigure]) -> list[JudgedFigure]:
    """Return the figures with a value, the one that uses most of its limit first."""
    known = [each for each in judged if each.value is not None]
    return sorted(known, key=lambda each: -each.use)


def answer_of(judged: Sequence[JudgedFigure]) -> str:
    """Return one sentence: was it good, and what was worst."""
    known = worst_first(judged)
    if not known:
        return "No figure could be judged."
    failed = [each for each in known if each.verdict == "fail"]
    said = in_words(known[0])
    if failed:
        return f"{len(failed)} of {len(known)} tolerances are not kept. Worst: {said}."
    return f"All {len(known)} tolerances are kept. Nearest to its limit: {said}."


def to_do_of(judged: Sequence[JudgedFigure]) -> tuple[str, ...]:
    """Return what has to be done for each figure that fails, the worst first."""
    return tuple(
        f"{in_words(each)}: {each.remedy}."
        for each in worst_first(judged)
        if each.verdict == "fail"
    )


def in_words(judged: JudgedFigure) -> str:
    """Return a figure with its value and its limit."""
    value = NOT_RECORDED if judged.value is None else value_text(judged.value, judged.unit)
    return f"{judged.words} {value} (limit: {limit_text(judged)})"


def value_text(value: float, unit: str) -> str:
    """Return a value with its unit; a share in per cent."""
    if unit == "share":
        return f"{value * 100:.1f} %"
    digits = 0 if not unit and value == round(value) else 2
    return f"{value:.{digits}f} {unit}".rstrip()


def limit_text(judged: JudgedFigure) -> str:
    """Return the limit with its sense."""
    if judged.unit == "share":
        return f"{judged.sense} {judged.limit * 100:g} %"
    return f"{judged.sense} {judged.limit:g} {judged.unit}".rstrip()


def tolerance_table(judged: Sequence[JudgedFigure]) -> SheetTable:
    """Return the table of all tolerances, the figures that fail first."""
    ordered = sorted(judged, key=lambda each: (each.verdict != "fail", -each.use))
    return SheetTable(
        "",
        ("figure", "value", "limit", "verdict", "source of the limit"),
        tuple(
            (
                each.words,
                NOT_RECORDED if each.value is None else value_text(each.value, each.unit),
                limit_text(each),
                VERDICT_WORDS[each.verdict],
                each.source,
            )
            for each in ordered
        ),
        verdicts=tuple(each.verdict for each in ordered),
        most_on_paper=24,
    )

"""Write a campaign's table, one row for each fault: for the terminal, a page, or Markdown."""

from __future__ import annotations

from tracker.offline.campaign.figures import FaultFigures, Spread, Tally

HEAD = (
    "fault", "seen by", "runs", "h", "detected", "ms median", "ms p95", "held", "ms median",
    "ms p95", "returned", "s median", "s p95", "stopped", "longest 5 mm, ms", "longest 3 mm, ms",
    "share 5 mm", "duty", "RMS, mm", "nuisance", "worst",
)  # fmt: skip


def in_words(found: Tally, again: str) -> str:
    """Put the campaign into a table for the terminal."""
    lines = [
        f"{'fault':<28}{'runs':>5}{'hold, ms':>16}{'return, s':>14}{'stop':>5}"
        f"{'5 mm, ms':>10}{'3 mm, ms':>10}{'duty':>7}{'RMS':>6}{'nuis.':>6}",
        f"{'':<28}{'':>5}{'median':>9}{'p95':>7}{'median':>8}{'p95':>6}",
    ]
    for row in found.rows:
        name = f"{row.fault}{' (X-ray)' if row.image_only else ''}"
        lines.append(
            f"{name:<28}{row.runs:>5}{_cell(row.held_ms.median):>9}{_cell(row.held_ms.p95):>7}"
            f"{_cell(row.return_s.median):>8}{_cell(row.return_s.p95):>6}{row.stopped:>5}"
            f"{row.longest_5mm_ms:>10}{row.longest_3mm_ms:>10}{100 * row.duty:>6.1f}%"
            f"{_cell(row.rms_mm, 2):>6}{row.nuisance:>6}"
        )
    for fault, held in found.clean.items():
        figures = "; ".join(
            f"{each.what} {each.value:g} (limit {each.limit:g}{'' if each.kept else ', NOT KEPT'})"
            for each in held
        )
        lines.append(f"{fault}: {figures}")
    if found.worst:
        lines.append("the longest unsafe episodes at 5 mm; each is done again by its command:")
        lines += [f"{each.longest_5mm_ms:>7} ms  {again} {each.name}" for each in found.worst]
    if found.breaches:
        lines.append(f"{len(found.breaches)} outside their limit:")
        lines += [
            f"  {each.run}: {each.what} {each.value:g}, limit {each.limit:g}"
            for each in found.breaches[:40]
        ]
    else:
        lines.append("every limit is kept")
    return "\n".join(lines)


def cells_of(row: FaultFigures) -> list[str]:
    """Return a row's cells under `HEAD`, as text."""
    return [
        row.fault,
        "X-ray" if row.image_only else "sensors",
        f"{row.runs}",
        f"{row.hours:.2f}",
        f"{row.detected}",
        *_pair(row.detected_ms),
        f"{row.held}",
        *_pair(row.held_ms),
        f"{row.returned}",
        *_pair(row.return_s),
        f"{row.stopped}",
        f"{row.longest_5mm_ms}",
        f"{row.longest_3mm_ms}",
        f"{100 * row.share_5mm:.3f} %",
        f"{100 * row.duty:.1f} %",
        _cell(row.rms_mm, 2),
        f"{row.nuisance}",
        row.worst,
    ]


def _pair(spread: Spread) -> list[str]:
    return [_cell(spread.median), _cell(spread.p95)]


def _cell(value: float | None, places: int = 1) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if places == 1 and abs(value) >= 100 else f"{value:.{places}f}"


def markdown(found: Tally) -> str:
    """Put the rows into a Markdown table."""
    left = ("fault", "seen by", "worst")
    lines = [
        f"| {' | '.join(HEAD)} |",
        f"|{'|'.join('---' if name in left else '---:' for name in HEAD)}|",
    ]
    lines += [f"| {' | '.join(cells_of(row))} |" for row in found.rows]
    return "\n".join(lines) + "\n"

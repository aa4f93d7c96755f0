"""Write docs/safety/campaign.md and .toml out of the figures of a long campaign.

    tidetrack campaign --faults all --json out/long/campaign.json --report out/long
    python -m tests.safety.campaign_page out/long/campaign.json out/long/campaign.md \\
        --command "tidetrack campaign --faults all"

What a person wrote under "What it found" stays; all else is made anew. The safety case takes its
figures from campaign.toml: `make safety` afterwards.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tracker.config import SHIPPED, load_configuration
from tracker.offline.campaign.figures import FaultFigures, clean_limits, limit_ms
from tracker.offline.campaign.kinds import CLEAN

DOCS = Path(__file__).parents[2] / "docs" / "safety"
FOUND = "## What it found\n"
KINDS = "## By kind\n"


class Line(NamedTuple):
    """One line of the table at the head: what, to what it came, and its limit."""

    what: str
    came_to: str
    limit: str
    kept: bool


def lines_of(figures: dict[str, Any], interval_s: float) -> list[Line]:
    """Hold the rows of all kinds against the limits of the campaign."""
    rows = msgspec.convert(figures["rows"], list[FaultFigures])
    seen = max(row.longest_5mm_ms for row in rows if not row.image_only)
    shots = max(row.longest_5mm_ms for row in rows if row.image_only)
    over = len(figures["breaches"])
    seen_ms, shot_ms = limit_ms(False, interval_s), limit_ms(True, interval_s)
    duty, nuisance, *shares = clean_limits(next(row for row in rows if row.fault == CLEAN))
    lines = [
        Line(
            "longest unsafe episode at 5 mm, seen by sensors or devices",
            f"{seen} ms", f"{seen_ms:g} ms", seen <= seen_ms,
        ),
        Line(
            "longest unsafe episode at 5 mm, seen by shots alone",
            f"{shots / 1e3:.2f} s", f"{shot_ms / 1e3:g} s", shots <= shot_ms,
        ),
        Line("runs over their limit", f"{over} of {figures['runs']:,}", "0", over == 0),
        Line(
            "duty of clean runs",
            f"{100 * duty.value:.2f} %", f"{100 * duty.limit:g} %", duty.kept,
        ),
        Line(
            "nuisance holds in 10 min of clean runs",
            f"{nuisance.value:.2f}", f"{nuisance.limit:g}", nuisance.kept,
        ),
    ]  # fmt: skip
    for mm, share in zip((5, 3), shares, strict=True):
        what = f"unsafe share of beam time in clean runs at {mm} mm"
        came_to, limit = f"{100 * share.value:.3f} %", f"{100 * share.limit:g} %"
        lines.append(Line(what, came_to, limit, share.kept))
    return lines


def main() -> None:
    """Read figures and table, write page and TOML."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", type=Path, help="what --json wrote")
    parser.add_argument("table", type=Path, help="the campaign.md that --report wrote")
    parser.add_argument("--command", required=True, help="the command, as it is to be shown")
    args = parser.parse_args()
    figures = json.loads(args.figures.read_text(encoding="utf-8"))
    shipped = load_configuration(SHIPPED / figures["made"]["config"])
    lines = lines_of(figures, shipped.controller.imager.interval_s)
    page = DOCS / "campaign.md"
    was = page.read_text(encoding="utf-8")
    found = was[was.index(FOUND) : was.index(KINDS)]
    page.write_text(page_of(figures, lines, args.command, found, args.table), encoding="utf-8")
    (DOCS / "campaign.toml").write_text(toml_of(figures, lines, args.command), encoding="utf-8")


def page_of(
    figures: dict[str, Any], lines: list[Line], command: str, found: str, table: Path
) -> str:
    """Give the page for people."""
    runs, hours = figures["runs"], figures["hours"]
    singles = [row for row in figures["rows"] if "+" not in row["fault"]]
    kinds = {row["fault"] for row in singles} - {"clean"}
    pairs = runs - sum(row["runs"] for row in singles)
    seeds = min(sum(row["runs"] for row in singles if row["fault"] == kind) for kind in kinds)
    rows = "\n".join(
        f"| {each.what} | {each.came_to} | {each.limit} "
        f"| {'kept' if each.kept else '**not kept**'} |"
        for each in lines
    )
    shown = " \\\n        ".join(textwrap.wrap(command, 96, break_on_hyphens=False))
    made = figures["made"]
    patients = "generated and recorded patients" if made["recordings"] else "generated patients"
    return f"""# The last campaign

> {runs:,} sessions of {figures["identity"]["minutes"]:g} minutes, {hours:.0f} simulated hours:
> {len(kinds)} kinds of mishap and no mishap, {seeds} seeds each, and {pairs} random pairs of kinds.

Commit `{made["commit"]}`, `config/{made["config"]}`, {patients}; digest over all
runs `{figures["digest"][:16]}…`. Made by

    {shown}

The longest unsafe episode is the longest unbroken time with the beam permitted and the true target
further from it than the tolerance. What nothing but an X-ray shot can show (`SEEN_BY_SHOTS` in
`sim/mishaps.py`) may last until the next shot.

| what | came to | limit | |
|---|---:|---:|---|
{rows}

No event in N runs says, with 95 % confidence, that fewer than 3 in N go wrong: here
{300 / runs:.1f} % of runs.

{found}{KINDS}
How to read the columns stands in [Run a campaign](../how-to/run-a-campaign.md). *Seen by*: whether
sensors and devices show it, or only a shot, which goes by the twin the seed chose. `migration` and
a lasting step of the imager's clock do not return by nature; after `runaway` and `stall` the
session is stopped for good.

{table.read_text(encoding="utf-8").strip()}

## Worst runs

{worst_of(figures)}
"""


def worst_of(figures: dict[str, Any]) -> str:
    """Name the runs that were unsafe longest, each with the command that does it again."""
    return "\n".join(
        f"- {max(run['episodes_5mm_ms'])} ms: `{figures['replay']} {run['fault']}:{run['seed']}` "
        f"({'; '.join(run['troubles'])})"
        for run in figures["worst"]
        if run["episodes_5mm_ms"]
    )


def toml_of(figures: dict[str, Any], lines: list[Line], command: str) -> str:
    """Give the figures the safety case quotes."""
    short = re.sub(r"--faults .*?(?= --)", "--faults …", command)
    quoted = [
        f'"{each.what} (limit {each.limit})" = "{each.came_to}"'
        for each in lines
        if each.what != "runs over their limit"
    ]
    return "\n".join(
        [
            "# What the last long campaign came to; docs/safety/campaign.md has its table.",
            f'commit = "{figures["made"]["commit"]}"',
            f'command = "{short}"',
            f"runs = {figures['runs']}",
            f"simulated_h = {figures['hours']:.1f}",
            "",
            "[figures]",
            *quoted,
            "",
        ]
    )


if __name__ == "__main__":
    main()

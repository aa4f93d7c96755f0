"""Draw the charts of a sheet with matplotlib: into a page of a PDF, or as SVG for HTML."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from tracker.report.sheet.values import SheetChart

if TYPE_CHECKING:
    from tracker.report.sheet.values import ChartSeries

COLOURS = ("#1f5fa8", "#c2571a", "#2c7a4b", "#7a4a9e", "#5b5b5b")
_SALT = "tidetrack"


def draw_chart(axes: Any, chart: SheetChart) -> None:
    """Draw a chart into matplotlib axes."""
    for place, series in enumerate(chart.series):
        _draw_series(axes, series, COLOURS[place % len(COLOURS)], len(chart.series) == 1)
    for value, name in chart.limits:
        axes.axhline(value, color="#b00020", linewidth=0.8, linestyle="--")
        axes.annotate(
            name, (1.0, value), xycoords=("axes fraction", "data"), xytext=(-2, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=6.0, color="#b00020",
        )  # fmt: skip
    axes.set_title(chart.title, fontsize=8.0, loc="left", fontweight="bold")
    axes.set_xlabel(chart.x_label, fontsize=7.0)
    axes.set_ylabel(chart.y_label, fontsize=7.0)
    axes.tick_params(labelsize=6.5)
    axes.grid(True, color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if chart.y_from_zero:
        axes.set_ylim(bottom=0.0)
    if chart.names:
        axes.set_xticks(range(len(chart.names)))
        turned = sum(map(len, chart.names)) > 45
        axes.set_xticklabels(
            chart.names, rotation=30 if turned else 0, ha="right" if turned else "center"
        )
    if len(chart.series) > 1:
        axes.legend(fontsize=6.0, frameon=False, loc="best", ncols=min(3, len(chart.series)))


def _draw_series(axes: Any, series: ChartSeries, colour: str, is_only: bool) -> None:
    match series.style:
        case "line":
            axes.plot(series.x, series.y, color=colour, linewidth=0.9, label=series.label)
        case "points":
            axes.plot(series.x, series.y, ".", color=colour, markersize=5, label=series.label)
        case "both":
            axes.plot(
                series.x, series.y, "o-", color=colour, markersize=3.5, linewidth=0.9,
                label=series.label,
            )  # fmt: skip
        case "bars":
            axes.bar(
                series.x, series.y, color=colour, width=0.7 if is_only else 0.4, label=series.label
            )


def svg_of(chart: SheetChart, width_in: float = 5.2, height_in: float = 2.5) -> str:
    """Return a chart as an SVG element; the same chart gives the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = matplotlib
    with settings.rc_context({"svg.hashsalt": f"{_SALT}{chart.title}", "svg.fonttype": "none"}):
        figure: Any = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        draw_chart(figure.subplots(), chart)
        into = io.StringIO()
        figure.savefig(into, format="svg", metadata={"Date": None}, transparent=True)
    svg = into.getvalue()
    return re.sub(r"^.*?(?=<svg)", "", svg, flags=re.DOTALL)

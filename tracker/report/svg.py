"""Draw small figures as SVG text: a plot area with axes, and marks in data units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

Span = tuple[float, float]


class PlotFrame(NamedTuple):
    """A figure's size, its margins, and what its axes run over."""

    x: Span
    y: Span
    width: int = 520
    height: int = 260
    left: int = 46
    right: int = 12
    top: int = 12
    bottom: int = 40

    def px(self, x: float) -> float:
        """Return the pixel position of ``x``."""
        low, high = self.x
        inner = self.width - self.left - self.right
        return self.left + inner * (x - low) / (high - low)

    def py(self, y: float) -> float:
        """Return the pixel position of ``y``."""
        low, high = self.y
        inner = self.height - self.top - self.bottom
        return self.height - self.bottom - inner * (y - low) / (high - low)


def figure(frame: PlotFrame, label: str, parts: Iterable[str]) -> str:
    """Return the whole SVG, with a text alternative for screen readers."""
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def axes(frame: PlotFrame, x_title: str, y_title: str, *, y_grid: bool = True) -> str:
    """Return axis lines, ticks with numbers, grid and titles."""
    parts: list[str] = []
    bottom = frame.height - frame.bottom
    right = frame.width - frame.right
    for y in ticks(frame.y, 5):
        at = frame.py(y)
        if y_grid:
            parts.append(f'<path class="grid" d="M{frame.left} {at:.1f}H{right}"/>')
        parts.append(
            f'<text class="tick" x="{frame.left - 6}" y="{at + 3.5:.1f}"'
            f' text-anchor="end">{number(y)}</text>'
        )
    for x in ticks(frame.x, max(5, frame.width // 80)):
        at = frame.px(x)
        parts.append(f'<path class="axis" d="M{at:.1f} {bottom}v4"/>')
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{bottom + 16}"'
            f' text-anchor="middle">{number(x)}</text>'
        )
    parts.append(f'<path class="axis" d="M{frame.left} {bottom}H{right}"/>')
    middle = (frame.left + right) / 2
    parts.append(
        f'<text class="title" x="{middle:.1f}" y="{frame.height - 6}"'
        f' text-anchor="middle">{escape(x_title)}</text>'
    )
    if y_title:
        at = (frame.top + bottom) / 2
        parts.append(
            f'<text class="title" transform="translate(12 {at:.1f}) rotate(-90)"'
            f' text-anchor="middle">{escape(y_title)}</text>'
        )
    return "".join(parts)


def line(frame: PlotFrame, xs: Sequence[float], ys: Sequence[float], style: str) -> str:
    """Return a line through points, interrupted at each NaN."""
    path: list[str] = []
    pen = "M"
    for x, y in zip(xs, ys, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        path.append(f"{pen}{frame.px(x):.1f} {frame.py(y):.1f}")
        pen = "L"
    return f'<path class="{style}" d="{"".join(path)}"/>'


def dots(
    frame: PlotFrame, xs: Sequence[float], ys: Sequence[float], radius: float, style: str
) -> str:
    """Return a dot at each point, all in one path."""
    path = "".join(
        f"M{frame.px(x) - radius:.1f} {frame.py(y):.1f}"
        f"a{radius} {radius} 0 1 0 {2 * radius} 0a{radius} {radius} 0 1 0 {-2 * radius} 0"
        for x, y in zip(xs, ys, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    )
    return f'<path class="{style}" d="{path}"/>'


def band(frame: PlotFrame, low: float, high: float, style: str) -> str:
    """Return a vertical band over the whole height, clipped to the axes."""
    low, high = max(low, frame.x[0]), min(high, frame.x[1])
    if high <= low:
        return ""
    left, right = frame.px(low), frame.px(high)
    inner = frame.height - frame.bottom - frame.top
    return (
        f'<rect class="{style}" x="{left:.1f}" y="{frame.top}"'
        f' width="{max(right - left, 0.6):.1f}" height="{inner}"/>'
    )


def bars(frame: PlotFrame, edges: Sequence[float], heights: Sequence[float], style: str) -> str:
    """Return a histogram's bars."""
    base = frame.py(frame.y[0])
    path = "".join(
        f"M{frame.px(low) + 0.5:.1f} {base:.1f}V{frame.py(height):.1f}"
        f"H{frame.px(high) - 0.5:.1f}V{base:.1f}z"
        for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True)
        if height > 0
    )
    return f'<path class="{style}" d="{path}"/>'


def steps(frame: PlotFrame, edges: Sequence[float], heights: Sequence[float], style: str) -> str:
    """Return a histogram's outline."""
    path = f"M{frame.px(edges[0]):.1f} {frame.py(0):.1f}"
    for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True):
        path += f"L{frame.px(low):.1f} {frame.py(height):.1f}H{frame.px(high):.1f}"
    return f'<path class="{style}" d="{path}V{frame.py(0):.1f}"/>'


def note(x: float, y: float, text: str, style: str = "note", anchor: str = "start") -> str:
    """Return a text at a position in pixels."""
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def ticks(span: Span, wanted: int) -> list[float]:
    """Return round numbers within ``span``, about as many as wanted."""
    low, high = span
    rough = (high - low) / max(wanted, 1)
    if rough <= 0 or not math.isfinite(rough):
        return [low]
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def number(value: float) -> str:
    """Return a tick's number, with a true minus sign."""
    text = f"{value:.6g}"
    return text.replace("-", "\N{MINUS SIGN}")


def padded(low: float, high: float, share: float = 0.06) -> Span:
    """Return a span a little wider than its values, never empty."""
    pad = (high - low) * share or 0.5
    return (low - pad, high + pad)

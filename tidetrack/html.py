"""Show a table or a frame as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a titled table; every text is escaped."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(shown(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f"<p><b>{escape(title)}</b></p>"
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


def shown(value: object) -> str:
    """Return a cell as a person reads it: numbers with four digits, a dash for what is missing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4g}"  # NaN differs from NaN
    return str(value)

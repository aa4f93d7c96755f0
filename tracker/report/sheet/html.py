"""Write a sheet as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

from html import escape

from tracker.report.sheet.chart_drawing import svg_of
from tracker.report.sheet.values import Sheet, SheetChart, SheetSection, SheetTable, Verdict

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

VERDICT_WORDS: dict[Verdict, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "not judged": "NOT JUDGED",
}

_STYLE = """
:root { color-scheme: light; --pass: #1b6b3a; --fail: #a8001c; --grey: #5b5b5b; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto;
  max-width: 72rem; padding: 1rem 1.5rem 3rem; }
header { border-bottom: 1px solid #ccc; padding-bottom: .4rem; color: var(--grey); }
h1 { font-size: 1.5rem; margin: .8rem 0 .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
h3 { font-size: .98rem; margin: 1rem 0 .2rem; }
.verdict { display: inline-block; padding: .15rem .8rem; border-radius: .3rem; color: #fff;
  background: var(--grey); font-weight: 700; letter-spacing: .04em; margin-right: .6rem; }
.verdict.pass { background: var(--pass); } .verdict.fail { background: var(--fail); }
.todo { border-left: .3rem solid var(--fail); padding: .3rem 1rem; margin: .8rem 0; }
.todo.none { border-color: var(--pass); }
.caution { background: #fff6df; border: 1px solid #e3c675; padding: .5rem .8rem; }
table { border-collapse: collapse; margin: .3rem 0 .6rem; font-size: .88rem; }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .7rem .2rem 0; text-align: left;
  vertical-align: top; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
th { color: #333; } td.pass { color: var(--pass); font-weight: 600; }
td { max-width: 36rem; } td.fail { color: var(--fail); font-weight: 700; }
.note, .lead { color: #444; max-width: 60rem; margin: .2rem 0; }
.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
figure { margin: .4rem 0; max-width: 34rem; } figure svg { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
"""


def html_of(sheet: Sheet) -> str:
    """Return the whole page."""
    identity = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in sheet.identity
    )
    notice = f'<p class="caution" role="alert">{escape(sheet.notice)}</p>' if sheet.notice else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(sheet.title)}: {escape(sheet.subtitle)}</title>\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>tidetrack · {escape(sheet.title)} · {escape(sheet.subtitle)}</header>\n<main>"
        f'<h1><span class="verdict {_class_of(sheet.verdict)}">{VERDICT_WORDS[sheet.verdict]}'
        f"</span>{escape(sheet.answer)}</h1>\n{_to_do(sheet)}{notice}"
        '<p class="caution" role="note"><strong>Research software, not a medical device.</strong>'
        " Nothing here may be used to treat a person.</p>"
        f"{''.join(_section(each) for each in sheet.sections)}"
        f'<h2>Identity and hashes</h2><div class="wide"><table>{identity}</table></div></main>\n'
        "</body>\n</html>\n"
    )


def _class_of(verdict: Verdict) -> str:
    return verdict if verdict != "not judged" else ""


def _to_do(sheet: Sheet) -> str:
    if not sheet.to_do:
        return '<div class="todo none"><strong>To do:</strong> nothing.</div>'
    items = "".join(f"<li>{escape(each)}</li>" for each in sheet.to_do)
    return f'<div class="todo"><strong>To do:</strong><ul>{items}</ul></div>'


def _section(section: SheetSection) -> str:
    lead = f'<p class="lead">{escape(section.lead)}</p>' if section.lead else ""
    charts = "".join(_chart(each) for each in section.charts)
    charts = f'<div class="charts">{charts}</div>' if charts else ""
    tables = "".join(_table(each) for each in section.tables)
    return f"<section><h2>{escape(section.title)}</h2>{lead}{tables}{charts}</section>\n"


def _table(table: SheetTable) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "".join(_row(table, place) for place in range(len(table.rows)))
    title = f"<h3>{escape(table.title)}</h3>" if table.title else ""
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'{title}<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        f"</table></div>{note}"
    )


def _row(table: SheetTable, place: int) -> str:
    verdict = table.verdicts[place] if table.verdicts else None
    cells: list[str] = []
    for text in table.rows[place]:
        mark = verdict is not None and text == VERDICT_WORDS[verdict]
        style = f' class="{_class_of(verdict)}"' if mark and verdict is not None else ""
        cells.append(f"<td{style}>{escape(text)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _chart(chart: SheetChart) -> str:
    svg = svg_of(chart).replace("<svg ", '<svg aria-hidden="true" ', 1)
    return f'<figure role="img" aria-label="{escape(chart.title)}">{svg}</figure>'

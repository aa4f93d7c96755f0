"""Write the dose section: what tracking bought, for a page of its own or a session's report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tracker.dose.course import Course, LiverFigures, TechniqueFigures
from tracker.dose.isodose import LEVELS, isodoses
from tracker.dose.limits import LIVER_LIMIT_GY, LIVER_LIMIT_PER_FRACTION_GY, LimitFinding, Measure
from tracker.dose.margins import EDGE_LEVEL, PENUMBRA_SIGMA_MM, Margins
from tracker.dose.radiobiology import BAND_RATIOS_GY, LIVER_METASTASES, LIVER_PRIMARY, Band
from tracker.dose.techniques import Technique
from tracker.report import svg

STYLE = """<style>
svg .dvh { fill: none; stroke-width: 2; }
svg .planned { stroke: #1b2733; stroke-dasharray: 2 3; }
svg .tracked { stroke: #0072b2; stroke-width: 2.6; }
svg .untracked { stroke: #d55e00; stroke-dasharray: 8 3; }
svg .gated { stroke: #009e73; stroke-dasharray: 6 3 1 3; }
svg .ITV { stroke: #a3487f; stroke-dasharray: 12 4; }
svg .iso { fill: none; stroke-width: 1.6; }
svg .iso20 { stroke: #56b4e9; } svg .iso50 { stroke: #009e73; }
svg .iso80 { stroke: #e69f00; } svg .iso100 { stroke: #c0392b; stroke-width: 2.2; }
svg .of-target { fill: #1b2733; fill-opacity: .16; stroke: #1b2733; stroke-width: 1.2; }
svg .of-organ { fill: none; stroke: #8a949d; stroke-width: 1; stroke-dasharray: 3 3; }
svg .level { fill: none; stroke: #8a949d; stroke-dasharray: 2 3; }
</style>"""

COLOURS: dict[Technique, str] = {
    "planned": "#1b2733", "tracked": "#0072b2", "untracked": "#d55e00", "gated": "#009e73",
    "ITV": "#a3487f",
}  # fmt: skip
ISO_COLOURS = {20: "#56b4e9", 50: "#009e73", 80: "#e69f00", 100: "#c0392b"}
SHOWN_IN_PLANES: tuple[Technique, ...] = ("tracked", "untracked")
AXES = ("left-right", "superior-inferior", "anterior-posterior")


def answer(course: Course) -> str:
    """Return the section's first sentence."""
    tracked = course.techniques["tracked"].d99_gy
    planned = course.techniques["planned"].d99_gy
    sentence = (
        f"With tracking, 99 % of the target got at least {tracked:.1f} Gy;"
        f" planned were {planned:.1f} Gy."
    )
    untracked = course.techniques.get("untracked")
    if untracked is None:
        return sentence
    return f"{sentence} Without tracking it would have been {untracked.d99_gy:.1f} Gy."


def section(course: Course) -> str:
    """Return the whole section as HTML."""
    return "".join(
        [
            STYLE,
            "<h2>What the errors mean in dose</h2>",
            f'<p class="caution" role="note"><strong>Estimate, research.</strong> {_origin(course)}'
            "</p>",
            f"<p>{escape(answer(course))}</p>",
            _techniques(course),
            _histograms(course),
            _margins(course),
            _own_plans(course),
            _effects(course),
            _complications(course),
            _limits(course),
            _fractions(course),
            _planes(course),
            _method(course),
        ]
    )


def _origin(course: Course) -> str:
    plan = course.plan
    given = len(course.sessions)
    who = (
        "The target's position is the truth of a simulated room."
        if course.from_truth
        else "The target's position is the controller's own estimate: the error of the correlation"
        " model is not in it, so the dose with tracking is shown too good by that error."
    )
    stands = (
        f" {given} of {plan.fractions} fractions were given; they stand for all."
        if given < plan.fractions
        else ""
    )
    turned = "" if course.rotation_known else " Rotation of the target is not recorded, taken as 0."
    return escape(
        f"Plan: {plan.name}; {plan.prescription_gy:g} Gy in {plan.fractions} fractions to"
        f" {plan.coverage:.0%} of the target with a margin of {plan.margin_mm:g} mm.{stands}"
        f" {who}{turned} Nothing here may be used to treat a person."
    )


def _techniques(course: Course) -> str:
    planned = course.techniques["planned"]
    rows: list[Sequence[str]] = []
    for name, each in course.techniques.items():
        change = 100.0 * (each.d99_gy / planned.d99_gy - 1.0)
        rows.append(
            (
                _named(name, each.remark), _gy(each.d99_gy), _gy(each.d95_gy), _gy(each.d50_gy),
                "–" if name == "planned" else f"{_signed(change)} %", f"{each.duty * 100:.0f} %",
                "–" if each.liver is None else _gy(each.liver.mean_gy),
            )
        )  # fmt: skip
    for name, why in course.impossible.items():
        rows.append((_named(name, why), "–", "–", "–", "–", "–", "–"))
    heads = ("technique", "target D99", "D95", "D50", "D99 against plan", "beam on", "liver mean")
    return "<h3>Target and liver by technique, same breath</h3>" + table(heads, rows)


def _histograms(course: Course) -> str:
    names = [s.name for s in course.plan.structures if s.role in ("target", "liver")]
    figures = "".join(
        f"<figure><h3>{escape(name.capitalize())}</h3>{_histogram(course, name)}</figure>"
        for name in names
    )
    return (
        "<h3>Dose-volume histograms of the course</h3>"
        + key((COLOURS[name], name) for name in course.techniques)
        + f'<div class="pair">{figures}</div>'
    )


def _histogram(course: Course, name: str) -> str:
    top = max(each.histograms[name].sorted_gy[-1] for each in course.techniques.values()) * 1.03
    frame = svg.PlotFrame((0.0, float(top)), (0.0, 100.0))
    parts = [svg.axes(frame, "dose in Gy", "volume in %")]
    at = frame.px(min(course.plan.prescription_gy, float(top)))
    parts.append(f'<path class="level" d="M{at:.1f} {frame.top}V{frame.height - frame.bottom}"/>')
    for technique, each in course.techniques.items():
        doses, volumes = each.histograms[name].curve(float(top))
        parts.append(svg.line(frame, doses.tolist(), volumes.tolist(), f"dvh {technique}"))
    return svg.figure(frame, f"Dose-volume histogram of the {name}, all techniques", parts)


def _margins(course: Course) -> str:
    rows: list[Sequence[str]] = []
    for name, each in course.techniques.items():
        if each.needed is None:
            continue
        for axis, axis_name in enumerate(AXES):
            rows.append((_named(name) if axis == 0 else "", axis_name, *_axis(each.needed, axis)))
    heads = ("technique", "axis", "mean", "SD", "linear", "with penumbra", "own distribution")
    return (
        "<h3>Margin that these errors needed</h3>"
        '<p class="about">In mm, for the motion that was left. Errors of set-up, drawing and'
        " registration need their own margin, added in squares. The ITV's own plan is never"
        " narrower than the motion that it covers.</p>" + table(heads, rows, close=True)
    )


def _axis(margins: Margins, axis: int) -> list[str]:
    signed = [f"{_signed(float(margins.mean_mm[axis]), 2)}"]
    sizes = (margins.sd_mm, margins.linear_mm, margins.full_mm, margins.own_mm)
    return signed + [f"{float(values[axis]):.2f}" for values in sizes]


def _own_plans(course: Course) -> str:
    rows: list[Sequence[str]] = []
    for name, each in course.techniques.items():
        own = each.own_plan
        if own is None or own.liver is None:
            continue
        remark = "the plan as it is" if name == "planned" else ""
        rows.append(
            (
                _named(name, remark), f"{own.margin_mm:.1f} mm", f"{own.field_mm:.0f} mm",
                _gy(own.liver.mean_gy), f"{own.liver.below_15_gy_cc:.0f} cm³",
                f"{own.liver.below_5_gy_a_fraction_cc:.0f} cm³", band(own.liver.primary),
            )
        )  # fmt: skip
    if not rows:
        return ""
    heads = (
        "technique", "margin", "field", "liver mean", f"below {LIVER_LIMIT_GY:g} Gy",
        f"below {LIVER_LIMIT_PER_FRACTION_GY:g} Gy a fraction", "NTCP, primary",
    )  # fmt: skip
    return (
        "<h3>The plan each technique needs, and what it costs the liver</h3>"
        '<p class="about">Each technique is planned again, with the largest of its three margins'
        " above. What tracking spares in the liver is this margin.</p>" + table(heads, rows)
    )


def _effects(course: Course) -> str:
    rows: list[Sequence[str]] = []
    for name, each in course.techniques.items():
        for index, row in enumerate(each.effects):
            rows.append(
                (_named(name) if index == 0 else "", "target, at D99", escape(row.model),
                 _gy(row.bed_gy), _gy(row.eqd2_gy))
            )  # fmt: skip
        for row in each.liver.effects if each.liver is not None else ():
            rows.append(
                ("", "liver, at its mean dose", escape(row.model), _gy(row.bed_gy),
                 _gy(row.eqd2_gy))
            )  # fmt: skip
    heads = ("technique", "where", "model", "BED", "EQD2")
    return (
        "<details><summary>Biologically effective dose by each model</summary>"
        '<p class="about">At these doses a fraction the linear-quadratic formula is in doubt. The'
        " models therefore stand side by side; their spread is part of the answer.</p>"
        + table(heads, rows, close=True, words=3)
        + "</details>"
    )


def _complications(course: Course) -> str:
    rows: list[Sequence[str]] = []
    for name, each in course.techniques.items():
        liver = each.liver
        if liver is not None:
            bands = (band(liver.primary), band(liver.metastases))
            rows.append((_named(name), *_spared(liver), *bands))
    if not rows:
        return ""
    heads = (
        "technique", "normal liver", f"below {LIVER_LIMIT_GY:g} Gy",
        f"below {LIVER_LIMIT_PER_FRACTION_GY:g} Gy a fraction", "NTCP, primary",
        "NTCP, metastases",
    )  # fmt: skip
    ratios = f"{BAND_RATIOS_GY[0]:g} to {BAND_RATIOS_GY[-1]:g}"
    return (
        "<h3>Normal liver with the plan as delivered</h3>"
        f'<p class="about">NTCP of radiation-induced liver disease by Lyman\'s model'
        f" ({escape(LIVER_PRIMARY.source)}; TD50 {LIVER_PRIMARY.td50_gy:g} and"
        f" {LIVER_METASTASES.td50_gy:g} Gy), as a band over α/β {ratios} Gy and over LQ and both"
        " LQ-L.</p>" + table(heads, rows)
    )


def _spared(liver: LiverFigures) -> tuple[str, str, str]:
    return (
        f"{liver.volume_cc:.0f} cm³",
        f"{liver.below_15_gy_cc:.0f} cm³",
        f"{liver.below_5_gy_a_fraction_cc:.0f} cm³",
    )


_WANTED: dict[Measure, str] = {
    "cc below": "{volume:g} cm³ or more below {dose:g} Gy",
    "cc at most": "{volume:g} cm³ or less above {dose:g} Gy",
    "maximum": "maximum (0.035 cm³) {dose:g} Gy or less",
}


def _limits(course: Course) -> str:
    rows: list[Sequence[str]] = []
    for index, finding in enumerate(course.techniques["tracked"].limits):
        others = {name: each.limits[index] for name, each in course.techniques.items()}
        limit = finding.limit
        wanted = _WANTED[limit.measure].format(volume=limit.value, dose=limit.dose_gy)
        rows.append(
            (
                f"{escape(limit.structure)}<small>{escape(limit.source)}</small>",
                wanted,
                *(_found(others.get(name)) for name in COLOURS),
            )
        )
    if not rows:
        return (
            "<h3>Published limits</h3><p>No limit is known here for"
            f" {course.plan.fractions} fractions.</p>"
        )
    return "<h3>Published limits</h3>" + table(("structure", "limit", *COLOURS), rows, words=2)


def _found(finding: LimitFinding | None) -> str:
    if finding is None:
        return "–"
    unit = "Gy" if finding.limit.measure == "maximum" else "cm³"
    digits = 0 if finding.limit.measure == "cc below" else 1
    said = "kept" if finding.is_kept else "<strong>not kept</strong>"
    return f"{finding.found:.{digits}f} {unit}<small>{said}</small>"


def _fractions(course: Course) -> str:
    if len(course.sessions) < 2:
        return ""
    rows: list[Sequence[str]] = []
    shown = [course.techniques[n] for n in ("tracked", "untracked") if n in course.techniques]
    for index, session in enumerate(course.sessions):
        cells: list[str] = []
        for each in shown:
            one = each.fractions[index]
            needed = "–" if one.margins is None else f"{one.margins.needed_mm:.1f} mm"
            cells += [_gy(one.d99_gy / course.plan.fractions), needed]
        rows.append((f"{index + 1}: {escape(session)}", *cells))
    rows.append(("all, accumulated", *(cell for each in shown for cell in _accumulated(each))))
    heads = ["fraction"]
    for each in shown:
        heads += [f"{each.technique}: D99 of the fraction", "margin needed"]
    return (
        "<h3>Fraction by fraction</h3>" + table(heads, rows) + f"<figure>{_trend(course)}</figure>"
    )


def _accumulated(each: TechniqueFigures) -> tuple[str, str]:
    needed = "–" if each.needed is None else f"{each.needed.needed_mm:.1f} mm"
    return (f"{_gy(each.d99_gy)} (course)", needed)


def _trend(course: Course) -> str:
    """Draw each fraction's D99 as percent of the plan's."""
    planned = course.techniques["planned"].d99_gy
    count = len(course.sessions)
    series = {
        name: [100.0 * f.d99_gy / planned for f in each.fractions]
        for name, each in course.techniques.items()
    }
    lowest = min(min(values) for values in series.values())
    highest = max(max(values) for values in series.values())
    frame = svg.PlotFrame((0.5, count + 0.5), svg.padded(lowest, highest), width=1080, height=220)
    parts = [svg.axes(frame, "fraction", "D99 in % of the plan")]
    numbers = [float(k + 1) for k in range(count)]
    parts += [svg.line(frame, numbers, values, f"dvh {name}") for name, values in series.items()]
    return svg.figure(frame, "D99 of the target, fraction by fraction, all techniques", parts)


def _planes(course: Course) -> str:
    parts: list[str] = []
    for technique in SHOWN_IN_PLANES:
        if technique in course.techniques:
            figures = "".join(f"<figure>{each}</figure>" for each in isodoses(course, technique))
            parts.append(f'<h3>{technique.capitalize()}</h3><div class="three">{figures}</div>')
    of = " of the first session" if len(course.sessions) > 1 else ""
    return (
        f"<h3>Isodose lines in three planes through the target{of}</h3>"
        + key((ISO_COLOURS[level], f"{level} % of the prescription") for level in LEVELS)
        + "".join(parts)
    )


def _method(course: Course) -> str:
    return (
        "<details><summary>How this was computed</summary><p>Pencil-beam dose of 6 MV photons at"
        " points scattered in each structure, no dose grid. Each beam has a share of the beam-on"
        " time in proportion to its weight; the errors in that time, in cells of 1 mm, move the"
        " beam against the tissue, which is taken to move with the target. Gating and ITV are set"
        " from the breathing before the treatment; gating is ideal, without delay. Margins: van"
        " Herk, linear and with penumbra (σ"
        f" {PENUMBRA_SIGMA_MM:g} mm, {EDGE_LEVEL:.0%}); the session's mean counts in full. A pencil"
        " beam in water-equivalent depth does not know the lack of scatter at the lung's edge.</p>"
        "</details>"
    )


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, close: bool = False, words: int = 1
) -> str:
    """Return a table; all columns but the first ``words`` hold numbers. Cells are HTML."""

    def cell(kind: str, index: int, text: str) -> str:
        style = ' class="n"' if index >= words else ""
        return f"<{kind}{style}>{text}</{kind}>"

    head = "".join(cell("th", i, escape(text)) for i, text in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    style = ' class="close"' if close else ""
    return f"<table{style}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def key(entries: Iterable[tuple[str, str]]) -> str:
    """Return a figure's legend: colours and words."""
    items = "".join(
        f'<li><i style="color:{colour}"></i>{escape(words)}</li>' for colour, words in entries
    )
    return f'<ul class="key">{items}</ul>'


def band(found: Band) -> str:
    """Return a band of probabilities in words."""
    low, high = (_percent(value) for value in found)
    return low if low == high else f"{low} to {high}"


def _percent(value: float) -> str:
    return "< 0.1 %" if value < 0.001 else f"{value * 100:.1f} %"


def _named(technique: str, remark: str = "") -> str:
    under = f"<small>{escape(remark)}</small>" if remark else ""
    return f"{escape(technique)}{under}"


def _gy(value: float) -> str:
    return f"{value:.2f} Gy"


def _signed(value: float, digits: int = 1) -> str:
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")

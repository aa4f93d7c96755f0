"""Run `tidetrack dose`: what the errors of one or more sessions mean in dose."""

from __future__ import annotations

import argparse
import json
from html import escape
from importlib import resources
from pathlib import Path

from tracker.dose.course import Course, course_of
from tracker.dose.dose_error import DoseError
from tracker.dose.motion import DoseSession, read_session
from tracker.dose.phantom import liver_phantom
from tracker.dose.plan import Plan, checked
from tracker.dose.plan_file import read_plan
from tracker.dose.results import LABEL, as_values
from tracker.dose.section import answer, section
from tracker.report import about_of, save_report, summary_of

PHANTOM = "liver-phantom"
PHANTOM_ARCS = "liver-phantom-arcs"

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "sessions", type=Path, nargs="+", metavar="SESSION",
        help="journals of one patient, one a fraction, in their order",
    )  # fmt: skip
    parser.add_argument(
        "--plan", default=PHANTOM, metavar="PLAN",
        help=f"a plan in TOML, {PHANTOM} (36 cones) or {PHANTOM_ARCS} (2 arcs); default: {PHANTOM}",
    )  # fmt: skip
    parser.add_argument("--fractions", type=int, metavar="N", help="default: the plan's, 3")
    parser.add_argument(
        "--prescription-gy", type=float, metavar="GY",
        help="dose of the whole course; default: the plan's, 45",
    )  # fmt: skip
    parser.add_argument(
        "--report", type=Path, metavar="DIR",
        help="write dose.html into DIR; for one session also report.html with the dose in it",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Compute, print a table, and write what was asked for."""
    plan = plan_named(args.plan, args.fractions, args.prescription_gy)
    sessions = read_sessions(args.sessions)
    course = course_of(plan, [each.motion for each in sessions])
    print(describe(course))
    if args.json is not None:
        values = as_values(course) | {
            "journals": [{"file": s.path.name, "digest": s.digest} for s in sessions]
        }
        _write(args.json, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        print(args.json)
    if args.report is not None:
        for path in write_pages(course, sessions, args.report):
            print(path)
    return 0


def plan_named(name: str, fractions: int | None, prescription_gy: float | None) -> Plan:
    """Return the plan of this name or file, with another prescription if asked."""
    if name == PHANTOM:
        plan = liver_phantom("cones")
    elif name == PHANTOM_ARCS:
        plan = liver_phantom("arcs")
    else:
        plan = read_plan(Path(name))
    if fractions is not None:
        plan = plan._replace(fractions=fractions)
    if prescription_gy is not None:
        plan = plan._replace(prescription_gy=prescription_gy)
    return checked(plan)


def read_sessions(paths: list[Path]) -> list[DoseSession]:
    """Read the journals; raises `DoseError` if they are of several patients or one comes twice."""
    sessions = [read_session(path) for path in paths]
    patients = sorted({each.patient_id for each in sessions})
    if len(patients) > 1:
        raise DoseError(
            f"the sessions are of {len(patients)} patients ({', '.join(patients)}); doses are"
            " summed for one patient only"
        )
    seen: dict[str, Path] = {}
    for each in sessions:
        if each.digest in seen:
            raise DoseError(
                f"{each.path} and {seen[each.digest]} hold the same session;"
                " give each fraction once"
            )
        seen[each.digest] = each.path
    return sessions


def describe(course: Course) -> str:
    """Return a small table for the terminal."""
    plan = course.plan
    lines = [
        f"{LABEL}: {plan.name}, {plan.prescription_gy:g} Gy in {plan.fractions} fractions,"
        f" {len(course.sessions)} session(s)",
    ]
    if not course.from_truth:
        lines.append("target from the controller's estimate: the correlation error is not in it")
    lines.append(
        f"{'':<11}{'D99':>9}{'D95':>9}{'D50':>9}{'margin needed':>16}{'field':>8}"
        f"{'liver mean':>12}{'liver < 15 Gy':>15}"
    )
    for name, each in course.techniques.items():
        own = each.own_plan
        needed = "-" if each.needed is None else f"{each.needed.needed_mm:.1f} mm"
        field = "-" if own is None else f"{own.field_mm:.0f} mm"
        liver = None if own is None else own.liver
        mean = "-" if liver is None else f"{liver.mean_gy:.1f} Gy"
        spared = "-" if liver is None else f"{liver.below_15_gy_cc:.0f} cm³"
        lines.append(
            f"{name:<11}{each.d99_gy:>6.2f} Gy{each.d95_gy:>6.2f} Gy{each.d50_gy:>6.2f} Gy"
            f"{needed:>16}{field:>8}{mean:>12}{spared:>15}"
        )
    lines += [f"{name:<11}not possible: {why}" for name, why in course.impossible.items()]
    lines.append("field and liver: of the plan with the margin that this technique needs")
    return "\n".join(lines)


def write_pages(course: Course, sessions: list[DoseSession], directory: Path) -> list[Path]:
    """Write dose.html, and report.html for one session; return their paths."""
    part = section(course)
    page = directory / "dose.html"
    _write(page, document(course, sessions, part))
    if len(sessions) > 1:
        return [page]
    session = sessions[0]
    summary = summary_of(session.records, about_of(session.journal, session.digest))
    torn = session.journal.torn
    notice = f"The journal is not whole: {torn.describe()}." if torn else ""
    report = save_report(
        directory, session.records, summary, session.journal.header, notice, (part,)
    )
    return [page, report]


def document(course: Course, sessions: list[DoseSession], part: str) -> str:
    """Return the dose section as a page of its own."""
    style = (resources.files("tracker.report") / "static" / "report.css").read_text("utf-8")
    who = escape(f"patient {sessions[0].patient_id} · {len(sessions)} session(s)")
    digests = "".join(
        f"<li>{escape(s.path.name)}: <code>{escape(s.digest)}</code></li>" for s in sessions
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>tidetrack dose: {escape(sessions[0].patient_id)}</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n"
        f'<header><span class="name">tidetrack dose ({LABEL})</span>'
        f'<span class="session">{who}</span></header>\n<main><h1>{escape(answer(course))}</h1>\n'
        f"{part}\n<h3>Journals, with the digests of their outputs</h3><ul>{digests}</ul></main>"
        "<footer>Made by tidetrack. Research software, not a medical device. Kernel data:"
        " pyRadPlan, © 2024 DKFZ, BSD 3-Clause licence.</footer>\n</body>\n</html>\n"
    )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DoseError(f"{path}: {error.strerror}; name a place that can be written") from None

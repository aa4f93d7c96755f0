"""The safety case: hazards, requirements and tests against each other and against the program.

    python -m tests.safety.case            # check, run every test named, write docs/safety/case.md
    python -m tests.safety.case --no-run   # check and write alone

What is wrong is one line each and exit status 1: a hazard without requirement, a requirement
without scenario or test, a test that does not exist or fails, and orphans: faults, kinds of mishap
and tests of the safety files that no requirement names.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sim.mishaps import EFFECTS
from tracker.core.safety.fault_table import FAULTS, Fault

REPOSITORY = Path(__file__).parent.parent.parent
SAFETY = REPOSITORY / "docs" / "safety"
TESTS = REPOSITORY / "tests"
HAZARDS = (*(f"H{number:02d}" for number in range(1, 29)), "P1", "P2")
SAFETY_FILES = (
    "core/test_fault_book.py",
    "core/test_fault_table.py",
    "core/test_fault_checks.py",
    "core/test_guard.py",
    "core/test_session.py",
    "closed_loop/test_mishaps.py",
    "safety/test_conditions.py",
    "safety/test_demands.py",
    "safety/test_monitor.py",
    "safety/test_mutants.py",
    "safety/test_stalls.py",
)
"""Files whose every test must be named by a requirement."""
OF_THE_TESTS = frozenset(
    {
        "core/test_fault_table.py::test_every_name_has_a_row_and_every_row_a_name",
        "core/test_guard.py::test_a_refusal_says_value_with_its_sign_limit_and_axis",
        "core/test_session.py::test_a_missing_row_raises",
        "core/test_session.py::test_allowed_names_the_requests_of_a_state",
        "closed_loop/test_mishaps.py::test_every_kind_is_met",
        "safety/test_mutants.py::test_a_mutant_is_named_by_scope_and_number_not_by_line",
        "safety/test_mutants.py::test_files_and_their_tests_are_found_by_name",
        "safety/test_mutants.py::test_the_mutator_leaves_out_what_changes_nothing",
        "safety/test_mutants.py::test_the_mutator_makes_each_kind_of_change",
        "safety/test_mutants.py::test_the_page_names_mutants_that_exist",
        "safety/test_mutants.py::test_the_page_shows_every_file_of_which_the_suite_runs_all",
    }
)
"""Tests in them that look after tables, words and tests, not after a hazard."""

SHARED = ("-m", "not realtime", "-n", "2", "--dist", "worksteal")
REALTIME = ("-m", "realtime", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""What keeps real time has the machine to itself."""

_ABOUT = """\
Written by `make safety` from [case.toml](case.toml); do not edit. Every hazard has at least one
requirement, every requirement a scenario that brings the hazard about and tests that show it is
met; a fault, a kind of mishap or a safety test that none names is an error. What the mishaps are:
[reference](../reference/mishaps.md). **Research software; it must not be used to treat anyone.**"""


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is required against a hazard, how that is brought about, and what shows it is met."""

    id: str
    hazard: str
    says: str
    limit: str
    tests: tuple[str, ...]
    faults: tuple[str, ...] = ()
    mishaps: tuple[str, ...] = ()
    scenario: str = ""


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that is not promised."""

    says: str


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file case.toml."""

    hazards: dict[str, str]
    requirement: tuple[Requirement, ...]
    not_promised: tuple[Limit, ...]


class Campaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file campaign.toml: what the last long campaign came to."""

    commit: str
    command: str
    runs: int
    simulated_h: float
    figures: dict[str, str]


def load_case(text: str | None = None) -> Case:
    """Read the safety case."""
    text = (SAFETY / "case.toml").read_text() if text is None else text
    return msgspec.convert(tomllib.loads(text), Case)


def load_campaign() -> Campaign | None:
    """Read the figures of the last long campaign, once there are any."""
    file = SAFETY / "campaign.toml"
    return msgspec.convert(tomllib.loads(file.read_text()), Campaign) if file.exists() else None


def functions_of(file: str) -> list[str]:
    """Name the tests of a file below tests/, as FILE::FUNCTION."""
    path = TESTS / file
    if not path.exists():
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        f"{file}::{node.name}"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, kinds) and node.name.startswith("test_")
    ]


def problems_of(case: Case) -> list[str]:
    """Say what is missing or loose, one line each; nothing is run."""
    return [*_of_hazards(case), *_of_requirements(case), *_orphans(case)]


def _of_hazards(case: Case) -> list[str]:
    against = {requirement.hazard for requirement in case.requirement}
    return [
        *(f"{hazard}: is not in [hazards]" for hazard in HAZARDS if hazard not in case.hazards),
        *(f"{hazard}: nothing is required" for hazard in case.hazards if hazard not in against),
        *(f"{hazard}: is no hazard" for hazard in sorted(against - case.hazards.keys())),
    ]


def _of_requirements(case: Case) -> list[str]:
    problems: list[str] = []
    ids = [requirement.id for requirement in case.requirement]
    problems += [f"{name}: is there twice" for name in sorted({n for n in ids if ids.count(n) > 1})]
    for r in case.requirement:
        if not r.mishaps and not r.scenario:
            problems.append(f"{r.id}: no mishap or scenario brings {r.hazard} about")
        if not r.tests:
            problems.append(f"{r.id}: no test shows it")
        problems += [
            f"{r.id}: {kind} is no kind of mishap" for kind in r.mishaps if kind not in EFFECTS
        ]
        for name in r.faults:
            row = FAULTS.get(name)
            if row is None:
                problems.append(f"{r.id}: {name!r} is no fault")
            elif row.hazard != r.hazard:
                problems.append(f"{r.id}: {name!r} is a fault of {row.hazard}, not {r.hazard}")
        problems += [
            f"{r.id}: there is no test {test}"
            for test in r.tests
            if test not in functions_of(test.partition("::")[0])
        ]
    return problems


def _orphans(case: Case) -> list[str]:
    faults = {name for r in case.requirement for name in r.faults}
    kinds = {kind for r in case.requirement for kind in r.mishaps}
    tests = {test for r in case.requirement for test in r.tests} | OF_THE_TESTS
    return [
        *(f"fault '{name}': no requirement names it" for name in FAULTS if name not in faults),
        *(f"mishap {kind}: no requirement names it" for kind in EFFECTS if kind not in kinds),
        *(
            f"test {test}: no requirement names it"
            for file in SAFETY_FILES
            for test in functions_of(file)
            if test not in tests
        ),
        *(
            f"test {test}: is said to be of the tests, and is not there"
            for test in sorted(OF_THE_TESTS)
            if test not in functions_of(test.partition("::")[0])
        ),
    ]


def page_of(case: Case, campaign: Campaign | None) -> str:
    """Write the page people read."""
    lines = [
        "# Safety case",
        "",
        _ABOUT,
        "",
        "## Hazards and requirements",
        "",
    ]
    for hazard, title in case.hazards.items():
        lines += [f"### {hazard} {title}", ""]
        for r in (each for each in case.requirement if each.hazard == hazard):
            brought = ", ".join(f"`{kind}`" for kind in r.mishaps)
            lines += [
                f"**{r.id}** {r.says}",
                "",
                f"- limit: {r.limit}",
                f"- brought about by: {'; '.join(filter(None, (brought, r.scenario)))}",
                f"- shown by: {', '.join(f'`{test}`' for test in r.tests)}",
                "",
            ]
    lines += ["## Faults", "", *_fault_table(), "", "## The last long campaign", ""]
    if campaign is None:
        lines.append("None yet: `campaign.toml` beside this page is not there.")
    else:
        lines += [
            f"{campaign.runs} runs, {campaign.simulated_h:g} simulated hours, commit"
            f" `{campaign.commit}`:",
            "",
            f"    {campaign.command}",
            "",
            "| figure | value |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in campaign.figures.items()),
        ]
    lines += ["", "## What is not promised", ""]
    lines += [f"- {each.says}" for each in case.not_promised]
    return "\n".join(lines) + "\n"


def _fault_table() -> list[str]:
    return [
        "Reaction within, and back within, in seconds: from the condition, and from the end of what"
        " caused it (the operator's own time not counted). `+ shot`: and a shot that agrees with"
        " the model.",
        "",
        "| fault | hazard | reaction | within | ends | back within | the operator reads |",
        "|---|---|---|---|---|---|---|",
        *(_fault_row(name, row) for name, row in FAULTS.items()),
    ]


def _fault_row(name: str, row: Fault) -> str:
    ends = row.ends.value.replace("clear_s", f"{row.clear_s:g} s")
    shot = " + shot" if row.recheck else ""
    back = "-" if row.reaction.name == "STOP" else f"{row.returns_s:g}"
    return (
        f"| {name} | {row.hazard} | {row.reaction.name} | {row.within_s:g} | {ends}{shot} | {back} "
        f"| {row.sentence} |"
    )


def run_tests(case: Case) -> int:
    """Run every test that a requirement names, as `make test` does; 0 when all pass."""
    named = sorted({f"tests/{test}" for r in case.requirement for test in r.tests})
    print(f"running {len(named)} tests and all their cases", flush=True)
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *named]
    shared = subprocess.run([*pytest, *SHARED], cwd=REPOSITORY, check=False).returncode
    alone = subprocess.run([*pytest, *REALTIME], cwd=REPOSITORY, check=False).returncode
    return shared or alone


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, run and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.safety.case")
    parser.add_argument("--no-run", action="store_true", help="check and write the page alone")
    options: Any = parser.parse_args(arguments)
    case = load_case()
    problems = problems_of(case)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    (SAFETY / "case.md").write_text(page_of(case, load_campaign()))
    print(
        f"{len(case.hazards)} hazards, {len(case.requirement)} requirements, {len(FAULTS)} faults"
    )
    if not options.no_run and run_tests(case) != 0:
        print("safety: a test that shows a requirement failed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

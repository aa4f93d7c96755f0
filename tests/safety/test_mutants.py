"""Small changes of the controller's safety code do not go unnoticed by the unit tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .mutants import REPOSITORY, excused, modules, mutants_of, named, result, shown, unit_tests_of
from .mutations import mutants

WHOLE = ("frames", "session", "machine/guard")
"""Files of which the suite runs every mutant; these are quick."""
OF_EACH = 24
"""About as many mutants the suite runs of each other file; the command runs all."""
SLOW = ("target/correlation", "target/modelling")
OF_SLOW = 6
"""About as many it runs of files whose tests fit models, because each mutant takes a second."""


def _every(name: str) -> int:
    wanted = OF_SLOW if name in SLOW else OF_EACH
    return 1 if name in WHOLE else max(1, len(mutants_of(name)) // wanted)


@pytest.mark.parametrize("name", shown())
def test_every_mutant_is_killed_or_named_with_a_reason(name: str) -> None:
    found = result(name, every=_every(name))
    assert found.total > 0
    assert not found.unnamed, [f"line {each.line}, {each.name}" for each in found.unnamed]


@pytest.mark.parametrize("name", shown())
def test_the_page_names_mutants_that_exist(name: str) -> None:
    assert excused(name) <= {mutant.name for mutant in mutants_of(name)}


def test_the_page_shows_every_file_of_which_the_suite_runs_all() -> None:
    assert set(WHOLE) <= set(shown())


def test_files_and_their_tests_are_found_by_name() -> None:
    assert named(["guard"]) == named(["machine/guard.py"]) == ["machine/guard"]
    assert {"machine/guard", "machine/steering"} <= set(named(["machine"]))
    assert named([]) == list(modules())
    guard = ["test_guard.py", "test_guard_whole_steps.py"]
    assert [path.name for path in unit_tests_of("machine/guard")] == guard
    with pytest.raises(ValueError, match="gard is no file"):
        named(["gard"])


def test_the_mutator_makes_each_kind_of_change() -> None:
    source = (
        "def f(v, m):\n    g(v)\n    x = (v[0], -v[1], 2.0)\n"
        "    return ((a, b), (c, d)) if x[2] <= 1.0 else math.sin(x[0] * m)\n"
    )
    made = [mutant.name for mutant in mutants(source)]
    for expected in (
        "g(v) -> pass",
        "v[0] -> v[1]",
        "v[0] -> -v[0]",
        "-v[1] -> v[1]",
        "2.0 -> -2.0",
        "(v[0], -v[1], 2.0) -> (-v[1], v[0], 2.0)",
        "((a, b), (c, d)) -> ((a, c), (b, d))",
        "x[2] <= 1.0 -> x[2] < 1.0",
        "x[0] * m -> x[0] / m",
        "math.sin(x[0] * m) -> math.cos(x[0] * m)",
    ):
        assert f"f(): {expected}" in made


def test_the_mutator_leaves_out_what_changes_nothing() -> None:
    source = "def f(a, b):\n    return abs(a) + (a * b) ** 2 + math.cos(b) + max(a, b)\n"
    made = {mutant.name for mutant in mutants(source)}
    assert "f(): abs(a) -> float(a)" in made
    assert "f(): a * b -> a / b" in made
    for name in ("a * b -> -(a * b)", "a -> -a #3", "b -> -b #3", "max(a, b) -> max(b, a)"):
        assert f"f(): {name}" not in made
    assert {"f(): a -> -a", "f(): b -> -b"} <= made  # only those of max


def test_a_mutant_is_named_by_scope_and_number_not_by_line() -> None:
    source = "LIMIT = 8\nclass C:\n    most = 2\n    def f(self, v):\n        return v + 1, v + 1\n"
    names = [mutant.name for mutant in mutants(source)]
    assert len(names) == len(set(names))
    assert {"LIMIT: 8 -> 9", "C.most: 2 -> 3", "C.f(): v + 1 -> v - 1 #2"} <= set(names)
    later = [mutant.name for mutant in mutants(f"import math\n\n{source}")]
    assert later == names


def test_the_tests_of_guard_and_session_reach_every_branch(tmp_path: Path) -> None:
    data = f"--data-file={tmp_path / 'coverage'}"
    files = [modules()[name].relative_to(REPOSITORY).as_posix() for name in WHOLE]
    tests = [path for name in WHOLE for path in unit_tests_of(name)]
    run = [
        "run",
        data,
        "--branch",
        "--rcfile=/dev/null",
        f"--include={','.join(files)}",
        "-m",
        "pytest",
        "-q",
        *(path.relative_to(REPOSITORY).as_posix() for path in tests),
    ]
    said = ""
    for arguments in (run, ["report", data, "--fail-under=100", "--rcfile=/dev/null"]):
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *arguments],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
    assert len(re.findall(r"^tracker/core/[\w/]+\.py .* 100%$", said, re.MULTILINE)) == 3, said

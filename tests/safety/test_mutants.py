"""No small change of frames, guard or session goes unnoticed; tests reach all their branches."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .mutants import EXCUSED, FILES, REPOSITORY, excused, mutants, survivors, without_line


@pytest.mark.parametrize("name", FILES)
def test_every_mutant_is_killed_or_named_with_a_reason(name: str) -> None:
    total, alive = survivors(name)
    assert {without_line(each) for each in alive} == excused(name)
    row = f"| {name} | {total} | {total - len(alive)} | {len(alive)} |"
    assert row in EXCUSED.read_text(encoding="utf-8"), f"the page should say {row}"


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
        assert any(name.endswith(f": {expected}") for name in made), expected


def test_the_tests_of_guard_and_session_reach_every_branch(tmp_path: Path) -> None:
    data = f"--data-file={tmp_path / 'coverage'}"
    files = ",".join(f"tracker/core/{FILES[name].replace('.', '/')}.py" for name in FILES)
    tests = [f"tests/core/test_{name}.py" for name in FILES]
    run = [
        "run",
        data,
        "--branch",
        "--rcfile=/dev/null",
        f"--include={files}",
        "-m",
        "pytest",
        "-q",
        *tests,
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

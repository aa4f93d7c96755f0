"""`tidetrack doctor`: each lack is found where it really is, and the remedy is right."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tracker.cli import main
from tracker.daemon_settings import Monitor
from tracker.doctor.features import BY_NAME, FEATURES, PRIORITY
from tracker.doctor.findings import (
    Lacking,
    cache_folder,
    packages,
    program,
    python,
    real_time_priority,
    requirements,
)

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
NOT_IN_A_FEATURE = {"dev", "docs", "peers"}
"""Extras for those who change the program."""


def test_without_any_package_it_says_what_is_missing_and_how_to_get_it() -> None:
    """This Python knows no installed packages at all; the command imports none."""
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
    code += "from tracker.cli import main\nsys.exit(main(['doctor', 'program', 'tune']))"
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True, check=False, text=True, timeout=60,
    )  # fmt: skip
    assert shown.returncode == 1
    assert shown.stderr == ""
    lines = shown.stdout.splitlines()
    assert lines[0].split()[:2] == ["lacks", "program"]
    assert "the Python package optuna" in shown.stdout
    assert "pip install 'tidetrack[tune]'" in shown.stdout


def test_every_extra_for_users_is_a_feature_that_looks_for_all_its_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modules: dict[str, set[str]] = {}
    for module, names in importlib.metadata.packages_distributions().items():
        for name in names:
            modules.setdefault(name.lower().replace("_", "-"), set()).add(module)
    extras = PROJECT["optional-dependencies"]
    for extra in extras.keys() - NOT_IN_A_FEATURE:
        asked: list[str] = []
        monkeypatch.setattr(
            "tracker.doctor.findings._why_not", lambda module, asked=asked: asked.append(module)
        )
        BY_NAME[extra].lacking()
        for requirement in extras[extra]:
            name = re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")
            if name == "dask":
                name = "distributed"  # the part of it that is used
            assert modules.get(name, {name}) & set(asked), requirement


def test_a_package_that_cannot_be_loaded_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brokenbelt.py").write_text("raise RuntimeError('LSL binary\\nlibrary not found')")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = packages("json", "brokenbelt", extra="lsl")
    assert "brokenbelt, which is installed but cannot be loaded (LSL binary library" in found.what
    assert found.remedy == "pip install 'tidetrack[lsl]'"
    monkeypatch.setitem(sys.modules, "brokenbelt", None)
    assert packages("brokenbelt", extra="lsl")[0].what == "the Python package brokenbelt"


def test_what_the_program_requires_is_installed_here() -> None:
    assert requirements("tidetrack") == []
    assert requirements("no-such-distribution") == [
        Lacking("the installed package no-such-distribution", "pip install tidetrack")
    ]


def test_an_old_python_and_a_missing_program_are_found() -> None:
    assert python((3, 11)) == []
    assert "Python 3.99" in python((3, 99))[0].what
    assert program("sh", "dash") == []
    assert program("no-such-program", "nsp") == [
        Lacking("the program no-such-program", "apt-get install nsp")
    ]


def test_a_folder_that_cannot_be_written_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("tracker") == []
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/kernels/below")
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "/proc")
    (found,) = cache_folder("tracker")
    assert "/proc/kernels/below" in found.what


def test_a_limit_of_real_time_priority_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (0, 0))
    (found,) = real_time_priority(60)
    assert "limit 0, useful 60" in found.what
    monkeypatch.setattr(resource, "getrlimit", lambda which: (60, 60))
    assert real_time_priority(60) == []


def test_the_priority_is_that_of_the_shipped_settings_and_of_the_unit() -> None:
    assert Monitor().priority == PRIORITY
    assert f"LimitRTPRIO={PRIORITY}" in (REPOSITORY / "config" / "tidetrack.service").read_text()


def test_the_table_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["program", "export", "service"]
    code = main(["doctor", *names])
    table = capsys.readouterr().out
    assert main(["doctor", *names, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert list(found) == names
    for name in names:
        state = "lacks" if found[name] else "ready"
        assert re.search(rf"^{state}  {name}\b", table, re.MULTILINE)


def test_a_feature_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "nope"]) == 2
    assert "nope is none; choose of program" in capsys.readouterr().err


def test_every_feature_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(FEATURES)

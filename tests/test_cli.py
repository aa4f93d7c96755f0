"""The command line: a table of commands, and one line for whatever is wrong."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tracker import cli
from tracker.cli import COMMANDS, CommandRow, main
from tracker.config import ConfigurationError

CONFIG = Path(__file__).parent.parent / "config"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A command `try` whose ``run`` a test replaces."""
    module = types.ModuleType("tracker.offline.attempt")

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--seed", type=int, default=1)

    vars(module).update(add_arguments=add_arguments, run=lambda args: 0)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(
        cli.COMMANDS, "try", CommandRow(module.__name__, "try it", "tidetrack try FILE")
    )
    return module


def fail_with(command: types.ModuleType, error: BaseException) -> None:
    def run(args: argparse.Namespace) -> int:
        raise error

    vars(command)["run"] = run


def is_written(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor is its folder
        return False


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_shows_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not is_written(COMMANDS[name].module):
        pytest.skip(f"{COMMANDS[name].module} is not written yet")
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"usage: tidetrack {name}" in shown
    assert f"example: {COMMANDS[name].example}" in shown
    assert COMMANDS[name].example.startswith(f"tidetrack {name}")


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name} " in shown
        assert command.does in shown
    assert "not a medical device" in shown


def test_without_a_command_the_overview_is_shown_and_nothing_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    assert "usage: tidetrack COMMAND" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tidetrack ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "tidetrack: unknown command chek; did you mean check?"),
        (["xyzzy"], "tidetrack: unknown command xyzzy; known are demo, simulate"),
        (["--verbose"], "tidetrack: unknown option --verbose"),
        (["check"], "tidetrack check: the following arguments are required: FILE; see"),
        (["check", "--loud", "x"], "tidetrack check: unrecognized arguments: --loud; see"),
        (["try", "x", "--seed", "one"], "tidetrack try: argument --seed: invalid int value"),
        (["try", "x", "--see", "1"], "tidetrack try: unrecognized arguments: --see 1"),
    ],
)
@pytest.mark.usefixtures("command")
def test_wrong_use_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(said)
    assert output.err.count("\n") == 1


def test_the_exit_code_is_the_commands(command: types.ModuleType) -> None:
    vars(command)["run"] = lambda args: args.seed
    assert main(["try", "x", "--seed", "0"]) == 0
    assert main(["try", "x", "--seed", "1"]) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigurationError(["f.toml: a", "f.toml: b"]), "f.toml: a\nf.toml: b\n"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "x.csv: No such file"),
        (IsADirectoryError(21, "Is a directory", "out"), "out: Is a directory\n"),
        (PermissionError(13, "Permission denied", b"x"), "x: Permission denied\n"),
    ],
)
def test_trouble_of_a_known_kind_is_told_without_traceback(
    error: Exception,
    said: str,
    command: types.ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail_with(command, error)
    assert main(["try", "x"]) == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(("module", "name"), cli.KNOWN_ERRORS)
def test_known_errors_exist_and_are_told_in_one_line(
    module: str, name: str, command: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    if not is_written(module):
        pytest.skip(f"{module} is not written yet")
    kind = getattr(importlib.import_module(module), name)
    fail_with(command, kind.__new__(kind, "wrong"))  # whatever its own arguments are
    assert main(["try", "x"]) == 2
    output = capsys.readouterr().err
    assert output == "wrong\n"


def test_a_defect_is_one_line_and_shows_its_traceback_when_asked(
    command: types.ModuleType,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_with(command, ZeroDivisionError("defect\nof two lines"))
    monkeypatch.delenv(cli.TRACEBACK, raising=False)
    assert main(["try", "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "tidetrack try: unexpected ZeroDivisionError: defect of two lines" in line
    monkeypatch.setenv(cli.TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        main(["try", "x"])


def test_an_interrupt_is_130(command: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(command, KeyboardInterrupt())
    assert main(["try", "x"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


# --- tidetrack check ----------------------------------------------------------------------------


def test_check_says_right(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(CONFIG / "robot.toml")
    assert main(["check", file]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{file}: right: robot, latency 115 ms")
    assert shown.count("\n") == 1


def test_check_names_what_is_wrong_in_every_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[timing]\nlatency_ms = 900\ntick = 1\n")
    missing = tmp_path / "missing.toml"
    assert main(["check", str(wrong), str(CONFIG / "demo.toml"), str(missing)]) == 2
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert [line.startswith(f"{wrong}: timing.") for line in lines] == [True, True, False]
    assert lines[2].startswith(f"{missing}: no such file")
    assert "demo.toml: right" in output.out


# --- as processes -------------------------------------------------------------------------------


def run_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracker", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_overview_loads_nothing_heavy() -> None:
    code = "import sys, tracker.cli; tracker.cli.main(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"numpy", "scipy", "numba", "msgspec", "matplotlib", "rich"})


def test_a_process_ends_with_the_code_and_one_line() -> None:
    done = run_process("check", "nowhere.toml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("nowhere.toml: no such file")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    command = f"{sys.executable} -m tracker --help | sleep 0"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""

"""Every code block of the pages and docstrings does what it shows.

Python blocks run, those of one page one after the other in one namespace. Commands of shell
blocks must parse with the program's own parsers, and those that take no more than a moment run, in
a folder with a recorded session. TOML blocks must be right as changes to a shipped configuration.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from tests.documents.blocks import (
    LANGUAGES,
    PROGRAMS,
    REPOSITORY,
    Block,
    blocks_of,
    commands_of,
    docstring_blocks,
    page_blocks,
    pages,
)
from tests.live.service_stand import ServiceStand
from tracker.build.room import furnish
from tracker.cli import COMMANDS, main
from tracker.config import SHIPPED, altered, load_configuration, parse_configuration
from tracker.core.prediction.stepwise import CompiledPredictor, Method
from tracker.core.session import SessionState
from tracker.journal import JournalWriter, make_header
from tracker.offline.closed_loop import ClosedLoop

RECORDED_S = 40.0

NOT_RUN = {
    "docs/how-to/devices/gige-camera.md": "it looks for cameras on a network of the reader's",
    "docs/how-to/devices/stereo-xray.md": "it measures a radiograph that the reader has taken",
    "docs/how-to/write-a-driver.md": "tests/hal/test_write_a_driver.py runs it against a twin",
}
"""Pages whose Python blocks are only compiled here, and why."""

RUN_APART = {"docs/how-to/add-a-predictor.md", "docs/how-to/script-a-run.md"}
"""Pages whose Python blocks have a test of their own below."""

NOT_LOADED: dict[str, str] = {}
"""Pages whose TOML blocks are only parsed here, and why."""

NO_COMMANDS = {"tidetrack belt": "the name that the belt's twin gives its LSL stream"}
"""What is written like a command in a sentence and is none."""

RUN = {"check", "keys", "replay", "report", "sessions", "tokens", "verify"}
"""Commands that take no more than a moment."""

BLOCKS = page_blocks()


def of(language: str, blocks: list[Block] = BLOCKS) -> list[Block]:
    return [block for block in blocks if block.language == language]


def by_page(blocks: list[Block]) -> dict[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for block in blocks:
        found.setdefault(block.source, []).append(block)
    return found


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as after ``make demo`` and one live run: the demo's journal, a recorded session."""
    folder = tmp_path_factory.mktemp("session")
    journal_file = folder / "out" / "demo" / "session.mcap"
    journal_file.parent.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "config", folder / "config")
    demo = load_configuration(SHIPPED / "demo.toml")
    configuration = altered(demo, {"room": {"duration_s": RECORDED_S}})
    with JournalWriter(journal_file, make_header(configuration.text, 1)) as journal:
        ClosedLoop(configuration, furnish(configuration, None, 1), journal).run()
    (folder / "sessions").mkdir()
    shutil.copy(journal_file, folder / "sessions" / "20260301-101500.mcap")
    return folder


@pytest.fixture
def checkout(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, which is the current one."""
    shutil.copytree(session, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- the blocks themselves ----------------------------------------------------------------------


def test_blocks_are_found_in_lists_and_between_fences() -> None:
    page = "Text\n\n    make demo\n\n1. A step\n\n   ```toml\n   [room]\n   ```\n"
    assert [(block.line, block.language, block.text) for block in blocks_of(page, "page")] == [
        (3, "sh", "make demo\n"),
        (7, "toml", "[room]\n"),
    ]


def test_commands_are_read_without_comments_continuations_and_here_documents() -> None:
    text = "cat >>f <<'END'\nmake nothing\nEND\nA=1 make demo &  # comment\npytest \\\n  tests\n"
    assert [*commands_of(text)] == [["cat", ">>f"], ["make", "demo"], ["pytest", "tests"]]


def test_every_block_is_in_a_known_language() -> None:
    assert [block.name for block in BLOCKS if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("table", [NOT_RUN, NOT_LOADED], ids=["not run", "not loaded"])
def test_an_exception_names_a_page_that_has_such_a_block(table: dict[str, str]) -> None:
    language = "python" if table is NOT_RUN else "toml"
    assert set(table) <= {block.source for block in of(language)}


# --- shell --------------------------------------------------------------------------------------


def complaint(words: list[str]) -> str | None:
    """Return what is wrong with a command, or None."""
    program, *arguments = words
    match program:
        case _ if program not in PROGRAMS:
            return f"unknown program {program}"
        case "tidetrack":
            return complaint_of_tidetrack(arguments)
        case "make":
            targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
            missing = [a for a in arguments if "=" not in a and a not in targets]
            return f"the Makefile has no {missing}" if missing else None
        case "python" if arguments[:1] == ["-m"]:
            missing = arguments[1] != "pip" and importlib.util.find_spec(arguments[1]) is None
            return f"no module {arguments[1]}" if missing else None
        case "pytest":
            files = [a for a in arguments if a.startswith("tests/")]
            missing = [file for file in files if not (REPOSITORY / file).exists()]
            return f"no {missing}" if missing else None
        case _:
            return None


def complaint_of_tidetrack(arguments: list[str]) -> str | None:
    """Parse the arguments as the command itself does."""
    if arguments[0] not in COMMANDS:
        return f"no command {arguments[0]}"
    parser = parser_of(arguments[0])
    try:
        parser.parse_args(arguments[1:])
    except argparse.ArgumentError as error:
        return str(error)
    return None


class StrictParser(argparse.ArgumentParser):
    """Raises what the program would print before it exits with 2."""

    def error(self, message: str) -> Any:
        raise argparse.ArgumentError(None, message)


def parser_of(command: str) -> StrictParser:
    parser = StrictParser(prog=command, allow_abbrev=False)
    importlib.import_module(COMMANDS[command].module).add_arguments(parser)
    return parser


def complaints(blocks: list[Block]) -> list[str]:
    return [
        f"{block.name}: {' '.join(words)}: {wrong}"
        for block in blocks
        for words in commands_of(block.text)
        if (wrong := complaint(words))
    ]


def test_wrong_commands_are_found() -> None:
    wrong = "tidetrack chek a\ntidetrack check --no a\nmake tea\nrm x\npython -m no_module\n"
    assert len(complaints([Block("page", 1, "sh", wrong)])) == 5


def test_every_command_of_a_page_parses() -> None:
    assert complaints(of("sh")) == []


def test_every_command_of_a_docstring_parses() -> None:
    assert complaints(of("sh", docstring_blocks())) == []


def test_every_commands_example_parses() -> None:
    examples = "\n".join(row.example for row in COMMANDS.values())
    assert complaints([Block("tracker/cli.py", 1, "sh", examples)]) == []


def test_every_command_and_option_named_in_a_sentence_exists() -> None:
    wrong: list[str] = []
    for page in pages():
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for code in re.findall(r"`(tidetrack [a-z][^`]*)`", text):
            command, *words = code.split()[1:]
            named = [word.partition("=")[0].strip("[]") for word in words if "--" in word]
            known = parser_of(command).format_help() if command in COMMANDS else ""
            is_known = known and all(re.search(rf"{option}\b", known) for option in named)
            if not is_known and code not in NO_COMMANDS and complaint(code.split()):
                wrong.append(f"{page.relative_to(REPOSITORY)}: {code}")
    assert wrong == []


def shell_pages() -> list[Any]:
    found: list[Any] = []
    for page, blocks in by_page(of("sh")).items():
        lines = [words for block in blocks for words in commands_of(block.text)]
        if any(words[0] == "tidetrack" and words[1] in RUN for words in lines):
            found.append(pytest.param(blocks, id=page))
    return found


@pytest.mark.parametrize("blocks", shell_pages())
def test_the_quick_commands_of_a_page_do_what_they_show(
    blocks: list[Block], checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names in capitals are the reader's own files; the tutorials' own edits are made first."""
    for block in blocks:
        written = re.findall(r"^cat >>.*?^END$", block.text, re.DOTALL | re.MULTILINE)
        for words in commands_of(block.text):
            if words[0] == "cp":
                shutil.copy(*words[1:])
            if words[0] == "cat" and written:
                subprocess.run(["sh", "-c", written.pop(0)], check=True, timeout=10)
            if words[0] != "tidetrack" or words[1] not in RUN or _is_the_readers(words):
                continue
            arguments = [name for word in words[1:] for name in _expanded(word)]
            code = main(arguments)
            said = capsys.readouterr()
            assert code == 0, f"{block.name}: {' '.join(words)}: {said.err or said.out}"


def _is_the_readers(words: list[str]) -> bool:
    missing = [w for w in words if re.search(r"\.(toml|mcap)$", w) and not [*_expanded(w)]]
    return bool(missing) or any(re.fullmatch(r"[A-Z_.]{4,}", word) for word in words)


def _expanded(word: str) -> Iterator[str]:
    """Yield the files that a pattern or a path names, or the word itself if it is no path."""
    if re.search(r"\.(toml|mcap)$", word):
        yield from (str(file) for file in sorted(Path().glob(word)))
    else:
        yield word


# --- TOML ---------------------------------------------------------------------------------------


def merged(into: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return a table with the keys of another put in, those of its tables one by one."""
    found = dict(into)
    for key, value in change.items():
        old = found.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            found[key] = _merged_wire(old, value)
        else:
            found[key] = value
    return found


def _merged_wire(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge two tables, unless they are wires of two drivers, which have other keys."""
    return merged(old, new) if old.get("driver") == new.get("driver") else new


@pytest.mark.parametrize("block", of("toml"), ids=lambda block: block.name)
def test_a_toml_block_is_right_in_a_configuration(block: Block) -> None:
    change = tomllib.loads(block.text)
    if block.source in NOT_LOADED:
        return
    shipped = tomllib.loads((SHIPPED / "room-twin.toml").read_text("utf-8"))
    text = tomli_w.dumps(merged(shipped, change))
    parse_configuration(text, name=block.name, path=SHIPPED / "room-twin.toml")


# --- Python -------------------------------------------------------------------------------------


def python_pages() -> list[Any]:
    pages = by_page(of("python"))
    return [pytest.param(page, blocks, id=page) for page, blocks in pages.items()]


@pytest.mark.parametrize(("page", "blocks"), python_pages())
def test_the_python_of_a_page_compiles(page: str, blocks: list[Block]) -> None:
    for block in blocks:
        compile("{" + block.text + "}" if _is_a_row(block) else block.text, block.name, "exec")


def _is_a_row(block: Block) -> bool:
    return re.match(r'"\w+":', block.text) is not None


@pytest.mark.parametrize("page", sorted({*by_page(of("python"))} - NOT_RUN.keys() - RUN_APART))
def test_the_python_of_a_page_runs(page: str, checkout: Path) -> None:
    assert run_blocks(page, {})


def test_the_report_of_the_reference_is_written(checkout: Path) -> None:
    run_blocks("docs/reference/report.md", {})
    assert (checkout / "out" / "again" / "report.html").is_file()


def run_blocks(page: str, replaced: dict[str, str]) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    for block in by_page(of("python"))[page]:
        text = block.text
        for old, new in replaced.items():
            assert old in text, f"{block.name} no longer holds {old}"
            text = text.replace(old, new)
        exec(compile(text, block.name, "exec"), namespace)
    return namespace


def test_the_script_of_a_run_runs(tmp_path: Path) -> None:
    """Against a real service, whose session becomes ready once a model was asked for."""
    with ServiceStand(tmp_path) as stand:
        done = threading.Event()

        def make_ready() -> None:
            while not done.is_set() and "model" not in [asked.name for asked in stand.asked]:
                done.wait(0.01)
            stand.put(SessionState.READY)

        thread = threading.Thread(target=make_ready)
        thread.start()
        try:
            run_blocks(
                "docs/how-to/script-a-run.md",
                {
                    "tcp://127.0.0.1:15570": stand.at,
                    '"keys/anna.key"': repr(str(stand.folder / "oscar.key")),
                    "20 * 60": "2",
                },
            )
        finally:
            done.set()
            thread.join()
        assert [asked.name for asked in stand.asked] == ["model", "start", "stop"]


def test_the_predictor_of_the_page_predicts(tmp_path: Path) -> None:
    """The page's blocks are one file and one row; what they make goes on along a learned line."""
    blocks = by_page(of("python"))["docs/how-to/add-a-predictor.md"]
    file = tmp_path / "damped.py"
    file.write_text("\n\n".join(block.text for block in blocks if not _is_a_row(block)))
    spec = importlib.util.spec_from_file_location("damped", file)
    assert spec is not None
    assert spec.loader is not None
    damped = importlib.util.module_from_spec(spec)
    sys.modules["damped"] = damped
    try:
        spec.loader.exec_module(damped)
        row = next(block.text for block in blocks if _is_a_row(block))
        check_damped(damped, row)
    finally:
        del sys.modules["damped"]


def check_damped(damped: types.ModuleType, row: str) -> None:
    (method,) = eval("{" + row + "}", {"damped": damped, "Method": Method}).values()
    period_ns, horizon_ns = 40_000_000, 200_000_000
    parameters = method.parameters()
    state = method.begin(parameters, 1, 25.0, horizon_ns)
    predictor = CompiledPredictor(method, parameters, state, channels=1, horizon_ns=horizon_ns)
    for i in range(50):
        predictor.learn(i * period_ns, np.array([i * 0.4]))
    predicted = predictor.predict(49 * period_ns + horizon_ns)
    assert predicted is not None
    beyond = 10.0 * parameters.damping_s * (1 - math.exp(-0.2 / parameters.damping_s))
    assert predicted.mean[0] == pytest.approx(49 * 0.4 + beyond)

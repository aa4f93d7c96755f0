"""The project itself: folders, packages, locks and the import rules that no contract can say."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracker.cli import COMMANDS
from tracker.config_rules import RULES
from tracker.core.settings import Controller
from tracker.daemon_settings import Operation

REPOSITORY = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCKS = sorted((REPOSITORY / "locks").glob("*.lock"))
CORE_MAY_SEE = {"hal.messages", "hal.events", "hal.errors"}
PACKAGES = ("hal", "sim", "tidetrack", "tracker")


def sources(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(file: Path) -> Iterator[str]:
    """Every module a file imports, `from a import b` counted as a, and as a.b if it is one."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = REPOSITORY / node.module.replace(".", "/") / alias.name
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def test_the_core_sees_messages_events_and_errors_of_hal_only() -> None:
    seen = {
        (module_of(file), name)
        for file in sources("tracker/core")
        for name in imports_of(file)
        if name.partition(".")[0] == "hal" and name not in CORE_MAY_SEE
    }
    assert seen == set()


def test_no_device_imports_another() -> None:
    devices = {file.parent.name for file in (REPOSITORY / "hal").glob("*/codec.py")}
    seen = {
        (module_of(file), name)
        for device in devices
        for file in sources(f"hal/{device}")
        for name in imports_of(file)
        if name.startswith("hal.") and name.split(".")[1] in devices - {device}
    }
    assert seen == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_opens_by_saying_what_it_is(package: str) -> None:
    silent = [
        module_of(file)
        for file in sources(package)
        if not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_with_code_is_a_package(package: str) -> None:
    folders = {file.parent for file in sources(package)}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_named_after_nothing(package: str) -> None:
    nothing = {"utils", "util", "helpers", "common", "manager", "handler", "base", "misc"}
    assert [module_of(file) for file in sources(package) if file.stem in nothing] == []


def cycles_of(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or around a circle."""
    reached: dict[str, set[str]] = {}
    for start, imported in arrows.items():
        seen: set[str] = set()
        to_visit = list(imported)
        while to_visit:
            module = to_visit.pop()
            if module not in seen:
                seen.add(module)
                to_visit.extend(arrows.get(module, ()))
        reached[start] = seen
    circles = {
        tuple(sorted(other for other in seen if start in reached.get(other, ())))
        for start, seen in reached.items()
        if start in seen
    }
    return sorted(map(list, circles))


def test_circles_are_found() -> None:
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert cycles_of(arrows) == [["b", "c"]]


def test_no_modules_import_each_other() -> None:
    """Also not within a function, and not for types alone."""
    arrows = {
        module_of(file): set(imports_of(file)) for package in PACKAGES for file in sources(package)
    }
    assert cycles_of(arrows) == []


def test_a_public_class_name_stands_in_one_file_only() -> None:
    places: dict[str, list[str]] = {}
    for package in PACKAGES:
        for file in sources(package):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(module_of(file))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


# --- dependencies and locks ---------------------------------------------------------------------


def names_in(requirements: list[str]) -> set[str]:
    return {
        re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")
        for requirement in requirements
    }


def pinned_in(lock: Path) -> set[str]:
    return {re.split(r"[\[=]", line)[0] for line in lock.read_text().splitlines() if "==" in line}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_and_hashes_everything_and_names_no_index(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z])", lock.read_text().strip())
    for entry in entries:
        if entry.startswith("#"):
            continue
        assert re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert (
        re.search(r"://|--index|--extra-index|--find-links|--trusted|/\w+/", lock.read_text())
        is None
    )


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    runtime = pinned_in(REPOSITORY / "locks" / "runtime.lock")
    dev = pinned_in(REPOSITORY / "locks" / "dev.lock")
    assert names_in(project["dependencies"]) <= runtime
    assert runtime <= dev
    assert names_in(extras["dev"]) | names_in(extras["bench"]) <= dev
    peers = pinned_in(REPOSITORY / "locks" / "peers.lock")
    assert names_in(extras["peers"]) | names_in(extras["dicom"]) | names_in(extras["lsl"]) <= peers
    assert names_in(PROJECT["build-system"]["requires"]) == pinned_in(
        REPOSITORY / "locks" / "build.lock"
    )


def test_the_locks_agree_on_every_version() -> None:
    pins: dict[str, str] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            assert pins.setdefault(name, version) == version, f"{name} in {lock.name}"


# --- the wheel ----------------------------------------------------------------------------------


def test_a_wheel_carries_the_code_and_the_configurations(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, source)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in (*PACKAGES, "config"):
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True, ignore=ignore)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build, str(tmp_path)],
        cwd=source,
        capture_output=True,
        check=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for file in (REPOSITORY / "config").glob("*.toml"):
            assert archive.read(f"tracker/defaults/{file.name}") == file.read_bytes()
    for package in PACKAGES:
        files = {str(file.relative_to(REPOSITORY)) for file in sources(package)}
        assert files <= names
        assert f"{package}/py.typed" in names
    static = REPOSITORY / "tracker" / "report" / "static"
    assets = {str(file.relative_to(REPOSITORY)) for file in static.rglob("*") if file.is_file()}
    assert assets <= names
    assert not any(name.startswith("tests/") for name in names)


# --- documents ----------------------------------------------------------------------------------


def documents() -> list[Path]:
    return [
        *REPOSITORY.glob("*.md"),
        *(file for file in (REPOSITORY / "docs").rglob("*.md")),
    ]


def anchors_of(file: Path) -> set[str]:
    """Return the anchors of a page's headings, as Sphinx and the usual hosts make them."""
    text = re.sub(r"^```.*?^```", "", file.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_in_the_documents_leads_somewhere() -> None:
    dead: list[str] = []
    for file in documents():
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", file.read_text("utf-8")):
            if target.startswith(("http:", "https:")):
                continue
            page = file.parent / target if target else file
            if not page.exists() or (anchor and anchor not in anchors_of(page)):
                dead.append(f"{file.relative_to(REPOSITORY)}: {target}#{anchor}")
    assert dead == []


def test_the_readme_and_the_reference_name_every_command() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    reference = (REPOSITORY / "docs" / "reference" / "commands.md").read_text()
    for name, command in COMMANDS.items():
        assert f"| `tidetrack {name}` | {command.does} |" in readme
        assert re.search(rf"^\| `{name}\b", reference, re.MULTILINE), name


def test_the_configuration_reference_names_every_section_and_rule() -> None:
    reference = (REPOSITORY / "docs" / "reference" / "configuration.md").read_text()
    for section in (*Controller.__struct_fields__, *Operation.__struct_fields__):
        assert f"`[{section}]`" in reference
    for rule in RULES:
        assert rule.key.rpartition(".")[2] in reference, rule.key

"""The shipped configurations are right and complete, and a file may extend another."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest
from msgspec import inspect

from tests.config_parts import (
    CONFIG,
    FILES,
    LEAVES,
    MACHINES,
    SHIPPED_NAMES,
    flat,
)
from tracker.config import (
    SHIPPED,
    ConfigurationError,
    load_configuration,
    parse_configuration,
)
from tracker.config_extends import whole_text
from tracker.core.machine.kinds.table import MACHINE_KINDS

COUCH_AND_ROBOT_DIFFER = {
    "timing.latency_ms",
    "actuator.kind",
    "actuator.device",
    "actuator.speed_mm_s",
    "actuator.acceleration_mm_s2",
    "guard.speed_mm_s",
    "guard.acceleration_mm_s2",
    "guard.step_mm",
    "room.actuator.kind",
    "room.actuator.latency_ms",
    "room.actuator.dead_time_ms",
    "room.actuator.speed_mm_s",
    "room.actuator.acceleration_mm_s2",
    "room.actuator.stroke_mm",
}


# --- the files that come with the program -----------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_in_config_is_right(file: Path) -> None:
    configuration = load_configuration(file)
    assert configuration.path == file
    text = whole_text(file.read_text(), file)
    assert configuration.text == text
    assert configuration.sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_a_shipped_file_has_every_key(name: str) -> None:
    keys = flat(tomllib.loads((CONFIG / f"{name}.toml").read_text()))
    assert sorted(LEAVES.keys() - keys.keys()) == [], "missing in the file"


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_every_key_has_its_comment_with_the_bounds_in_force(name: str) -> None:
    lines = (CONFIG / f"{name}.toml").read_text().splitlines()
    section, silent, stale = "", list[str](), list[str]()
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("["):
            section = line.strip("[] ") + "."
        if " = " not in line or line.startswith(("#", " ")):
            continue
        key = section + line.partition(" = ")[0]
        comment = before if before.startswith("#") else line.partition("  # ")[2]
        if not comment:
            silent.append(key)
        elif bounds_of(LEAVES[key]) not in comment:
            stale.append(f"{key}: {bounds_of(LEAVES[key])}")
    assert not silent, "keys without a comment"
    assert not stale, "comments that do not say these bounds"


def bounds_of(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.LiteralType):
        return " | ".join(map(str, kind.values))
    if not isinstance(kind, inspect.IntType | inspect.FloatType):
        return ""
    low = high = ""
    if kind.ge is not None or kind.gt is not None:
        low = f"{kind.ge:.7g}" if kind.ge is not None else f"above {kind.gt:.7g}"
    if kind.le is not None or kind.lt is not None:
        high = f"{kind.le:.7g}" if kind.le is not None else f"below {kind.lt:.7g}"
    return f"{low} to {high}" if low and high else low + high


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_the_comment_on_the_kind_of_machine_names_every_kind(name: str) -> None:
    section, comments = "", list[str]()
    for line in (CONFIG / f"{name}.toml").read_text().splitlines():
        section = line if line.startswith("[") else section
        if line.startswith("kind = ") and section.endswith("actuator]"):
            comments.append(line.partition("  # ")[2])
    assert len(comments) == 2, "one for the controller, one for the simulated room"
    assert all(comment.startswith(" | ".join(MACHINE_KINDS)) for comment in comments)


def test_couch_and_robot_differ_in_the_actuator_only() -> None:
    couch = flat(tomllib.loads((CONFIG / "couch.toml").read_text()))
    robot = flat(tomllib.loads((CONFIG / "robot.toml").read_text()))
    assert couch.keys() == robot.keys()
    assert {key for key in couch if couch[key] != robot[key]} <= COUCH_AND_ROBOT_DIFFER


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_room_and_controller_agree_in_a_shipped_file(name: str) -> None:
    configuration = load_configuration(CONFIG / f"{name}.toml")
    controller, room = configuration.controller, configuration.room
    assert room is not None
    assert room.actuator.kind == controller.actuator.kind
    assert room.actuator.latency_ms == controller.timing.latency_ms
    assert room.actuator.speed_mm_s >= controller.actuator.speed_mm_s
    assert room.actuator.acceleration_mm_s2 >= controller.actuator.acceleration_mm_s2


def test_the_program_carries_the_files_of_the_folder_config() -> None:
    for files in ("*.toml", "machines/*.toml"):
        assert {file.name: file.read_bytes() for file in SHIPPED.glob(files)} == {
            file.name: file.read_bytes() for file in CONFIG.glob(files)
        }


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.stem)
def test_a_file_of_a_machine_is_right_and_room_and_controller_agree(file: Path) -> None:
    configuration = load_configuration(file)
    controller, room = configuration.controller, configuration.room
    assert room is not None
    assert file.stem in (controller.actuator.kind, "breath-hold", "deep-inspiration")
    assert room.actuator.kind == controller.actuator.kind
    assert room.actuator.latency_ms == controller.timing.latency_ms
    if MACHINE_KINDS[controller.actuator.kind].moves:
        assert room.actuator.speed_mm_s >= controller.actuator.speed_mm_s
        assert room.actuator.acceleration_mm_s2 >= controller.actuator.acceleration_mm_s2
    linac, twin = controller.linac, room.linac
    assert linac.enabled == twin.enabled
    assert (linac.collimator_deg, linac.table_deg) == (twin.collimator_deg, twin.table_deg)
    assert linac.enabled or (linac.gantry_deg == twin.gantry_deg and twin.gantry_deg_s == 0.0)


def test_every_kind_of_machine_has_its_file() -> None:
    assert set(MACHINE_KINDS) <= {file.stem for file in MACHINES}


# --- files that extend another ------------------------------------------------------------------


def test_a_file_that_extends_another_replaces_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        "[timing]\ntick_hz = 50\nlatency_ms = 100\n[room]\nmishaps = [{kind = 'sigh',"
        " on = 'patient', at_s = 5}]\n"
    )
    middle = tmp_path / "below"
    middle.mkdir()
    (middle / "middle.toml").write_text("extends = '../base.toml'\n[timing]\nlatency_ms = 120\n")
    file = tmp_path / "file.toml"
    file.write_text("extends = 'below/middle.toml'\n[room]\nmishaps = []\n[gate]\nlease_ms = 90\n")
    configuration = load_configuration(file)
    timing, room = configuration.controller.timing, configuration.room
    assert (timing.tick_hz, timing.latency_ms) == (50.0, 120.0)
    assert room is not None
    assert room.mishaps == ()
    assert configuration.controller.gate.lease_ms == 90.0
    again = parse_configuration(configuration.text)
    assert (again.controller, again.room) == (configuration.controller, room)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends = 3", "extends: 3 is no file name; name a .toml file"),
        ("extends = 'none.toml'", "none.toml: no such file or directory; correct the name"),
        ("extends = 'file.toml'", "over 5 files extend one another; name one"),
        ("extends = 'bad.toml'", "bad.toml: not TOML: "),
        ("extends = '.'", "is a directory; correct the name"),
    ],
)
def test_a_file_that_cannot_be_extended_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.toml").write_text("= 1")
    file = tmp_path / "file.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(file)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{file}: extends: ")
    assert said in problem


def test_the_page_on_the_configuration_lists_every_kind_of_machine() -> None:
    page = (CONFIG.parent / "docs" / "reference" / "configuration.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for kind in MACHINE_KINDS.values():
        actuator, guard = kind.actuator, kind.guard
        limits = f"{actuator.device} | {actuator.speed_mm_s:g} | {actuator.acceleration_mm_s2:g}"
        guard_words = (
            f"{guard.speed_mm_s:g} mm/s, {guard.acceleration_mm_s2:g} mm/s², {guard.step_mm:g} mm"
        )
        (row,) = (row for row in rows if row.startswith(f"| `{kind.name}` | "))
        assert row.endswith(f" | {limits} | {guard_words} |"), row

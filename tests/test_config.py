"""A configuration is right, or every wrong key is named in one line of its own."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import inspect

from sim.scenario import RoomScenario
from tracker.config import (
    RULES,
    SHIPPED,
    ConfigurationError,
    altered,
    load_configuration,
    parse_configuration,
)
from tracker.config_extends import whole_text
from tracker.core.machine.kinds.table import MACHINE_KINDS
from tracker.core.settings import Belt, Camera, Controller

CONFIG = Path(__file__).parent.parent / "config"
FILES = sorted(CONFIG.glob("*.toml"))
MACHINES = sorted(CONFIG.glob("machines/*.toml"))
KINDS = ", ".join(MACHINE_KINDS)
SHIPPED_NAMES = ("couch", "demo", "robot")

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


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text, name="f.toml")
    return caught.value.problems


def leaves(record: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, inspect.Type]]:
    """Every key a document may have that is no section, with its type."""
    for field in cast(inspect.StructType, inspect.type_info(record)).fields:
        if isinstance(field.type, inspect.StructType):
            yield from leaves(field.type.cls, f"{prefix}{field.encode_name}.")
        else:
            yield f"{prefix}{field.encode_name}", field.type


LEAVES = {**dict(leaves(Controller)), **dict(leaves(RoomScenario, "room."))}


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The document as dotted keys, as far down as the records have keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        path = prefix + key
        if isinstance(value, dict) and path not in LEAVES:
            found.update(flat(cast(dict[str, Any], value), f"{path}."))
        else:
            found[path] = value
    return found


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
    assert file.stem in (controller.actuator.kind, "breath-hold")
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


# --- what is refused, and in which words --------------------------------------------------------


def test_an_empty_document_is_all_defaults_and_no_room() -> None:
    configuration = parse_configuration("")
    assert configuration.controller == Controller()
    assert configuration.room is None
    assert configuration.path is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[timing]\nlatency_ms = 900",
            "f.toml: timing.latency_ms: too large: 900, allowed at least 0 and at most 800;"
            " choose a value inside",
        ),
        (
            "[imager]\nnoise_mm = 0",
            "f.toml: imager.noise_mm: too small: 0, allowed above 0 and at most 5;"
            " choose a value inside",
        ),
        (
            "[camera]\nnoise_mm = nan",
            "f.toml: camera.noise_mm: not finite: nan, allowed above 0 and at most 5;"
            " write a number",
        ),
        ("[timming]\n", "f.toml: timming: unknown section; did you mean timing?"),
        (
            "[timing]\nlatency = 3",
            "f.toml: timing.latency: unknown key; did you mean timing.latency_ms?",
        ),
        (
            "[timing]\nlease_ms = 80",
            "f.toml: timing.lease_ms: unknown key; did you mean gate.lease_ms?",
        ),
        (
            "[gate]\nxyzzy = 1",
            "f.toml: gate.xyzzy: unknown key; remove it;"
            " [gate] knows device, lease_ms, readback_ms",
        ),
        (
            '[timing]\ntick_hz = "fast"',
            'f.toml: timing.tick_hz: wrong type: "fast"; write a number',
        ),
        ("[belt]\nenabled = 1", "f.toml: belt.enabled: wrong type: 1; write true or false"),
        (
            "[timing]\ntick_hz = true",
            "f.toml: timing.tick_hz: wrong type: true; write a number",
        ),
        (
            "[correlation]\nmodelling_shots = 8.0",
            "f.toml: correlation.modelling_shots: wrong type: 8.0; write a whole number",
        ),
        ("timing = 3", "f.toml: timing: wrong type: 3; write a table"),
        ("room = []", "f.toml: room: wrong type: []; write a table"),
        (
            "[camera]\nposition_mm = [1, 2]",
            "f.toml: camera.position_mm: 2 values; write a list of 3 values",
        ),
        (
            '[imager]\nfiducials_mm = [[1, 2, 3], [1, "a", 3]]',
            'f.toml: imager.fiducials_mm[1][1]: wrong type: "a"; write a number',
        ),
        (
            '[actuator]\nkind = "coach"',
            f'f.toml: actuator.kind: "coach" is not one of {KINDS}; did you mean "couch"?',
        ),
        (
            '[room.actuator]\nkind = "roboter"',
            f'f.toml: room.actuator.kind: "roboter" is not one of {KINDS}; did you mean "robot"?',
        ),
        (
            '[camera]\ndevice = "a b"',
            'f.toml: camera.device: "a b" does not match ^[A-Za-z0-9_.-]+$;'
            " use such characters only",
        ),
        (
            '[camera]\ndevice = ""',
            "f.toml: camera.device: 0 characters, at least 1 are needed; add some",
        ),
        (
            "[room]\nmishaps = [{kind = 'loss', on = 'camera', at_s = -1}]",
            "f.toml: room.mishaps[0].at_s: too small: -1, allowed at least 0 and at most 86400;"
            " choose a value inside",
        ),
        (
            "[room]\nmishaps = [{kind = 'loss', on = 'camera'}]",
            "f.toml: room.mishaps[0].at_s: missing; add it",
        ),
        (
            "[room.patient]\nmarkers = []",
            "f.toml: room.patient.markers: 0 values, at least 1 are needed; add some",
        ),
    ],
)
def test_one_wrong_key_is_one_line(text: str, line: str) -> None:
    assert problems_of(text) == (line,)


def test_every_wrong_key_is_named_at_once() -> None:
    problems = problems_of(
        """
        [timing]
        latency_ms = -1
        tick = 100
        [camera]
        noise_mm = "much"
        [prediction]
        predictor = "rsl"
        [correlation]
        models = []
        [bed]
        [room.belt]
        rate_hz = 1e9
        """
    )
    keys = [problem.split(": ")[1] for problem in problems]
    assert sorted(keys) == [
        "bed",
        "camera.noise_mm",
        "correlation.models",
        "prediction.predictor",
        "room.belt.rate_hz",
        "timing.latency_ms",
        "timing.tick",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[imager]\ninterval_s = 30\noverdue_s = 20",
            "imager.overdue_s: too small: 20, at least 30",
        ),
        (
            "[timing]\ntick_hz = 10\n[prediction]\nlearn_hz = 10",
            "gate.lease_ms: too small: 100, at least 200",
        ),
        ("[guard]\nposition_mm = 49", "guard.position_mm: too small: 49, at least 50"),
        ("[actuator]\nspeed_mm_s = 26", "guard.speed_mm_s: too small: 25, at least 26"),
        (
            "[actuator]\nacceleration_mm_s2 = 501",
            "guard.acceleration_mm_s2: too small: 500, at least 501",
        ),
        ("[guard]\nstep_mm = 0.1", "guard.step_mm: too small: 0.1, at least 0.2"),
        ("[camera]\ndelay_ms = 500\n[fusion]\nstale_ms = 900", "fusion.history_ms: too small: 300"),
        ("[fusion]\nstale_ms = 20", "fusion.stale_ms: too small: 20, at least 36.6667"),
        (
            "[correlation]\ncapacity_shots = 5",
            "correlation.capacity_shots: too small: 5, at least 8",
        ),
        ("[correlation]\nresidual_rebuild_mm = 6", "correlation.residual_hold_mm: too small: 5"),
        (
            "[timing]\ntick_hz = 50\n[prediction]\nlearn_hz = 60",
            "prediction.learn_hz: too large: 60, at most 50",
        ),
        ("[imager]\nfiducials_mm = []", "imager.fiducials_mm: is empty"),
        (
            "[imager]\nfiducials_mm = [[1, 2, 3], [1, 2, 3]]",
            "imager.fiducials_mm: [1.0, 2.0, 3.0] is there 2 times",
        ),
        ("[correlation]\nmodels = []", "correlation.models: is empty"),
        ('[correlation]\nmodels = ["linaer"]', 'did you mean "linear"?'),
        ('[correlation]\nmodels = ["dual", "dual"]', '"dual" is named 2 times'),
        ('[prediction]\npredictor = "rsl"', 'did you mean "rls"?'),
        ("[prediction]\npredictor = 'rls'\nparameters = {fast = 1}", "has no parameter 'fast'"),
        (
            "[prediction]\npredictor = 'rls'\nparameters = {memory_s = 0}",
            "memory_s = 0.0 is outside",
        ),
        (
            '[belt]\ndevice = "camera"',
            'device: belt.device is "camera" as is camera.device',
        ),
    ],
)
def test_a_broken_rule_between_keys_is_one_line(text: str, said: str) -> None:
    (problem,) = problems_of(text)
    assert said in problem


def test_rules_read_keys_that_exist() -> None:
    for rule in RULES:
        assert set(rule.reads) <= LEAVES.keys(), rule.key


def test_the_defaults_keep_every_rule() -> None:
    defaults = Controller()
    assert [breach for rule in RULES for breach in rule.breaches(defaults)] == []


def test_a_rule_is_not_judged_by_a_key_that_is_wrong_itself() -> None:
    (problem,) = problems_of("[imager]\ninterval_s = 1000\noverdue_s = 20")
    assert "interval_s" in problem


# --- files that are no configuration -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[timing\ntick_hz = 3", 1),
        ("[timing]\ntick_hz = 3\ntick_hz = 4", 3),
        ("[timing]\ntick_hz = ", 2),
        ('[camera]\n\ndevice = "camera', 3),
        ("x = " + "[" * 5000, 1),
        ("x = " + "9" * 5000, 1),
        ("\ufeff[timing]", 1),
        ("\x00", 1),
    ],
)
def test_text_that_is_not_toml_is_one_line_with_its_number(text: str, line: int) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith(f"f.toml:{line}: not TOML: ")
    assert "\n" not in problem


def test_a_missing_file_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: no such file; .*couch, demo"):
        load_configuration(tmp_path / "nowhere.toml")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is a directory; name a \.toml file"):
        load_configuration(tmp_path)


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "binary.toml"
    file.write_bytes(b"[timing]\n\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"binary\.toml:2: byte 0xff is not UTF-8 text"):
        load_configuration(file)


def test_a_number_beyond_all_numbers_is_refused() -> None:
    (problem,) = problems_of("[belt]\nnoise_au = 1" + "0" * 400)
    assert "belt.noise_au" in problem


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(sorted(RoomScenario.__struct_fields__)), inner, max_size=3
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(sorted(LEAVES)),
)
@example({"a": None, "gate": {"kind": 1}, "b": {"kind": "belt", "rate_hz": []}}, "sources")
@example({"a": 1}, "room.sources")
def test_whatever_a_key_holds_is_right_or_refused_in_lines(value: Any, key: str) -> None:
    *sections, name = key.split(".")
    header = f"[{'.'.join(sections)}]\n" if sections else ""
    text = f"{header}{name} = {as_toml(value)}\n"
    problems = ["f.toml: "]
    try:
        parse_configuration(text, name="f.toml")
    except ConfigurationError as error:
        problems = list(error.problems)
    assert problems
    for problem in problems:
        assert problem.startswith("f.toml: ")
        assert "\n" not in problem


def as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, cast(list[Any], value)))}]"
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return f"{{{', '.join(f'{key} = {as_toml(item)}' for key, item in items)}}}"
    if isinstance(value, int | float):
        return repr(value)
    text = "".join(letter for letter in str(value) if letter.isalnum())
    return f'"{text}"'


# --- a configuration with some keys changed -----------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_altering_nothing_changes_no_value(file: Path) -> None:
    before = load_configuration(file)
    after = altered(before, {})
    assert after.controller == before.controller
    assert after.room == before.room


def test_altered_keys_are_in_the_text_and_nothing_else_is() -> None:
    before = load_configuration(CONFIG / "robot.toml")
    after = altered(
        before,
        {
            "timing": {"latency_ms": 200.0},
            "room.actuator": {"latency_ms": 200.0},
            "prediction": {"predictor": "hold"},
        },
    )
    assert after.controller.timing.latency_ms == 200.0
    assert after.controller.prediction.predictor == "hold"
    assert after.room is not None
    assert after.room.actuator.latency_ms == 200.0
    assert parse_configuration(after.text).controller == after.controller
    assert after.sha256 != before.sha256
    keys = [flat(tomllib.loads(text)) for text in (before.text, after.text)]
    assert {key for key in keys[0] if keys[0][key] != keys[1][key]} == {
        "timing.latency_ms",
        "room.actuator.latency_ms",
        "prediction.predictor",
    }


def test_altered_keys_are_checked_as_a_file_is() -> None:
    before = load_configuration(CONFIG / "couch.toml")
    with pytest.raises(ConfigurationError, match=r"timing\.latency_ms: too large: 9000"):
        altered(before, {"timing": {"latency_ms": 9000.0}})


# --- kinds of machine -------------------------------------------------------------------------


def test_a_kind_brings_its_own_limits_and_a_file_may_change_each() -> None:
    controller = parse_configuration('[actuator]\nkind = "robot"\nlimit_mm = 40.0').controller
    actuator, guard = controller.actuator, controller.guard
    assert (actuator.device, actuator.limit_mm) == ("robot", 40.0)
    assert (actuator.speed_mm_s, actuator.acceleration_mm_s2) == (200.0, 2000.0)
    assert (guard.speed_mm_s, guard.acceleration_mm_s2, guard.step_mm) == (250.0, 5000.0, 20.0)
    other = parse_configuration('[actuator]\nkind = "robot"\n[guard]\nstep_mm = 15.0').controller
    assert (other.guard.step_mm, other.guard.speed_mm_s) == (15.0, 250.0)


def test_an_unknown_kind_hides_no_other_wrong_key() -> None:
    text = '[actuator]\nkind = "sledge"\n[room.actuator]\nkind = "sledge"\n[gate]\nlease_ms = 1'
    what = f'"sledge" is not one of {KINDS}; choose one of them'
    assert set(problems_of(text)) == {
        f"f.toml: actuator.kind: {what}",
        f"f.toml: room.actuator.kind: {what}",
        "f.toml: gate.lease_ms: too small: 1, allowed at least 20 and at most 250;"
        " choose a value inside",
    }


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


# --- surrogate sources by name ------------------------------------------------------------------

TWO_MORE = """
[sources.second]
kind = "markers"
rate_hz = 50
[sources.lower]
kind = "belt"
device = "lower-belt"
[room.sources.second]
kind = "markers"
noise_mm = 0.2
"""


def test_further_sources_have_their_kind_and_are_called_by_their_section() -> None:
    controller = parse_configuration(TWO_MORE).controller
    assert list(controller.surrogate_sources()) == ["camera", "belt", "second", "lower"]
    assert controller.sources["second"] == Camera(device="second", rate_hz=50.0)
    assert controller.sources["lower"] == Belt(device="lower-belt")


def test_further_sources_survive_a_change_of_another_key() -> None:
    before = parse_configuration(TWO_MORE)
    after = altered(before, {"timing": {"latency_ms": 100.0}})
    assert after.controller.sources == before.controller.sources
    assert before.room is not None
    assert after.room is not None
    assert after.room.sources == before.room.sources


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "camera.enabled = false\nbelt.enabled = false",
            "sources: none is enabled; enable camera, belt or one of [sources.NAME]",
        ),
        ("[sources.a]", "sources.a.kind: missing; add one of markers, belt"),
        (
            '[sources.a]\nkind = "marker"',
            'sources.a.kind: "marker" is not one of markers, belt; did you mean "markers"?',
        ),
        (
            '[sources.a]\nkind = "belt"\nnoise_mm = 1',
            "sources.a.noise_mm: unknown key",
        ),
        ('[sources.a]\nkind = "belt"\nrate_hz = 0', "sources.a.rate_hz: too small: 0"),
        ('[sources.gate]\nkind = "belt"', "sources.gate: this name has a meaning of its own"),
        ('[sources."1 a"]\nkind = "belt"', "sources.1 a: is no name for a source"),
        ("[sources]\na = 3", "sources.a: is no section"),
        ("sources = 3", "sources: wrong type: 3; write a table"),
        (
            '[sources.a]\nkind = "belt"\ndevice = "belt"',
            'device: sources.a.device is "belt" as is belt.device; give each its own name',
        ),
        (
            '[sources.a]\nkind = "belt"\n[room.sources.a]\nkind = "markers"',
            'room.sources.a.kind: is "markers", but sources.a.kind is "belt"; make them equal',
        ),
        (
            '[room.sources.a]\nkind = "belt"',
            "room.sources.a: there is no [sources.a]; add or remove it",
        ),
        (
            '[room]\nmishaps = [{kind = "loss", on = "camra", at_s = 1}]',
            'room.mishaps[0].on: "camra" is not one of camera, belt,',
        ),
    ],
)
def test_a_wrong_source_is_one_line(text: str, said: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith(f"f.toml: {said}")

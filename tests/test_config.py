"""A configuration is right, or every wrong key is named in one line of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim.scenario import RoomScenario
from tests.config_parts import (
    KINDS,
    LEAVES,
    problems_of,
)
from tracker.config import (
    ConfigurationError,
    load_configuration,
    parse_configuration,
)
from tracker.config_rules import RULES
from tracker.core.settings import Controller

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
        (
            "belt.enabled = false\nfusion.stale_ms = 20",
            "fusion.stale_ms: too small: 20, at least 36.6667",
        ),
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
        ("[second_window]\nenter = 5\nleave = 4", "second_window.leave: too small: 4, at least 5"),
        (
            '[second_window]\non = "phase"\non_ms = 200',
            "second_window.on_ms: too large: 200, at most 150",
        ),
        (
            '[window]\non = "percent"\ncentre = "drift"',
            'window.centre: is "drift", but a window on percent follows',
        ),
        (
            '[window]\non = "target"\ncentre = "drift"\nenter = 1\nleave = 2',
            "window.drift_mm: too large: 2 with window.leave lets the target be 4 mm off",
        ),
        ('[window]\non = "target"\npoint = 1', "window.point: 1 has no meaning"),
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

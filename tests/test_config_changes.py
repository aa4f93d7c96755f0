"""A configuration changed by its program is checked anew, and further sources have names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.config_parts import (
    CONFIG,
    FILES,
    flat,
    problems_of,
)
from tracker.config import (
    ConfigurationError,
    altered,
    load_configuration,
    parse_configuration,
)
from tracker.core.settings import Belt, Camera

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

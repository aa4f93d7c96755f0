"""Latency out of a chirp: what a twin was set to is what is found, and a start may be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tracker.cli import main
from tracker.config import SHIPPED, ConfigurationError, altered, load_configuration
from tracker.live.devices.latency import in_room
from tracker.live.devices.latency_analysis import Track, chirp_for, latency_of
from tracker.live.devices.latency_file import MeasuredLatency, refuse_other_latency, write_latency

CHIRP = chirp_for(200.0, 2000.0, 50.0)


def set_to(config: str, latency_ms: float, dead_share: float):
    changes: dict[str, dict[str, Any]] = {
        "room.actuator": {"latency_ms": latency_ms, "dead_time_ms": dead_share * latency_ms}
    }
    return altered(load_configuration(SHIPPED / config), changes)


@pytest.mark.parametrize(
    ("latency_ms", "config", "dead_share"),
    [
        (50.0, "robot.toml", 0.2),
        (115.0, "robot.toml", 0.6),
        (200.0, "couch.toml", 0.2),
        (400.0, "robot.toml", 0.2),
        (630.0, "couch.toml", 0.2),
    ],
)
def test_a_twin_s_latency_is_found_within_5_ms(
    latency_ms: float, config: str, dead_share: float
) -> None:
    configuration = set_to(config, latency_ms, dead_share)
    actuator = configuration.controller.actuator
    chirp = chirp_for(actuator.speed_mm_s, actuator.acceleration_mm_s2, actuator.limit_mm)
    found = in_room(configuration, chirp)
    assert found.slow_ms == pytest.approx(latency_ms, abs=5.0)
    assert found.error_ms < 2.0


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.1, 0.8])
def test_a_pure_delay_is_found_whatever_the_noise(delay_s: float) -> None:
    times = np.arange(0.0, CHIRP.duration_s, 0.01)
    asked = Track(times, np.array([CHIRP.at(t) for t in times]))
    fine = np.arange(0.0, CHIRP.duration_s, 0.0133)
    noise = 0.05 * np.random.default_rng(3).standard_normal(len(fine))
    moved = Track(fine, np.interp(fine - delay_s, *asked) + noise)
    found = latency_of(asked, moved)
    # A demand is in force until the next: half a period earlier than the line through them.
    assert 1e-3 * found.slow_ms == pytest.approx(delay_s - 0.005, abs=0.004)
    assert found.gain == pytest.approx(1.0, abs=0.02)


def test_what_does_not_move_has_no_latency() -> None:
    times = np.arange(0.0, CHIRP.duration_s, 0.01)
    asked = Track(times, np.array([CHIRP.at(t) for t in times]))
    with pytest.raises(ValueError, match="does not follow"):
        latency_of(asked, Track(times, 0.01 * np.sin(times)))
    with pytest.raises(ValueError, match="at least 20 s needed"):
        latency_of(asked, Track(times[:900], asked.place_mm[:900]))


def test_a_chirp_stays_inside_what_the_actuator_can_do() -> None:
    for speed, acceleration, limit in ((20.0, 200.0, 50.0), (5.0, 2000.0, 50.0), (200, 20, 3.0)):
        chirp = chirp_for(speed, acceleration, limit)
        times = np.arange(0.0, chirp.duration_s, 0.001)
        place = np.array([chirp.at(t) for t in times])
        assert place[0] == place[-1] == 0.0
        assert np.abs(place).max() <= limit
        assert np.abs(np.gradient(place, times)).max() <= speed
        assert np.abs(np.gradient(np.gradient(place, times), times)).max() <= acceleration


def test_the_command_says_no_where_the_configuration_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = altered(load_configuration(SHIPPED / "robot.toml"), {"timing": {"latency_ms": 140.0}})
    file = tmp_path / "wrong.toml"
    file.write_text(wrong.text)
    out = tmp_path / "latency.json"
    assert main(["latency", str(file), "--out", str(out)]) == 1
    assert "DISAGREES" in capsys.readouterr().out
    found = msgspec.json.decode(out.read_bytes(), type=MeasuredLatency)
    assert found.latency_ms == pytest.approx(115.0, abs=5.0)
    assert main(["latency", str(SHIPPED / "robot.toml")]) == 0
    assert main(["latency", str(SHIPPED / "robot.toml"), "--amplitude-mm", "900"]) == 2
    assert main(["latency", str(SHIPPED / "couch.toml"), "--wires"]) == 2


def measured(**changes: Any) -> MeasuredLatency:
    found = MeasuredLatency(
        device="robot",
        latency_ms=118.0,
        error_ms=0.1,
        breathing_ms=119.0,
        gain=1.0,
        configured_ms=115.0,
        made="2026-01-01 12:00:00",
        where="wires",
    )
    return msgspec.structs.replace(found, **changes)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (measured(), ""),
        (measured(latency_ms=134.9), ""),
        (measured(latency_ms=135.1), "measured were 135 ms .* more than 20 ms apart"),
        (measured(latency_ms=94.9), "more than 20 ms apart"),
        (measured(device="couch"), "measured on couch, the actuator is robot"),
        (None, "no such file; measure with tidetrack latency --out"),
        ("{}", "checksum does not match"),
        ("{", "cannot be read"),
        (msgspec.json.encode(measured()).decode(), "checksum does not match"),
    ],
)
def test_a_start_is_refused_where_the_measurement_disagrees(
    tmp_path: Path, content: MeasuredLatency | str | None, refusal: str
) -> None:
    (tmp_path / "rsi-ethernet.xml").write_bytes((SHIPPED / "rsi-ethernet.xml").read_bytes())
    changed = altered(
        load_configuration(SHIPPED / "room-twin.toml"), {"wires": {"latency_file": "latency.json"}}
    )
    file = tmp_path / "room.toml"
    file.write_text(changed.text)
    if isinstance(content, MeasuredLatency):
        write_latency(tmp_path / "latency.json", content)
    elif content is not None:
        (tmp_path / "latency.json").write_text(content)
    configuration = load_configuration(file)
    if not refusal:
        refuse_other_latency(configuration)
        return
    with pytest.raises(ConfigurationError, match=refusal):
        refuse_other_latency(configuration)
    assert main(["run", str(file), "--journal", str(tmp_path / "j.mcap")]) == 2
    assert not (tmp_path / "j.mcap").exists()

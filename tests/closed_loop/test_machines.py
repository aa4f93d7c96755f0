"""Every kind of treatment machine in the closed loop, and what befalls those that turn."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from hal.events import SendDemand, SendPermit, SendStop
from hal.messages import BadSample
from tracker.config import SHIPPED, Configuration, altered, load_configuration, parse_configuration
from tracker.core.safety.fault_table import FaultName
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, Output
from tracker.report.errors import errors_of, length

from .conftest import Session, session
from .room_run import RoomRun, raised
from .test_mishaps import mishap


@cache
def tracked(name: str) -> Session:
    return session(70.0, config=f"machines/{name}.toml")


def errors(run: Session) -> Any:
    return errors_of(run.records, "HFS", in_beams_eye=True)


@pytest.mark.parametrize(("name", "most_mm"), [("gimbal", 0.8), ("mlc", 1.1), ("jaws", 1.7)])
def test_a_machine_follows_in_beams_eye_view_and_leaves_what_lies_along_the_beam(name, most_mm):
    run = tracked(name)
    found = errors(run)
    counted = found.counted
    seen, along = length(found.in_beams_eye), found.along_beam
    assert counted.sum() > 1500
    assert np.sqrt(np.mean(seen[counted] ** 2)) < most_mm
    still = length(found.untracked)
    assert np.sqrt(np.mean(seen[counted] ** 2)) < 0.35 * np.sqrt(np.mean(still[counted] ** 2))
    assert np.sqrt(np.mean(along[counted] ** 2)) > 0.3, "the beam does not move along itself"
    assert (length(found.tracked) ** 2)[counted] == pytest.approx((seen**2 + along**2)[counted])
    assert max(abs(demand.position_mm[2]) for demand in run.outputs(SendDemand)) < 0.05


def test_leaves_shift_by_whole_steps_and_the_gantry_has_turned():
    run = tracked("jaws")
    across = {demand.position_mm[0] for demand in run.outputs(SendDemand)}
    assert {value % 6.25 for value in across} == {0.0}
    source = run.records.truth[:, 16:19]
    assert np.ptp(np.degrees(np.arctan2(source[:, 0], source[:, 2]))) > 300.0


def test_a_gate_demands_nothing_and_has_the_beam_while_the_target_is_where_planned():
    run = tracked("gate")
    assert run.outputs(SendDemand) == run.outputs(SendStop) == []
    found = errors(run)
    assert found.counted.sum() > 500
    assert length(found.untracked)[~found.counted].max() > 8.0


def turning(*mishaps: dict[str, Any], **changes: Any) -> RoomRun:
    """An MLC in tracking, whose linac then has these mishaps."""
    shipped = load_configuration(SHIPPED / "machines" / "mlc.toml")
    room = {"duration_s": 90.0, "mishaps": list(mishaps)}
    run = RoomRun(altered(shipped, {"room": room, **changes}))
    run.run_until(SessionState.TRACKING)
    return run


def told(outputs: list[Output], fault: FaultName) -> FaultChanged:
    return next(o for o in outputs if isinstance(o, FaultChanged) and o.active and o.fault == fault)


def permitted(outputs: list[Output], after_ns: int) -> bool:
    return any(isinstance(o, SendPermit) and o.t_ns > after_ns for o in outputs)


AT_S = 40.0


@cache
def lost() -> list[Output]:
    return turning(mishap("loss", "linac", 3.0, at_s=AT_S)).run_s(25.0)


@cache
def leapt() -> list[Output]:
    return turning(mishap("bias", "linac", 30.0, 10.0, at_s=AT_S)).run_s(14.0)


def test_angles_that_stop_coming_hold_the_beam_until_they_come_again():
    out = lost()
    fault = told(out, FaultName.ANGLES_LOST)
    assert 0.2e9 <= fault.t_ns - AT_S * 1e9 <= 0.3e9
    assert fault.detail.startswith("linac: no angles, the newest is ")
    gone = next(o for o in out if isinstance(o, FaultChanged) and not o.active)
    between = [o for o in out if isinstance(o, SendPermit) and fault.t_ns <= o.t_ns < gone.t_ns]
    assert between == []
    assert permitted(out, gone.t_ns)


def test_an_angle_that_leaps_holds_the_beam_until_a_person_resumes():
    out = leapt()
    fault = told(out, FaultName.ANGLES_WRONG)
    assert fault.t_ns - AT_S * 1e9 <= 0.05e9
    assert fault.detail.startswith("linac: gantry at ")
    held = [o for o in out if isinstance(o, SendPermit) and 0 <= o.t_ns - fault.t_ns < 4.5e9]
    assert held == []


def test_a_gantry_that_is_said_to_stand_while_it_turns_holds_the_beam():
    frozen = turning(mishap("freeze", "linac", 5.0, at_s=AT_S)).run_s(14.0)
    fault = told(frozen, FaultName.ANGLES_WRONG)
    assert fault.t_ns - AT_S * 1e9 <= 0.25e9
    assert "with the beam on" in fault.detail


@cache
def unreadable() -> list[Output]:
    run = turning()
    out = run.step(BadSample("linac", run.now_ns + 1, "angles", "nan"))
    return [*out, *run.run_s(0.2)]


def test_an_unreadable_message_of_the_linac_is_a_warning():
    assert raised(unreadable()) == [FaultName.BAD_LINAC_MESSAGE]
    assert permitted(unreadable(), 0)


def test_a_couch_does_not_need_the_angles():
    shipped = load_configuration(SHIPPED / "couch.toml")
    silent = altered(shipped, {"room": {"duration_s": 60.0}, "linac": {"enabled": True}})
    run = RoomRun(silent)
    run.run_until(SessionState.TRACKING)
    assert FaultName.ANGLES_LOST not in raised(run.outputs)


def projected(configuration: Configuration, target: np.ndarray, gantry_deg: float) -> np.ndarray:
    """The exact projection of a point of the fixed frame onto the isocentre plane, collimator 0."""
    room = configuration.room
    assert room is not None
    g = np.radians(gantry_deg)
    source = room.linac.source_mm * np.array((np.sin(g), 0.0, np.cos(g)))
    normal = source / np.linalg.norm(source)
    ray = target - source
    met = source + ray * ((-source @ normal) / (ray @ normal))
    return np.array((met @ (np.cos(g), 0.0, -np.sin(g)), met[1]))


def test_the_room_measures_the_miss_from_the_source_through_the_shifted_point():
    """An MLC that is sent to the exact projection of the target hits it."""
    run = tracked("jaws")
    truth = run.records.truth[500::400]
    for row in truth:
        target, aim, to_source = row[4:7], row[7:10], row[16:19]
        room = run.configuration.room
        assert room is not None
        gantry = (room.linac.gantry_deg + room.linac.gantry_deg_s * row[0] / 1e9) % 360.0
        exact = projected(run.configuration, target, gantry)
        g = np.radians(gantry)
        shifted = np.array((aim @ (np.cos(g), 0.0, -np.sin(g)), aim[1]))
        apart = target - aim
        miss = np.linalg.norm(apart - (apart @ to_source) * to_source)
        assert miss == pytest.approx(np.linalg.norm(exact - shifted), rel=0.05, abs=0.01)


def test_settings_of_the_kinds_are_those_of_their_files():
    for name in ("gimbal", "mlc", "jaws", "couch", "robot", "gate"):
        configuration = load_configuration(SHIPPED / "machines" / f"{name}.toml")
        bare = f'[actuator]\nkind = "{name}"\n'
        assert msgspec.structs.replace(
            configuration.controller.actuator, follow_error_mm=1.0, follow_stop_mm=3.0
        ) == msgspec.structs.replace(
            parse_configuration(bare).controller.actuator, follow_error_mm=1.0, follow_stop_mm=3.0
        )

"""A whole room and a whole run on real wires and in real time, each in its own process.

The one test of the suite that takes its time: Polaris and belt on pseudo-terminals, X-ray pair
over GigE, robot over RSI, gate over Modbus; learning, modelling, tracking with beam on, SIGTERM.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hal.messages import BadSample
from tests.live.processes import children_of, with_beam, written
from tracker.cli import main
from tracker.config import SHIPPED
from tracker.journal.reader import read_journal

pytestmark = pytest.mark.realtime

BEAM_SECONDS = 3
"""Seconds of beam on that are enough."""


@pytest.mark.slow
def test_a_room_on_wires_is_tracked_with_beam_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path)
    children: set[int] = set()
    done = with_beam(
        file, tmp_path, BEAM_SECONDS, lambda run: children.update(children_of(run.pid))
    )
    assert len(children) == 4, "robot, imager, recorder and monitor are processes"
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)

    capsys.readouterr()
    assert main(["replay", str(done.journal)]) == 0
    assert capsys.readouterr().out.startswith("identical")
    # `BEAM_SECONDS` of beam were waited for; how long that took depends on the machine.
    tracked_mm, untracked_mm = done.rms_mm()
    assert tracked_mm < 0.6 * untracked_mm

    devices = done.devices()
    assert devices["robot"]["cycles"] > 500
    # How late replies and demands are depends on the machine: `tests.live.long_run` measures it.
    # A machine that is fully busy may also leave a request of the camera without a timely reply.
    bad = [item for item in bad_samples(done.journal) if item.device == "camera"]
    assert [item for item in bad if not item.what.startswith(("no reply", "frame number"))] == []
    assert done.figures["sample_to_demand"]["count"] > 100


def bad_samples(journal: Path) -> list[BadSample]:
    """Everything a device sent that could not be used."""
    records = (entry.record for entry in read_journal(journal).entries())
    return [record for record in records if isinstance(record, BadSample)]


def test_a_room_without_a_camera_is_tracked_by_its_belt(tmp_path: Path) -> None:
    file = written(tmp_path, changes={"camera": {"enabled": False}})
    text = file.read_text()
    begin, end = text.index("[wires.camera]"), text.index("[wires.belt]")
    file.write_text(text[:begin] + text[end:])
    done = with_beam(file, tmp_path)
    assert "camera" not in done.devices()
    assert done.figures["sample_to_demand"]["count"] > 0


def test_a_run_without_any_source_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path)
    text = file.read_text()
    begin, end = text.index("[wires.camera]"), text.index("[wires.imager]")
    file.write_text(text[:begin] + text[end:])
    assert main(["run", str(file), "--no-self-test"]) == 2
    said = capsys.readouterr().err
    assert "no surrogate source has a wire" in said
    assert "wires.camera, wires.belt" in said


def test_a_room_without_wires_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["room", str(SHIPPED / "couch.toml")]) == 2
    assert "has no [wires]" in capsys.readouterr().err
    assert main(["run", str(SHIPPED / "couch.toml")]) == 2
    assert main(["probe", str(SHIPPED / "couch.toml")]) == 2

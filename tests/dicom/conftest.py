"""A small session with images and holds, exported once with a small dose plan."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pydicom", reason="extra dicom is not installed")

from hal.messages import FiducialShot
from tests.dose.conftest import PLAN
from tests.report.conftest import write_session
from tracker.cli import main
from tracker.journal import JournalWriter, make_header, read_journal

CONFIGURATION = (
    '[session]\npatient_id = "SECRET-PATIENT"\nplan_id = "SECRET-PLAN"\n'
    '[actuator]\nkind = "couch"\n[linac]\ngantry_deg = 30.0\n'
)
SHOTS = (
    FiducialShot("imager", 8_000_000_000, 0, 1, ((1.5, -2.25, 3.125), None, (-4.0, 5.0, 6.5))),
    FiducialShot("imager", 12_000_000_000, 0, 2, (None, None, None)),
    FiducialShot("imager", 25_000_000_000, 0, 3, ((1.0, -2.0, 3.0), (0.5, 0.25, -0.125), None)),
)


def with_images(source: Path, target: Path) -> Path:
    """Write a journal anew with images between its events."""
    waiting = list(SHOTS)
    header = make_header(CONFIGURATION, 3, {"trace": "made up", "config": "test.toml"})
    with JournalWriter(target, header) as journal:
        for entry in read_journal(source).entries():
            while waiting and entry.handled_ns >= waiting[0].t_ns:
                journal.event(waiting.pop(0))
            if entry.kind == "event":
                journal.event(entry.record)
            elif entry.kind == "output":
                journal.outputs([entry.record])
            elif entry.kind == "truth":
                journal.truth(entry.record)
        journal.close({"realtime_factor": "1"})
    return target


@pytest.fixture(scope="session")
def journal_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dicom")
    return with_images(write_session(folder / "plain.mcap"), folder / "session.mcap")


@pytest.fixture(scope="session")
def room_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without truth and images, as a real room leaves it."""
    return write_session(tmp_path_factory.mktemp("dicom") / "room.mcap", truth=False)


@pytest.fixture(scope="session")
def dose_plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dicom") / "nine.toml"
    path.write_text(PLAN, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def exported(
    journal_path: Path, dose_plan_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder with all objects of the session, which name nobody."""
    folder = tmp_path_factory.mktemp("dicom") / "out"
    arguments = ["export", "dicom", str(journal_path), "--plan", str(dose_plan_path)]
    assert main([*arguments, "--out", str(folder)]) == 0
    return folder

"""Read from a journal what the exported objects need."""

from __future__ import annotations

import tomllib
from typing import Any, NamedTuple, cast

from hal.messages import FiducialShot, LinacStatus, ProjectionShot
from tracker.core.machine.geometry import MachineAngles
from tracker.dose.dose_error import DoseError
from tracker.dose.motion import TargetMotion, motion_of
from tracker.journal import Digest, Journal
from tracker.report.records import Collector, Records
from tracker.report.setting import Setting, setting_of


class ExportSession(NamedTuple):
    """A session as far as it is exported.

    ``standing`` are the machine's angles where no device reports them. ``motion`` is None where no
    error can be computed; ``no_motion`` then says why.
    """

    journal: Journal
    records: Records
    digest: str
    setting: Setting
    shots: tuple[FiducialShot, ...]
    projections: tuple[ProjectionShot, ...]
    linac: tuple[LinacStatus, ...]
    standing: MachineAngles
    motion: TargetMotion | None
    no_motion: str


def read_export_session(journal: Journal) -> ExportSession:
    """Read a journal's records up to the end of its readable part; raises `JournalError`."""
    collector = Collector()
    digest = Digest()
    shots: list[FiducialShot] = []
    projections: list[ProjectionShot] = []
    linac: list[LinacStatus] = []
    for entry in journal.entries():
        record = entry.record
        if entry.kind == "output":
            collector.outputs((record,))
            digest.add_encoded((entry.data,))
        elif entry.kind == "event":
            collector.event(record)
            if isinstance(record, FiducialShot):
                shots.append(record)
            elif isinstance(record, ProjectionShot):
                projections.append(record)
            elif isinstance(record, LinacStatus):
                linac.append(record)
        elif entry.kind == "truth":
            collector.truth(record)
    records = collector.records()
    setting = setting_of(journal.header.configuration)
    motion, why = None, ""
    try:
        motion = motion_of(records, setting, journal.path.stem)
    except DoseError as error:
        why = str(error)
    return ExportSession(
        journal, records, digest.hexdigest(), setting,
        tuple(shots), tuple(projections), tuple(linac),
        standing_angles(journal.header.configuration), motion, why,
    )  # fmt: skip


def standing_angles(configuration: str) -> MachineAngles:
    """Return the angles that a configuration of any version gives the machine; 0 without them."""
    try:
        table: dict[str, Any] = tomllib.loads(configuration)
    except tomllib.TOMLDecodeError:
        table = {}
    part = table.get("linac")
    linac = cast(dict[str, Any], part) if isinstance(part, dict) else {}

    def angle(key: str) -> float:
        value = linac.get(key)
        return float(value) if isinstance(value, int | float) else 0.0

    return MachineAngles(angle("gantry_deg"), angle("collimator_deg"), angle("table_deg"))

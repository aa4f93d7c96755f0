"""Gather from a journal what the physicist's report needs beyond the session's usual records."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, NamedTuple, cast

from hal.events import Event, Request, SendExpose, SendHold, SendPermit, Tick
from hal.messages import BeltSample, FiducialShot, LinacStatus, MarkerFrame, ProjectionShot
from tracker.core.types import WindowChanged
from tracker.journal import Digest, Journal, read_journal
from tracker.report.records import Collector, Columns, Records, Table
from tracker.report.setting import Setting, setting_of

Shot = FiducialShot | ProjectionShot
_NAN = float("nan")


class GatheredSession(NamedTuple):
    """A session's records, and beside them what only the physicist's report asks for."""

    path: Path
    sha256: str
    """Of the journal's file."""
    journal: Journal
    records: Records
    digest: str
    setting: Setting
    configured: dict[str, Any]
    """The configuration's tables as they were read; empty where they cannot be read."""
    requests: list[Request]
    exposures: list[SendExpose]
    images: list[Shot]
    beam_commands: list[tuple[int, bool]]
    """Each change of what the gate was told: time in ns, and whether the beam may be on."""
    windows: list[WindowChanged]
    linac: Table
    """t, gantry, collimator, table, monitor units (NaN: not told)."""
    markers: dict[str, Table]
    """Device → t, and x, y, z of each marker in the camera's frame (NaN: not seen)."""
    belts: dict[str, Table]
    """Device → t, value."""
    lateness: Table
    """t of each tick, and how late it came, ns."""

    def number(self, section: str, key: str, default: float | None = None) -> float | None:
        """Return a number of the configuration; ``default`` where it is not set."""
        part = self.configured.get(section)
        value = cast(dict[str, Any], part).get(key) if isinstance(part, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return default
        return float(value)

    def value(self, section: str, key: str) -> Any:
        """Return any value of the configuration, or ``None``."""
        part = self.configured.get(section)
        return cast(dict[str, Any], part).get(key) if isinstance(part, dict) else None


class _Extras:
    """Collects the further records while the journal is read once."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.exposures: list[SendExpose] = []
        self.images: list[Shot] = []
        self.commands: list[tuple[int, bool]] = []
        self.windows: list[WindowChanged] = []
        self.linac = Columns(5)
        self.markers: dict[str, Columns] = {}
        self.marker_counts: dict[str, int] = {}
        self.belts: dict[str, Columns] = {}
        self.ticks = Columns(2)

    def event(self, event: Event) -> None:
        match event:
            case Tick():
                self.ticks.append((event.t_ns, event.t_ns - event.due_ns))
            case BeltSample():
                self.belts.setdefault(event.device, Columns(2)).append((event.t_ns, event.value_au))
            case MarkerFrame():
                self._markers(event)
            case FiducialShot() | ProjectionShot():
                self.images.append(event)
            case Request():
                self.requests.append(event)
            case LinacStatus():
                units = _NAN if event.monitor_units is None else event.monitor_units
                self.linac.append(
                    (event.t_ns, event.gantry_deg, event.collimator_deg, event.table_deg, units)
                )
            case _:
                pass

    def output(self, output: Any) -> None:
        match output:
            case SendPermit() | SendHold():
                allowed = isinstance(output, SendPermit)
                if not self.commands or self.commands[-1][1] != allowed:
                    self.commands.append((output.t_ns, allowed))
            case SendExpose():
                self.exposures.append(output)
            case WindowChanged():
                self.windows.append(output)
            case _:
                pass

    def _markers(self, frame: MarkerFrame) -> None:
        count = self.marker_counts.setdefault(frame.device, len(frame.markers_mm))
        if len(frame.markers_mm) != count:  # a camera that reports another number: not comparable
            return
        row = [float(frame.t_ns)]
        for marker in frame.markers_mm:
            row.extend((_NAN, _NAN, _NAN) if marker is None else marker)
        self.markers.setdefault(frame.device, Columns(1 + 3 * count)).append(tuple(row))


def gather(path: Path) -> GatheredSession:
    """Read a journal once, up to the end of its readable part. Raises `JournalError`."""
    journal = read_journal(path)
    collector, extras, digest = Collector(), _Extras(), Digest()
    for entry in journal.entries():
        if entry.kind == "output":
            collector.outputs((entry.record,))
            digest.add_encoded((entry.data,))
            extras.output(entry.record)
        elif entry.kind == "event":
            collector.event(entry.record)
            extras.event(entry.record)
        elif entry.kind == "truth":
            collector.truth(entry.record)
    return GatheredSession(
        path=path,
        sha256=file_sha256(path),
        journal=journal,
        records=collector.records(),
        digest=digest.hexdigest(),
        setting=setting_of(journal.header.configuration),
        configured=_tables(journal.header.configuration),
        requests=extras.requests,
        exposures=extras.exposures,
        images=extras.images,
        beam_commands=extras.commands,
        windows=extras.windows,
        linac=extras.linac.table(),
        markers={name: each.table() for name, each in extras.markers.items()},
        belts={name: each.table() for name, each in extras.belts.items()},
        lateness=extras.ticks.table(),
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tables(configuration: str) -> dict[str, Any]:
    try:
        return tomllib.loads(configuration)
    except tomllib.TOMLDecodeError:
        return {}

"""Turns the journal of a past session into data for the page.

    python -m tracker.live.web.recorded session FILE ""


The journal is read through the same `PublishedState` that the daemon uses. Values are kept ten
times a second as columns; session, faults, model, log and devices are lists with the time of each
change. The result is written to stdout as JSON, packed with gzip; ``report FILE RUN`` writes
the report of the session instead.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from hal.events import Tick
from tracker.api.schema import DeviceHealth, Health, Said, State
from tracker.config import Configuration, parse_configuration
from tracker.core.session import SessionTrigger
from tracker.core.types import ModelRefitted, Observation
from tracker.journal import Journal, JournalError, read_journal
from tracker.live.service.published_state import PublishedState
from tracker.wires import OTHER_SECTIONS, device_section

PERIOD_NS = 100_000_000
DEVICES_NS = 1_000_000_000
GIVES_WAY = 10
CHANGES = ("session", "faults", "next_step", "window")
"""Fields of the state of which each change is kept."""
_NO_TICK = Tick(0, 0)
_UNKNOWN = Health(
    tick_hz=0.0,
    late_p50_ms=0.0,
    late_p99_ms=0.0,
    late_max_ms=0.0,
    skipped_ticks=0,
    recording=True,
)


class RecordedColumns:
    """The columns of a session: one row each `PERIOD_NS`, times in milliseconds."""

    NAMES = (
        "t",
        "permitted",
        "on",
        "amplitude",
        "sigma",
        "estimate",
        "estimate_mm2",
        "estimate95",
        "prediction",
        "prediction_at",
        "prediction_mm2",
        "prediction95",
        "demand",
        "actuator",
    )

    def __init__(self) -> None:
        self.by_name: dict[str, list[Any]] = {name: [] for name in self.NAMES}

    def add(self, state: State) -> None:
        """Add a row."""
        put = {name: column.append for name, column in self.by_name.items()}
        put["t"](_ms(state.t_ns))
        put["permitted"](int(state.beam.permitted))
        put["on"](None if state.beam.on is None else int(state.beam.on))
        seen = state.surrogate
        put["amplitude"](None if seen is None else round(seen.amplitude_mm, 3))
        put["sigma"](None if seen is None else round(seen.sigma_mm, 3))
        for name, place in (("estimate", state.estimate), ("prediction", state.prediction)):
            put[name](None if place is None else _rounded(place.position_mm))
            put[f"{name}_mm2"](None if place is None else _rounded(place.covariance_mm2, 4))
            put[f"{name}95"](None if place is None else round(place.radius95_mm, 3))
        at = None if state.prediction is None else _ms(state.prediction.at_ns)
        put["prediction_at"](at)
        put["demand"](None if state.demand_mm is None else _rounded(state.demand_mm))
        put["actuator"](None if state.actuator_mm is None else _rounded(state.actuator_mm))


def session_of(journal: Journal) -> dict[str, Any]:
    """Return the data of a session. Raises `JournalError` at a damaged record."""
    configuration = parse_configuration(journal.header.configuration)
    controller = configuration.controller
    picture = PublishedState(configuration, "past", _devices_of(configuration))
    columns = RecordedColumns()
    models: list[list[Any]] = []
    lines: list[Said] = []
    changes: dict[str, list[list[Any]]] = {name: [] for name in CHANGES}
    devices: list[list[Any]] = []
    next_ns = devices_ns = end_ns = 0
    for entry in journal.entries():
        record = entry.record
        if entry.kind == "event":
            picture.observe(record, ())
            if not isinstance(record, Tick):
                continue
            end_ns = record.t_ns
            if end_ns < next_ns:
                continue
            next_ns = end_ns - end_ns % PERIOD_NS + PERIOD_NS
            state = picture.state(end_ns, _nothing_blocks, _UNKNOWN)
            columns.add(state)
            for name, of in changes.items():
                _note(of, end_ns, msgspec.to_builtins(getattr(state, name)))
            if end_ns >= devices_ns:
                devices_ns = end_ns + DEVICES_NS
                devices.append([_ms(end_ns), [_short(each) for each in state.devices]])
        elif entry.kind == "output":
            picture.observe(_NO_TICK, (record,))
            if isinstance(record, ModelRefitted | Observation):
                models.append([_ms(record.t_ns), picture.model(record.t_ns)])
        while picture.said:
            lines.append(picture.said.popleft())
    return {
        "name": journal.path.stem,
        "started": journal.header.further.get("started", ""),
        "patient_id": controller.session.patient_id,
        "plan_id": controller.session.plan_id,
        "tolerance_mm": controller.gating.tolerance_mm,
        "torn": "" if journal.torn is None else journal.torn.describe(),
        "end": _ms(end_ns),
        "columns": columns.by_name,
        "changes": changes,
        "devices": devices,
        "models": models,
        "log": lines,
    }


def report_of(journal: Journal, run_id: str = "") -> str:
    """Return the report of a session as HTML; ``run_id``: of this run, which still goes on."""
    from tracker.report.command import report_page
    from tracker.report.records import collect
    from tracker.report.summary import about_of, summary_of

    if run_id and journal.header.further.get("run_id") != run_id:
        raise JournalError(f"{journal.path.name}: is not of this run, which is recorded elsewhere")
    records, digest = collect(journal)
    summary = summary_of(records, about_of(journal, digest))
    notice = f"The journal is not whole: {journal.torn.describe()}." if journal.torn else ""
    if run_id and journal.torn:
        notice = "The run still goes on: this is what was recorded up to now."
    return report_page(records, summary, journal.header, notice)


def main(arguments: list[str]) -> int:
    """Write session or report; return 0, or 2 with one line on stderr."""
    kind, path, run_id = arguments
    with contextlib.suppress(OSError):
        os.nice(GIVES_WAY)
    try:
        journal = read_journal(Path(path))
        if kind == "report":
            data = report_of(journal, run_id).encode()
        else:
            data = msgspec.json.encode(session_of(journal))
    except JournalError as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.buffer.write(gzip.compress(data, 5, mtime=0))
    return 0


def _devices_of(configuration: Configuration) -> dict[str, str]:
    controller = configuration.controller
    sections = (*controller.surrogate_sources(), *OTHER_SECTIONS)
    return {section: device_section(controller, section).device for section in sections}


def _nothing_blocks(trigger: SessionTrigger) -> tuple[str, ...]:
    return ()


def _note(of: list[list[Any]], t_ns: int, value: Any) -> None:
    if not of or of[-1][1] != value:
        of.append([_ms(t_ns), value])


def _short(device: DeviceHealth) -> dict[str, Any]:
    return {
        key: value
        for key, value in msgspec.to_builtins(device).items()
        if value not in ("", None) or key in ("age_ms", "latency_ms")
    }


def _ms(t_ns: int) -> int:
    return t_ns // 1_000_000


def _rounded(numbers: tuple[float, ...], digits: int = 3) -> list[float]:
    return [round(number, digits) for number in numbers]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

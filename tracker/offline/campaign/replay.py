"""Repeat one run of a campaign with journal and report, and check that the result is equal."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from tracker.config import SHIPPED, Configuration, altered
from tracker.offline.campaign.patients import PatientArchive
from tracker.offline.campaign.record import RunRecord
from tracker.offline.campaign.run import Single, cast_run
from tracker.offline.campaign.run_farm import parse_run_name
from tracker.offline.simulate import Wanted, carry_out, describe


def replay_command(args: argparse.Namespace) -> str:
    """Return the part before ``FAULT:SEED`` of the command that repeats one run."""
    parts = ["tidetrack campaign"]
    if args.config != SHIPPED / "couch.toml":
        parts.append(f"--config {args.config}")
    if args.recordings is not None:
        parts.append(f"--recordings {args.recordings}")
    if args.minutes != 5.0:
        parts.append(f"--minutes {args.minutes:g}")
    return " ".join([*parts, "--replay"])


def replay_run(
    args: argparse.Namespace, configuration: Configuration, archive: PatientArchive
) -> int:
    """Do the run, print its figures, and write journal and report if wanted."""
    fault, seed = parse_run_name(args.replay)
    length_s = args.minutes * 60.0
    record = Single(configuration, archive.recordings, length_s).run(fault, seed)
    print(in_words(record))
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        print(args.json)
    if args.report is None:
        return 0
    journal: Path = args.report / "session.mcap"
    made = cast_run(fault, seed, length_s, configuration, archive.recordings)
    assert made.configuration.room is not None
    whole = altered(configuration, {"room": msgspec.to_builtins(made.configuration.room)})
    wanted = Wanted(
        whole, made.patient.recording, record.name, str(args.config), seed, journal, args.report
    )
    _, summary = carry_out(wanted)
    print(describe(summary))
    print(journal)
    print(args.report / "report.html")
    return 0


def in_words(record: RunRecord) -> str:
    """Put a run into lines for the terminal."""
    rows = (
        ("run", record.name),
        ("patient", record.patient),
        *(("mishap", trouble) for trouble in record.troubles),
        ("first fault", _after(record.detected_ms, record.detected_by)),
        ("beam off", _after(record.held_ms, record.held_by)),
        ("beam on again", "-" if record.return_s is None else f"after {record.return_s:g} s"),
        ("stopped for good by", record.stopped_by or "-"),
        ("longest unsafe", f"{record.longest_5mm_ms} ms at 5 mm, {record.longest_3mm_ms} at 3 mm"),
        ("from", "-" if record.worst_at_s is None else f"{record.worst_at_s:g} s"),
        ("duty", f"{100.0 * record.duty:.1f} %"),
        ("error, RMS", "-" if record.rms_mm is None else f"{record.rms_mm:.2f} mm"),
        ("nuisance holds", ", ".join(record.nuisance) or "none"),
        ("digest", record.digest),
    )
    return "\n".join(f"{name:<21}{value}" for name, value in rows)


def _after(ms: float | None, what: str) -> str:
    return "-" if ms is None else f"after {ms:g} ms: {what}"

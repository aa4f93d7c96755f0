"""Run recorded patients in the closed loop, by target model and by how often images are taken.

    python -m tests.target.closed_loop_images ../shared/data
    python -m tests.target.closed_loop_images FOLDER --recordings A.csv --machines couch --seeds 1 2

Each run is a whole session in the simulated room: surrogate sensors, imager, machine, checks and
beam. Printed are the RMS error with the beam on (mm), its share of that of the correlation model
with stereo every 15 s, the duty, the nuisance holds in 10 minutes of tracking, and the longest time
with the beam on and the target more than 5 mm from it (ms). A nuisance hold is one after whose
beginning no miss came within a second (`tracker.offline.campaign.record`). ``--reasons`` also lists
what began the holds. ``--set section.key=value`` changes a setting in every run.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from sim.recording import Recording, RecordingError, load_recording
from tests.target.paired_traces import DEVELOPMENT
from tracker.build.room import furnish
from tracker.build.warm_up import warm
from tracker.config import SHIPPED, Configuration, ConfigurationError, altered, load_configuration
from tracker.offline.campaign.kinds import CLEAN
from tracker.offline.campaign.patients import CampaignPatient
from tracker.offline.campaign.record import RunRecord, judge
from tracker.offline.campaign.run import run_room

Changes = dict[str, dict[str, Any]]

SCORED = tuple(list(DEVELOPMENT)[:4])
"""Recordings that a couch and a robot may treat; the fifth is a stress recording."""
MACHINES = ("couch", "robot")


class Imaging(NamedTuple):
    """A target model and the images that it gets, as changes of a shipped configuration."""

    name: str
    changes: Changes


def _arc(*, portal: bool) -> Changes:
    """Return what ``config/arc.toml`` changes of a room with stereo."""
    text = (SHIPPED / "arc.toml").read_text(encoding="utf-8")
    flat: Changes = {}
    for section, keys in tomllib.loads(text).items():
        if section == "room":
            flat |= {f"room.{name}": dict(inner) for name, inner in keys.items()}
        elif isinstance(keys, dict):
            flat[section] = dict(keys)
    if not portal:
        flat["room.imager"]["portal_every_s"] = 0.0
    return flat


def _stereo_joint() -> Changes:
    arc = _arc(portal=False)
    return {"target": arc["target"], "fusion": arc["fusion"]}


IMAGINGS = (
    Imaging("correlation, stereo 15 s", {}),
    Imaging("joint, stereo 15 s", _stereo_joint()),
    Imaging("joint, single 1 s", _arc(portal=False)),
    Imaging("joint, single 1 s, portal", _arc(portal=True)),
)


def joined(*parts: Changes) -> Changes:
    """Return all changes together; later ones win."""
    found: Changes = {}
    for part in parts:
        for section, keys in part.items():
            found[section] = found.get(section, {}) | keys
    return found


def run_one(configuration: Configuration, recording: Recording, seed: int) -> RunRecord:
    """Run one session and return its figures."""
    assert configuration.room is not None
    patient = CampaignPatient(recording.name, configuration.room, recording)
    room = furnish(configuration, recording, seed)
    kept = run_room(configuration, room)
    return judge(CLEAN, seed, patient, (), kept, room.traces(kept.end_ns))


class Line(NamedTuple):
    """The figures of the runs of one machine, imaging and recording."""

    rms_mm: float
    duty: float
    nuisance_per_10_min: float
    longest_ms: int
    far_share: float
    """Share of the beam's time with more than 5 mm."""
    reasons: Counter[str]


def line_of(runs: list[RunRecord]) -> Line:
    """Return the figures of some runs together."""
    beam_s = sum(each.beam_s for each in runs) or 1e-9
    tracked_s = sum(each.tracked_s for each in runs) or 1e-9
    squares = sum(each.beam_s * each.rms_mm**2 for each in runs if each.rms_mm is not None)
    reasons = Counter(reason for each in runs for reason in each.nuisance)
    return Line(
        (squares / beam_s) ** 0.5,
        beam_s / tracked_s,
        reasons.total() * 600.0 / tracked_s,
        max(each.longest_5mm_ms for each in runs),
        sum(each.unsafe_5mm_s for each in runs) / beam_s,
        reasons,
    )


def print_line(head: str, line: Line, usual: Line | None, *, reasons: bool) -> None:
    """Print one line; ``usual`` are the figures that the RMS error is a share of."""
    share = "" if usual is None else f"{line.rms_mm / usual.rms_mm:.2f}"
    print(
        f"{head:<58}{line.rms_mm:>6.2f}{share:>6}{100 * line.duty:>7.1f} %"
        f"{line.nuisance_per_10_min:>7.1f}{line.longest_ms:>7}",
        flush=True,
    )
    if reasons:
        for reason, count in line.reasons.most_common():
            print(f"      {count} x {reason}")


def setting_of(words: str) -> Changes:
    """Read ``section.key=value``; the value is written as in TOML."""
    name, _, value = words.partition("=")
    section, _, key = name.rpartition(".")
    if not section or not value:
        raise ValueError(f"--set {words}: must be section.key=value")
    return {section: tomllib.loads(f"{key} = {value}")}


def main(words: list[str]) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.target.closed_loop_images")
    parser.add_argument("folder", type=Path, help="folder of the recordings")
    parser.add_argument("--recordings", nargs="+", default=SCORED, help="files in the folder")
    parser.add_argument("--machines", nargs="+", default=MACHINES, choices=MACHINES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    rows = range(len(IMAGINGS))
    parser.add_argument("--imaging", nargs="+", type=int, default=rows, choices=rows,
                        help="rows of the table of imagings, from 0")  # fmt: skip
    parser.add_argument("--set", nargs="+", default=[], help="section.key=value, for every run")
    parser.add_argument("--reasons", action="store_true", help="list what began the holds")
    chosen = parser.parse_args(words)
    try:
        recordings = [load_recording(chosen.folder / name) for name in chosen.recordings]
        settings = [setting_of(each) for each in chosen.set]
        _print_all(chosen, recordings, settings)
    except (RecordingError, ConfigurationError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _print_all(
    chosen: argparse.Namespace, recordings: list[Recording], settings: list[Changes]
) -> None:
    head = "machine, images, recording"
    print(f"{head:<58}{'RMS':>6}{'share':>6}{'duty':>9}{'nuis.':>7}{'far ms':>7}")
    for machine in chosen.machines:
        shipped = load_configuration(SHIPPED / f"{machine}.toml")
        usual: dict[str, Line] = {}
        for number in chosen.imaging:
            imaging = IMAGINGS[number]
            configuration = altered(shipped, joined(imaging.changes, *settings))
            warm(configuration)
            every: list[RunRecord] = []
            lines: dict[str, Line] = {}
            for recording in recordings:
                runs = [run_one(configuration, recording, seed) for seed in chosen.seeds]
                every += runs
                line = lines[recording.name] = line_of(runs)
                name = f"{machine}, {imaging.name}, {recording.name[-14:]}"
                print_line(name, line, usual.get(recording.name), reasons=chosen.reasons)
            lines["all"] = line_of(every)
            print_line(f"{machine}, {imaging.name}, all", lines["all"], usual.get("all"),
                       reasons=False)  # fmt: skip
            usual = usual or lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

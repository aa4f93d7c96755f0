"""Score target models on recordings, by how often and from where images are taken.

    python -m tests.target.images ../shared/data
    python -m tests.target.images FOLDER --recordings A.csv B.csv
    python -m tests.target.images ../shared/data --disturbances
    python -m tests.target.images ../shared/data --choices

Each image measures the recorded target with a noise of 0.3 mm in each coordinate and arrives 0.3 s
later. The breathing state comes from the controller's own filter. Models are made of the images of
the first 38 s; everything later is scored, at the same moment. Printed are the geometric mean of
the 3-D RMS error over the recordings, and for each recording its RMS error (mm), the coverage of
the 95 % region, and the longest time beyond 5 mm (s).

``--disturbances`` shifts the target, lets it lag, and makes images wrong, at one image a second.
``--choices`` leaves each subject out in turn, chooses the assumptions of the bank on the other
subjects, and scores the one left out with them.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sim.recording import RecordingError
from tests.target import disturbances
from tests.target.image_schedules import ONE_A_SECOND, SCHEDULES, WITH_PORTAL, Schedule, images_of
from tests.target.model_runs import Run, Score, run_correlation, run_joint, score
from tests.target.paired_traces import DEVELOPMENT, PairedTrace, load_paired, paired_in
from tracker.core.target.joint.filter_bank import BankLimits
from tracker.core.target.joint.members import MEMBERS, Member


class Choice(NamedTuple):
    """One set of assumptions that might be chosen."""

    limits: BankLimits
    members: tuple[Member, ...]


def _resized(member: Member, factor: float) -> Member:
    was = member.residual
    residual = was._replace(relaxing=was.relaxing * factor, swinging=was.swinging * factor)
    return member._replace(residual=residual)


def _wandering(member: Member, factor: float) -> Member:
    return member._replace(baseline_mm_per_root_s=member.baseline_mm_per_root_s * factor)


CHOICES = {
    "as shipped": Choice(BankLimits(), MEMBERS),
    "residual x 0.5": Choice(BankLimits(), tuple(_resized(m, 0.5) for m in MEMBERS)),
    "residual x 2": Choice(BankLimits(), tuple(_resized(m, 2.0) for m in MEMBERS)),
    "baseline x 0.5": Choice(BankLimits(), tuple(_wandering(m, 0.5) for m in MEMBERS)),
    "baseline x 2": Choice(BankLimits(), tuple(_wandering(m, 2.0) for m in MEMBERS)),
    "no lagged features": Choice(BankLimits(), tuple(m for m in MEMBERS if len(m[0][0]) == 3)),
    "forget faster": Choice(BankLimits(weight_half_life_s=40.0), MEMBERS),
    "images count in full": Choice(BankLimits(temper=1.0), MEMBERS),
}
CHOSEN_AT = (SCHEDULES[5], SCHEDULES[7])


def mean_of(values: list[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(values))))


def scores_of(run: Run, traces: list[PairedTrace], schedule: Schedule) -> list[Score]:
    """Return the score of each recording."""
    return [score(trace, run(trace, images_of(trace, schedule))) for trace in traces]


def print_table(traces: list[PairedTrace]) -> None:
    """Print one line for each schedule and model."""
    names = "".join(f"{trace.name[-16:]:>19}" for trace in traces)
    print(f"{'model':<12}{'images':<17}{'mean':>6}{names}")
    for schedule in SCHEDULES:
        models: list[tuple[str, Run]] = [("joint", run_joint)]
        if schedule.views == 2:
            models.insert(0, ("correlation", run_correlation))
        for name, run in models:
            scores = scores_of(run, traces, schedule)
            cells = "".join(
                f"{s.rms_mm:>9.2f}{s.coverage:>5.2f}{s.longest_far_s:>5.1f}" for s in scores
            )
            mean = mean_of([s.rms_mm for s in scores])
            print(f"{name:<12}{schedule.name:<17}{mean:>6.2f}{cells}", flush=True)


def _line(name: str, values: list[float], unit: str) -> None:
    v = np.array(values)
    print(
        f"{name:<44} median {np.median(v):6.2f}  mean {v.mean():6.2f}  p90 "
        f"{np.percentile(v, 90):6.2f}  largest {v.max():6.2f} {unit}",
        flush=True,
    )


def print_disturbances(traces: list[PairedTrace]) -> None:
    """Print how a model takes shifts, a lag and wrong images, at one image a second."""
    run = run_joint
    for schedule in (ONE_A_SECOND, WITH_PORTAL):
        for direction in ("along", "across", "view"):
            found = list(disturbances.shifts(run, traces, direction, schedule))
            name = f"{schedule.name}, shift {direction}"
            _line(f"{name}: right again", [each.recovered_s for each in found], "s")
            _line(f"{name}: unsure", [each.unsure_s for each in found], "s")
    _line("lag of 15 degrees, next 20 s", list(disturbances.lags(run, traces)), "mm RMS")
    _line("5 % of the images wrong", list(disturbances.outliers(run, traces)), "mm RMS")


def print_choices(traces: list[PairedTrace]) -> None:
    """Print what would be chosen without each subject, and how that scores on the subject."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, choice in CHOICES.items():
        run: Run = partial(run_joint, limits=choice.limits, members=choice.members)
        by_subject: dict[str, list[float]] = {}
        for schedule in CHOSEN_AT:
            for trace, its in zip(traces, scores_of(run, traces, schedule), strict=True):
                by_subject.setdefault(trace.subject, []).append(its.rms_mm)
        found[name] = by_subject
        every = [value for values in by_subject.values() for value in values]
        print(f"{name:<24}{mean_of(every):>7.3f} mm", flush=True)
    for subject, shipped in found["as shipped"].items():
        others = {
            name: mean_of([v for other, vs in its.items() if other != subject for v in vs])
            for name, its in found.items()
        }
        chosen = min(others, key=lambda name: others[name])
        print(
            f"without {subject}: {chosen}; on {subject} that scores "
            f"{mean_of(found[chosen][subject]):.3f} mm, as shipped {mean_of(shipped):.3f} mm"
        )


def main(words: list[str]) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.target.images")
    parser.add_argument("folder", type=Path, help="folder of the recordings")
    parser.add_argument("--recordings", nargs="+", help="files in the folder, instead of all known")
    parser.add_argument("--disturbances", action="store_true", help="shifts, lag and wrong images")
    parser.add_argument("--choices", action="store_true", help="choose without each subject")
    chosen = parser.parse_args(words)
    folder: Path = chosen.folder
    try:
        if chosen.recordings:
            traces = [load_paired(folder / name, name) for name in chosen.recordings]
        else:
            traces = paired_in(folder)
    except (RecordingError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if not traces:
        wanted = ", ".join(DEVELOPMENT)
        print(f"{folder}: none of {wanted}; name files with --recordings", file=sys.stderr)
        return 2
    if chosen.disturbances:
        print_disturbances(traces)
    elif chosen.choices:
        print_choices(traces)
    else:
        print_table(traces)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Show what each limit costs in duty and spares in misses, on recorded patients.

    python -m tests.target.limit_curves ../shared/data
    python -m tests.target.limit_curves ../shared/data --imaging 1

A session of each recording is run once with the shipped limits. What the checks saw is logged at
each tick. Then each limit is varied alone: the beam counts as held from the tick on in which its
quantity is larger, until 0.8 s after that (0.3 s until the fault ends, 0.5 s until the beam
returns). Printed are the share of the tracked time that is held by this limit, and the seconds in
10 minutes in which neither this limit nor another condition holds and beam and target are more than
5 or 3 mm apart. For each subject left out, the largest value is chosen that lets no more misses of
3 mm pass on the other subjects than the shipped one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording import RecordingError, load_recording
from tests.target.closed_loop_images import IMAGINGS, SCORED, joined
from tests.target.paired_traces import DEVELOPMENT
from tests.target.situation_log import SessionLog, logged_session
from tracker.build.warm_up import warm
from tracker.config import SHIPPED, altered, load_configuration

Mask = NDArray[np.bool_]
RETURNS_NS = 800_000_000


class Limit(NamedTuple):
    """A limit: what it is on, the fault it raises, its shipped value and those to try."""

    quantity: str
    fault: str
    shipped: float
    values: tuple[float, ...]


LIMITS = (
    Limit("radius_mm", "target unsure", 5.0, (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0)),
    Limit("sigma_mm", "surrogate unsure", 4.0, (1.5, 2.5, 4.0, 6.0, 10.0)),
    Limit("offset_mm", "beam off target", 3.5, (2.5, 3.0, 3.5, 4.0, 4.5)),
    Limit("aim_mm", "not in position", 3.0, (2.0, 2.5, 3.0, 3.5, 4.0)),
)


class Point(NamedTuple):
    """One value of one limit on some recordings."""

    held: float
    """Share of the time."""
    over_5mm_s: float
    """Seconds in 10 minutes with the beam on and a larger error."""
    over_3mm_s: float


def held_by(log: SessionLog, limit: Limit, value: float) -> Mask:
    """Return the ticks that the limit holds."""
    over = log.values[limit.quantity] > value
    since = np.where(over, log.t_ns, np.int64(-(1 << 60)))
    return np.asarray(log.t_ns - np.maximum.accumulate(since) <= RETURNS_NS)


def point_of(logs: list[SessionLog], limit: Limit, value: float) -> Point:
    """Return what a value costs and spares on some sessions, with all other limits as shipped."""
    ticks = held = five = three = 0
    for log in logs:
        mine = held_by(log, limit, value)
        others = np.zeros(len(mine), dtype=bool)
        for other in LIMITS:
            if other is not limit:
                others |= held_by(log, other, other.shipped)
        named = {each.fault for each in LIMITS}
        others |= np.array([bool(names - named) for names in log.found], dtype=bool)
        beam = ~mine & ~others & log.scored
        ticks += len(mine)
        held += int(mine.sum())
        five += int((beam & (log.error_mm > 5.0)).sum())
        three += int((beam & (log.error_mm > 3.0)).sum())
    return Point(held / ticks, 600.0 * five / ticks, 600.0 * three / ticks)


def print_curve(by_subject: dict[str, list[SessionLog]], limit: Limit) -> None:
    """Print one limit's curve, and what would be chosen without each subject."""
    logs = [log for its in by_subject.values() for log in its]
    print(f"{limit.fault}: {limit.quantity}, shipped {limit.shipped:g}")
    for value in limit.values:
        held, five, three = point_of(logs, limit, value)
        print(f"  {value:>5g}  held {100 * held:5.2f} %  {five:6.2f} s over 5 mm  {three:6.2f} s "
              "over 3 mm")  # fmt: skip
    for subject, own in by_subject.items():
        others = [log for name, its in by_subject.items() if name != subject for log in its]
        if not others:
            continue
        allowed = point_of(others, limit, limit.shipped).over_3mm_s
        kept = [v for v in limit.values if point_of(others, limit, v).over_3mm_s <= allowed]
        chosen = max(kept, default=limit.shipped)
        held, five, three = point_of(own, limit, chosen)
        print(f"  without {subject}: {chosen:g}; on it held {100 * held:.2f} %, {five:.2f} s over "
              f"5 mm, {three:.2f} s over 3 mm")  # fmt: skip


def main(words: list[str]) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.target.limit_curves")
    parser.add_argument("folder", type=Path, help="folder of the recordings")
    parser.add_argument("--imaging", type=int, default=2, choices=range(1, len(IMAGINGS)))
    parser.add_argument("--machine", default="couch", choices=("couch", "robot"))
    chosen = parser.parse_args(words)
    shipped = load_configuration(SHIPPED / f"{chosen.machine}.toml")
    configuration = altered(shipped, joined(IMAGINGS[chosen.imaging].changes))
    warm(configuration)
    by_subject: dict[str, list[SessionLog]] = {}
    try:
        for name in SCORED:
            log = logged_session(configuration, load_recording(chosen.folder / name), 1)
            by_subject.setdefault(DEVELOPMENT[name], []).append(log)
    except RecordingError as error:
        print(error, file=sys.stderr)
        return 2
    for limit in LIMITS:
        print_curve(by_subject, limit)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

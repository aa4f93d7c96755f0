"""Define what can go wrong in the room: a table of mishaps, and the effect of each on its twin.

A mishap is active from ``at_s`` for ``duration_s``. Mishaps compose: twins apply all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sim import breathing
from sim.scenario import Mishap, MishapKind, RoomScenario, Twin

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

STREAMS: tuple[Twin, ...] = ("camera", "belt", "actuator", "gate", "linac")

EFFECTS: dict[MishapKind, tuple[tuple[Twin, ...], str]] = {
    "loss": (STREAMS, "messages of samples taken in that time never arrive"),
    "freeze": (STREAMS, "samples repeat the last one before, with fresh ticks"),
    "delay": ((*STREAMS, "imager"), "messages arrive size ms later, in order"),
    "reorder": (STREAMS, "every second message arrives size ms later, out of order"),
    "duplicate": (STREAMS, "every message arrives twice"),
    "garbage": ((*STREAMS, "imager"), "the driver can make nothing of the message"),
    "clock_step": (("camera", "belt", "imager"), "the device's clock jumps by size ms, for good"),
    "noise": (("camera", "belt", "imager", "actuator"), "noise of sd size more (mm; belt: au)"),
    "unit_error": (("camera", "belt", "imager", "actuator"), "values are size times too large"),
    "occlusion": (("camera",), "marker which is not seen"),
    "no_shot": (("imager",), "a requested exposure never answers"),
    "migration": (("imager",), "fiducial which sits size mm off, for good"),
    "fiducial_lost": (("imager",), "fiducial which is not found"),
    "complaint": (("actuator",), "it reports a fault of its own, and goes on"),
    "stall": (("actuator",), "it stands still and takes no notice"),
    "runaway": (("actuator",), "it drives along +Y at size mm/s, whatever is asked"),
    "lag": (("actuator",), "demands take effect size ms later"),
    "stuck_on": (("gate",), "the beam is on, whatever is asked"),
    "stuck_off": (("gate",), "the beam is off, whatever is asked"),
    "cough": (("patient",), "a cough of size mm on the chest and target"),
    "shift": (("patient",), "the baseline of chest and target moves by size mm within duration_s"),
    "target_shift": (
        ("patient",),
        "the target alone moves inferior by size mm within duration_s, for good",
    ),
    "hold": (("patient",), "breathing stands still, and goes on afterwards where it stopped"),
    "apnoea": (("patient",), "breathing dies away to end of exhale, and comes back afterwards"),
    "sigh": (("patient",), "breath, chest and target, is size times as deep, from end of exhale"),
    "period_jump": (("patient",), "breathing is size times as fast"),
    "phase_shift": (
        ("patient",),
        "the target alone comes to lag by size ms more within duration_s, for good",
    ),
    "target_drift": (
        ("patient",),
        "the target alone drifts inferior at size mm/min, and stays where it came to",
    ),
    "chest_drift": (
        ("patient",),
        "the chest alone drifts anterior at size mm/min, and stays where it came to",
    ),
    "sag": (
        ("patient",),
        "breathing stands still, and the target alone moves superior by size mm meanwhile",
    ),
    "bias": (
        ("camera", "belt", "actuator", "linac"),
        "values are off by size: markers along the camera's z, position along +Y (mm); belt: au; "
        "gantry angle: degrees",
    ),
    "slip": (("belt",), "it slips: values are off by size au, for good"),
    "skew": (("camera", "belt"), "messages come later and later, size ms at the end, in order"),
    "bursts": (("camera", "belt"), "messages are held back and come size at a time"),
    "clock_drift": (("camera", "belt"), "its clock gains size ms each second, and keeps the gain"),
    "marker_swap": (("camera",), "marker which and the next exchange their names"),
    "fiducial_swap": (("imager",), "fiducial which and the next exchange their names"),
    "frame_error": (("camera", "imager"), "x and y are exchanged"),
    "stalled_loop": (("controller",), "it does nothing at all, then finds everything waiting"),
    "killed": (("controller",), "it is gone, for good: what comes up again is another run"),
    "no_disk": (("recorder",), "nothing can be written, and that is told"),
    "wrong_patient": (("plan",), "another patient is announced, and the right one afterwards"),
}
"""For each kind of mishap: the twins that can have it, and its effect."""

SEEN_BY_SHOTS: frozenset[tuple[MishapKind, Twin]] = frozenset(
    {
        ("clock_step", "imager"), ("delay", "imager"), ("garbage", "imager"), ("noise", "imager"),
        ("unit_error", "imager"), ("no_shot", "imager"), ("migration", "imager"),
        ("fiducial_lost", "imager"), ("fiducial_swap", "imager"), ("frame_error", "imager"),
        ("target_shift", "patient"), ("phase_shift", "patient"), ("target_drift", "patient"),
        ("chest_drift", "patient"), ("sag", "patient"),
        ("shift", "patient"), ("bias", "camera"), ("skew", "camera"), ("skew", "belt"),
    }
)  # fmt: skip
"""Those that nothing but a shot can show: neither sensors nor read-backs differ from what a breath
could do. The beam may miss until the next shot."""

DEEPER: tuple[MishapKind, ...] = ("apnoea", "sigh")
"""The mishaps that change the depth of breathing."""
EDGE_S = 1.0
"""The time in which breathing becomes deeper or shallower."""
MIGRATION_DIRECTION = np.array([0.6, 0.0, 0.8])


def check(
    room: RoomScenario, markers: int, further: Mapping[str, Twin] = MappingProxyType({})
) -> None:
    """Refuse a mishap that its twin cannot have; raises `ValueError` with one line.

    ``further``: the names of further sources, and the twin whose mishaps they can have.
    """
    for number, mishap in enumerate(room.mishaps, 1):
        twins, _ = EFFECTS[mishap.kind]
        where = f"room.mishaps[{number}]: {mishap.kind}"
        if further.get(mishap.on, mishap.on) not in twins:
            able = " or ".join((*twins, *(name for name, twin in further.items() if twin in twins)))
            raise ValueError(f"{where} cannot happen to the {mishap.on}; set on to {able}")
        if mishap.kind in ("occlusion", "marker_swap") and mishap.which >= markers:
            raise ValueError(f"{where} of marker {mishap.which}; there are {markers}, from 0")
        fiducials = len(room.imager.fiducials_mm)
        one = ("migration", "fiducial_lost", "fiducial_swap")
        if mishap.kind in one and mishap.which >= fiducials:
            raise ValueError(f"{where} of fiducial {mishap.which}; there are {fiducials}, from 0")


def of(mishaps: Iterable[Mishap], on: str, kind: MishapKind) -> list[Mishap]:
    """Return the mishaps of one kind that one twin has."""
    return [mishap for mishap in mishaps if mishap.on == on and mishap.kind == kind]


def active(mishap: Mishap, times_s: Floats) -> Mask:
    """Return which of the times lie within the mishap, (N,)."""
    return (times_s >= mishap.at_s) & (times_s < mishap.at_s + mishap.duration_s)


def is_active(mishap: Mishap, t_ns: int) -> bool:
    """Return whether a moment lies within the mishap."""
    return mishap.at_s <= t_ns / 1e9 < mishap.at_s + mishap.duration_s


def during(mishaps: Sequence[Mishap], on: str, kind: MishapKind, times_s: Floats) -> Mask:
    """Return which of the times lie within any mishap of this kind on this twin, (N,)."""
    found = np.zeros(len(times_s), dtype=np.bool_)
    for mishap in of(mishaps, on, kind):
        found |= active(mishap, times_s)
    return found


def summed(mishaps: Sequence[Mishap], on: str, kind: MishapKind, times_s: Floats) -> Floats:
    """Return the sum of the sizes of the active mishaps of this kind, (N,)."""
    total = np.zeros(len(times_s))
    for mishap in of(mishaps, on, kind):
        total += mishap.size * active(mishap, times_s)
    return total


def stepped(mishaps: Sequence[Mishap], on: str, kind: MishapKind, times_s: Floats) -> Floats:
    """Return the sum of the sizes of the mishaps that have begun (they last for good), (N,)."""
    total = np.zeros(len(times_s))
    for mishap in of(mishaps, on, kind):
        total += mishap.size * (times_s >= mishap.at_s)
    return total


def scale(mishaps: Sequence[Mishap], on: str, times_s: Floats) -> Floats:
    """Return the factor of unit errors at these times, (N,)."""
    factor = np.ones(len(times_s))
    for mishap in of(mishaps, on, "unit_error"):
        factor[active(mishap, times_s)] *= mishap.size
    return factor


def repeated(mishaps: Sequence[Mishap], on: str, times_s: Floats) -> Ints:
    """Return which sample's content each sample shows: its own, or the last before a freeze."""
    source = np.arange(len(times_s))
    for mishap in of(mishaps, on, "freeze"):
        frozen = active(mishap, times_s)
        if frozen.any():
            source[frozen] = source[max(int(np.argmax(frozen)) - 1, 0)]
    return source


def ramped(mishaps: Sequence[Mishap], on: str, kind: MishapKind, times_s: Floats) -> Floats:
    """Return the sum of sizes that grow evenly while a mishap lasts and then stay, (N,)."""
    total = np.zeros(len(times_s))
    for mishap in of(mishaps, on, kind):
        share = np.clip((times_s - mishap.at_s) / max(mishap.duration_s, 1e-9), 0.0, 1.0)
        total += mishap.size * share
    return total


def gained_s(mishaps: Sequence[Mishap], on: str, times_s: Floats) -> Floats:
    """Return by how much a device's clock has jumped and drifted, (N,) in seconds."""
    gained = stepped(mishaps, on, "clock_step", times_s)
    for mishap in of(mishaps, on, "clock_drift"):
        gained += mishap.size * np.clip(times_s - mishap.at_s, 0.0, mishap.duration_s)
    return gained / 1000.0


def delivered(
    mishaps: Sequence[Mishap], on: str, times_s: Floats, arrival_ns: Ints
) -> tuple[Ints, Ints]:
    """Return which samples arrive, in order of arrival, and when: two arrays of one length."""
    delay_ms = summed(mishaps, on, "delay", times_s)
    for mishap in of(mishaps, on, "skew"):
        delay_ms += active(mishap, times_s) * ramped((mishap,), on, "skew", times_s)
    late = arrival_ns + np.rint(1e6 * delay_ms).astype(np.int64)
    for mishap in of(mishaps, on, "bursts"):
        late = held_back(mishap, times_s, late)
    late = np.maximum.accumulate(late)
    odd = np.arange(len(times_s)) % 2 == 1
    swapped = np.rint(1e6 * summed(mishaps, on, "reorder", times_s)).astype(np.int64)
    late = late + np.where(odd, swapped, 0)
    copies = np.where(during(mishaps, on, "duplicate", times_s), 2, 1)
    copies[during(mishaps, on, "loss", times_s)] = 0
    which = np.repeat(np.arange(len(times_s)), copies)
    order = np.argsort(late[which], kind="stable")
    return which[order], late[which][order]


def held_back(mishap: Mishap, times_s: Floats, arrival_ns: Ints) -> Ints:
    """Return when messages arrive that come several at a time, with the last of them, (N,)."""
    held = arrival_ns.copy()
    inside = np.flatnonzero(active(mishap, times_s))
    size = max(1, round(mishap.size))
    for start in range(0, len(inside), size):
        group = inside[start : start + size]
        held[group] = arrival_ns[group[-1]]
    return held


def patient_time(mishaps: Sequence[Mishap], times_s: Floats) -> Floats:
    """Return the patient's own time: it stands still during a hold, and runs fast in a jump."""
    held = times_s
    for mishap in of(mishaps, "patient", "period_jump"):
        held = held + (mishap.size - 1.0) * np.clip(times_s - mishap.at_s, 0.0, mishap.duration_s)
    for mishap in (*of(mishaps, "patient", "hold"), *of(mishaps, "patient", "sag")):
        held = held - np.clip(times_s - mishap.at_s, 0.0, mishap.duration_s)
    return held


def deeper(mishap: Mishap, times_s: Floats) -> Floats:
    """Return what an apnoea or a sigh adds, (N,), as a share of the way from end of exhale."""
    more = (0.0 if mishap.kind == "apnoea" else mishap.size) - 1.0
    edge_s = min(EDGE_S, 0.5 * mishap.duration_s)
    back_s = mishap.at_s + mishap.duration_s - edge_s
    begun = breathing.shift(times_s, mishap.at_s, edge_s, more)
    return begun - breathing.shift(times_s, back_s, edge_s, more)


def target_time(mishaps: Sequence[Mishap], times_s: Floats) -> Floats:
    """Return the time at which the target is where it is: it may have come to lag."""
    lag_s = np.zeros(len(times_s))
    for mishap in of(mishaps, "patient", "phase_shift"):
        lag_s += breathing.shift(times_s, mishap.at_s, mishap.duration_s, mishap.size / 1000.0)
    return times_s - lag_s


def chest_added(mishaps: Sequence[Mishap], times_s: Floats) -> Floats:
    """Return what coughs, shifts and drifts add to the chest, (N,) in mm toward anterior."""
    added = _shared(mishaps, times_s)
    for mishap in of(mishaps, "patient", "chest_drift"):
        added += mishap.size * np.clip(times_s - mishap.at_s, 0.0, mishap.duration_s) / 60.0
    return added


def _shared(mishaps: Sequence[Mishap], times_s: Floats) -> Floats:
    """Return what moves chest and target together, (N,) in mm of the chest."""
    added = np.zeros(len(times_s))
    for mishap in of(mishaps, "patient", "cough"):
        added += breathing.cough(times_s, mishap.at_s, mishap.size)
    for mishap in of(mishaps, "patient", "shift"):
        added += breathing.shift(times_s, mishap.at_s, mishap.duration_s, mishap.size)
    return added


def target_added(mishaps: Sequence[Mishap], times_s: Floats) -> Floats:
    """Return what coughs and shifts add to the target, (N, 3): down and forward, as on inhale."""
    added = np.outer(_shared(mishaps, times_s), (0.1, -1.0, 0.3))
    for mishap in of(mishaps, "patient", "sag"):
        over_s = mishap.at_s + mishap.duration_s
        sunk = ramped((mishap,), "patient", "sag", times_s)
        added[:, 1] += sunk - breathing.shift(times_s, over_s, EDGE_S, mishap.size)
    for mishap in of(mishaps, "patient", "target_drift"):
        lasted_s = np.clip(times_s - mishap.at_s, 0.0, mishap.duration_s)
        added[:, 1] -= mishap.size * lasted_s / 60.0
    for mishap in of(mishaps, "patient", "target_shift"):
        added[:, 1] -= breathing.shift(times_s, mishap.at_s, mishap.duration_s, mishap.size)
    return added

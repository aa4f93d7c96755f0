"""Draw the mishaps of a run: a fault's name and a seed determine moment, length and size.

A fault is written ``KIND`` (the seed then chooses the twin), ``KIND.TWIN``, or several joined by
``+``; ``clean`` is none. ``KIND.breathing`` happens to camera and belt together, so that no sensor
shows the breath any more. The kinds are those of `sim.mishaps`; one without a row in `DRAWN` uses
`USUAL`.
"""

from __future__ import annotations

import difflib
import itertools
import zlib
from typing import NamedTuple, cast, get_args

import numpy as np

from sim.mishaps import EFFECTS, SEEN_BY_SHOTS
from sim.scenario import Mishap, MishapKind, Twin
from tracker.config import Configuration
from tracker.core.machine.kinds.table import machine_kind
from tracker.offline.campaign.errors import CampaignError

CLEAN = "clean"
BREATHING = "breathing"
"""Stands for camera and belt together."""

EARLIEST_S = 45.0
"""Onset: modelling is over, and some tracking with it."""
AFTERWARDS_S = 25.0
"""Kept free at the end of a run for tracking to return, where the run is long enough."""

Span = tuple[float, float]


class Draw(NamedTuple):
    """The ranges from which a mishap is drawn; sizes are in the unit of its kind.

    ``sizes`` is a span, drawn evenly in the logarithm where it spans more than a factor of three,
    or, longer than two, a list to choose from.
    """

    duration_s: Span = (1.0, 8.0)
    sizes: tuple[float, ...] = (1.0, 1.0)
    signed: bool = False


USUAL = Draw()
NO_LINAC = frozenset({"linac"})
"""What a couch or a robot does without: it does not turn with the gantry."""
_UNITS = (10.0, 0.1, 25.4, 1.0 / 25.4, 1000.0, 0.001)
"""Centimetres, inches and metres taken for millimetres, and the other way round."""

DRAWN: dict[str, Draw] = {
    "loss": Draw((0.05, 10.0)),
    "freeze": Draw((0.1, 10.0)),
    "delay": Draw((0.5, 10.0), (20.0, 500.0)),
    "delay.imager": Draw((20.0, 60.0), (100.0, 4000.0)),
    "reorder": Draw((0.5, 10.0), (10.0, 300.0)),
    "duplicate": Draw((0.5, 10.0)),
    "garbage": Draw((0.05, 8.0)),
    "garbage.imager": Draw((15.0, 60.0)),
    "clock_step": Draw((1.0, 1.0), (10.0, 2000.0), signed=True),
    "noise.camera": Draw((0.5, 10.0), (0.3, 8.0)),
    "noise.belt": Draw((0.5, 10.0), (5.0, 500.0)),
    "noise.imager": Draw((20.0, 60.0), (0.5, 8.0)),
    "noise.actuator": Draw((0.5, 10.0), (0.1, 5.0)),
    "unit_error": Draw((0.1, 8.0), _UNITS),
    "unit_error.imager": Draw((20.0, 60.0), _UNITS),
    "occlusion": Draw((0.2, 20.0)),
    "no_shot": Draw((15.0, 90.0)),
    "migration": Draw((1.0, 1.0), (0.5, 12.0)),
    "fiducial_lost": Draw((15.0, 60.0)),
    "complaint": Draw((0.1, 5.0)),
    "stall": Draw((0.1, 5.0)),
    "runaway": Draw((0.2, 5.0), (2.0, 20.0), signed=True),
    "lag": Draw((1.0, 15.0), (20.0, 500.0)),
    "stuck_on": Draw((0.2, 8.0)),
    "stuck_off": Draw((0.2, 8.0)),
    "cough": Draw((2.0, 2.0), (2.0, 15.0)),
    "shift": Draw((0.5, 30.0), (1.0, 10.0), signed=True),
    "target_shift": Draw((0.5, 60.0), (1.0, 15.0), signed=True),
    "hold": Draw((1.0, 15.0)),
    "apnoea": Draw((3.0, 20.0)),
    "sigh": Draw((3.0, 8.0), (1.3, 3.0)),
    "period_jump": Draw((5.0, 60.0), (0.5, 2.5)),
    "phase_shift": Draw((0.5, 30.0), (50.0, 600.0)),
    "target_drift": Draw((30.0, 180.0), (0.1, 3.0), signed=True),
    "chest_drift": Draw((30.0, 180.0), (0.1, 3.0), signed=True),
    "sag": Draw((5.0, 25.0), (0.5, 4.0)),
    "bias.linac": Draw((1.0, 20.0), (1.0, 40.0), signed=True),
    "bias.camera": Draw((1.0, 20.0), (0.5, 20.0), signed=True),
    "bias.belt": Draw((1.0, 20.0), (10.0, 1000.0), signed=True),
    "bias.actuator": Draw((1.0, 20.0), (0.2, 10.0), signed=True),
    "slip": Draw((1.0, 1.0), (10.0, 1000.0), signed=True),
    "skew": Draw((2.0, 30.0), (10.0, 400.0)),
    "bursts": Draw((2.0, 30.0), (3.0, 15.0)),
    "clock_drift": Draw((5.0, 60.0), (0.2, 20.0), signed=True),
    "marker_swap": Draw((0.1, 20.0)),
    "fiducial_swap": Draw((15.0, 60.0)),
    "frame_error.camera": Draw((0.1, 20.0)),
    "frame_error.imager": Draw((15.0, 60.0)),
    "stalled_loop": Draw((0.03, 3.0)),
    "killed": Draw((1.0, 1.0)),
    "no_disk": Draw((0.5, 10.0)),
    "wrong_patient": Draw((0.5, 10.0)),
}
"""By ``KIND.TWIN``, else by ``KIND``."""


class CampaignFault(NamedTuple):
    """One kind on one twin; the twin is empty where the seed chooses it."""

    kind: MishapKind
    twin: str = ""


class MishapTrouble(NamedTuple):
    """One mishap as drawn: what happens to which twins, and how it shows."""

    name: str
    """``KIND.TWIN``."""
    mishaps: tuple[Mishap, ...]
    clear_s: float
    """When it is over; a lasting one has then reached its full size."""
    image_only: bool
    """Whether it shows in X-ray shots only (hazards H07, H09 and H10)."""


def known() -> tuple[str, ...]:
    """Return every kind, in the order of the table."""
    return tuple(EFFECTS)


def absent_twins(configuration: Configuration) -> frozenset[str]:
    """Return the twins that this configuration's room does without.

    A machine that does not move has no actuator. The angles of a linac matter to a machine only
    where the configuration reads them.
    """
    controller = configuration.controller
    found = set[str]()
    if not machine_kind(controller.actuator.kind).moves:
        found.add("actuator")
    if not controller.linac.enabled:
        found.add("linac")
    return frozenset(found)


def possible(absent: frozenset[str] = NO_LINAC) -> tuple[str, ...]:
    """Return every kind that can happen without these twins, in the order of the table."""
    return tuple(kind for kind, (twins, _) in EFFECTS.items() if set(twins) - absent)


def twins_of(kind: MishapKind) -> tuple[str, ...]:
    """Return the twins a kind can happen to, camera and belt together included."""
    twins = EFFECTS[kind][0]
    return (*twins, BREATHING) if {"camera", "belt"} <= set(twins) else twins


def pairs(count: int, absent: frozenset[str] = NO_LINAC) -> tuple[str, ...]:
    """Return so many different pairs of kinds, always the same ones."""
    every = list(itertools.combinations(possible(absent), 2))
    drawn = np.random.Generator(np.random.PCG64(1)).permutation(len(every))[:count]
    indices: list[int] = drawn.tolist()
    return tuple("+".join(every[index]) for index in indices)


def parsed(name: str) -> tuple[CampaignFault, ...]:
    """Read a fault's name; raises `CampaignError` with one line for what is not known."""
    if name == CLEAN:
        return ()
    faults: list[CampaignFault] = []
    for part in name.split("+"):
        kind, _, twin = part.partition(".")
        if kind not in EFFECTS:
            near = difflib.get_close_matches(kind, EFFECTS, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known())}"
            raise CampaignError(f"--faults {name}: no kind of mishap is called {kind}; {advice}")
        able = twins_of(kind)
        if twin and twin not in able:
            raise CampaignError(
                f"--faults {name}: {kind} cannot happen to {twin}; name one of {', '.join(able)}"
            )
        faults.append(CampaignFault(kind, twin))
    return tuple(faults)


def can_happen(name: str, absent: frozenset[str]) -> bool:
    """Return whether a fault finds a twin for each of its kinds; raises `CampaignError`."""
    return all(fault.twin or set(twins_of(fault.kind)) - absent for fault in parsed(name))


def drawn(
    name: str, seed: int, length_s: float, absent: frozenset[str] = NO_LINAC
) -> tuple[MishapTrouble, ...]:
    """Draw what goes wrong in a run of this length.

    Where there are several, each begins up to 5 s after the one before, or at the same moment.
    ``absent``: the twins that the seed does not choose. Raises `CampaignError` for a kind that can
    happen to these alone.
    """
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    troubles: list[MishapTrouble] = []
    begin_s: float | None = None
    for fault in parsed(name):
        twins = tuple(twin for twin in twins_of(fault.kind) if twin not in absent)
        if not (fault.twin or twins):
            raise CampaignError(
                f"--faults {name}: {fault.kind} can happen to {' or '.join(sorted(absent))} alone, "
                "which this configuration does without; leave it out"
            )
        twin = fault.twin or twins[(seed + len(troubles)) % len(twins)]
        draw = draw_of(fault.kind, twin)
        duration_s = _within(rng, draw.duration_s)
        room_s = length_s - AFTERWARDS_S - duration_s
        onset_s = EARLIEST_S + max(0.0, room_s - EARLIEST_S) * float(rng.random())
        gap_s = 5.0 * float(rng.random()) * float(rng.integers(2))
        begin_s = onset_s if begin_s is None else begin_s + gap_s
        troubles.append(_trouble(fault.kind, twin, round(begin_s, 3), round(duration_s, 3), rng))
    return tuple(troubles)


def draw_of(kind: str, twin: str) -> Draw:
    """Give the row of `DRAWN` that holds for a kind on a twin."""
    return DRAWN.get(f"{kind}.{twin}") or DRAWN.get(kind) or USUAL


def _trouble(
    kind: MishapKind, twin: str, at_s: float, duration_s: float, rng: np.random.Generator
) -> MishapTrouble:
    befallen = ("camera", "belt") if twin == BREATHING else (twin,)
    which = int(rng.integers(3))
    made: list[Mishap] = []
    for each in befallen:
        assert each in get_args(Twin)
        size = _size(rng, draw_of(kind, each))
        made.append(
            Mishap(
                kind=kind,
                on=cast(Twin, each),
                at_s=at_s,
                duration_s=duration_s,
                size=float(f"{size:.4g}"),
                which=which,
            )
        )
    by_shots = any((mishap.kind, mishap.on) in SEEN_BY_SHOTS for mishap in made)
    return MishapTrouble(f"{kind}.{twin}", tuple(made), at_s + duration_s, by_shots)


def _size(rng: np.random.Generator, draw: Draw) -> float:
    sizes = draw.sizes
    size = _within(rng, (sizes[0], sizes[1])) if len(sizes) == 2 else 0.0
    chosen = sizes[int(rng.integers(len(sizes)))]
    sign = -1.0 if draw.signed and rng.integers(2) else 1.0
    return sign * (size if len(sizes) == 2 else chosen)


def _within(rng: np.random.Generator, span: Span) -> float:
    low, high = span
    share = float(rng.random())
    if low > 0.0 and high > 3.0 * low:
        return low * (high / low) ** share
    return low + (high - low) * share

"""Fiducials on rendered radiographs, by the hundred: how many are found, how well, how wrongly.

``python -m tests.hal.imaging.campaign [shots]`` runs the long form; the suite runs a short
one. Each shot draws an arrangement of four seeds, a pose, an anatomy, noise and mishaps:
seeds missing from one view or both, foreign clips, overlaps.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import cv2
import numpy as np

from hal.imaging.constellation import Rules
from hal.imaging.fiducials import FiducialFinder, FiducialSettings
from hal.imaging.rigid import turn_deg
from hal.imaging.view import Array, View
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from sim.radiograph import STEEL_PER_MM, Exposure, Seed, expose_pair

PIXEL_MM = 0.28
WRONG_MM = 1.0
"""A reported fiducial further than this from the truth bears a wrong name."""


@dataclass
class Tally:
    """What a campaign counted."""

    shots: int = 0
    visible: int = 0
    found: int = 0
    wrong: int = 0
    refused: int = 0
    touching: int = 0
    touching_found: int = 0
    errors_mm: list[float] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def detection(self) -> float:
        """Share of the visible seeds that were found."""
        return self.found / max(1, self.visible)

    def summary(self) -> str:
        """One line for people."""
        errors = np.array(self.errors_mm)
        p50, p95, p99 = np.percentile(errors, [50, 95, 99])
        return (
            f"{self.shots} shots: {self.found}/{self.visible} visible seeds found "
            f"({100 * self.detection:.2f} %), {self.touching_found}/{self.touching} touching "
            f"ones besides, error median {p50:.3f} p95 {p95:.3f} p99 {p99:.3f} max "
            f"{errors.max():.3f} mm, {self.wrong} wrong, {self.refused} shots refused"
        )


def arrangement(rng: np.random.Generator, count: int) -> Array:
    """Seeds 12 to 45 mm apart, as they are implanted around a tumour; count x 3."""
    while True:
        seeds = rng.uniform(-22.0, 22.0, (count, 3))
        apart = np.linalg.norm(seeds[:, None] - seeds[None], axis=2)[np.triu_indices(count, 1)]
        # Two sides of like length make a triangle a person could not tell apart either.
        distinct = count < 3 or np.diff(np.sort(apart)).min() > 0.5
        if apart.min() > 12.0 and apart.max() < 50.0 and distinct:
            return seeds


def turn(rng: np.random.Generator, most_deg: float) -> Array:
    """A random rotation of at most ``most_deg``."""
    axis = rng.standard_normal(3)
    axis *= np.radians(rng.uniform(0.0, most_deg)) / np.linalg.norm(axis)
    matrix, _ = cv2.Rodrigues(axis)
    assert turn_deg(matrix[None])[0] <= most_deg + 1e-6
    return np.asarray(matrix, dtype=np.float64)


def _touching(
    pictures: list[Array], shown: list[list[bool]], index: int, lengths_mm: list[float]
) -> bool:
    """Whether a seed's picture may touch that of other metal shown in the same view."""
    for side in range(2):
        for other in range(len(pictures[side])):
            if other != index and shown[side][other]:
                gap = np.linalg.norm(pictures[side][other] - pictures[side][index])
                halves = (lengths_mm[index] + lengths_mm[other]) / 2.0 + 1.0
                if gap < halves / PIXEL_MM + 4.0:
                    return True
    return False


def one_shot(
    rng: np.random.Generator,
    views: tuple[View, View],
    tally: Tally,
    count: int = 4,
    mishaps: bool = True,
    length_mm: float = 3.0,
    least: int = 3,
) -> None:
    """Draw, expose, locate and count one shot."""
    planned = arrangement(rng, count)
    rotation = turn(rng, 8.0)
    place = planned @ rotation.T + rng.uniform(-12.0, 12.0, 3) + rng.normal(0.0, 0.15, (count, 3))
    shown = [[True] * count, [True] * count]
    if mishaps and rng.random() < 0.35:
        lost = int(rng.integers(count))
        for side in ((0,), (1,), (0, 1))[int(rng.integers(3))]:
            shown[side][lost] = False
    metal = [Seed(p, rng.standard_normal(3), 1.0, length_mm) for p in place]
    clips: list[Seed] = []
    if mishaps and rng.random() < 0.35:
        for _ in range(int(rng.integers(1, 4))):
            spot = place.mean(axis=0) + rng.uniform(-35.0, 35.0, 3)
            clips.append(Seed(spot, rng.standard_normal(3), 1.0, 4.0, STEEL_PER_MM * 3))
    exposure = Exposure(
        quanta=float(rng.uniform(25_000, 80_000)),
        tissue=float(rng.uniform(2.6, 3.8)),
        blur_px=float(rng.uniform(0.7, 1.3)),
        scatter=float(rng.uniform(0.2, 0.5)),
    )
    sides = tuple([s for s, ok in zip(metal, shown[k], strict=True) if ok] + clips for k in (0, 1))
    left, right = expose_pair(views, (sides[0], sides[1]), exposure, rng)
    finder = FiducialFinder(
        views,
        tuple(map(tuple, planned.tolist())),
        FiducialSettings(length_mm=length_mm, rules=Rules(least=least)),
    )
    located = finder.locate(left, right)
    _count(located.fiducials_mm, located.doubt, place, shown, views, clips, tally, length_mm)


def _count(
    fiducials: tuple[tuple[float, float, float] | None, ...],
    doubt: str,
    place: Array,
    shown: list[list[bool]],
    views: tuple[View, View],
    clips: list[Seed],
    tally: Tally,
    length_mm: float,
) -> None:
    tally.shots += 1
    if doubt:
        tally.refused += 1
        tally.doubts.append(doubt)
    everything = np.vstack([place, *[c.centre_mm[None] for c in clips]])
    pictures = [v.project(everything) for v in views]
    lengths = [length_mm] * len(place) + [c.length_mm for c in clips]
    shown = [s + [True] * len(clips) for s in shown]
    for index, found in enumerate(fiducials):
        error = float(np.linalg.norm(np.array(found) - place[index])) if found else None
        both = shown[0][index] and shown[1][index]
        if error is not None:
            tally.errors_mm.append(error)
            tally.wrong += error > WRONG_MM or not both
        if both and _touching(pictures, shown, index, lengths):
            tally.touching += 1
            tally.touching_found += error is not None
        elif both:
            tally.visible += 1
            tally.found += error is not None


def run(
    shots: int,
    seed: int,
    *,
    count: int = 4,
    mishaps: bool = True,
    length_mm: float = 3.0,
    size_px: int = 1024,
    least: int = 3,
) -> Tally:
    """Run a campaign of ``shots`` pairs from one random seed."""
    rng = np.random.default_rng(seed)
    views = nominal_pair(XrayGeometry(width_px=size_px, height_px=size_px))
    tally = Tally()
    for _ in range(shots):
        one_shot(rng, views, tally, count, mishaps, length_mm, least)
    return tally


if __name__ == "__main__":
    cv2.setNumThreads(1)
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for fiducial_count in (3, 4, 5):
        for seed_length in (0.0, 3.0, 5.0):
            result = run(
                number // 9 + 1,
                7,
                count=fiducial_count,
                length_mm=seed_length,
                least=min(3, fiducial_count - 1),
            )
            print(f"{fiducial_count} seeds of {seed_length:g} mm: {result.summary()}", flush=True)
            for sentence in sorted(set(result.doubts)):
                print("    refused:", sentence)

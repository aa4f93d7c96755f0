"""Seeds in rendered single projections: how many are found and named, how well, how wrongly.

    python -m tests.hal.imaging.projections [pictures]

Each picture draws an arrangement of three or four seeds, a gantry angle, a turn of up to 6 degrees,
where the target is and how it was expected, its velocity, the anatomy with ribs, the couch, noise,
and mishaps: a seed that is missing, foreign clips. A seed is *visible* when it is in the body and
its picture touches no other metal. One that is reported more than 1 mm from where it is, at the
isocentre, bears a wrong name. Printed are the share found, the 2-D error (mm at the isocentre),
wrong names, refused pictures, and the time a picture takes on one core.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

import cv2
import numpy as np

from hal.imaging.projection_seeds import ProjectionFinder, ProjectionSettings
from hal.imaging.projection_view import GantryImager, gantry_view
from hal.imaging.view import Array
from sim.projection_radiograph import KV, MV, Radiation, expose_projection
from sim.radiograph import Seed
from tests.hal.imaging.campaign import arrangement, turn

IMAGER = GantryImager()
SIGMA_MM = 1.5
"""How well the place of the target is known beforehand, along each axis."""
WRONG_MM = 1.0
KINDS = {
    "kV": (KV, ProjectionSettings()),
    "MV": (MV, ProjectionSettings(snr=4.5, likeness=0.5, sigma_px=1.0, any_size=True)),
}
"""Beams, and how seeds are looked for in their pictures."""


@dataclass
class ProjectionTally:
    """What was counted over some pictures."""

    pictures: int = 0
    visible: int = 0
    found: int = 0
    wrong: int = 0
    refused: int = 0
    hidden: int = 0
    hidden_found: int = 0
    errors_mm: list[float] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    @property
    def detection(self) -> float:
        """Share of the visible seeds that were found."""
        return self.found / max(1, self.visible)

    @property
    def p95_mm(self) -> float:
        """The 95 % quantile of the error of the seeds found."""
        return float(np.percentile(self.errors_mm, 95))

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.pictures} pictures: {self.found}/{self.visible} visible seeds found "
            f"({100 * self.detection:.2f} %), {self.hidden_found}/{self.hidden} touching ones "
            f"besides, error median {np.median(self.errors_mm):.3f} p95 {self.p95_mm:.3f} mm, "
            f"{self.wrong} wrong, {self.refused} refused, "
            f"{np.median(self.times_ms):.1f} ms a picture (p95 "
            f"{np.percentile(self.times_ms, 95):.1f})"
        )


def one_picture(
    rng: np.random.Generator, beam: Radiation, settings: ProjectionSettings, tally: ProjectionTally
) -> None:
    """Draw, expose, search and count one picture."""
    count = int(rng.integers(3, 5))
    planned = arrangement(rng, count)
    planned -= planned.mean(axis=0)
    view = gantry_view(float(rng.uniform(-180.0, 180.0)), IMAGER)
    expected = rng.uniform(-15.0, 15.0, 3)
    target = expected + SIGMA_MM * rng.standard_normal(3)
    place = planned @ turn(rng, 6.0).T + target + rng.normal(0.0, 0.15, (count, 3))
    shown = np.ones(count, dtype=bool)
    if rng.random() < 0.25:
        shown[int(rng.integers(count))] = False
    seeds = [Seed(p, rng.standard_normal(3), per_mm=beam.gold_per_mm) for p in place]
    metal = [seed for seed, is_there in zip(seeds, shown, strict=True) if is_there]
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.25 else 0):
        spot = target + rng.uniform(-35.0, 35.0, 3)
        metal.append(Seed(spot, rng.standard_normal(3), 1.0, 4.0, 0.4 * beam.gold_per_mm))
    velocity = np.array([1.0, 8.0, 3.0]) * rng.standard_normal(3)
    picture = expose_projection(view, metal, beam, velocity, rng)
    finder = ProjectionFinder(
        tuple((float(x), float(y), float(z)) for x, y, z in planned), settings
    )
    x, y, z = expected.tolist()
    began = time.process_time()
    named = finder.find(picture, view, (x, y, z), SIGMA_MM)
    tally.times_ms.append(1e3 * (time.process_time() - began))
    tally.pictures += 1
    tally.refused += bool(named.doubt)
    truth = view.project(place)
    alone = _alone(truth, view.project(np.array([m.centre_mm for m in metal])))
    for index, found in enumerate(named.places_px):
        visible = bool(shown[index] and alone[index])
        tally.visible += visible
        tally.hidden += bool(shown[index] and not alone[index])
        if found is None:
            continue
        size = float(view.pixel_mm(place[index][None])[0])
        error = float(np.linalg.norm(np.array(found) - truth[index])) * size
        if error > WRONG_MM or not shown[index]:
            tally.wrong += 1
        elif visible:
            tally.found += 1
            tally.errors_mm.append(error)
        else:
            tally.hidden_found += 1


def _alone(places_px: Array, metal_px: Array) -> list[bool]:
    """Return whose picture touches no other metal; the nearest metal is the seed itself."""
    apart = np.linalg.norm(places_px[:, None] - metal_px[None], axis=2)
    touching = 4.0 / IMAGER.pixel_mm
    return [int((row < touching).sum()) <= 1 for row in apart]


def campaign(
    beam: Radiation, settings: ProjectionSettings, pictures: int, seed: int = 1
) -> ProjectionTally:
    """Return the tally of so many pictures."""
    tally = ProjectionTally()
    for number in range(pictures):
        one_picture(np.random.default_rng([seed, number]), beam, settings, tally)
    return tally


def main(words: list[str]) -> int:
    """Run the command; return its exit code."""
    try:
        pictures = int(words[0]) if words else 300
    except ValueError:
        print(f"{words[0]}: must be a number of pictures", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    for name, (beam, settings) in KINDS.items():
        print(f"{name}: {campaign(beam, settings, pictures).summary()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

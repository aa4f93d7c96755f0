"""Draw stereo radiographs of a patient with gold seeds, as flat panels record them.

Rays from the focal spot are followed through cylinders of gold (chord length times
attenuation), laid over an anatomy of smooth tissue, ribs and a spine, with scatter, blur,
quantum noise and read-out noise. Nothing is shared with the localisation but `View.project`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hal.imaging.view import Array, View

Image = NDArray[np.uint16]
Field = NDArray[np.float32]

GOLD_PER_MM = 8.0
"""Linear attenuation of gold near 60 keV, the mean of a 120 kV spectrum behind a patient."""
STEEL_PER_MM = 0.9
_SUPERSAMPLING = 5


@dataclass(frozen=True, slots=True)
class Exposure:
    """The properties of one radiograph; lengths are millimetres in the patient.

    ``quanta`` is how many are counted in a pixel behind no patient, ``scatter`` the share of
    counts behind the patient that never came straight, ``blur_px`` focal spot and panel.
    """

    quanta: float = 60_000.0
    tissue: float = 3.2
    relief: float = 0.5
    bone: float = 0.35
    scatter: float = 0.35
    blur_px: float = 0.9
    electronic: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Seed:
    """A cylinder (``length_mm`` 0: a ball) of metal in space."""

    centre_mm: Array
    axis: Array
    diameter_mm: float = 1.0
    length_mm: float = 3.0
    per_mm: float = GOLD_PER_MM


def anatomy(shape: tuple[int, int], exposure: Exposure, rng: np.random.Generator) -> Field:
    """Return the attenuation of a body without seeds, ``shape`` rows by columns."""
    rows, columns = shape
    field: Field = np.full(shape, exposure.tissue, dtype=np.float32)
    for cells, weight in ((4, 1.0), (9, 0.5), (24, 0.22), (60, 0.07)):
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        smooth = cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_CUBIC)
        field += exposure.relief * weight * 0.5 * smooth
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    for _ in range(6):
        middle = rng.uniform(0, rows)
        slope = rng.uniform(-0.35, 0.35)
        bend = rng.uniform(-3e-4, 3e-4)
        off = y - middle - slope * (x - columns / 2) - bend * (x - columns / 2) ** 2
        width = rng.uniform(10, 22)
        # A rib is a hollow tube: its rims are denser than its middle.
        inside = np.clip(1.0 - (off / width) ** 2, 0.0, None)
        hollow = np.clip(1.0 - (off / (width * 0.7)) ** 2, 0.0, None)
        field += exposure.bone * (np.sqrt(inside) - 0.6 * np.sqrt(hollow))
    centre = columns * rng.uniform(0.3, 0.7)
    spine = np.clip(1.0 - ((x - centre) / rng.uniform(35, 55)) ** 2, 0.0, None)
    discs: Field = 1.0 + 0.25 * np.sign(np.sin(y / rng.uniform(14, 20) + rng.uniform(0, 6)))
    field += exposure.bone * 1.5 * np.sqrt(spine) * cv2.GaussianBlur(discs, (0, 0), 2.0)
    return np.maximum(field, 0.3)


def _chords(source: Array, rays: Array, seed: Seed) -> Array:
    """Return how far each ray (n x 3, unit) from ``source`` runs inside the seed; shape n."""
    to_centre = source - seed.centre_mm
    radius = seed.diameter_mm / 2.0
    if seed.length_mm <= 0.0:
        half = rays @ to_centre
        root = half**2 - (to_centre @ to_centre - radius**2)
        return 2.0 * np.sqrt(np.clip(root, 0.0, None))
    axis = seed.axis / np.linalg.norm(seed.axis)
    ray_along = rays @ axis
    centre_along = float(to_centre @ axis)
    ray_across = rays - ray_along[:, None] * axis
    centre_across = to_centre - centre_along * axis
    a = np.maximum(np.einsum("ij,ij->i", ray_across, ray_across), 1e-15)
    b = ray_across @ centre_across
    root = b**2 - a * (centre_across @ centre_across - radius**2)
    reach = np.sqrt(np.clip(root, 0.0, None)) / a
    enter, leave = -b / a - reach, -b / a + reach
    safe = np.where(np.abs(ray_along) < 1e-12, 1e-12, ray_along)
    one = (-seed.length_mm / 2.0 - centre_along) / safe
    two = (seed.length_mm / 2.0 - centre_along) / safe
    inside = np.minimum(leave, np.maximum(one, two)) - np.maximum(enter, np.minimum(one, two))
    return np.where(root > 0.0, np.clip(inside, 0.0, None), 0.0)


def add_seed(transmission: Field, view: View, seed: Seed) -> None:
    """Multiply ``transmission`` by that of the seed, averaged over each pixel."""
    middle = view.project(seed.centre_mm[None, :])[0]
    size = max(seed.diameter_mm, seed.length_mm) / float(view.pixel_mm(seed.centre_mm[None])[0])
    reach = int(size / 2.0 + 4)
    x0, x1 = max(0, int(middle[0]) - reach), min(view.width_px, int(middle[0]) + reach + 2)
    y0, y1 = max(0, int(middle[1]) - reach), min(view.height_px, int(middle[1]) + reach + 2)
    if x0 >= x1 or y0 >= y1:
        return
    part = (np.arange(_SUPERSAMPLING) + 0.5) / _SUPERSAMPLING - 0.5
    xs = (np.arange(x0, x1)[:, None] + part).ravel()
    ys = (np.arange(y0, y1)[:, None] + part).ravel()
    grid_x, grid_y = np.meshgrid(xs, ys)
    rays = view.rays(np.column_stack([grid_x.ravel(), grid_y.ravel()]))
    through = np.exp(-seed.per_mm * _chords(view.source_mm, rays, seed)).reshape(grid_x.shape)
    through = through.reshape(y1 - y0, _SUPERSAMPLING, x1 - x0, _SUPERSAMPLING).mean(axis=(1, 3))
    transmission[y0:y1, x0:x1] *= through.astype(np.float32)


def expose(
    view: View,
    seeds: list[Seed],
    exposure: Exposure,
    rng: np.random.Generator,
    body: Field | None = None,
) -> Image:
    """Return one radiograph: 16-bit counts, bright where much radiation passes.

    ``body`` is an attenuation from `anatomy`; ``None`` draws a new one.
    """
    shape = (view.height_px, view.width_px)
    if body is None:
        body = anatomy(shape, exposure, rng)
    straight = np.exp(-body)
    stray = float(straight.mean()) * exposure.scatter / (1.0 - exposure.scatter)
    for seed in seeds:
        add_seed(straight, view, seed)
    mean = exposure.quanta * cv2.GaussianBlur(straight + stray, (0, 0), exposure.blur_px)
    # A normal draw stands for the Poisson one: at hundreds of quanta they cannot be told apart.
    noise = rng.standard_normal(shape, dtype=np.float32)
    counts = mean + noise * np.sqrt(mean + exposure.electronic**2)
    return np.clip(counts + 0.5, 0.0, 65_535.0).astype(np.uint16)


def expose_pair(
    views: tuple[View, View],
    seeds: tuple[list[Seed], list[Seed]],
    exposure: Exposure,
    rng: np.random.Generator,
) -> tuple[Image, Image]:
    """Return both radiographs of one shot; a seed hidden in one view is left out of its list."""
    return (
        expose(views[0], seeds[0], exposure, rng),
        expose(views[1], seeds[1], exposure, rng),
    )

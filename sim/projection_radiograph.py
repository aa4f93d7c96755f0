"""Draw single radiographs from any gantry angle: kV pictures and portal images of the beam.

To the body of `sim.radiograph` come the treatment couch, followed ray by ray, and the motion of the
seeds during the exposure. A portal image has little contrast: metal is almost as clear as bone, and
the panel counts few quanta.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hal.imaging.view import Array, View
from sim.radiograph import Exposure, Field, Image, Seed, add_seed, anatomy

KV_PER_MM = 8.0
MV_PER_MM = 0.11
"""Linear attenuation of gold near 1.5 MeV, the mean of a 6 MV beam."""
_SUBSTEPS = 5
_COARSE = 4


@dataclass(frozen=True, slots=True)
class Radiation:
    """One kind of radiation: how metal, body and couch absorb it, and how long it exposes."""

    exposure: Exposure
    gold_per_mm: float
    couch_per_mm: float
    rail_per_mm: float
    exposure_s: float


KV = Radiation(Exposure(quanta=50_000.0, scatter=0.45), KV_PER_MM, 0.004, 0.04, 0.02)
MV = Radiation(
    Exposure(quanta=90_000.0, tissue=1.2, relief=0.12, bone=0.06, scatter=0.2, blur_px=1.3),
    MV_PER_MM,
    0.0012,
    0.012,
    0.1,
)

_TABLE_TOP = ((-265.0, -1000.0, -160.0), (265.0, 1000.0, -110.0))
_RAILS = (
    ((-240.0, -1000.0, -185.0), (-215.0, 1000.0, -160.0)),
    ((215.0, -1000.0, -185.0), (240.0, 1000.0, -160.0)),
)
"""Boxes in the fixed frame (mm): lowest and highest corner."""


def couch_shadow(view: View, beam: Radiation) -> Field:
    """Return the attenuation of the treatment couch in each pixel."""
    xs = np.arange(0, view.width_px + _COARSE, _COARSE, dtype=np.float64)
    ys = np.arange(0, view.height_px + _COARSE, _COARSE, dtype=np.float64)
    grid_x, grid_y = np.meshgrid(xs, ys)
    rays = view.rays(np.column_stack([grid_x.ravel(), grid_y.ravel()]))
    total = beam.couch_per_mm * _box_chords(view.source_mm, rays, *_TABLE_TOP)
    for low, high in _RAILS:
        total = total + beam.rail_per_mm * _box_chords(view.source_mm, rays, low, high)
    coarse = total.reshape(grid_x.shape).astype(np.float32)
    fine = cv2.resize(
        coarse, (coarse.shape[1] * _COARSE, coarse.shape[0] * _COARSE),
        interpolation=cv2.INTER_LINEAR,
    )  # fmt: skip
    return np.asarray(fine[: view.height_px, : view.width_px], dtype=np.float32)


def _box_chords(
    source: Array, rays: Array, low: tuple[float, ...], high: tuple[float, ...]
) -> Array:
    """Return how far each ray (n x 3, unit) from ``source`` runs inside a box; shape n."""
    safe = np.where(np.abs(rays) < 1e-9, 1e-9, rays)
    one, two = (np.array(low) - source) / safe, (np.array(high) - source) / safe
    enter = np.minimum(one, two).max(axis=1)
    leave = np.maximum(one, two).min(axis=1)
    return np.clip(leave - np.maximum(enter, 0.0), 0.0, None)


def expose_projection(
    view: View,
    seeds: list[Seed],
    beam: Radiation,
    velocity_mm_s: Array,
    rng: np.random.Generator,
    body: Field | None = None,
) -> Image:
    """Return one radiograph of seeds that move; ``Seed.centre_mm`` is where each is half way.

    ``body`` is an attenuation of body and couch; ``None`` draws a new one.
    """
    shape = (view.height_px, view.width_px)
    exposure = beam.exposure
    if body is None:
        body = anatomy(shape, exposure, rng) + couch_shadow(view, beam)
    straight = np.exp(-body)
    stray = float(straight.mean()) * exposure.scatter / (1.0 - exposure.scatter)
    straight *= _metal(view, seeds, velocity_mm_s * beam.exposure_s)
    mean = exposure.quanta * cv2.GaussianBlur(straight + stray, (0, 0), exposure.blur_px)
    noise = rng.standard_normal(shape, dtype=np.float32)
    counts = mean + noise * np.sqrt(mean + exposure.electronic**2)
    return np.clip(counts + 0.5, 0.0, 65_535.0).astype(np.uint16)


def _metal(view: View, seeds: list[Seed], way_mm: Array) -> Field:
    """Return the transmission of the seeds, averaged over their way during the exposure."""
    shape = (view.height_px, view.width_px)
    total: Field = np.zeros(shape, dtype=np.float32)
    steps = _SUBSTEPS if np.linalg.norm(way_mm) > 0.05 else 1
    for k in range(steps):
        moved: Field = np.ones(shape, dtype=np.float32)
        share = (k + 0.5) / steps - 0.5
        for seed in seeds:
            there = Seed(
                seed.centre_mm + share * way_mm, seed.axis, seed.diameter_mm, seed.length_mm,
                seed.per_mm,
            )  # fmt: skip
            add_seed(moved, view, there)
        total += moved / steps
    return total

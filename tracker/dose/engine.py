# pyright: basic
"""Compute dose at points from pencil-beam kernels: compiled, exact for every beam position.

A beam that misses the target by a vector has, seen from the patient's tissue, its isocentre
moved by the opposite vector. The dose is computed for that isocentre, at the points themselves:
nothing is interpolated on a dose grid. Without fastmath and with one sum a point, in one order, two
runs give the same bits.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from tracker.dose.kernel import DEPTH_STEP_MM, STEP_MM, depth_table, field_table, photons_6mv
from tracker.dose.plan import Body, PlanBeam
from tracker.dose.shapes import Points

Vector = NDArray[np.float64]

CHUNK = 4096
"""Points computed in one piece; the pieces are shared among threads."""


class BeamPositions(NamedTuple):
    """A beam at one or more positions in the patient, each with its share of the fluence.

    Isocentres, directions and the field's width axis have shape (k, 3); shares sum to one.
    """

    isocentres_mm: Points
    directions: Points
    across: Points
    shares: Vector


def planned_position(beam: PlanBeam) -> BeamPositions:
    """Return the beam where it was planned."""
    return BeamPositions(
        np.array([beam.isocentre_mm]),
        np.array([beam.direction]),
        np.array([beam.across or width_axis(beam)]),
        np.ones(1),
    )


def width_axis(beam: PlanBeam) -> tuple[float, float, float]:
    """Return a unit vector across the beam, horizontal where that is possible."""
    x, y, _ = beam.direction
    length = math.hypot(x, y)
    return (1.0, 0.0, 0.0) if length < 1e-9 else (-y / length, x / length, 0.0)


def beam_dose(beam: PlanBeam, positions: BeamPositions, body: Body, points: Points) -> Vector:
    """Return the dose at each point for the beam's weight, in the plan's own unit."""
    kernel = photons_6mv()
    field = field_table(beam.aperture)
    by_depth = depth_table()
    outline, inserts = _encoded(body)
    dose = np.zeros(len(points))

    def part(start: int) -> None:
        _add(
            dose[start : start + CHUNK], points[start : start + CHUNK],
            positions.isocentres_mm, positions.directions, positions.across,
            positions.shares * beam.weight, field.values, field.is_circle,
            by_depth, kernel.source_axis_mm, outline, inserts,
        )  # fmt: skip

    starts = range(0, len(points), CHUNK)
    threads = min(len(starts), os.cpu_count() or 1)
    if threads < 2:
        for start in starts:
            part(start)
        return dose
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, starts))
    return dose


def _encoded(body: Body) -> tuple[Vector, Points]:
    """Return centre and inverse radii of the outline, and of each insert with its density."""
    outline = np.array(
        [body.centre_x_mm, body.centre_z_mm, 1.0 / body.radius_x_mm, 1.0 / body.radius_z_mm]
    )
    rows = [
        (*shape.centre_mm, *(1.0 / radius for radius in shape.radii_mm), density)
        for shape, density in body.inserts
    ]
    return outline, np.array(rows, dtype=np.float64).reshape(-1, 7)


def water_depth_mm(points: Points, source_mm: Vector, body: Body) -> Vector:
    """Return the water-equivalent depth of each point, on the ray from the source."""
    return _depths(points, np.asarray(source_mm, dtype=np.float64), *_encoded(body))


@numba.njit(cache=True, nogil=True, inline="always")
def _chord(a, b, c):
    """Return how far a ray ran through a quadric up to the point, from a t² + 2 b t + c = 0.

    The point is at t = 0 and the source at negative t; c is below 0 inside.
    """
    inside = b * b - a * c
    if inside <= 0.0 or a <= 1e-12:
        return 0.0
    root = math.sqrt(inside)
    inverse = 1.0 / a
    return max(0.0, min((root - b) * inverse, 0.0) + (root + b) * inverse)


@numba.njit(cache=True, nogil=True)
def _depths(points, source, outline, inserts):
    """Return mm of water between a source and each point."""
    found = np.empty(points.shape[0])
    for i in range(points.shape[0]):
        scaled = _scaled(points[i], outline, inserts)
        x, y, z = points[i, 0] - source[0], points[i, 1] - source[1], points[i, 2] - source[2]
        length = math.sqrt(x * x + y * y + z * z)
        found[i] = _depth(scaled, x / length, y / length, z / length, outline, inserts)
    return found


@numba.njit(cache=True, nogil=True)
def _scaled(point, outline, inserts):
    """Return the point in units of each surface's radii, from its centre; one row a surface."""
    rows = np.empty((inserts.shape[0] + 1, 3))
    rows[0, 0] = (point[0] - outline[0]) * outline[2]
    rows[0, 1] = 0.0
    rows[0, 2] = (point[2] - outline[1]) * outline[3]
    for k in range(inserts.shape[0]):
        for axis in range(3):
            rows[k + 1, axis] = (point[axis] - inserts[k, axis]) * inserts[k, 3 + axis]
    return rows


@numba.njit(cache=True, nogil=True)
def _depth(scaled, dx, dy, dz, outline, inserts):
    """Return mm of water between the source's side and a point, along the unit vector d."""
    x, z = scaled[0, 0], scaled[0, 2]
    vx, vz = dx * outline[2], dz * outline[3]
    depth = _chord(vx * vx + vz * vz, x * vx + z * vz, x * x + z * z - 1.0)
    for k in range(inserts.shape[0]):
        x, y, z = scaled[k + 1, 0], scaled[k + 1, 1], scaled[k + 1, 2]
        vx, vy, vz = dx * inserts[k, 3], dy * inserts[k, 4], dz * inserts[k, 5]
        depth += inserts[k, 6] * _chord(
            vx * vx + vy * vy + vz * vz,
            x * vx + y * vy + z * vz,
            x * x + y * y + z * z - 1.0,
        )
    return depth


@numba.njit(cache=True, nogil=True)
def _add(
    dose, points, isocentres, directions, across, weights, table, is_circle, by_depth,
    source_axis, outline, inserts,
):  # fmt: skip
    """Add the dose of all positions of one beam to the points."""
    last = table.shape[1] - 1
    for i in range(points.shape[0]):
        scaled = _scaled(points[i], outline, inserts)
        total = 0.0
        for k in range(isocentres.shape[0]):
            ux, uy, uz = directions[k, 0], directions[k, 1], directions[k, 2]
            x = points[i, 0] - isocentres[k, 0]
            y = points[i, 1] - isocentres[k, 1]
            z = points[i, 2] - isocentres[k, 2]
            along = x * ux + y * uy + z * uz
            scale = source_axis / (source_axis + along)
            lx, ly, lz = x - along * ux, y - along * uy, z - along * uz
            # The two places in the table, in steps from the axis; a circle needs the second only.
            if is_circle:
                u = 0.0
                v = math.sqrt(lx * lx + ly * ly + lz * lz) * scale * (1.0 / STEP_MM)
            else:
                ax, ay, az = across[k, 0], across[k, 1], across[k, 2]
                side = lx * ax + ly * ay + lz * az
                up = lx * (uy * az - uz * ay) + ly * (uz * ax - ux * az) + lz * (ux * ay - uy * ax)
                u, v = abs(side) * scale / STEP_MM, abs(up) * scale / STEP_MM
            iu, iv = int(u), int(v)
            if iv >= last or iu >= last:
                continue
            sx, sy, sz = x + source_axis * ux, y + source_axis * uy, z + source_axis * uz
            near = 1.0 / math.sqrt(sx * sx + sy * sy + sz * sz)
            depth = _depth(scaled, sx * near, sy * near, sz * near, outline, inserts)
            if depth <= 0.0:
                continue
            fv = v - iv
            fd = depth * (1.0 / DEPTH_STEP_MM)
            row = int(fd)
            if row >= by_depth.shape[0] - 1:
                continue
            fd -= row
            value = 0.0
            for c in range(3):
                here = table[iu, iv, c] * (1.0 - fv) + table[iu, iv + 1, c] * fv
                if not is_circle:
                    fu = u - iu
                    there = table[iu + 1, iv, c] * (1.0 - fv) + table[iu + 1, iv + 1, c] * fv
                    here = here * (1.0 - fu) + there * fu
                value += (by_depth[row, c] * (1.0 - fd) + by_depth[row + 1, c] * fd) * here
            total += weights[k] * value * scale * scale
        dose[i] += total

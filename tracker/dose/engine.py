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

LEAST_SHARED = 16
"""From so many positions of a shifted beam on, a point's depths are read from one expansion."""
BUILD_UP_MM = 20.0
"""Above this depth of water the functions of depth bend too much for one slope."""
_BEND_MM = 0.02
"""Where the expansion misses a depth by more than this, every depth is computed."""


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
    add = _add_parallel if is_parallel(positions) else _add

    def part(start: int) -> None:
        add(
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


def is_parallel(positions: BeamPositions) -> bool:
    """Tell whether a beam was only shifted, and at so many positions that depths can be shared."""
    directions = positions.directions
    return len(directions) >= LEAST_SHARED and bool((directions == directions[0]).all())


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


@numba.njit(cache=True, nogil=True)
def _across(across, u):
    """Return the unit vector across the beam that lies in the plane of ``across`` and ``u``."""
    along = across[0] * u[0] + across[1] * u[1] + across[2] * u[2]
    x, y, z = across[0] - along * u[0], across[1] - along * u[1], across[2] - along * u[2]
    length = math.sqrt(x * x + y * y + z * z)
    return (x / length, y / length, z / length)


@numba.njit(cache=True, nogil=True)
def _along(points, axis):
    """Return the coordinate of each point along a unit vector."""
    found = np.empty(points.shape[0])
    for k in range(points.shape[0]):
        found[k] = points[k, 0] * axis[0] + points[k, 1] * axis[1] + points[k, 2] * axis[2]
    return found


@numba.njit(cache=True, nogil=True, inline="always")
def _depth_along(scaled, p, q, e1, e2, u, outline, inserts):
    """Return mm of water to a point along a ray with the slopes p and q across the beam's axis."""
    near = 1.0 / math.sqrt(1.0 + p * p + q * q)
    return _depth(
        scaled,
        (u[0] + p * e1[0] + q * e2[0]) * near,
        (u[1] + p * e1[1] + q * e2[1]) * near,
        (u[2] + p * e1[2] + q * e2[2]) * near,
        outline,
        inserts,
    )


@numba.njit(cache=True, nogil=True)
def _expansion(scaled, p, q, hp, hq, e1, e2, u, outline, inserts, into):
    """Write the depth's expansion to second order over slopes p ± hp and q ± hq.

    ``into`` gets the value, both slopes, both bends and the twist, all over one half-range. Returns
    whether the corner that was not used is met within `_BEND_MM`; at a surface's edge it is not.
    """
    middle = _depth_along(scaled, p, q, e1, e2, u, outline, inserts)
    right = _depth_along(scaled, p + hp, q, e1, e2, u, outline, inserts)
    left = _depth_along(scaled, p - hp, q, e1, e2, u, outline, inserts)
    above = _depth_along(scaled, p, q + hq, e1, e2, u, outline, inserts)
    below = _depth_along(scaled, p, q - hq, e1, e2, u, outline, inserts)
    corner = _depth_along(scaled, p + hp, q + hq, e1, e2, u, outline, inserts)
    into[0] = middle
    into[1] = 0.5 * (right - left)
    into[2] = 0.5 * (above - below)
    into[3] = 0.5 * (right + left) - middle
    into[4] = 0.5 * (above + below) - middle
    into[5] = corner - middle - into[1] - into[2] - into[3] - into[4]
    other = _depth_along(scaled, p - hp, q + hq, e1, e2, u, outline, inserts)
    said = middle - into[1] + into[2] + into[3] + into[4] - into[5]
    return abs(other - said) <= _BEND_MM and min(middle, right, left, above, below) > 0.0


@numba.njit(cache=True, nogil=True)
def _add_parallel(
    dose, points, isocentres, directions, across, weights, table, is_circle, by_depth,
    source_axis, outline, inserts,
):  # fmt: skip
    """Add the dose of a beam that was shifted: as `_add`, with depths read from an expansion.

    A point's depth depends on the ray's two slopes alone, and these differ little between shifts.
    Where the depth is smooth and below the build-up, the functions of depth are followed to first
    order too, so that each shift needs the field's table only.
    """
    count, last = isocentres.shape[0], table.shape[1] - 1
    # As tuples, because arrays that are passed on cost more than the arithmetic.
    u = (directions[0, 0], directions[0, 1], directions[0, 2])
    e1 = _across(across[0], u)
    e2 = (u[1] * e1[2] - u[2] * e1[1], u[2] * e1[0] - u[0] * e1[2], u[0] * e1[1] - u[1] * e1[0])
    at_u, at_1, at_2 = _along(isocentres, u), _along(isocentres, e1), _along(isocentres, e2)
    deepest_mm = (by_depth.shape[0] - 2) * DEPTH_STEP_MM
    a, b, scale, found = np.empty(count), np.empty(count), np.empty(count), np.empty(6)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        pu = x * u[0] + y * u[1] + z * u[2]
        p1 = x * e1[0] + y * e1[1] + z * e1[2]
        p2 = x * e2[0] + y * e2[1] + z * e2[2]
        low_p, high_p, low_q, high_q = 1e9, -1e9, 1e9, -1e9
        for k in range(count):
            scale[k] = 1.0 / (source_axis + pu - at_u[k])
            a[k], b[k] = (p1 - at_1[k]) * scale[k], (p2 - at_2[k]) * scale[k]
            low_p, high_p = min(low_p, a[k]), max(high_p, a[k])
            low_q, high_q = min(low_q, b[k]), max(high_q, b[k])
        if _is_outside(low_p, high_p, low_q, high_q, source_axis, last, is_circle):
            continue
        scaled = _scaled(points[i], outline, inserts)
        p, q = 0.5 * (low_p + high_p), 0.5 * (low_q + high_q)
        hp, hq = max(0.5 * (high_p - low_p), 1e-6), max(0.5 * (high_q - low_q), 1e-6)
        is_smooth = _expansion(scaled, p, q, hp, hq, e1, e2, u, outline, inserts, found)
        deepest = found[0] + abs(found[1]) + abs(found[2])
        if is_smooth and 2.0 * found[0] - deepest > BUILD_UP_MM and deepest < deepest_mm:
            if is_circle:
                dose[i] += _sum_circle(
                    a, b, scale, weights, p, q, hp, hq, found, table, by_depth, source_axis
                )
            else:
                dose[i] += _sum_rectangle(
                    a, b, scale, weights, p, q, hp, hq, found, table, by_depth, source_axis
                )
            continue
        total = 0.0
        for k in range(count):
            depth = _depth_along(scaled, a[k], b[k], e1, e2, u, outline, inserts)
            relative = scale[k] * source_axis
            total += weights[k] * relative * relative * _value(
                a[k] * source_axis, b[k] * source_axis, depth, table, is_circle, by_depth
            )  # fmt: skip
        dose[i] += total


@numba.njit(cache=True, nogil=True)
def _sum_circle(a, b, scale, weights, p, q, hp, hq, found, table, by_depth, source_axis):
    """Return the dose of all shifts of a circular field at a point with a smooth depth."""
    last = table.shape[1] - 1
    to_steps = source_axis / STEP_MM
    s0, s1, s2, d0, d1, d2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(a.shape[0]):
        v = math.sqrt(a[k] * a[k] + b[k] * b[k]) * to_steps
        iv = int(v)
        if iv >= last:
            continue
        f = v - iv
        s, t = (a[k] - p) / hp, (b[k] - q) / hq
        off = s * (found[1] + s * found[3] + t * found[5]) + t * (found[2] + t * found[4])
        w = weights[k] * scale[k] * scale[k]
        h0 = w * (table[0, iv, 0] * (1.0 - f) + table[0, iv + 1, 0] * f)
        h1 = w * (table[0, iv, 1] * (1.0 - f) + table[0, iv + 1, 1] * f)
        h2 = w * (table[0, iv, 2] * (1.0 - f) + table[0, iv + 1, 2] * f)
        s0, s1, s2 = s0 + h0, s1 + h1, s2 + h2
        d0, d1, d2 = d0 + h0 * off, d1 + h1 * off, d2 + h2 * off
    return _at_depth(s0, s1, s2, d0, d1, d2, found[0], by_depth) * source_axis * source_axis


@numba.njit(cache=True, nogil=True)
def _sum_rectangle(a, b, scale, weights, p, q, hp, hq, found, table, by_depth, source_axis):
    """Return the dose of all shifts of a rectangular field at a point with a smooth depth."""
    last = table.shape[1] - 1
    to_steps = source_axis / STEP_MM
    sums, slopes = np.zeros(3), np.zeros(3)
    for k in range(a.shape[0]):
        u, v = abs(a[k]) * to_steps, abs(b[k]) * to_steps
        iu, iv = int(u), int(v)
        if iu >= last or iv >= last:
            continue
        fu, fv = u - iu, v - iv
        s, t = (a[k] - p) / hp, (b[k] - q) / hq
        off = s * (found[1] + s * found[3] + t * found[5]) + t * (found[2] + t * found[4])
        w = weights[k] * scale[k] * scale[k]
        for c in range(3):
            here = table[iu, iv, c] * (1.0 - fv) + table[iu, iv + 1, c] * fv
            there = table[iu + 1, iv, c] * (1.0 - fv) + table[iu + 1, iv + 1, c] * fv
            each = w * (here * (1.0 - fu) + there * fu)
            sums[c] += each
            slopes[c] += each * off
    return (
        _at_depth(
            sums[0], sums[1], sums[2], slopes[0], slopes[1], slopes[2], found[0], by_depth
        )
        * source_axis * source_axis
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, inline="always")
def _at_depth(s0, s1, s2, d0, d1, d2, depth, by_depth):
    """Return what the field's sums give at a depth; ``d`` are the sums of depth differences."""
    at = depth * (1.0 / DEPTH_STEP_MM)
    row = int(at)
    f = at - row
    g = 1.0 / DEPTH_STEP_MM
    b0, b1, b2 = by_depth[row, 0], by_depth[row, 1], by_depth[row, 2]
    r0, r1, r2 = by_depth[row + 1, 0] - b0, by_depth[row + 1, 1] - b1, by_depth[row + 1, 2] - b2
    return (
        s0 * (b0 + f * r0) + s1 * (b1 + f * r1) + s2 * (b2 + f * r2)
        + g * (d0 * r0 + d1 * r1 + d2 * r2)
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _is_outside(low_p, high_p, low_q, high_q, source_axis, last, is_circle):
    """Tell whether all positions see a point beyond the field's table."""
    reach = last * STEP_MM / source_axis
    nearest_p = max(0.0, low_p, -high_p)
    nearest_q = max(0.0, low_q, -high_q)
    if is_circle:
        return nearest_p * nearest_p + nearest_q * nearest_q >= reach * reach
    return nearest_p >= reach or nearest_q >= reach


@numba.njit(cache=True, nogil=True, inline="always")
def _value(side, up, depth, table, is_circle, by_depth):
    """Return the dose at a depth, ``side`` and ``up`` from the axis at the isocentre, in mm."""
    last = table.shape[1] - 1
    if is_circle:
        u, v = 0.0, math.sqrt(side * side + up * up) * (1.0 / STEP_MM)
    else:
        u, v = abs(side) * (1.0 / STEP_MM), abs(up) * (1.0 / STEP_MM)
    iu, iv = int(u), int(v)
    fd = depth * (1.0 / DEPTH_STEP_MM)
    row = int(fd)
    if iv >= last or iu >= last or depth <= 0.0 or row >= by_depth.shape[0] - 1:
        return 0.0
    fv, fu = v - iv, u - iu
    fd -= row
    value = 0.0
    for c in range(3):
        here = table[iu, iv, c] * (1.0 - fv) + table[iu, iv + 1, c] * fv
        if not is_circle:
            there = table[iu + 1, iv, c] * (1.0 - fv) + table[iu + 1, iv + 1, c] * fv
            here = here * (1.0 - fu) + there * fu
        value += (by_depth[row, c] * (1.0 - fd) + by_depth[row + 1, c] * fd) * here
    return value

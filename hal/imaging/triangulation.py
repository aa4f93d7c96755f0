"""Locate a point in space from its two pictures: the midpoint between the two rays.

The midpoint of the shortest line between the rays is used; for two views of like quality it
is within a few per cent of the best linear estimate, and it says by itself how far the rays
miss each other, which separates true pairs from false ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hal.imaging.view import Array, View


@dataclass(frozen=True, slots=True, eq=False)
class Triangulated:
    """Points in space, shape n x 3, with the error measures of each, shape n.

    ``ray_distance_mm`` is the shortest distance of the two rays, ``reprojection_px`` the root
    mean square of the distances between the pictures and the point's projections.
    """

    points_mm: Array
    ray_distance_mm: Array
    reprojection_px: Array


def meet(left: View, right: View, left_px: Array, right_px: Array) -> tuple[Array, Array]:
    """Return midpoints (n x 3) and distances (n) of the rays through paired pictures (n x 2)."""
    first = left.rays(left_px)
    second = right.rays(right_px)
    gap = right.source_mm - left.source_mm
    cosine = np.einsum("ij,ij->i", first, second)
    along_first = first @ gap
    along_second = second @ gap
    # Parallel rays meet nowhere: the tiny number turns them into a point far away.
    square = np.maximum(1.0 - cosine**2, 1e-12)
    reach_first = (along_first - cosine * along_second) / square
    reach_second = (cosine * along_first - along_second) / square
    near_first = left.source_mm + reach_first[:, None] * first
    near_second = right.source_mm + reach_second[:, None] * second
    middle = (near_first + near_second) / 2.0
    return middle, np.linalg.norm(near_first - near_second, axis=1)


def triangulate(left: View, right: View, left_px: Array, right_px: Array) -> Triangulated:
    """Locate paired pictures (n x 2 each) in space, with ray distance and reprojection error."""
    points, distance = meet(left, right, left_px, right_px)
    off_left = np.sum((left.project(points) - left_px) ** 2, axis=1)
    off_right = np.sum((right.project(points) - right_px) ** 2, axis=1)
    return Triangulated(points, distance, np.sqrt((off_left + off_right) / 2.0))


def all_pairs(left: View, right: View, left_px: Array, right_px: Array) -> tuple[Array, Array]:
    """Return midpoints (n x m x 3) and ray distances (n x m) of all left and right pictures."""
    count_left, count_right = len(left_px), len(right_px)
    first = np.repeat(np.asarray(left_px).reshape(-1, 2), count_right, axis=0)
    second = np.tile(np.asarray(right_px).reshape(-1, 2), (count_left, 1))
    points, distance = meet(left, right, first, second)
    shape = (count_left, count_right)
    return points.reshape(*shape, 3), distance.reshape(shape)


def millimetres_per_pixel(left: View, right: View, points_mm: Array) -> Array:
    """Return what one pixel of reprojection error is worth at points (n x 3); shape n."""
    return (left.pixel_mm(points_mm) + right.pixel_mm(points_mm)) / 2.0

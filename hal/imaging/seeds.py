"""Find possible metal seeds in a radiograph: flatten, filter at the seed's size, take the peaks.

The picture is turned into attenuation (minus the logarithm of the counts), so that a seed
weighs the same behind bone and behind lung; a wide Gaussian taken away leaves what is small;
the Laplacian of Gaussian at the seed's radius answers to what is as thick as a seed; and the
answer is measured in units of its own local noise.
"""

# pyright: basic
# (OpenCV types every picture as a matrix of anything: there is nothing to be strict about.)

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hal.imaging.view import Array

Field = NDArray[np.float32]
Region = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


class SeedLook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a seed looks like on the panel and how sure one has to be.

    ``snr`` is the least peak in units of the local noise, ``background_px`` the width of the
    Gaussian that is taken for background, ``most`` how many peaks are kept.
    """

    radius_px: Annotated[float, Meta(gt=0.3, le=50)] = 1.8
    length_px: Annotated[float, Meta(ge=0, le=200)] = 10.7
    snr: Annotated[float, Meta(ge=3, le=100)] = 7.0
    background_px: Annotated[float, Meta(ge=3, le=200)] = 12.0
    most: Annotated[int, Meta(ge=1, le=1000)] = 40
    border_px: Annotated[int, Meta(ge=0, le=200)] = 6


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Possible seeds: positions (n x 2, strongest first) and signal to noise (n).

    ``middles_px`` (n x 2) is where the whole spot that a peak belongs to has its middle.

    A long seed may have several peaks along it; `hal.imaging.blobs.sharpen` makes them one.

    ``flat`` is the flattened attenuation, ``offset_px`` its place in the picture, kept for the
    sub-pixel fit. ``dropped`` counts candidates beyond the permitted number.
    """

    places_px: Array
    middles_px: Array
    snr: Array
    flat: Field
    offset_px: tuple[int, int]
    noise: float
    dropped: int = 0


def flatten(image: NDArray[np.uint16] | NDArray[np.uint8], background_px: float) -> Field:
    """Return the attenuation with everything wide taken away; zero mean, small metal positive."""
    counts = np.maximum(image, 1).astype(np.float32)
    attenuation = -cv2.log(counts)
    # At a quarter of the size a wide Gaussian costs a sixteenth and loses nothing.
    small = cv2.resize(attenuation, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), background_px / 4.0)
    back = cv2.resize(
        wide, (attenuation.shape[1], attenuation.shape[0]), interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(attenuation - back, dtype=np.float32)


def answer(flat: Field, radius_px: float) -> Field:
    """Return the negative Laplacian of Gaussian at the scale of a blob of ``radius_px``."""
    sigma = max(0.8, radius_px / np.sqrt(2.0))
    smooth = cv2.GaussianBlur(flat, (0, 0), float(sigma))
    return np.asarray(-(sigma**2) * cv2.Laplacian(smooth, cv2.CV_32F, ksize=3), dtype=np.float32)


def local_noise(response: Field, reach_px: int = 41) -> tuple[Field, float]:
    """Return the noise of the answer around each pixel, and over the picture, without the seeds."""
    sample = np.abs(response[::5, ::5])
    overall = max(1.4826 * float(np.median(sample)), 1e-9)
    clipped = np.clip(response, -4.0 * overall, 4.0 * overall)
    square = cv2.boxFilter(clipped * clipped, cv2.CV_32F, (reach_px, reach_px))
    return np.maximum(np.sqrt(square), np.float32(0.5 * overall)), overall


def _quadratic_peak(patch: Array) -> Array:
    """Return the top of a parabola through a 3 x 3 patch, relative to its middle; x, y."""
    shift = np.zeros(2)
    for axis, (before, after) in enumerate(
        ((patch[1, 0], patch[1, 2]), (patch[0, 1], patch[2, 1]))
    ):
        bend = before - 2.0 * patch[1, 1] + after
        if bend < 0.0:
            shift[axis] = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return shift


def _thin(places: Array, strength: Array, apart_px: float) -> NDArray[np.intp]:
    """Return the peaks to keep, strongest first: none nearer than ``apart_px`` to another."""
    kept: list[int] = []
    for index in np.argsort(-strength, kind="stable").tolist():
        gaps = [np.linalg.norm(places[index] - places[k]) for k in kept]
        if not gaps or min(gaps) >= apart_px:
            kept.append(index)
    return np.array(kept, dtype=np.intp)


def _spot_middle(ratio: Field, peak: Array, look: SeedLook) -> Array:
    """Return the middle of what hangs together with a peak above half its height."""
    reach = int(look.length_px + 2.0 * look.radius_px) + 2
    x, y = round(float(peak[0])), round(float(peak[1]))
    x0, y0 = max(0, x - reach), max(0, y - reach)
    part = ratio[y0 : y + reach + 1, x0 : x + reach + 1]
    high = (part > 0.5 * ratio[y, x]).astype(np.uint8)
    _, labels = cv2.connectedComponents(high)
    ys, xs = np.nonzero(labels == labels[y - y0, x - x0])
    return np.array([xs.mean() + x0, ys.mean() + y0])


def find_seeds(
    image: NDArray[np.uint16] | NDArray[np.uint8],
    look: SeedLook,
    region: Region | None = None,
) -> Candidates:
    """Find what may be seeds in a radiograph (bright where nothing absorbs), or a part of it.

    ``region`` restricts the search; a part too small to hold a seed gives no candidates.
    """
    rows, columns = image.shape[:2]
    x0, y0, width, height = region if region is not None else (0, 0, columns, rows)
    x1, y1 = min(columns, x0 + width), min(rows, y0 + height)
    x0, y0 = max(0, x0), max(0, y0)
    nothing = np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0)
    if x1 - x0 < 32 or y1 - y0 < 32:
        return Candidates(*nothing, np.zeros((1, 1), np.float32), (x0, y0), 1.0)
    flat = flatten(image[y0:y1, x0:x1], look.background_px)
    response = answer(flat, look.radius_px)
    noise, overall = local_noise(response)
    ratio = response / noise
    top = cv2.dilate(ratio, np.ones((3, 3), np.uint8))
    peak = (ratio >= top) & (ratio > look.snr)
    edge = max(1, look.border_px)
    peak[:edge], peak[-edge:], peak[:, :edge], peak[:, -edge:] = False, False, False, False
    ys, xs = np.nonzero(peak)
    order = np.argsort(-ratio[ys, xs], kind="stable")[: 4 * look.most]
    if not len(order):
        return Candidates(*nothing, flat, (x0, y0), overall)
    places = np.array(
        [
            (xs[i], ys[i])
            + _quadratic_peak(
                response[ys[i] - 1 : ys[i] + 2, xs[i] - 1 : xs[i] + 2].astype(np.float64)
            )
            for i in order
        ]
    )
    strength = ratio[ys[order], xs[order]].astype(np.float64)
    order = _thin(places, strength, max(2.0, 1.5 * look.radius_px))
    dropped = max(0, len(order) - look.most)
    order = order[: look.most]
    middles = np.array([_spot_middle(ratio, places[i], look) for i in order]).reshape(-1, 2)
    return Candidates(
        places[order] + (x0, y0),
        middles + (x0, y0),
        strength[order],
        flat,
        (x0, y0),
        overall,
        dropped,
    )

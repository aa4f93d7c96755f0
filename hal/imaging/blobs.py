"""Locate the centre of a seed in a picture to a fraction of a pixel, also where seeds touch.

A seed is a rod. Its profile along the axis is a step up and a step down, across the axis it is a
hill, and the same blur softens both. Rods of one window are fitted together on a sloping
background, so that two seeds that touch do not shift each other. A ball is a rod without length.
"""

# pyright: basic
# (SciPy comes without types: there is nothing to be strict about.)

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import erf

from hal.imaging.seeds import Candidates, Field
from hal.imaging.view import Array

_PER_ROD = 6
"""x, y, height, direction (rad), logarithms of half length and softness (pixels)."""
_SHORTEST_PX = 0.1
_PLAUSIBLE_LENGTH = 1.1
"""Two seeds end to end would pass for one long one if much more were allowed."""
_PLAUSIBLE_SOFTNESS = 1.6
_WIDEST_BLUR_PX = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Centres of the fitted rods (n x 2, pixels) and the quality of each fit (n).

    ``heights`` over the ground, ``likeness`` the correlation with the data (0 to 1),
    ``sigma_px`` the standard deviation of the middle along its worst direction, ``plausible``
    whether it is no longer and no thicker than a seed.
    """

    middles_px: Array
    heights: Array
    likeness: Array
    sigma_px: Array
    plausible: NDArray[np.bool_]


def _rod(parameters: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Return one rod's value (m) and its derivatives (m x 6) at the points ``x``, ``y``."""
    cx, cy, height, direction, log_half, log_soft = parameters
    half = _SHORTEST_PX + np.exp(np.clip(log_half, -6.0, 5.0))
    soft = np.exp(np.clip(log_soft, -2.0, 4.0))
    cosine, sine = np.cos(direction), np.sin(direction)
    dx, dy = x - cx, y - cy
    u, v = cosine * dx + sine * dy, -sine * dx + cosine * dy
    root = np.sqrt(2.0) * soft
    full = float(erf(half / root))
    ahead, behind = u + half, u - half
    along = 0.5 * (erf(ahead / root) - erf(behind / root)) / full
    across = np.exp(-0.5 * (v / soft) ** 2)
    scale = 1.0 / (np.sqrt(2.0 * np.pi) * soft)
    bell_ahead = scale * np.exp(-0.5 * (ahead / soft) ** 2) / full
    bell_behind = scale * np.exp(-0.5 * (behind / soft) ** 2) / full
    bell_half = 2.0 * scale * np.exp(-0.5 * (half / soft) ** 2) / full
    by_u = height * across * (bell_ahead - bell_behind)
    by_v = -height * along * across * v / soft**2
    by_half = height * across * (bell_ahead + bell_behind - along * bell_half)
    by_soft = (
        height
        * across
        * (
            (behind * bell_behind - ahead * bell_ahead + along * bell_half * half) / soft
            + along * v**2 / soft**3
        )
    )
    derivatives = np.column_stack(
        [
            -cosine * by_u + sine * by_v,
            -sine * by_u - cosine * by_v,
            along * across,
            v * by_u - u * by_v,
            by_half * (half - _SHORTEST_PX),
            by_soft * soft,
        ]
    )
    return height * along * across, derivatives


def _model(parameters: Array, x: Array, y: Array, count: int) -> tuple[Array, Array]:
    """Return value (m) and Jacobian (m x p) of the rods and the sloping ground."""
    ground = parameters[_PER_ROD * count :]
    value = ground[0] + ground[1] * x + ground[2] * y
    blocks: list[Array] = []
    for i in range(count):
        rod, derivatives = _rod(parameters[_PER_ROD * i : _PER_ROD * (i + 1)], x, y)
        value = value + rod
        blocks.append(derivatives)
    return value, np.column_stack([*blocks, np.ones_like(x), x, y])


def _window(flat: Field, starts: Array, reach: float) -> tuple[Array, Array, Array] | None:
    """Return coordinates and values of the pixels within ``reach`` of any start."""
    low = np.floor(starts.min(axis=0) - reach).astype(int)
    high = np.ceil(starts.max(axis=0) + reach).astype(int)
    x0, y0 = max(0, low[0]), max(0, low[1])
    x1, y1 = min(flat.shape[1] - 1, high[0]), min(flat.shape[0] - 1, high[1])
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    grid_y, grid_x = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
    x, y = grid_x.ravel().astype(np.float64), grid_y.ravel().astype(np.float64)
    near = np.zeros(len(x), dtype=bool)
    for start in starts:
        near |= (x - start[0]) ** 2 + (y - start[1]) ** 2 <= reach**2
    values = flat[y0 : y1 + 1, x0 : x1 + 1].ravel().astype(np.float64)
    return x[near], y[near], values[near]


def _first_guess(
    starts: Array, x: Array, y: Array, values: Array, radius_px: float, length_px: float
) -> Array:
    """Return rods at the starts, by the moments of what lies around each of them."""
    ground = float(np.median(values))
    guess: list[float] = []
    for start in starts:
        dx, dy = x - start[0], y - start[1]
        near = dx**2 + dy**2 <= (2.5 * radius_px + 2.0) ** 2
        height = max(float(np.max(values[near], initial=ground)) - ground, 1e-4)
        weight = np.clip(values[near] - ground - 0.2 * height, 0.0, None) + 1e-9
        total = weight.sum()
        dx, dy = dx[near], dy[near]
        mixed = (weight * dx * dy).sum() / total
        spread = np.array(
            [[(weight * dx * dx).sum() / total, mixed], [mixed, (weight * dy * dy).sum() / total]]
        )
        sizes, axes = np.linalg.eigh(spread)
        soft = max(0.6 * radius_px, float(np.sqrt(max(sizes[0], 0.0))))
        half = np.sqrt(max(3.0 * (sizes[1] - sizes[0]), 0.25))
        half = min(half, max(0.5, length_px / 2.0))
        direction = float(np.arctan2(axes[1, 1], axes[0, 1]))
        guess += [start[0], start[1], height, direction, float(np.log(half)), float(np.log(soft))]
    return np.array([*guess, ground, 0.0, 0.0])


def fit_blobs(flat: Field, starts: Array, radius_px: float, length_px: float) -> Fit | None:
    """Fit one rod per start (n x 2, in ``flat``'s pixels) to what lies around them.

    Returns ``None`` where the starts lie too near the edge or the fit diverged.
    """
    count = len(starts)
    reach = max(length_px / 2.0, radius_px) + radius_px + 3.0
    window = _window(flat, starts, reach)
    if window is None or len(window[2]) < _PER_ROD * count + 6:
        return None
    x, y, values = window
    centre = starts.mean(axis=0)
    x, y, local = x - centre[0], y - centre[1], starts - centre
    guess = _first_guess(local, x, y, values, radius_px, length_px)
    answer = least_squares(
        lambda p: _model(p, x, y, count)[0] - values,
        guess,
        jac=lambda p: _model(p, x, y, count)[1],  # pyright: ignore[reportArgumentType]
        method="lm",
        max_nfev=60,
    )
    found = np.asarray(answer.x)
    middles = found[: _PER_ROD * count].reshape(count, _PER_ROD)[:, :2] + centre
    if not np.all(np.isfinite(found)):
        return None
    if np.any(np.linalg.norm(middles - starts, axis=1) > reach):
        return None
    return _judge(found, middles, x, y, values, count, reach, radius_px, length_px)


def _judge(
    found: Array,
    middles: Array,
    x: Array,
    y: Array,
    values: Array,
    count: int,
    reach: float,
    radius_px: float,
    length_px: float,
) -> Fit:
    """Return the quality of each fitted rod."""
    value, jacobian = _model(found, x, y, count)
    freedom = max(1, len(values) - len(found))
    noise = float(np.sum((value - values) ** 2)) / freedom
    covariance = noise * np.linalg.pinv(jacobian.T @ jacobian)
    rods = found[: _PER_ROD * count].reshape(count, _PER_ROD)
    ground = found[-3] + found[-2] * x + found[-1] * y
    likeness, sigma = np.empty(count), np.empty(count)
    for i in range(count):
        near = (x - rods[i, 0]) ** 2 + (y - rods[i, 1]) ** 2 <= reach**2
        seen, said = (values - ground)[near], (value - ground)[near]
        scale = float(np.linalg.norm(seen) * np.linalg.norm(said))
        likeness[i] = float(seen @ said) / scale if scale > 0.0 else 0.0
        first = _PER_ROD * i
        block = covariance[first : first + 2, first : first + 2]
        sigma[i] = float(np.sqrt(max(0.0, np.linalg.eigvalsh(block)[-1])))
    longest = _PLAUSIBLE_LENGTH * max(length_px, 2.0 * radius_px) / 2.0 + 0.5
    softest = _PLAUSIBLE_SOFTNESS * np.hypot(radius_px / 2.0, _WIDEST_BLUR_PX)
    plausible = (rods[:, 2] > 0.0) & (np.exp(rods[:, 4]) <= longest)
    plausible &= np.exp(rods[:, 5]) <= softest
    return Fit(middles, rods[:, 2], likeness, sigma, plausible)


def sharpen(
    candidates: Candidates, radius_px: float, length_px: float, likeness: float
) -> Candidates:
    """Move each candidate to the middle of the rod that explains it, where one does.

    The peaks along one long seed meet in its middle and become one candidate. Peaks that no
    single rod explains are explained by two or three, if that succeeds; what then remains
    (the edge of a bone, a cluster of seeds) stays where it was.
    """
    local = candidates.places_px - candidates.offset_px
    places = local.copy()
    fitted = np.zeros(len(places), dtype=bool)
    middles = candidates.middles_px - candidates.offset_px
    for index, middle in enumerate(middles):
        fit: Fit | None = None
        for _ in range(2):
            fit = fit_blobs(candidates.flat, middle[None], radius_px, length_px)
            if fit is None or np.linalg.norm(fit.middles_px[0] - middle) < 1.0:
                break
            middle = fit.middles_px[0]
        if fit is not None and _sound(fit, likeness):
            places[index] = fit.middles_px[0]
            fitted[index] = True
    kept = _once(places, fitted, max(1.0, radius_px))
    places, strength, fitted = places[kept], candidates.snr[kept], fitted[kept]
    places, strength = _split(
        candidates.flat, places, strength, fitted, radius_px, length_px, likeness
    )
    places = places + candidates.offset_px
    return replace(candidates, places_px=places, middles_px=places, snr=strength)


def _sound(fit: Fit, likeness: float) -> bool:
    return bool(
        fit.plausible.all() and fit.likeness.min() >= likeness and fit.sigma_px.max() <= 0.5
    )


def _once(places: Array, fitted: NDArray[np.bool_], apart_px: float) -> list[int]:
    """Return the indices without the fitted candidates that ended where another one did."""
    kept: list[int] = []
    for index, place in enumerate(places):
        same = [k for k in kept if fitted[k] and np.linalg.norm(places[k] - place) < apart_px]
        if not same or not fitted[index]:
            kept.append(index)
    return kept


def _split(
    flat: Field,
    places: Array,
    strength: Array,
    fitted: NDArray[np.bool_],
    radius_px: float,
    length_px: float,
    likeness: float,
) -> tuple[Array, Array]:
    """Explain groups of unexplained peaks by two or three rods each."""
    rest = np.nonzero(~fitted)[0]
    owner = groups(places[rest], length_px + 2.0 * radius_px)
    new, tall = [places[fitted]], [strength[fitted]]
    for number in np.unique(owner):
        knot = rest[owner == number]
        answer = _rods(flat, places[knot[:5]], radius_px, length_px, likeness)
        if answer is None:
            new.append(places[knot])
            tall.append(strength[knot])
        else:
            new.append(answer)
            tall.append(np.full(len(answer), strength[knot].max()))
    return np.vstack(new), np.concatenate(tall)


def _rods(
    flat: Field, peaks: Array, radius_px: float, length_px: float, likeness: float
) -> Array | None:
    """Return the middles of the fewest rods, started at some of the peaks, that explain all."""
    for count in (2, 3):
        best: Fit | None = None
        for subset in combinations(range(len(peaks)), count):
            fit = fit_blobs(flat, peaks[list(subset)], radius_px, length_px)
            if fit is None or not _sound(fit, likeness):
                continue
            inside = np.linalg.norm(fit.middles_px[:, None] - peaks[None], axis=2).min(axis=0)
            uneven = fit.heights.min() < 0.3 * fit.heights.max()
            if uneven or inside.max() > length_px / 2.0 + 2.0 * radius_px:
                continue
            if best is None or fit.likeness.min() > best.likeness.min():
                best = fit
        if best is not None:
            return best.middles_px
    return None


def groups(places: Array, reach_px: float) -> NDArray[np.intp]:
    """Number places (n x 2) so that those within reach of each other have one number."""
    owner = np.arange(len(places))
    for one, two in combinations(range(len(places)), 2):
        if np.linalg.norm(places[one] - places[two]) <= reach_px:
            owner[owner == owner[two]] = owner[one]
    return owner

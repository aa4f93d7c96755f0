"""The pencil-beam kernel of a 6 MV photon beam, and tables of the fields made with it.

The dose of a narrow photon beam at depth d and radius r is separated into three products of one
function of depth and one of radius (Bortfeld, Schlegel, Rhein, Med Phys 20 (1993) 311):

    D(d, r) = sum over c of  beta_c / (beta_c - m) * (exp(-m d) - exp(-beta_c d)) * w_c(r)

w_c is the field (with its penumbra) convolved with the kernel's component c. The kernel data are
those that pyRadPlan distributes under the BSD 3-Clause licence; see `kernels/pyRadPlan.LICENSE`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from tracker.dose.plan import Aperture, Circle

Table = NDArray[np.float64]

STEP_MM = 0.5
REACH_MM = 90.0
"""Dose farther than this from the field's axis, in the isocentre's plane, is neglected."""

DEPTH_STEP_MM = 0.1
DEEPEST_MM = 700.0

_PARTS = 8


class Kernel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data of one photon energy. Lengths in mm, kernels per mm² in the isocentre's plane."""

    name: str
    source: str
    source_axis_mm: float
    penumbra_fwhm_mm: float
    attenuation_per_mm: float
    betas_per_mm: tuple[float, float, float]
    radius_step_mm: float
    kernels_per_mm2: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]

    @property
    def penumbra_sigma_mm(self) -> float:
        """The standard deviation of the source's own penumbra."""
        return self.penumbra_fwhm_mm / float(np.sqrt(8.0 * np.log(2.0)))


class FieldTable(NamedTuple):
    """The three components over the isocentre's plane, every `STEP_MM`, from the axis outwards.

    ``values[i, j, c]`` is component c at ``i`` steps across and ``j`` steps along. A circular
    field has one row: j counts steps of radius.
    """

    values: Table
    is_circle: bool


@cache
def photons_6mv() -> Kernel:
    """Return the kernel that comes with the program."""
    data = resources.files("tracker.dose") / "kernels" / "photons_6mv.json"
    return msgspec.json.decode(data.read_bytes(), type=Kernel)


@cache
def depth_table() -> Table:
    """Return the three functions of depth, every 0.1 mm of water: shape (depths, 3).

    Read linearly between rows, they differ by at most 2e-4 from the formula at the skin, where the
    dose builds up, and by less than 1e-6 from 15 mm on.
    """
    kernel = photons_6mv()
    depth = DEPTH_STEP_MM * np.arange(round(DEEPEST_MM / DEPTH_STEP_MM) + 1)
    beta = np.array(kernel.betas_per_mm)
    m = kernel.attenuation_per_mm
    return beta / (beta - m) * (np.exp(-m * depth)[:, None] - np.exp(-depth[:, None] * beta))


@cache
def field_table(aperture: Aperture) -> FieldTable:
    """Return the field's table: opening, convolved with the penumbra and with the kernel."""
    kernel = photons_6mv()
    count = int(REACH_MM / STEP_MM)
    grid = np.linspace(-REACH_MM, REACH_MM, 2 * count + 1)
    radius = np.hypot(*np.meshgrid(grid, grid, indexing="ij"))
    penumbra = np.exp(-(radius**2) / (2.0 * kernel.penumbra_sigma_mm**2))
    fluence = _convolved(_opening(aperture, grid), penumbra / penumbra.sum())
    at = kernel.radius_step_mm * np.arange(len(kernel.kernels_per_mm2[0]))
    layers = [
        _convolved(fluence, np.interp(radius, at, each, right=0.0) * STEP_MM**2)
        for each in kernel.kernels_per_mm2
    ]
    stacked = np.stack(layers, axis=-1)[count:, count:]
    is_circle = isinstance(aperture, Circle)
    return FieldTable(np.ascontiguousarray(stacked[:1] if is_circle else stacked), is_circle)


def _convolved(one: Table, other: Table) -> Table:
    return np.asarray(fftconvolve(one, other, mode="same"), dtype=np.float64)


def _opening(aperture: Aperture, grid: Table) -> Table:
    """Return the open share of each cell; cells at the edge are divided into 8 × 8 parts."""
    offsets = (np.arange(_PARTS) - (_PARTS - 1) / 2) / _PARTS * STEP_MM
    fine = (grid[:, None] + offsets).ravel()
    across, along = np.meshgrid(fine, fine, indexing="ij", sparse=True)
    if isinstance(aperture, Circle):
        is_open = across**2 + along**2 <= (aperture.diameter_mm / 2.0) ** 2
    else:
        is_open = (np.abs(across) <= aperture.width_mm / 2.0) & (
            np.abs(along) <= aperture.height_mm / 2.0
        )
    cells = len(grid)
    return is_open.reshape(cells, _PARTS, cells, _PARTS).mean(axis=(1, 3))

"""Biologically effective dose by three models, equivalent dose in 2 Gy, and complication models.

At the doses per fraction of stereotactic treatments, the linear-quadratic formula (LQ) is in doubt:
it may give too large an effect. So the alternatives stand beside it, and no figure is
given by one model alone.

- LQ: BED = n d (1 + d / (α/β)).
- LQ-L: as LQ up to the dose dT, then a straight line with the slope γ/α (Guerrero and Li, Phys Med
  Biol 49 (2004) 4825; Astrahan, Med Phys 35 (2008) 4161). The slope is the tangent at dT,
  1 + 2 dT / (α/β), or a constant.
- USC, the universal survival curve: as LQ up to DT, then the multi-target line: BED = n (d − Dq) /
  (α D0) (Park et al., Int J Radiat Oncol Biol Phys 70 (2008) 847).

All functions take the dose of one fraction, a number or an array, and return the BED of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Vector = NDArray[np.float64]
Dose = float | Vector

TUMOUR_RATIO_GY = 10.0
LIVER_RATIO_GY = 2.5
TUMOUR_LINEAR_FROM_GY = 10.0
LIVER_LINEAR_FROM_GY = 6.0
CONSTANT_SLOPE = 1.0
"""γ/α of the constant slope: that of α alone, the least effect which LQ-L can give."""

BAND_RATIOS_GY = (2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
"""The values of α/β over which the liver's complication figures are a band."""

NTCP_FRACTION_GY = 1.5
"""Dose per fraction of the patients to whom the liver's model was fitted (Dawson 2002)."""


class Universal(NamedTuple):
    """Parameters of the universal survival curve.

    The defaults are those that Park et al. give for cell lines of non-small-cell lung cancer.
    """

    alpha_per_gy: float = 0.33
    d0_gy: float = 1.25
    dq_gy: float = 1.8
    ratio_gy: float = 8.6

    @property
    def transition_gy(self) -> float:
        """The dose above which the curve is straight: 2 Dq / (1 − α D0)."""
        return 2.0 * self.dq_gy / (1.0 - self.alpha_per_gy * self.d0_gy)


def bed_lq(dose_gy: Dose, ratio_gy: float) -> Vector:
    """Return the BED of one fraction by the linear-quadratic formula."""
    dose = np.asarray(dose_gy, dtype=np.float64)
    return dose * (1.0 + dose / ratio_gy)


def bed_lql(
    dose_gy: Dose, ratio_gy: float, linear_from_gy: float, slope: float | None = None
) -> Vector:
    """Return the BED of one fraction by LQ-L; without ``slope``, by the tangent."""
    dose = np.asarray(dose_gy, dtype=np.float64)
    steep = 1.0 + 2.0 * linear_from_gy / ratio_gy if slope is None else slope
    below = np.minimum(dose, linear_from_gy)
    return below * (1.0 + below / ratio_gy) + steep * (dose - below)


def bed_usc(dose_gy: Dose, parameters: Universal = Universal()) -> Vector:  # noqa: B008
    """Return the BED of one fraction by the universal survival curve."""
    dose = np.asarray(dose_gy, dtype=np.float64)
    p = parameters
    straight = (dose - p.dq_gy) / (p.alpha_per_gy * p.d0_gy)
    curved = dose * (1.0 + dose / p.ratio_gy)
    return np.where(dose >= p.transition_gy, straight, curved)


def equivalent_in_2_gy(bed_gy: Dose, ratio_gy: float) -> Vector:
    """Return the dose in fractions of 2 Gy that has the same BED (EQD2)."""
    return np.asarray(bed_gy, dtype=np.float64) / (1.0 + 2.0 / ratio_gy)


class LymanModel(NamedTuple):
    """Lyman's model of a complication: TD50 for the whole organ, slope, volume effect."""

    name: str
    td50_gy: float
    slope: float
    volume: float
    source: str


LIVER_PRIMARY = LymanModel(
    "primary liver cancer", 39.8, 0.12, 0.97, "Dawson et al., IJROBP 53 (2002) 810"
)
LIVER_METASTASES = LymanModel(
    "liver metastases", 45.8, 0.12, 0.97, "Dawson et al., IJROBP 53 (2002) 810"
)


def generalised_dose(dose_gy: Vector, volume: float, weights: Vector | None = None) -> float:
    """Return the generalised equivalent uniform dose (Σ v D^(1/n))^n."""
    return float(np.average(dose_gy ** (1.0 / volume), weights=weights) ** volume)


def complication(model: LymanModel, generalised_gy: float) -> float:
    """Return the probability of the complication, 0 to 1."""
    return float(norm.cdf((generalised_gy - model.td50_gy) / (model.slope * model.td50_gy)))


class Band(NamedTuple):
    """The least and the largest value over models and parameters."""

    low: float
    high: float


def complication_band(model: LymanModel, fraction_doses_gy: Vector, repeats: float = 1.0) -> Band:
    """Return the band of NTCP over α/β 2 to 8 and over LQ, LQ-L with tangent and constant slope.

    ``fraction_doses_gy`` has shape (fractions, points): the normal liver's dose in each fraction.
    Every fraction stands for ``repeats`` alike ones.
    Each is converted to the dose in fractions of 1.5 Gy that has the same BED.
    """
    found: list[float] = []
    for ratio in BAND_RATIOS_GY:
        for bed in (
            bed_lq(fraction_doses_gy, ratio),
            bed_lql(fraction_doses_gy, ratio, LIVER_LINEAR_FROM_GY),
            bed_lql(fraction_doses_gy, ratio, LIVER_LINEAR_FROM_GY, CONSTANT_SLOPE),
        ):
            converted = repeats * bed.sum(axis=0) / (1.0 + NTCP_FRACTION_GY / ratio)
            found.append(complication(model, generalised_dose(converted, model.volume)))
    return Band(min(found), max(found))


class EffectRow(NamedTuple):
    """One model's BED, and its EQD2; ``model`` names the model with its parameters."""

    model: str
    bed_gy: float
    eqd2_gy: float


def tumour_effects(fraction_doses_gy: Vector, repeats: float = 1.0) -> list[EffectRow]:
    """Return BED and EQD2 of a tumour's dose in each fraction, by every model.

    Every fraction stands for ``repeats`` alike ones.
    """
    ratio, dt = TUMOUR_RATIO_GY, TUMOUR_LINEAR_FROM_GY
    usc = Universal()
    return [
        _row(f"LQ, α/β {ratio:g} Gy", repeats * bed_lq(fraction_doses_gy, ratio), ratio),
        _row(
            f"LQ-L, α/β {ratio:g} Gy, tangent from {dt:g} Gy",
            repeats * bed_lql(fraction_doses_gy, ratio, dt),
            ratio,
        ),
        _row(
            f"LQ-L, α/β {ratio:g} Gy, γ/α {CONSTANT_SLOPE:g} from {dt:g} Gy",
            repeats * bed_lql(fraction_doses_gy, ratio, dt, CONSTANT_SLOPE),
            ratio,
        ),
        _row(
            f"USC, straight from {usc.transition_gy:.1f} Gy",
            repeats * bed_usc(fraction_doses_gy, usc),
            usc.ratio_gy,
        ),
    ]


def liver_effects(fraction_doses_gy: Vector, repeats: float = 1.0) -> list[EffectRow]:
    """Return BED and EQD2 of the liver's mean dose in each fraction, by every model that applies.

    The universal curve is fitted to tumour cells and is left out. Every fraction stands for
    ``repeats`` alike ones.
    """
    ratio, dt = LIVER_RATIO_GY, LIVER_LINEAR_FROM_GY
    return [
        _row(f"LQ, α/β {ratio:g} Gy", repeats * bed_lq(fraction_doses_gy, ratio), ratio),
        _row(
            f"LQ-L, α/β {ratio:g} Gy, tangent from {dt:g} Gy",
            repeats * bed_lql(fraction_doses_gy, ratio, dt),
            ratio,
        ),
        _row(
            f"LQ-L, α/β {ratio:g} Gy, γ/α {CONSTANT_SLOPE:g} from {dt:g} Gy",
            repeats * bed_lql(fraction_doses_gy, ratio, dt, CONSTANT_SLOPE),
            ratio,
        ),
    ]


def _row(model: str, bed: Vector, ratio: float) -> EffectRow:
    total = float(bed.sum())
    return EffectRow(model, total, float(equivalent_in_2_gy(total, ratio)))

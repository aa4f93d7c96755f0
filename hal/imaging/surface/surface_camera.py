"""Follow patches of the skin from one depth picture to the next.

The first pictures make the reference surface (`ACQUIRING`). From then on every patch has a
displacement along its own normal, with a standard deviation (`FOLLOWING`). A patch
drops out by its own statistics: too few pixels on one surface, pixels too far apart, a step that no
breath makes. What is reported are points in the camera frame: the middle of the patch, moved along
the normal. They do not depend on the reference picture but for its phase of breath.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.imaging.surface import fit_kernel as kernel
from hal.imaging.surface.noise import NoiseInTime
from hal.imaging.surface.picture import DepthPicture, picture_problem
from hal.imaging.surface.reference import ReferenceSurface, patch_grid, reference_surface
from hal.imaging.surface.settings import SurfaceSettings, settings_problem
from hal.messages import BadSample, Sample, SurfaceFrame

Floats = NDArray[np.float64]
_NANOSECONDS = 1e9
_LEAST_SIGMA_MM = 0.02
"""What the shape of a patch leaves, however many pixels it has."""


class SurfaceCamera:
    """Locates the patches in one depth picture after the other."""

    def __init__(self, settings: SurfaceSettings) -> None:
        """Lay out the patches; raises `ValueError` for settings that cannot be."""
        problem = settings_problem(settings)
        if problem:
            raise ValueError(problem)
        self.settings = settings
        self.grid = patch_grid(settings)
        count = len(self.grid.boxes)
        self.found: Floats = np.zeros((count, kernel.FOUND))
        """The fit of each patch in the last picture, in the columns of `fit_kernel`."""
        self.used: NDArray[np.bool_] = np.zeros(count, dtype=np.bool_)
        """Which patches the last picture showed well enough."""
        self._limits = np.array(
            [settings.near_mm, settings.far_mm, settings.reach_mm, settings.alike_px]
        )
        self.forget()

    def forget(self) -> None:
        """Forget the reference surface; the next pictures make another."""
        count = len(self.grid.boxes)
        size = (self.settings.lens.height_px, self.settings.lens.width_px)
        self.reference: ReferenceSurface | None = None
        self._sum, self._seen = np.zeros(size), np.zeros(size)
        self._pictures = 0
        self._noise = NoiseInTime(count)
        self.sigma_mm: Floats = np.full(count, np.nan)
        """The standard deviation of each patch in the last picture."""
        self._last_mm = np.zeros(count)
        self._last_ns = np.full(count, -1, dtype=np.int64)
        self._lost_since_ns = -1

    @property
    def state(self) -> str:
        """ACQUIRING while there is no reference surface, FOLLOWING then."""
        return "ACQUIRING" if self.reference is None else "FOLLOWING"

    def locate(
        self, device: str, picture: DepthPicture, taken_ns: int | None = None
    ) -> list[Sample]:
        """Return one `SurfaceFrame`, or the `BadSample` that says why there is none.

        ``taken_ns`` is when the picture was taken, for the speed of a patch; without it the
        arrival counts. While the reference surface is made, nothing is returned.
        """
        lens = self.settings.lens
        problem = picture_problem(picture.values, lens.width_px, lens.height_px)
        if problem:
            return [BadSample(device, picture.t_ns, "depth picture", problem)]
        reference = self.reference
        if reference is None:
            return self._acquire(device, picture)
        kernel.fit_patches(
            picture.values, picture.scale_mm, picture.offset_mm, picture.invalid,
            reference.depth_mm, reference.along, self.grid.boxes, self._limits, self.found,
        )  # fmt: skip
        self._judge(picture.t_ns if taken_ns is None else taken_ns)
        shift = np.where(self.used, self.found[:, kernel.SHIFT], np.nan)
        in_time = self._noise.after(picture.number, shift)
        among_pixels = np.maximum(self.found[:, kernel.SIGMA], _LEAST_SIGMA_MM)
        self.sigma_mm = np.maximum(among_pixels, in_time)
        return [self._frame(device, picture, reference)]

    def _acquire(self, device: str, picture: DepthPicture) -> list[Sample]:
        """Add a picture to the mean; make the reference surface once there are enough."""
        depth = picture.depth_mm()
        seen = (depth >= self.settings.near_mm) & (depth <= self.settings.far_mm)
        self._sum[seen] += depth[seen]
        self._seen += seen
        self._pictures += 1
        if self._pictures < self.settings.reference_pictures:
            return []
        often = self._seen >= 0.5 * self._pictures
        mean = np.where(often, self._sum / np.maximum(self._seen, 1.0), np.nan)
        reference = reference_surface(self.grid, mean, self.settings)
        whole = int(np.isfinite(reference.points_mm[:, 0]).sum())
        self.forget()
        if not whole:
            what = f"none of {len(self.grid.boxes)} patches shows a smooth surface; aim the camera"
            return [BadSample(device, picture.t_ns, "surface not found", what)]
        self.reference = reference
        return []

    def _judge(self, taken_ns: int) -> None:
        """Tell the patches that can be used, and remember where they are."""
        settings, found = self.settings, self.found
        shift = found[:, kernel.SHIFT]
        good = np.isfinite(shift) & (found[:, kernel.INLIERS] >= settings.valid_share)
        good &= found[:, kernel.RESIDUAL] <= settings.residual_mm
        since_s = (taken_ns - self._last_ns) / _NANOSECONDS
        noise = 4.0 * np.nan_to_num(found[:, kernel.SIGMA])
        step = np.abs(np.nan_to_num(shift) - self._last_mm)
        farthest = np.minimum(settings.speed_mm_s * np.maximum(since_s, 0.0), settings.return_mm)
        good &= (self._last_ns < 0) | (step <= farthest + noise)
        self.used = good
        self._last_mm = np.where(good, shift, self._last_mm)
        self._last_ns = np.where(good, taken_ns, self._last_ns)
        if good.any():
            self._lost_since_ns = -1
        elif self._lost_since_ns < 0:
            self._lost_since_ns = taken_ns
        elif taken_ns - self._lost_since_ns > settings.lost_s * _NANOSECONDS:
            self.forget()

    def _frame(
        self, device: str, picture: DepthPicture, reference: ReferenceSurface
    ) -> SurfaceFrame:
        shift = self.found[:, kernel.SHIFT, None]
        points = (reference.points_mm + shift * reference.normals).tolist()
        sigmas = self.sigma_mm.tolist()
        patches = tuple(
            (x, y, z) if good else None
            for (x, y, z), good in zip(points, self.used.tolist(), strict=True)
        )
        errors = tuple(
            sigma if good else 0.0 for sigma, good in zip(sigmas, self.used.tolist(), strict=True)
        )
        return SurfaceFrame(device, picture.t_ns, picture.number, patches, errors)

    def signals(self) -> tuple[tuple[float, float], ...]:
        """Return displacement and standard deviation (mm) of each region in the last picture.

        The patches of a region are weighed by their variances; NaN where none is seen.
        """
        regions = np.array(self.grid.regions)
        signals: list[tuple[float, float]] = []
        for number in range(len(self.settings.regions)):
            own = self.used & (regions == number)
            if not own.any():
                signals.append((float("nan"), float("nan")))
                continue
            weights = 1.0 / self.sigma_mm[own] ** 2
            mean = float((weights * self.found[own, kernel.SHIFT]).sum() / weights.sum())
            signals.append((mean, float(1.0 / np.sqrt(weights.sum()))))
        return tuple(signals)

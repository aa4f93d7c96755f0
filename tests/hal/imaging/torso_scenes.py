"""A breathing torso under a depth camera, with truth, for the tests of the surface camera."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hal.imaging.surface import fit_kernel as kernel
from hal.imaging.surface.picture import DepthPicture
from hal.imaging.surface.settings import DepthLens, SurfaceRegion, SurfaceSettings
from hal.imaging.surface.surface_camera import SurfaceCamera
from sim.depth_sensor import DepthNoise, Hidden, cover, measured
from sim.patient import SimulatedPatient
from sim.scenario import RoomScenario
from sim.torso import DepthView, Torso

RATE_HZ = 30.0
MIDDLE_MM = (0.0, 20.0, 118.0)
SKIN_MM = (240.0, 110.0)
"""Width and height of one region on the skin."""


def overhead(distance_mm: float, *, width_px: int = 320, columns: int = 3, rows: int = 2):
    """Return settings of a camera that looks straight down, with a chest and a belly region."""
    height_px = width_px * 3 // 4
    focal = 0.9375 * width_px
    lens = DepthLens(
        width_px=width_px, height_px=height_px, focal_px=(focal, focal),
        centre_px=(0.5 * width_px - 0.5, 0.5 * height_px - 0.5),
    )  # fmt: skip
    across, along = (round(size * focal / distance_mm) for size in SKIN_MM)
    left = width_px // 2 - across // 2
    regions = tuple(
        SurfaceRegion(
            name=name, left_px=left, top_px=top, width_px=across, height_px=along,
            columns=columns, rows=rows,
        )
        for name, top in (("chest", height_px // 2 - along), ("belly", height_px // 2))
    )  # fmt: skip
    return SurfaceSettings(lens=lens, regions=regions)


class Seen(NamedTuple):
    """What the camera said of a scene, and what was true; (pictures, patches) in mm."""

    shifts: np.ndarray
    """NaN where a patch was not used."""
    sigmas: np.ndarray
    truth: np.ndarray
    """From the first picture that was followed."""
    signals: np.ndarray
    """(pictures, regions) as the camera gives them."""
    cost_ms: np.ndarray
    regions: np.ndarray
    frames: list

    @property
    def errors(self) -> np.ndarray:
        """Return the error of each patch, less its mean: displacements have no zero."""
        wrong = self.shifts - self.truth
        return wrong - np.nanmean(wrong, axis=0)

    def region_errors(self) -> np.ndarray:
        """Return the error of each region's signal, less its mean."""
        true = np.stack(
            [self.truth[:, self.regions == n].mean(axis=1) for n in range(self.signals.shape[1])], 1
        )
        wrong = self.signals - true
        return wrong - np.nanmean(wrong, axis=0)


class Scene:
    """A generated patient under a depth camera."""

    def __init__(self, distance_mm=1000.0, *, seed=1, settings=None, noise=None, clock=None):
        """Hang the camera over the chest."""
        self.settings = settings or overhead(distance_mm)
        patient = SimulatedPatient.generated(RoomScenario(duration_s=120.0), seed)
        self.torso = Torso(patient)
        self.noise = noise or DepthNoise()
        self.camera = SurfaceCamera(self.settings)
        x, y, z = MIDDLE_MM
        self.position_mm = (x, y, z + distance_mm)
        self.view = DepthView(
            self.torso, self.camera.grid.rays, self.position_mm, (180.0, 0.0, 0.0)
        )
        self._rng = np.random.default_rng(seed)
        self._clock = clock or (lambda: 0.0)

    def surface(self):
        """Return points and normals of the reference surface, in the patient frame."""
        reference = self.camera.reference
        assert reference is not None
        turn = np.array([1.0, -1.0, -1.0])
        return reference.points_mm * turn + np.array(self.position_mm), reference.normals * turn

    def film(self, seconds, *, hide=None, carried=None) -> Seen:
        """Take pictures; ``hide(t)`` gives objects before the skin, ``carried(t)`` the couch."""
        times = np.arange(0.0, seconds, 1.0 / RATE_HZ)
        driven = self.torso.driven(times)
        shifts, sigmas, signals, costs, frames, kept = [], [], [], [], [], []
        for number, time_s in enumerate(times):
            couch = (0.0, 0.0, 0.0) if carried is None else carried(float(time_s))
            depth = self.view.see(driven[number], couch)
            for hidden in () if hide is None else hide(float(time_s)):
                depth = cover(depth, hidden)
            counts = measured(depth, self.view.cosine, self.noise, self._rng)
            t_ns = round(time_s * 1e9)
            before = self._clock()
            picture = DepthPicture("surface", t_ns, number, t_ns, counts, self.noise.scale_mm)
            samples = self.camera.locate("surface", picture)
            costs.append(1e3 * (self._clock() - before))
            if not samples:
                continue
            frames += samples
            kept.append(number)
            used = self.camera.used
            shifts.append(np.where(used, self.camera.found[:, kernel.SHIFT], np.nan))
            sigmas.append(np.where(used, self.camera.sigma_mm, np.nan))
            signals.append([mean for mean, _ in self.camera.signals()])
        points, normals = self.surface()
        truth = np.stack(
            [
                self.torso.displaced(tuple(point), driven[kept]) @ normal
                for point, normal in zip(points, normals, strict=True)
            ],
            axis=1,
        )
        return Seen(
            np.array(shifts), np.array(sigmas), truth - truth[0], np.array(signals),
            np.array(costs[-len(kept):]), np.array(self.camera.grid.regions), frames,
        )  # fmt: skip


def arm(at_s: float, lasts_s: float):
    """Return an arm that comes in from the side, over the belly, and goes out again."""

    def hide(time_s: float):
        share = (time_s - at_s) / lasts_s
        if not 0.0 <= share <= 1.0:
            return ()
        reach = 0.75 * min(1.0, 2.5 * share, 2.5 * (1.0 - share))
        return (Hidden(0.0, 0.5, reach, 0.62, 90.0),)

    return hide

"""Compare the dose engine with pyRadPlan: circular fields in water, with shifted isocentres.

pyRadPlan (0.5.0, BSD 3-Clause) needs its own environment, because it brings many packages:

    python3 -m venv DIR && DIR/bin/pip install pyRadPlan==0.5.0 pydantic==2.11.10
    python -m tests.dose.pyradplan --python DIR/bin/python

Three beams of 30 mm in a water cylinder, each with its own isocentre, on a 2 mm grid over the whole
phantom. The gamma index is 1 % of the maximum and 1 mm, for all voxels of the body above 10 % of
the maximum.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from tracker.dose.engine import beam_dose, planned_position
from tracker.dose.plan import Body, Circle, PlanBeam

RADIUS_MM = 95.0
STEP_MM = 2.0
CELLS = 101
DIAMETER_MM = 30.0
SHIFTS_MM = ((3.0, -2.0, 5.0), (-4.0, 1.0, -6.0), (0.0, 6.0, 8.0))
"""Isocentres, one a beam, in pyRadPlan's axes: left, posterior, superior."""

GANTRY_DEG = (0.0, 40.0, 310.0)
COUCH_DEG = (0.0, 30.0, -50.0)

PEER = """
import json, logging, sys, warnings
logging.basicConfig(level=logging.ERROR)
warnings.filterwarnings("ignore")
import numpy as np
import SimpleITK as sitk
from pyRadPlan import PhotonPlan, calc_dose_forward, generate_stf, validate_ct
from pyRadPlan.cst import StructureSet, validate_voi

ask = json.loads(sys.argv[1])
count, step, radius = ask["cells"], ask["step"], ask["radius"]
axis = step * (np.arange(count) - count // 2)
z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
body = (x / radius) ** 2 + (y / radius) ** 2 <= 1
size = {"x": step, "y": step, "z": step}
ct = validate_ct(cube_hu=np.where(body, 0.0, -1000.0), resolution=size, origin=(axis[0],) * 3)
target = np.sqrt(x**2 + y**2 + z**2) <= 15
vois = [
    validate_voi(name="T", ct_image=ct, mask=target.astype(np.uint8), voi_type="TARGET"),
    validate_voi(name="B", ct_image=ct, mask=body.astype(np.uint8), voi_type="EXTERNAL"),
]
cst = StructureSet(ct_image=ct, vois=vois)
fine = 0.5 * np.arange(-60, 61)
across, along = np.meshgrid(fine, fine)
parts = (np.arange(8) - 3.5) / 16
mask = sum(
    (np.hypot(across + a, along + b) <= ask["diameter"] / 2).astype(float)
    for a in parts for b in parts
) / 64
plan = PhotonPlan(machine="Generic")
plan.prop_stf = {
    "generator": "photonSingleBixel", "gantry_angles": ask["gantry"], "couch_angles": ask["couch"],
    "iso_center": np.asarray(ask["isocentres"], float), "field_shape": mask, "resolution": 0.5,
    "field_based": True,
}
plan.prop_dose_calc = {"dose_grid": {"resolution": size}, "geometric_lateral_cutoff": 90.0}
stf = generate_stf(ct, cst, plan)
dose = calc_dose_forward(ct, cst, stf, plan, np.ones(len(ask["gantry"])))["physical_dose"]
directions = [-b.source_point / np.linalg.norm(b.source_point) for b in stf.beams]
np.savez(ask["out"], dose=sitk.GetArrayFromImage(dose), directions=np.array(directions))
"""

Cube = NDArray[np.float64]
Mask = NDArray[np.bool_]


def peer_dose(python: Path) -> tuple[Cube, Cube]:
    """Return pyRadPlan's dose (z, y, x) and its beams' directions; both in its own axes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "dose.npz"
        ask = {
            "cells": CELLS, "step": STEP_MM, "radius": RADIUS_MM, "diameter": DIAMETER_MM,
            "gantry": GANTRY_DEG, "couch": COUCH_DEG, "isocentres": SHIFTS_MM, "out": str(out),
        }  # fmt: skip
        done = subprocess.run(
            [python, "-c", PEER, json.dumps(ask)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{python}: pyRadPlan failed: {done.stderr.strip()[-400:]}")
        with np.load(out) as found:
            return found["dose"].astype(np.float64), found["directions"]


def own_dose(directions: Cube) -> Cube:
    """Return the engine's dose on the same grid."""
    axis = _axis()
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.ascontiguousarray(np.stack([x, z, -y], axis=-1).reshape(-1, 3))
    body = Body(RADIUS_MM, RADIUS_MM)
    total = np.zeros(len(points))
    for direction, shift in zip(directions, SHIFTS_MM, strict=True):
        beam = PlanBeam(_own_axes(direction), _own_axes(shift), Circle(DIAMETER_MM))
        total += beam_dose(beam, planned_position(beam), body, points)
    return total.reshape(x.shape)


def _axis() -> Cube:
    return np.linspace(-100.0, 100.0, CELLS)


def _own_axes(vector: NDArray[np.float64] | tuple[float, ...]) -> tuple[float, float, float]:
    """Turn left, posterior, superior into left, superior, anterior."""
    x, y, z = (float(value) for value in vector)
    return (x, z, -y)


def gamma(reference: Cube, evaluated: Cube, percent: float, mm: float, counted: Mask) -> Cube:
    """Return the gamma index of the counted voxels, by search in steps of a tenth of ``mm``.

    The evaluated dose is read linearly between voxels (Low et al., Med Phys 25 (1998) 656).
    """
    at = np.argwhere(counted)
    wanted = reference[counted]
    allowed = percent / 100.0 * reference.max()
    best = np.abs(evaluated[counted] - wanted) / allowed
    steps = mm * np.arange(-10, 11) / 10.0
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    for offset in offsets[np.argsort(np.linalg.norm(offsets, axis=1))]:
        near = float(np.linalg.norm(offset)) / mm
        open_ = np.flatnonzero(best > max(near, 1.0))
        if near > 1.0 or not len(open_):
            break
        read = map_coordinates(evaluated, (at[open_] + offset / STEP_MM).T, order=1)
        found = np.hypot((read - wanted[open_]) / allowed, near)
        best[open_] = np.minimum(best[open_], found)
    return best


def compare(python: Path) -> dict[str, float]:
    """Return the share of voxels with gamma at most 1, and the largest differences."""
    reference, directions = peer_dose(python)
    own = own_dose(directions)
    axis = _axis()
    _, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = np.hypot(x, y) < RADIUS_MM - STEP_MM
    counted = inside & (reference > 0.1 * reference.max())
    index = gamma(reference, own, 1.0, 1.0, counted)
    difference = 100.0 * (own - reference)[counted] / reference.max()
    return {
        "voxels": int(counted.sum()),
        "gamma_1pct_1mm_passing_pct": float((index <= 1.0).mean() * 100.0),
        "mean_difference_pct": float(difference.mean()),
        "p99_difference_pct": float(np.percentile(np.abs(difference), 99)),
        "largest_difference_pct": float(np.abs(difference).max()),
    }


def main() -> int:
    """Run the comparison; exit code 1 if fewer than 99.5 % of the voxels agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="Python that has pyRadPlan")
    found = compare(parser.parse_args().python)
    print(json.dumps(found, indent=2))
    return 0 if found["gamma_1pct_1mm_passing_pct"] >= 99.5 else 1


if __name__ == "__main__":
    sys.exit(main())

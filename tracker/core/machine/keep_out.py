"""Keep-out: volumes couch or robot must not enter, judged along the way it is about to go (H15).

The way is the straight line from where the actuator is over the demand to where it would be if it
went on so until it can have been stopped. A way that comes closer to a volume than the margin is
refused whole; nothing is shortened. Distances are kept per axis for boxes (a box grown by the
margin), so a way past a corner is refused from a little further off, never from nearer.
"""

from __future__ import annotations

from hal.messages import Triple
from tracker.core.settings import Box, KeepOut, Sphere


class KeepOutVolumes:
    """The configured volumes, in the fixed frame from the actuator's start pose."""

    def __init__(self, settings: KeepOut) -> None:
        """Take the volumes, the margin and how long the way ahead is looked at."""
        self._boxes = settings.boxes_mm
        self._spheres = settings.spheres_mm
        self._margin = settings.margin_mm
        self._horizon_s = settings.horizon_ms * 1e-3
        self.any = bool(self._boxes or self._spheres)
        grown = [(box.low_mm, box.high_mm) for box in self._boxes]
        for sphere in self._spheres:
            x, y, z = sphere.centre_mm
            r = sphere.radius_mm
            grown.append(((x - r, y - r, z - r), (x + r, y + r, z + r)))
        m = self._margin
        self._bounds = [
            ((a - m, b - m, c - m), (d + m, e + m, f + m)) for (a, b, c), (d, e, f) in grown
        ]
        """The box around each volume and its margin: most ways pass by all of them."""

    def judge(self, here: Triple, demand: Triple, velocity_mm_s: Triple) -> str | None:
        """Say which volume the way from ``here`` over ``demand`` and on comes too near, or none."""
        if not self.any:
            return None
        t = self._horizon_s
        (x, y, z), (u, v, w) = demand, velocity_mm_s
        ahead = (x + t * u, y + t * v, z + t * w)
        if all(_passes(here, demand, ahead, low, high) for low, high in self._bounds):
            return None
        for start, end in ((here, demand), (demand, ahead)):
            for number, box in enumerate(self._boxes, 1):
                if crosses_box(start, end, box, self._margin):
                    return f"the way comes within {self._margin:g} mm of keep-out box {number}"
            for number, sphere in enumerate(self._spheres, 1):
                if crosses_sphere(start, end, sphere, self._margin):
                    return f"the way comes within {self._margin:g} mm of keep-out sphere {number}"
        return None


def _passes(a: Triple, b: Triple, c: Triple, low: Triple, high: Triple) -> bool:
    """Tell whether three points lie on the outer side of one face of a box."""
    for axis in (1, 0, 2):
        x, y, z = a[axis], b[axis], c[axis]
        if (x < low[axis] and y < low[axis] and z < low[axis]) or (
            x > high[axis] and y > high[axis] and z > high[axis]
        ):
            return True
    return False


def crosses_box(start: Triple, end: Triple, box: Box, margin: float) -> bool:
    """Tell whether a straight way meets the box grown by the margin on every side (slab test)."""
    enters, leaves = 0.0, 1.0
    for axis in range(3):
        low, high = box.low_mm[axis] - margin, box.high_mm[axis] + margin
        a, step = start[axis], end[axis] - start[axis]
        if abs(step) < 1e-12:
            if not low <= a <= high:
                return False
            continue
        first, last = (low - a) / step, (high - a) / step
        if first > last:
            first, last = last, first
        enters, leaves = max(enters, first), min(leaves, last)
        if enters > leaves:
            return False
    return True


def crosses_sphere(start: Triple, end: Triple, sphere: Sphere, margin: float) -> bool:
    """Tell whether a straight way comes nearer to the centre than radius and margin."""
    way = [b - a for a, b in zip(start, end, strict=True)]
    to_centre = [c - a for a, c in zip(start, sphere.centre_mm, strict=True)]
    square = sum(step * step for step in way)
    along = sum(a * b for a, b in zip(way, to_centre, strict=True))
    share = 0.0 if square == 0.0 else min(1.0, max(0.0, along / square))
    rest = sum((c - share * step) ** 2 for c, step in zip(to_centre, way, strict=True))
    return rest <= (sphere.radius_mm + margin) ** 2

"""Keep-out: volumes that the treatment machine must not enter (hazard H15).

The judged way is the straight line from where the machine is to its demand, and from there on to
where it would be if it kept its velocity until it can have been stopped. A way that comes closer to
a volume than the margin is refused as a whole; it is not shortened. For a box the margin is added
on every side, so a way past one of its corners is refused from a little further off, never from
nearer.
"""

from __future__ import annotations

from hal.messages import Triple
from tracker.core.settings import Box, KeepOut, Sphere


class KeepOutVolumes:
    """The configured volumes, in the fixed frame from the machine's start pose."""

    def __init__(self, settings: KeepOut) -> None:
        """Read the volumes, the margin and how far ahead the way is judged."""
        self._boxes = settings.boxes_mm
        self._spheres = settings.spheres_mm
        self._margin = settings.margin_mm
        self._horizon_s = settings.horizon_ms * 1e-3
        around = [(box.low_mm, box.high_mm) for box in self._boxes]
        for sphere in self._spheres:
            (x, y, z), r = sphere.centre_mm, sphere.radius_mm
            around.append(((x - r, y - r, z - r), (x + r, y + r, z + r)))
        m = self._margin
        self._bounds = [
            (a - m, b - m, c - m, d + m, e + m, f + m) for (a, b, c), (d, e, f) in around
        ]
        """The box around each volume and its margin: most ways pass by all of them."""

    def judge(self, here: Triple, demand: Triple, velocity_mm_s: Triple) -> str | None:
        """Return which volume the way comes too near to; ``None``: none of them.

        The way leads from ``here`` to ``demand`` and on with ``velocity_mm_s``.
        """
        t = self._horizon_s
        (a, b, c), (x, y, z), (u, v, w) = here, demand, velocity_mm_s
        end_x, end_y, end_z = x + t * u, y + t * v, z + t * w
        for low_x, low_y, low_z, high_x, high_y, high_z in self._bounds:
            if not (
                (b < low_y and y < low_y and end_y < low_y)
                or (b > high_y and y > high_y and end_y > high_y)
                or (a < low_x and x < low_x and end_x < low_x)
                or (a > high_x and x > high_x and end_x > high_x)
                or (c < low_z and z < low_z and end_z < low_z)
                or (c > high_z and z > high_z and end_z > high_z)
            ):
                return self._first_met(here, demand, (end_x, end_y, end_z))
        return None

    def _first_met(self, here: Triple, demand: Triple, end: Triple) -> str | None:
        """Return the first volume that one of the two legs of the way comes too near to."""
        margin = self._margin
        for start, stop in ((here, demand), (demand, end)):
            for number, box in enumerate(self._boxes, 1):
                if crosses_box(start, stop, box, margin):
                    return f"the way comes within {margin:g} mm of keep-out box {number}"
            for number, sphere in enumerate(self._spheres, 1):
                if crosses_sphere(start, stop, sphere, margin):
                    return f"the way comes within {margin:g} mm of keep-out sphere {number}"
        return None


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
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = start, end, sphere.centre_mm
    u, v, w = bx - ax, by - ay, bz - az
    x, y, z = cx - ax, cy - ay, cz - az
    square = u * u + v * v + w * w
    share = 0.0 if square == 0.0 else min(1.0, max(0.0, (u * x + v * y + w * z) / square))
    apart = (x - share * u) ** 2 + (y - share * v) ** 2 + (z - share * w) ** 2
    return apart <= (sphere.radius_mm + margin) ** 2

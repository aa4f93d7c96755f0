"""Turn a stereo radiograph into a `FiducialShot` and a list of everything that is doubtful."""

from __future__ import annotations

from hal.imaging.fiducials import FiducialFinder, LocatedFiducials
from hal.imaging.pairs import Pair
from hal.messages import BadSample, FiducialShot, Sample, Triple


class XrayReader:
    """Locates the fiducials of each pair.

    ``expected_mm`` may be set to where the arrangement is thought to be (its shift from the
    plan); it narrows the search and changes nothing else.
    """

    def __init__(self, device: str, finder: FiducialFinder) -> None:
        self.device = device
        self.finder = finder
        self.expected_mm: Triple | None = None
        self.last: LocatedFiducials | None = None

    def read(self, pair: Pair) -> list[Sample]:
        """Read a pair; return the shot (all missing when refused) and why fiducials are missing.

        The shot keeps the left imager's exposure time and the number of the request.
        """
        left, right = pair.left, pair.right
        located = self.last = self.finder.locate(left.pixels, right.pixels, self.expected_mm)
        arrived = max(left.t_ns, right.t_ns)
        shot = FiducialShot(self.device, arrived, left.ticks, pair.shot_id, located.fiducials_mm)
        if located.doubt:
            text = f"shot {pair.shot_id}: {located.doubt}"
            return [BadSample(self.device, arrived, "fiducials refused", text), shot]
        return [shot]

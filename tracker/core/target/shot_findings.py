"""What the shots say of the model and of themselves, kept until a later shot says otherwise."""

from __future__ import annotations

from typing import NamedTuple

from tracker.core.target.modelling import Taken


class ShotFindings(NamedTuple):
    """What the last shots found wrong; each text says value and limit, and is empty if none."""

    fiducials_moved: str = ""
    out_of_time: str = ""
    model_wrong: str = ""
    model_doubtful: str = ""
    drifts: str = ""
    left_mm: float = 0.0
    """Distance (mm) of the last shot from the model that has learned it."""

    @property
    def asks_for_shots(self) -> bool:
        """Whether shots are needed soon, because the model is in doubt."""
        return bool(self.model_wrong or self.model_doubtful)

    def after(self, taken: Taken) -> ShotFindings:
        """Give the findings after a further shot."""
        found = self
        if taken.judged:
            found = found._replace(
                fiducials_moved="",
                out_of_time="",
                model_wrong=taken.model_wrong,
                model_doubtful=taken.model_doubtful,
            )
        elif taken.fiducials_moved:
            found = found._replace(fiducials_moved=taken.fiducials_moved)
        if taken.used:
            found = found._replace(drifts=taken.drifts, left_mm=taken.left_mm)
        return found

"""What the last shots found wrong with model and fiducials, until a later shot corrects it."""

from __future__ import annotations

from typing import NamedTuple

from tracker.core.target.shot_result import ShotResult


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

    def after(self, result: ShotResult) -> ShotFindings:
        """Return the findings after a further shot."""
        found = self
        if result.judged:
            found = found._replace(
                fiducials_moved="",
                out_of_time="",
                model_wrong=result.model_wrong,
                model_doubtful=result.model_doubtful,
            )
        elif result.fiducials_moved:
            found = found._replace(fiducials_moved=result.fiducials_moved)
        if result.used:
            found = found._replace(drifts=result.drifts, left_mm=result.left_mm)
        return found

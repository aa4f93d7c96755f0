"""Describe the images and what the model became: ages, refusals, rebuilds and why, imaging dose."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tracker.core.types import FaultChanged, SessionChanged
from tracker.report.physicist.gathered import GatheredSession

REBUILD_REASONS = (
    "model wrong",
    "model doubtful",
    "baseline drifts",
    "fiducials moved",
    "imaging overdue",
    "extrapolating",
)
"""Faults after which the model is taught anew, or by an image out of turn."""


class ImageFigures(NamedTuple):
    """Images: asked for, received, used; ages of the last image while the beam was on; dose."""

    asked: int
    received: int
    located: int
    used: int
    while_tracking: int
    age_median_s: float | None
    age_most_s: float | None
    refits: int
    model_kinds: str
    loo_rms_mm: float | None
    dose_mgy: float | None

    @property
    def refused_share(self) -> float | None:
        """The share of received images that the model did not use."""
        return 1.0 - self.used / self.received if self.received else None


class ModelEvent(NamedTuple):
    """When the model was made, doubted or made anew, and why."""

    t_s: float
    what: str
    why: str


def images_of(session: GatheredSession, mgy_per_image: float) -> ImageFigures:
    """Return the figures of the images of a session."""
    records = session.records
    used = [shot for shot in records.observations if shot.used]
    start_ns = records.tracking_ns
    tracking = [s for s in used if start_ns is not None and s.exposed_ns >= start_ns]
    ages = _ages_s(session, [shot.exposed_ns for shot in used])
    model = records.models[-1] if records.models else None
    exposed = max(len(session.exposures), len(session.images))
    return ImageFigures(
        asked=len(session.exposures),
        received=len(session.images),
        located=len(records.observations),
        used=len(used),
        while_tracking=len(tracking),
        age_median_s=float(np.median(ages)) if len(ages) else None,
        age_most_s=float(ages.max()) if len(ages) else None,
        refits=len(records.models),
        model_kinds=" / ".join(model.kinds) if model else "none",
        loo_rms_mm=float(np.linalg.norm(model.loo_rms_mm)) if model else None,
        dose_mgy=exposed * mgy_per_image if mgy_per_image > 0.0 else None,
    )


def _ages_s(session: GatheredSession, exposed_ns: list[int]) -> np.ndarray:
    """Return the age of the last used image at each report of beam on, in s."""
    beam = session.records.beam
    start_ns = session.records.tracking_ns
    if start_ns is None or not len(beam) or not exposed_ns:
        return np.zeros(0)
    at = beam[(beam[:, 1] > 0.5) & (beam[:, 0] >= start_ns), 0]
    times = np.sort(np.array(exposed_ns, dtype=np.float64))
    index = np.searchsorted(times, at, side="right") - 1
    return (at - times[np.maximum(index, 0)])[index >= 0] / 1e9


def model_events(session: GatheredSession) -> list[ModelEvent]:
    """Return when the model became ready, was doubted, and was taught anew, in order."""
    found: list[ModelEvent] = []
    for each in session.records.log:
        match each:
            case SessionChanged() if each.trigger == "model ready":
                found.append(ModelEvent(each.t_ns / 1e9, "model ready", ""))
            case SessionChanged() if each.after == "MODELLING":
                found.append(ModelEvent(each.t_ns / 1e9, "modelling began", each.trigger))
            case FaultChanged(active=True) if each.fault in REBUILD_REASONS:
                found.append(ModelEvent(each.t_ns / 1e9, each.fault, each.detail))
            case _:
                pass
    return found

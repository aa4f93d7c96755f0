"""What the engine asks of any target model, and of what plans the exposures."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hal.messages import FiducialShot, ProjectionShot, Triple
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target.shot_result import ShotResult
from tracker.core.target.target_state import TargetState

XrayShot = FiducialShot | ProjectionShot
"""What an X-ray imager of any kind reports."""


class TargetModel(Protocol):
    """A model that has been made: from the surrogate at a moment to the target."""

    def apart(self, y: float, v: float, markers_mm: tuple[float, ...]) -> NDArray[np.float64]:
        """Return what else the model takes from the markers than amplitude and velocity."""
        ...

    def target_at(
        self,
        t_ns: int,
        y: float,
        v: float,
        y_variance: float,
        v_variance: float,
        cross: float,
        apart: NDArray[np.float64] | None = None,
    ) -> TargetState:
        """Return the target for a surrogate state with its variances and covariance."""
        ...

    def extrapolation(self, y: float, breathing_mm: float = 0.0) -> float:
        """Return how far ``y`` lies outside the range of the shots, as a share of that range."""
        ...


class TargetModelling(Protocol):
    """Makes a model of one patient from shots, and lets it learn each later shot."""

    @property
    def model(self) -> TargetModel | None:
        """The model; ``None`` until there is one."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the model may steer."""
        ...

    @property
    def suspect_phase(self) -> float | None:
        """The part of the breath that the next shot should come from; ``None``: any."""
        ...

    def forget(self) -> None:
        """Drop all shots and the model."""
        ...

    def remember(self, breathing: BreathingState) -> None:
        """Note the breathing at a tick, in the order of time."""
        ...

    def add_shot(
        self,
        shot: XrayShot,
        couch_mm: Triple | None,
        breathing: BreathingState | None,
        span: BreathingRange | None,
    ) -> ShotResult:
        """Judge a shot and learn from it; the other arguments are those at its exposure."""
        ...


class ExposurePlan(Protocol):
    """Says when the next shot is taken, and keeps which came."""

    @property
    def last_used_ns(self) -> int:
        """Exposure time of the newest shot that was used; -1: none."""
        ...

    @property
    def agreed_ns(self) -> int:
        """Exposure time of the newest shot that agreed with the model; -1: none."""
        ...

    def forget(self) -> None:
        """Begin a new model."""
        ...

    def request_shot(self) -> None:
        """Take a shot at the next tick, because an operator asks for one."""
        ...

    def shot_used(self, exposed_ns: int, *, drifting: bool) -> None:
        """Note that the model learned a shot, and whether the target drifts from the model."""
        ...

    def shot_agreed(self, exposed_ns: int) -> None:
        """Note that a shot agreed with the model before the model learned it."""
        ...

    def shot_unreadable(self) -> bool:
        """Note that an image could not be read; tell whether a shot was waited for."""
        ...

    def answered(self, shot_id: int, exposed_ns: int, arrived_ns: int) -> str:
        """Note that a shot came; say what is wrong with its exposure time, if it cannot be."""
        ...

    def next_shot(
        self,
        now_ns: int,
        breathing: BreathingState | None,
        span: BreathingRange | None,
        *,
        modelling: bool,
        rebuild: bool,
        suspect_phase: float | None = None,
    ) -> int | None:
        """Give the number of the shot to take now; ``None``: no shot is due."""
        ...

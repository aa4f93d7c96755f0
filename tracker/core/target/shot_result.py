"""What a shot led to, whatever the target model."""

from __future__ import annotations

from dataclasses import dataclass, field

from tracker.core.types import Output


@dataclass(slots=True)
class ShotResult:
    """What a shot led to: outputs, and the words of faults; empty words end the fault."""

    outputs: list[Output] = field(default_factory=list[Output])
    judged: bool = False
    """The fiducials were found and fit the plan, so the shot says something of the model."""
    used: bool = False
    """The model has learned the shot."""
    fiducials_moved: str = ""
    model_wrong: str = ""
    model_doubtful: str = ""
    drifts: str = ""
    agrees: bool = False
    """The shot lay near the model before the model learned it."""
    left_mm: float = 0.0
    """Distance of the shot from the model that has learned it."""

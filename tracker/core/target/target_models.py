"""The table of target models."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tracker.core.settings import Controller
from tracker.core.target.joint.modelling import JointModelling
from tracker.core.target.modelling import Modelling
from tracker.core.target.target_model import TargetModelling

TARGET_MODELS: Mapping[str, Callable[[Controller], TargetModelling]] = {
    "correlation": Modelling,
    "joint": JointModelling,
}
"""*correlation*: a line or curve for each axis, refitted to the last shots, which must show all
axes. *joint*: filters over all axes that each shot corrects, be it a pair or a projection."""

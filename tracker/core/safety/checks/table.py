"""The table of checks: what is looked at in every tick, in this order.

A check is built once from the settings. It is then called at every tick with the `Situation` and
adds to ``found`` what is wrong: the name of the fault, and a detail with value and limit. It may
remember what it needs from one tick to the next. A new check is one file and one row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tracker.core.safety.checks.actuator import ActuatorCheck
from tracker.core.safety.checks.beam_offset import BeamOffsetCheck
from tracker.core.safety.checks.breathing import BreathingCheck
from tracker.core.safety.checks.gate import GateCheck
from tracker.core.safety.checks.identity import IdentityCheck
from tracker.core.safety.checks.linac import LinacCheck
from tracker.core.safety.checks.loop import LoopCheck
from tracker.core.safety.checks.messages import MessageCheck
from tracker.core.safety.checks.model import ModelCheck
from tracker.core.safety.checks.recording import RecordingCheck
from tracker.core.safety.checks.sensors import SensorCheck
from tracker.core.safety.checks.target import TargetCheck
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller

Check = Callable[[Situation, Conditions], None]
CheckFactory = Callable[[Controller], Check]

CHECKS: Final[tuple[CheckFactory, ...]] = (
    LoopCheck,
    RecordingCheck,
    IdentityCheck,
    SensorCheck,
    BreathingCheck,
    ModelCheck,
    TargetCheck,
    BeamOffsetCheck,
    ActuatorCheck,
    GateCheck,
    LinacCheck,
    MessageCheck,
)
"""The shipped checks. Faults that appear in one tick are told in this order."""

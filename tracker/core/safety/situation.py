"""All that is known at one tick, as one frozen value: what the checks look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tracker.core.machine.following import Following
from tracker.core.machine.machine_angles import AngleReport
from tracker.core.surrogate.report import Finding, SurrogateReport
from tracker.core.target.shot_findings import ShotFindings
from tracker.core.target.target_model import TargetModel
from tracker.core.target.target_state import TargetState

MONITOR = "monitor"
"""The device name under which the monitor's state is told as a link."""

DeviceRole = Literal["imager", "gate", "actuator", "linac", "unknown"]
"""What a device is to the controller; surrogate sensors report through `SurrogateReport`."""


class Reports(msgspec.Struct, frozen=True, gc=False):
    """What was reported from outside, besides samples; it changes seldom."""

    not_recorded: str = ""
    """Why events do not reach the disk; empty: they do."""
    no_monitor: str = ""
    """Why no monitor watches the gate; empty: one does, or none is wanted."""
    identified: bool = False
    """Whether patient and plan have been announced."""
    misidentified: str = ""
    """How what was announced differs from what was set up; empty: it does not."""
    actuator_fault: str = ""
    """What the machine complains of; empty: nothing."""
    actuator_restarted: str = ""
    """Why nobody knows where the actuator's zero is now; empty: it is known."""
    demand_refused: str = ""
    """Which limit of the guard a demand broke; empty: none."""
    bad: Mapping[DeviceRole, Finding] = {}
    """The last unreadable message of each role that is no surrogate sensor."""


class Situation(msgspec.Struct, frozen=True, gc=False):
    """One tick: the surrogate, the target, the machine, the beam and what was reported.

    Times are nanoseconds of the run; a time of -1 says that it has not been yet.
    """

    now_ns: int
    late_ns: int = 0
    """How late the tick came."""
    surrogate: SurrogateReport = SurrogateReport()
    model: TargetModel | None = None
    shots: ShotFindings = ShotFindings()
    last_shot_ns: int = -1
    """Exposure of the newest shot that was used."""
    prediction: TargetState | None = None
    """The target one latency from now; ``None``: it cannot be predicted."""
    prediction_off: str = ""
    """Why predictions are not followed; empty: they are."""
    actuator_variance_mm2: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The actuator's share of the error region, per axis."""
    following: Following | None = None
    """How the machine follows; ``None``: it reports no position."""
    permit_since_ns: int = -1
    """Since when the beam has been permitted without a gap."""
    permit_until_ns: int = -1
    """When the beam's lease ends."""
    beam_on: bool | None = None
    """The gate's read-back; ``None``: none has come."""
    beam_status_ns: int = -1
    """When the read-back came."""
    reviewed_ns: int = -1
    """When a person last started or resumed."""
    reports: Reports = Reports()
    region_variance_mm2: tuple[float, float, float] | None = None
    """The prediction's variance along the machine's axes, 0 where nothing is judged; ``None``: all
    of it is judged."""
    angles: AngleReport | None = None
    """What is known of the machine's angles; ``None``: it does not need them."""

    gated_off: bool = False
    """Whether gating keeps the beam off by plan, or has just let it on and it is yet to come."""

    @property
    def permitted(self) -> bool:
        """Whether the beam's lease lasts."""
        return self.permit_until_ns >= self.now_ns

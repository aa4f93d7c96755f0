"""Beam and motion as the devices report them, and the wait for both to stop at the end of a run."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from hal.events import LinkChanged, RecordingState
from hal.messages import ActuatorStatus, BeamStatus, Sample, Triple

STOPPING_S = 0.5
"""The least time devices are given to brake and to report the beam off."""
MOST_STOPPING_S = 3.0
REST_MM = 0.1
"""A smaller change of position in a tenth of a second is an encoder's noise."""


class BeamAndMotion:
    """The newest beam read-back and actuator position."""

    def __init__(self) -> None:
        self.beam_on = False
        self.position_mm: Triple | None = None
        """Of the machine, fixed frame, by its own encoders; ``None``: not reported yet."""

    def observe(self, event: Sample | LinkChanged | RecordingState) -> None:
        """Note what a device reports."""
        if isinstance(event, BeamStatus):
            self.beam_on = event.on
        elif isinstance(event, ActuatorStatus):
            self.position_mm = event.position_mm

    async def wait_for_rest(self, say: Callable[[str], None]) -> None:
        """Wait until the beam is off and the motion at rest; say so, or raise an alarm.

        The machine stays where it came to rest: only a person who sees the patient moves it
        further.
        """
        step_s, waited_s, moved_mm = STOPPING_S / 5, 0.0, 0.0
        while waited_s < STOPPING_S or self.beam_on or moved_mm > REST_MM:
            if waited_s >= MOST_STOPPING_S:
                what = "beam still on" if self.beam_on else "motion not at rest"
                say(f"alarm: {what} after {waited_s:.0f} s: stop it by hand")
                return
            before = self.position_mm
            await asyncio.sleep(step_s)
            waited_s += step_s
            if before is not None and self.position_mm is not None:
                moved_mm = math.dist(before, self.position_mm)
        place = self.position_mm
        where = "" if place is None else " at ({:.1f}, {:.1f}, {:.1f}) mm".format(*place)
        say(f"parked: beam off, at rest{where}")

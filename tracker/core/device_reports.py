"""What the devices of a room report of themselves, apart from positions: faults, links, identity.

The engine hands every such message over as it comes. The checks read the result once a tick.
"""

from __future__ import annotations

from msgspec.structs import replace

from hal.events import Identity, LinkChanged, RecordingState
from hal.messages import ActuatorStatus, BadSample
from tracker.core.safety.checks.identity import differences
from tracker.core.safety.situation import MONITOR, DeviceRole, Reports
from tracker.core.settings import Controller


class DeviceReports:
    """Remembers the newest report of each kind, by the role of the device."""

    def __init__(self, settings: Controller, *, moves: bool) -> None:
        """Take the names of the devices; ``moves`` tells whether there is an actuator."""
        self._settings = settings
        self._roles: dict[str, DeviceRole] = {
            settings.imager.device: "imager",
            settings.gate.device: "gate",
        }
        if moves:
            self._roles[settings.actuator.device] = "actuator"
        if settings.linac.enabled:
            self._roles[settings.linac.device] = "linac"
        self.newest = Reports()
        """What has been reported so far."""

    def take_actuator(self, status: ActuatorStatus) -> None:
        """Note the fault that an actuator tells of itself; empty: it has none."""
        if status.fault != self.newest.actuator_fault:
            self.newest = replace(self.newest, actuator_fault=status.fault)

    def take_bad_sample(self, sample: BadSample) -> DeviceRole:
        """Note an unreadable message, and return the role of its device."""
        role = self._roles.get(sample.device, "unknown")
        bad = {**self.newest.bad, role: (sample.t_ns, described(sample))}
        self.newest = replace(self.newest, bad=bad)
        return role

    def take_link(self, link: LinkChanged, *, tracking: bool) -> None:
        """Note a lost monitor, and an actuator that was connected again during tracking."""
        if link.device == MONITOR:
            why = "" if link.up else link.detail or "no reason given"
            self.newest = replace(self.newest, no_monitor=why)
        if link.up and tracking and link.device == self._settings.actuator.device:
            why = "it was connected again during tracking"
            self.newest = replace(self.newest, actuator_restarted=why)

    def take_recording(self, recording: RecordingState) -> None:
        """Note whether the journal is being written."""
        why = "" if recording.ok else recording.detail or "no reason given"
        self.newest = replace(self.newest, not_recorded=why)

    def take_identity(self, identity: Identity) -> None:
        """Note which patient and plan a person has confirmed, and where they differ."""
        self.newest = replace(
            self.newest, identified=True, misidentified=differences(identity, self._settings)
        )

    def refuse_demand(self, why: str) -> None:
        """Note which limit a demand broke."""
        self.newest = replace(self.newest, demand_refused=why)

    def end_session(self) -> None:
        """Forget what a new session may begin without."""
        self.newest = replace(self.newest, demand_refused="", actuator_restarted="")


def described(sample: BadSample) -> str:
    """Return an unreadable message in words."""
    return f"{sample.device}: {sample.what} {sample.value}".rstrip()

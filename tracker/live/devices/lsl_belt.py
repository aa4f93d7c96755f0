"""A belt on the Lab Streaming Layer as a device of the loop; liblsl has threads of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hal.events import Command
from hal.lsl.configuration import Scope, confine
from hal.lsl.inlet import LslInlet
from hal.lsl.session import LslSettings
from tracker.live.devices.device import DeviceFigures, HandOver


class LslBelt(LslInlet):
    """The inlet with a confined search, as a `Device` of the daemon."""

    def __init__(
        self,
        device: str,
        settings: LslSettings,
        scope: Scope,
        peers: tuple[str, ...],
        clock: Callable[[], int],
        hand_over: HandOver,
    ) -> None:
        super().__init__(device, settings, clock, hand_over)
        self._scope: Scope = scope
        self._peers = peers

    async def run(self) -> None:
        """Keep the stream until cancelled; liblsl reads its configuration at the first search."""
        with tempfile.TemporaryDirectory(prefix="tidetrack-lsl-") as folder:
            confine(Path(folder), self._scope, self._peers)
            await super().run()

    def obey(self, command: Command) -> None:
        """A belt takes no commands."""
        self.counts.refused_commands += 1

    def figures(self) -> DeviceFigures:
        """What was counted so far."""
        identity = "" if self.stream is None else f"LSL stream {self.stream}"
        return DeviceFigures(device=self.device, identity=identity, counts=self.counts)

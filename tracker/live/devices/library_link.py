"""A device whose library connects by itself, as a device of the loop."""

from __future__ import annotations

from hal.events import Command
from hal.ports import LibraryDevice
from tracker.live.devices.device import DeviceFigures


class LibraryLink:
    """Passes everything to the library's device; a `Device` of the daemon."""

    def __init__(self, library: LibraryDevice) -> None:
        self._library = library

    @property
    def device(self) -> str:
        """The name its messages carry."""
        return self._library.device

    @property
    def up(self) -> bool:
        """Whether it is connected."""
        return self._library.up

    async def run(self) -> None:
        """Keep it connected until cancelled."""
        await self._library.run()

    def obey(self, command: Command) -> None:
        """Pass a command on at once."""
        self._library.obey(command)

    def figures(self) -> DeviceFigures:
        """Return what was counted so far."""
        library = self._library
        return DeviceFigures(
            device=library.device, identity=library.identity, counts=library.counts
        )

"""Define one row of the table of twins.

A twin simulates a device at its end of the wire. Its row names the driver that it serves,
makes the twin for given settings of that driver, and says how `tidetrack twin` offers it alone.
The rows stand beside their twins and are listed in `sim.registry`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from hal.driver import AddressedSettings, DriverSettings
from hal.events import Command
from hal.messages import Sample
from sim.scenario import RoomScenario
from sim.serve import Twin, serve

Clock = Callable[[], int]
Obey = Callable[[Command], None]
"""Takes what a driver asked of the room."""


class TwinError(ValueError):
    """A twin cannot be made or served with these settings; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinContext:
    """The values a twin needs besides the settings of its driver."""

    device: str
    role: str
    folder: Path
    """The configuration's folder: files named in the settings are relative to it."""
    rate_hz: float
    """Samples a second of a surrogate source; 0: the device is none."""
    markers: int | None = None
    """The markers on the room's patient; ``None``: there is no room yet."""
    fiducials: int = 0
    exposure_every_s: float = 2.5
    """The exposure period of an imager that its driver does not trigger."""
    seed: int = 1


def _nothing(*_: object) -> str:
    return ""


class ServedTwin(NamedTuple):
    """A twin on its wire."""

    text: str
    """The address, in words for a person."""
    show: Callable[[Sample], None]
    """Lets the device see a sample of the room."""
    summary: Callable[[], str] = _nothing
    """Returns what happened on its wire, in words for a person; it may be empty."""


class TwinRequest(NamedTuple):
    """The arguments of `tidetrack twin`; ``None``: the twin chooses."""

    port: int | None = None
    pty: Path | None = None
    ethernet: Path = Path()
    """The robot controller's own XML."""
    markers: int = 3

    def address(self, default: str) -> str:
        """Return the address of a twin that can be on TCP or a pseudo-terminal."""
        if self.pty is not None:
            return f"pty://{self.pty.absolute()}"
        return default if self.port is None else f"tcp://127.0.0.1:{self.port}"

    def port_only(self, driver: str, why: str, default: int) -> int:
        """Return the port of a twin that is on no serial line; raises `TwinError` for --pty."""
        if self.pty is not None:
            raise TwinError(f"--pty: {driver} is on no serial line; {why}, give --port")
        return default if self.port is None else self.port


Kept = TypeVar("Kept", bound=DriverSettings)


def unchanged(room: RoomScenario) -> RoomScenario:
    """Return the room unchanged."""
    return room


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone(Generic[Kept]):
    """How `tidetrack twin NAME` offers a twin by itself."""

    name: str
    does: str
    section: str
    """The section of the device in the room it stands in."""
    settings: Callable[[TwinRequest], Kept]
    """Returns the driver settings with which the driver finds the twin at the asked address.

    Raises `TwinError` where it cannot be there.
    """
    furnish: Callable[[RoomScenario], RoomScenario] = unchanged
    """Changes the default room so that the device has something to measure or move."""
    device: str = ""
    """The device's name; empty: that of its section."""


def no_wire_problem(settings: DriverSettings, context: TwinContext) -> str:
    """Return an empty text: the twin can be served with any settings of its driver."""
    return ""


Opener = Callable[[Any, TwinContext, Clock, Obey], AbstractAsyncContextManager[ServedTwin]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinRow(Generic[Kept]):
    """One twin: the driver it serves, and how it is made and put on its wire."""

    driver: str
    open: Callable[[Kept, TwinContext, Clock, Obey], AbstractAsyncContextManager[ServedTwin]]
    """Puts the twin on its wire for as long as the context lasts."""
    alone: Alone[Kept]
    make: Callable[[Kept, TwinContext], Twin] | None = None
    """Makes the twin without its wire; ``None``: it does not work without."""
    problem: Callable[[Kept, TwinContext], str] = no_wire_problem
    """Says why a room cannot serve these settings, beginning with the key; empty: it can."""
    wire_ms: float = 0.0
    """What the wire adds to an actuator's latency."""


AnyTwin = TwinRow[Any]


@dataclass(frozen=True)
class TwinTable:
    """All twins; a driver has one."""

    rows: tuple[AnyTwin, ...]

    def row(self, driver: str) -> AnyTwin:
        """Return the twin of a driver; raises `TwinError` where it has none."""
        for row in self.rows:
            if row.driver == driver:
                return row
        raise TwinError(f"{driver}: has no twin; connect the device itself")


def on_wire(
    make: Callable[[Any, TwinContext], Twin], summary: Callable[[Any], str] = _nothing
) -> Opener:
    """Return what serves a twin that speaks in bytes at the other end of its driver's wire."""

    @contextlib.asynccontextmanager
    async def opened(
        settings: AddressedSettings, context: TwinContext, clock: Clock, obey: Obey
    ) -> AsyncGenerator[ServedTwin, None]:
        twin = make(settings, context)
        async with serve(twin, other_end(settings.address), clock, obey) as served:
            yield ServedTwin(served.text, served.show, lambda: summary(twin))

    return opened


def other_end(address: str) -> str:
    """Return where a twin waits for a driver that is given ``address``."""
    if address.startswith("serial://"):
        return "pty://" + address.removeprefix("serial://").partition("?")[0]
    if address.startswith("udp://:"):
        return "udp://127.0.0.1:" + address.removeprefix("udp://:")
    if address.startswith("udp://"):
        return "udp://:" + address.rpartition(":")[2]
    return address


def marker_problem(key: str, count: int, context: TwinContext) -> str:
    """Return the problem when room and driver differ in the number of markers, else nothing."""
    if context.markers is None or count == context.markers:
        return ""
    return f"{key}: {count} given, room.patient.markers has {context.markers}; make them as many"

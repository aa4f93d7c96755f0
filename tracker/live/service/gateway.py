"""The messages of a run for OpenIGTLink clients (3D Slicer and others).

``Target`` and ``Prediction`` are in the table-top frame (IEC 61217). In 3D Slicer they move with
``Couch`` if they are placed under it; with a robot the table stands still. ``Couch`` or ``Robot``
is the position of the actuator by its own encoders, in the fixed frame. ``Session`` is the session
state with the active faults; ``Beam`` is 1 or 0 by the gate's read-back. A client cannot disturb
the run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence

from hal.addresses import host_and_port
from hal.events import Event
from hal.messages import ActuatorStatus, BeamStatus, Triple
from hal.openigtlink.driver import IgtlGatewaySettings
from hal.openigtlink.publication import DISABLED, NOT_READY, OK, Publication
from hal.openigtlink.server import IgtlOutlet, serve
from tracker.config import Configuration, ConfigurationError
from tracker.core.frames import Orientation, PatientPoint, patient_to_table
from tracker.core.session import SessionState
from tracker.core.settings import Controller
from tracker.core.types import (
    FaultChanged,
    Output,
    SessionChanged,
    TargetEstimate,
    TargetPrediction,
)

CODES = {SessionState.TRACKING: OK, SessionState.HOLDING: DISABLED, SessionState.STOPPED: DISABLED}
"""Session state -> STATUS code; every other state has `NOT_READY`."""


class IgtlGateway:
    """Turns events and outputs into messages for the connected clients."""

    def __init__(
        self,
        settings: IgtlGatewaySettings,
        controller: Controller,
        clock: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        self._place = host_and_port(settings.listen)
        self._orientation: Orientation = controller.session.orientation
        self._actuator = controller.actuator.kind.capitalize()
        self._say = say
        self._publication = Publication(
            time.time_ns() - clock(),
            version=settings.version,
            least_period_ns=round(settings.period_ms * 1e6),
        )
        self._outlet: IgtlOutlet | None = None
        self._state: str = SessionState.IDLE
        self._faults: dict[str, str] = {}
        self._beam: bool | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """``host:port`` at which clients connect, once it is open."""
        return f"{self._place[0]}:{self.port}"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[IgtlGateway, None]:
        """Accept clients while the context lasts.

        Raises `ConfigurationError` if the port cannot be used.
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                outlet = await stack.enter_async_context(serve(self._publication, *self._place))
            except OSError as error:
                host, port = self._place
                line = f"wires.gateway.listen: {host}:{port}: {error.strerror}; choose another"
                raise ConfigurationError([line]) from None
            self._outlet, self.port = outlet, outlet.port
            self._say(f"gateway: OpenIGTLink at {self.address}")
            outlet.send(self._session(0))
            try:
                yield self
            finally:
                self._outlet = None

    def observe(self, event: Event, outputs: Sequence[Output]) -> None:
        """Send what an event and its outputs say; never waits and never raises."""
        outlet = self._outlet
        if outlet is None:
            return
        try:
            data = self._of_event(event) + b"".join(map(self._of_output, outputs))
            outlet.send(data)
        except Exception as error:  # a defect of the gateway must not end a run
            self._outlet = None
            self._say(f"warning: gateway sends nothing more: {type(error).__name__}: {error}")

    def _of_event(self, event: Event) -> bytes:
        match event:
            case ActuatorStatus():
                return self._publication.position(self._actuator, event.t_ns, event.position_mm)
            case BeamStatus() if event.on != self._beam:
                self._beam = event.on
                return self._publication.numbers("Beam", event.t_ns, (float(event.on),))
            case _:
                return b""

    def _of_output(self, output: Output) -> bytes:
        match output:
            case TargetEstimate():
                place = self._on_table(output.position_mm)
                return self._publication.position("Target", output.t_ns, place)
            case TargetPrediction():
                place = self._on_table(output.position_mm)
                return self._publication.position("Prediction", output.at_ns, place)
            case SessionChanged():
                self._state = output.after
                return self._session(output.t_ns)
            case FaultChanged():
                if output.active:
                    self._faults[output.fault] = output.detail
                else:
                    self._faults.pop(output.fault, None)
                return self._session(output.t_ns)
            case _:
                return b""

    def _session(self, t_ns: int) -> bytes:
        reason = "; ".join(f"{name} {detail}".rstrip() for name, detail in self._faults.items())
        code = CODES.get(SessionState(self._state), NOT_READY)
        return self._publication.state("Session", t_ns, code, self._state, _ascii(reason))

    def _on_table(self, position_mm: Triple) -> Triple:
        x, y, z = patient_to_table(PatientPoint(position_mm), self._orientation)
        return (float(x), float(y), float(z))


def _ascii(text: str) -> str:
    """Return the text in ASCII, which every client can show."""
    return text.encode("ascii", "replace").decode()


def gateway_of(
    configuration: Configuration, clock: Callable[[], int], say: Callable[[str], None]
) -> IgtlGateway | None:
    """Return the gateway, or ``None`` where none is configured."""
    wires = configuration.wires
    if wires is None or wires.gateway is None:
        return None
    return IgtlGateway(wires.gateway, configuration.controller, clock, say)


async def beside(
    gateway: IgtlGateway | None,
    run: Coroutine[None, None, None],
    opened_at: Callable[[str], None] = lambda address: None,
) -> None:
    """Await ``run`` with the gateway open, if there is one.

    ``opened_at`` is called with the gateway's ``host:port`` once clients can connect.
    """
    try:
        async with contextlib.AsyncExitStack() as stack:
            if gateway is not None:
                await stack.enter_async_context(gateway.open())
                opened_at(gateway.address)
            await run
    finally:
        run.close()

"""The driver row of a research controller that takes demands in beam's-eye view over UDP."""

from __future__ import annotations

from hal.bev.session import BevSettings
from hal.driver import ACTUATOR, AddressedSettings, Clock, DriverContext, DriverRow, OnWire


class BevWire(AddressedSettings, frozen=True, kw_only=True, tag="bev-udp"):
    """A controller of leaves, jaws or a gimbal; the messages are in docs/reference/bev-udp.json."""

    session: BevSettings = BevSettings()


def build(settings: BevWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.bev.session import BevSession

    return OnWire(BevSession(context.device, context.limits, settings.session), settings.address)


BEV_UDP = DriverRow(
    does="leaves, jaws or gimbal that take demands in beam's-eye view",
    roles=(ACTUATOR,),
    settings=BevWire,
    wires=("udp",),
    build=build,
)

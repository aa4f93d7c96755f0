"""The driver rows on OpenIGTLink, and the settings of the gateway.

A tracker or a belt, the angles of the treatment machine, and demands in beam's-eye view.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hal.driver import (
    ACTUATOR,
    BELT,
    LINAC,
    MARKERS,
    AddressedSettings,
    Clock,
    DriverContext,
    DriverRow,
    DriverSettings,
    OnWire,
    Text,
)
from hal.openigtlink.bev_session import IgtlBevSettings
from hal.openigtlink.linac_session import IgtlLinacSettings
from hal.openigtlink.session import IgtlSettings


class IgtlWire(AddressedSettings, frozen=True, kw_only=True, tag="openigtlink"):
    """A tracker or a belt behind an OpenIGTLink server: PLUS, 3D Slicer.

    ``session.rate_hz`` is set to that of the section it serves.
    """

    session: IgtlSettings


class IgtlGatewaySettings(DriverSettings, frozen=True, kw_only=True, tag="openigtlink"):
    """What the run shows to OpenIGTLink clients; it is no device and obeys nobody."""

    listen: Text = "127.0.0.1:18944"
    """Where clients connect, ``host:port`` of this machine."""
    period_ms: Annotated[float, Meta(ge=5, le=1000)] = 33.0
    """Least time between two positions of one name."""
    version: Literal[1, 2] = 2
    """Version of the header: 1 for clients older than OpenIGTLink 3."""


def problems(settings: IgtlWire, role: str) -> Iterator[str]:
    """Say that a camera has no tools, or a belt no sensor."""
    key = "tools" if role == MARKERS else "sensor"
    if not getattr(settings.session, key):
        yield f"session.{key}: is empty; name what the server sends"


def build(settings: IgtlWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation, with the rate of the section it serves."""
    from hal.openigtlink.session import IgtlSession

    session = msgspec.structs.replace(settings.session, rate_hz=context.rate_hz)
    return OnWire(IgtlSession(context.device, session), settings.address)


OPENIGTLINK = DriverRow(
    does="tracker or belt behind an OpenIGTLink server",
    roles=(MARKERS, BELT),
    settings=IgtlWire,
    wires=("tcp",),
    build=build,
    problems=problems,
)


class IgtlLinacWire(AddressedSettings, frozen=True, kw_only=True, tag="openigtlink-linac"):
    """A server that sends gantry, collimator and table as TRANSFORM messages, after IEC 61217."""

    session: IgtlLinacSettings = IgtlLinacSettings()


def build_linac(settings: IgtlLinacWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.openigtlink.linac_session import IgtlLinacSession

    return OnWire(IgtlLinacSession(context.device, settings.session), settings.address)


OPENIGTLINK_LINAC = DriverRow(
    does="angles of the treatment machine behind an OpenIGTLink server",
    roles=(LINAC,),
    settings=IgtlLinacWire,
    wires=("tcp",),
    build=build_linac,
)


class IgtlBevWire(AddressedSettings, frozen=True, kw_only=True, tag="openigtlink-bev"):
    """A controller of leaves, jaws or a gimbal that is an OpenIGTLink server."""

    session: IgtlBevSettings = IgtlBevSettings()


def build_bev(settings: IgtlBevWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.openigtlink.bev_session import IgtlBevSession

    session = IgtlBevSession(context.device, context.limits, settings.session)
    return OnWire(session, settings.address)


OPENIGTLINK_BEV = DriverRow(
    does="leaves, jaws or gimbal that take demands in beam's-eye view over OpenIGTLink",
    roles=(ACTUATOR,),
    settings=IgtlBevWire,
    wires=("tcp",),
    build=build_bev,
)

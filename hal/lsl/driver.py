"""The driver row of a belt on the Lab Streaming Layer."""

from __future__ import annotations

import msgspec

from hal.driver import (
    BELT,
    Clock,
    DriverContext,
    DriverRow,
    DriverSettings,
    Text,
    WithLibrary,
)
from hal.lsl.configuration import Scope
from hal.lsl.session import LslSettings
from hal.ports import HandOver, LibraryDevice


class LslWire(DriverSettings, frozen=True, kw_only=True, tag="lsl"):
    """A belt on the Lab Streaming Layer; ``session.rate_hz`` is set to the belt's."""

    scope: Scope = "machine"
    """How far the search reaches beyond ``peers``."""
    peers: tuple[Text, ...] = ()
    """Hosts that are asked by name."""
    session: LslSettings = LslSettings()


def build(settings: LslWire, context: DriverContext, clock: Clock) -> WithLibrary:
    """Return what makes the inlet, with the rate of the section it serves."""
    from hal.lsl.inlet import ConfinedInlet

    session = msgspec.structs.replace(settings.session, rate_hz=context.rate_hz)

    def make(hand_over: HandOver) -> LibraryDevice:
        return ConfinedInlet(
            context.device, session, settings.scope, settings.peers, clock, hand_over
        )

    return WithLibrary(make)


LSL = DriverRow(
    does="breathing belt on the Lab Streaming Layer",
    roles=(BELT,),
    settings=LslWire,
    wires=("lsl",),
    build=build,
    own_process=True,
)

"""The driver row of a couch on a PI hexapod."""

from __future__ import annotations

from hal.driver import ACTUATOR, AddressedSettings, Clock, DriverContext, DriverRow, OnWire
from hal.gcs.session import GcsSettings


class GcsWire(AddressedSettings, frozen=True, kw_only=True, tag="gcs"):
    """A couch on a PI hexapod."""

    session: GcsSettings = GcsSettings()


def build(settings: GcsWire, context: DriverContext, clock: Clock) -> OnWire:
    """Make the conversation."""
    from hal.gcs.session import GcsSession

    return OnWire(GcsSession(context.device, settings.session), settings.address)


GCS = DriverRow(
    does="couch on a PI hexapod (GCS 2.0)",
    roles=(ACTUATOR,),
    settings=GcsWire,
    wires=("tcp", "serial"),
    build=build,
)

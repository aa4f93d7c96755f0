"""The driver row of an X-ray imager that stores its pictures by DICOM."""

from __future__ import annotations

from hal.dicom.settings import DicomXrayWire
from hal.driver import IMAGER, Clock, DriverContext, DriverRow, Scheduling, WithThreads


def build(settings: DicomXrayWire, context: DriverContext, clock: Clock) -> WithThreads:
    """Make the receiver; raises `DeviceError` for a wrong address or calibration file."""
    from hal.dicom.storing_pair import storing_pair

    return WithThreads(storing_pair(settings, context, clock))


def scheduling(settings: DicomXrayWire) -> Scheduling:
    """Let every other process run first: a shot may take a moment longer."""
    return Scheduling(gives_way=True)


DICOM_XRAY = DriverRow(
    does="stereo X-ray imager that stores its pictures by DICOM",
    roles=(IMAGER,),
    settings=DicomXrayWire,
    wires=("dicom",),
    build=build,
    own_process=True,
    scheduling=scheduling,
    calibrated_as="xray",
)

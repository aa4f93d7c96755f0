"""List every twin, one row each; every driver of `hal.registry` has one."""

from __future__ import annotations

from sim.bev import BEV_UDP
from sim.bitalino import BITALINO
from sim.dicom import DICOM_XRAY
from sim.gcs import GCS
from sim.icom import ICOM
from sim.lsl import LSL
from sim.marker_cameras import GIGE_MARKERS, VIDEO_MARKERS
from sim.modbus import MODBUS
from sim.modbus_linac import MODBUS_LINAC
from sim.openigtlink import OPENIGTLINK
from sim.openigtlink_bev import OPENIGTLINK_BEV
from sim.openigtlink_linac import OPENIGTLINK_LINAC
from sim.polaris import POLARIS
from sim.rsi import RSI
from sim.twin import TwinTable
from sim.xray_panels import GIGE_XRAY

TWINS = TwinTable(
    (
        POLARIS,
        OPENIGTLINK,
        GIGE_MARKERS,
        VIDEO_MARKERS,
        BITALINO,
        LSL,
        GIGE_XRAY,
        DICOM_XRAY,
        RSI,
        GCS,
        MODBUS,
        BEV_UDP,
        OPENIGTLINK_LINAC,
        ICOM,
        MODBUS_LINAC,
        OPENIGTLINK_BEV,
    )
)

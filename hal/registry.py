"""List every device driver, one row each. A new driver is a folder in `hal` and a row here.

Importing this table imports no camera, picture or network library; a driver does so when it is
built. `sim.registry` holds the twin of each driver.
"""

from __future__ import annotations

from hal.bev.driver import BEV_UDP
from hal.bitalino.driver import BITALINO
from hal.dicom.driver import DICOM_XRAY
from hal.driver import DriverTable
from hal.gcs.driver import GCS
from hal.gige.driver import GIGE_MARKERS, GIGE_XRAY
from hal.icom.driver import ICOM
from hal.lsl.driver import LSL
from hal.modbus.driver import MODBUS, MODBUS_LINAC
from hal.openigtlink.driver import OPENIGTLINK, OPENIGTLINK_BEV, OPENIGTLINK_LINAC
from hal.polaris.driver import POLARIS
from hal.rsi.driver import RSI
from hal.video.driver import VIDEO_MARKERS

DRIVERS = DriverTable(
    (
        POLARIS,
        BITALINO,
        OPENIGTLINK,
        LSL,
        GIGE_MARKERS,
        VIDEO_MARKERS,
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

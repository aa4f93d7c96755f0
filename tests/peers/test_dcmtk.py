"""The C-STORE receiver against DCMTK's ``storescu`` and ``echoscu``."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="extra dicom is not installed")

from hal.dicom.codec import DicomSettings
from hal.dicom.receiver import DicomImager
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.imaging.xray_reader import XrayReader
from hal.messages import FiducialShot
from sim.radiograph import Exposure, Seed, expose_pair
from tests.hal.dicom.radiograph_file import radiograph, save
from tests.peers.peer_process import output_of

pytestmark = [pytest.mark.realtime, pytest.mark.peer]
VIEWS = nominal_pair(XrayGeometry(width_px=400, height_px=400))
PLANNED = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0))


@pytest.mark.asyncio
async def test_dcmtk_stores_a_pair_that_becomes_a_shot(tmp_path: Path) -> None:
    if shutil.which("storescu") is None:
        pytest.skip("storescu is not installed (apt dcmtk)")
    rng = np.random.default_rng(2)
    seeds = [Seed(np.array(p) + [1.0, 2.0, 3.0], rng.standard_normal(3)) for p in PLANNED]
    pictures = expose_pair(VIEWS, (seeds, seeds), Exposure(), rng)
    files = [
        str(save(radiograph(picture, side), tmp_path / f"{side}.dcm"))
        for picture, side in zip(pictures, ("LEFT", "RIGHT"), strict=True)
    ]
    samples: list = []
    reader = XrayReader("imager", FiducialFinder(VIEWS, PLANNED))
    device = DicomImager(
        DicomSettings(device="imager", port=0), reader, samples.append, lambda _: None
    )
    device.start()
    try:
        there = ("-aec", "TIDETRACK", "127.0.0.1", str(device.port))
        await output_of("echoscu", *there)
        said = await output_of("storescu", "-v", *there, *files)
        assert said.count("Success") >= 2, said
        end = time.monotonic() + 8.0
        while not samples and time.monotonic() < end:
            time.sleep(0.01)  # noqa: ASYNC251
    finally:
        device.stop()
    (shot,) = samples
    assert isinstance(shot, FiducialShot)
    assert np.array(shot.fiducials_mm) == pytest.approx(np.array(PLANNED) + [1, 2, 3], abs=0.3)

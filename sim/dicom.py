"""Simulate a DICOM imager: it exposes on its own schedule and sends both images by C-STORE.

It needs the extra ``dicom``. DICOM has no trigger: a real imager is triggered by its own console,
this one by the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import importlib
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from hal.addresses import host_and_port
from hal.dicom.settings import DicomXrayWire
from hal.events import Command, SendExpose
from hal.messages import FiducialShot, Sample
from sim.gige import Picture
from sim.twin import Alone, ServedTwin, TwinContext, TwinRequest, TwinRow
from sim.xray_panels import SIDES, Radiographs, radiographs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Storing:
    """The receiver of the images, the application titles, and the labels of both sides.

    ``every_s`` is its schedule, ``clock_ms`` its clock less this machine's.
    """

    host: str
    port: int
    called: str = "TIDETRACK"
    title: str = "TWIN"
    side_keyword: str = "DetectorID"
    labels: tuple[str, str] = ("LEFT", "RIGHT")
    every_s: float = 2.5
    clock_ms: float = 0.0


def radiograph(
    pixels: Picture, side: str, moment: str = "20261124101112.250000", **changes: object
) -> Any:
    """Return one side of a pair as a DICOM object; ``changes`` set, or ``None`` deletes."""
    dataset: Any = importlib.import_module("pydicom.dataset")
    uid: Any = importlib.import_module("pydicom.uid")
    meta = dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForProcessing
    meta.MediaStorageSOPInstanceUID = uid.generate_uid()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data = dataset.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = uid.generate_uid(), uid.generate_uid()
    data.PatientID, data.PatientName, data.Modality = "PHANTOM", "Phantom^Seeds", "DX"
    data.Manufacturer, data.ManufacturerModelName = "tidetrack", "Twin"
    data.DetectorID = side
    data.AcquisitionDateTime = moment
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    bits = pixels.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PhotometricInterpretation = "MONOCHROME1"
    data.PixelIntensityRelationship, data.PixelIntensityRelationshipSign = "LIN", 1
    data.PixelData = pixels.tobytes()
    for name, value in changes.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    return data


def moment_text(unix_ns: int) -> str:
    """Return a moment in DICOM's format, in UTC with its offset."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    whole = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y%m%d%H%M%S")
    return f"{whole}.{rest // 1000:06d}+0000"


class StoringImager:
    """Keeps the schedule in the event loop, and draws and stores images in a thread."""

    def __init__(
        self,
        device: str,
        radiographs: Radiographs,
        storing: Storing,
        clock: Callable[[], int],
        expose: Callable[[SendExpose], None],
    ) -> None:
        self._device = device
        self._radiographs = radiographs
        self._set = storing
        self._clock = clock
        self._expose = expose
        self._zero_ns = time.time_ns() - clock() + round(storing.clock_ms * 1e6)
        self.text = f"stores to {storing.called} at {storing.host}:{storing.port}"
        self.stored = self.refused = 0
        """The numbers of shots that the receiver accepted and that it refused."""
        self._queue: queue.Queue[FiducialShot | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="dicom-twin")
        self._thread.start()
        self._schedule = asyncio.get_running_loop().create_task(self._keep_exposing())

    def show(self, sample: Sample) -> None:
        """Send a shot that the room's imager has read out."""
        if isinstance(sample, FiducialShot):
            self._queue.put(sample)

    async def close(self) -> None:
        """Stop exposing and store the images that wait."""
        self._schedule.cancel()
        await asyncio.gather(self._schedule, return_exceptions=True)
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _keep_exposing(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(self._set.every_s)
            number += 1
            self._expose(SendExpose(self._clock(), self._device, number))

    def _run(self) -> None:
        while (shot := self._queue.get()) is not None:
            moment = moment_text(self._zero_ns + shot.ticks)
            objects: list[Any] = []
            for side, label in enumerate(self._set.labels):
                drawn = self._radiographs.expose(side, shot.fiducials_mm)
                data = radiograph(drawn, SIDES[side].upper(), moment)
                setattr(data, self._set.side_keyword, label)
                objects.append(data)
            if all(self._store(objects)):
                self.stored += 1
            else:
                self.refused += 1

    def _store(self, objects: list[Any]) -> list[bool]:
        library: Any = importlib.import_module("pynetdicom")
        entity = library.AE(ae_title=self._set.title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 5
        entity.add_requested_context(objects[0].SOPClassUID)
        there = entity.associate(self._set.host, self._set.port, ae_title=self._set.called)
        if not there.is_established:
            return [False]
        try:
            return [getattr(there.send_c_store(data), "Status", -1) == 0 for data in objects]
        finally:
            there.release()


def storing_of(settings: DicomXrayWire, every_s: float) -> Storing:
    """Return where and how an imager stores for a receiver with these settings."""
    host, port = host_and_port(settings.listen)
    return Storing(
        host=host,
        port=port,
        called=settings.ae_title,
        title=settings.callers[0] if settings.callers else "TWIN",
        side_keyword=settings.side_keyword,
        labels=(settings.left, settings.right),
        every_s=every_s,
        clock_ms=settings.clock_ms,
    )


@contextlib.asynccontextmanager
async def _opened(
    settings: DicomXrayWire,
    context: TwinContext,
    clock: Callable[[], int],
    obey: Callable[[Command], None],
) -> AsyncGenerator[ServedTwin, None]:
    storing = storing_of(settings, context.exposure_every_s)
    radiographs = radiographs_of(settings, context)
    imager = StoringImager(context.device, radiographs, storing, clock, obey)

    def summary() -> str:
        return f"imager: {imager.stored} shots stored, {imager.refused} refused"

    try:
        yield ServedTwin(imager.text, imager.show, summary)
    finally:
        await imager.close()


def _alone(request: TwinRequest) -> DicomXrayWire:
    port = request.port_only("dicom-xray", "pictures are stored by TCP", 11112)
    return DicomXrayWire(listen=f"127.0.0.1:{port}")


DICOM_XRAY = TwinRow(
    driver="dicom-xray",
    open=_opened,
    alone=Alone(
        name="dicom",
        does="X-ray imager that stores to that port",
        section="imager",
        settings=_alone,
    ),
)

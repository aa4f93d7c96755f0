"""A C-STORE service on its own threads: receives radiographs and hands over located shots.

Needs the extra ``dicom`` (pydicom, pynetdicom). The storing side gets success only for what
could be read; anything else is refused with a status and reported.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from typing import Any

from hal.dicom.codec import DicomSettings, decode
from hal.dicom.frames import MOST_FRAMES
from hal.dicom.session import PairCollector
from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command, LinkChanged, SendExpose
from hal.imaging.pairs import Pair
from hal.imaging.stereo_device import HandOver, Worker
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, Sample

SUCCESS, CANNOT_UNDERSTAND, NOT_AUTHORISED = 0x0000, 0xC000, 0x0124
ACCEPTED = (
    "ComputedRadiographyImageStorage",
    "DigitalXRayImageStorageForPresentation",
    "DigitalXRayImageStorageForProcessing",
    "EnhancedXAImageStorage",
    "EnhancedXRFImageStorage",
    "MultiFrameGrayscaleByteSecondaryCaptureImageStorage",
    "MultiFrameGrayscaleWordSecondaryCaptureImageStorage",
    "RTImageStorage",
    "SecondaryCaptureImageStorage",
    "XRayAngiographicImageStorage",
    "XRayRadiofluoroscopicImageStorage",
)

PLAIN: tuple[str, ...] = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
"""Explicit and implicit little endian, explicit big endian."""
COMPRESSED: tuple[str, ...] = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
)
"""RLE, JPEG lossless (first-order, any), JPEG-LS, JPEG 2000 lossless; then the lossy ones."""


def _pynetdicom() -> Any:
    try:
        import pynetdicom
    except ImportError as error:
        raise LinkError(
            "DICOM needs pynetdicom, which is not installed: pip install 'tidetrack[dicom]'"
        ) from error
    return pynetdicom


class DicomImager:
    """The stereo imager behind DICOM: pairs in by C-STORE, `FiducialShot` out to ``hand_over``."""

    def __init__(
        self,
        settings: DicomSettings,
        reader: XrayReader,
        hand_over: HandOver,
        changed: Callable[[LinkChanged], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.settings = settings
        self.port = settings.port
        self.peer = ""
        """Who stored last: its title, maker and model."""
        self._changed, self._clock, self._reader = changed, clock, reader
        self._pairs = PairCollector(settings)
        self._lock = threading.Lock()
        self.worker = Worker(settings.device, self._look, hand_over, clock, depth=MOST_FRAMES)
        self._entity: Any = None
        self._server: Any = None

    def start(self) -> None:
        """Listen; raises `LinkError` when the port cannot be had or the extra is missing."""
        library = _pynetdicom()
        entity = library.AE(ae_title=self.settings.ae_title)
        for name in ACCEPTED:
            uid = getattr(library.sop_class, name)
            entity.add_supported_context(uid, readable_syntaxes())
        entity.add_supported_context(library.sop_class.Verification)
        entity.require_called_aet = True
        if self.settings.callers:
            entity.require_calling_aet = list(self.settings.callers)
        try:
            self._server = entity.start_server(
                (self.settings.address, self.settings.port),
                block=False,
                evt_handlers=[
                    (library.evt.EVT_C_STORE, self._store),
                    (library.evt.EVT_REJECTED, self._rejected),
                    (library.evt.EVT_ACCEPTED, self._accepted),
                ],
            )
        except OSError as error:
            raise LinkError(f"DICOM port {self.settings.port}: {error}") from error
        self._entity = entity
        self.port = int(self._server.socket.getsockname()[1])
        self.worker.start()
        text = f"{self.settings.ae_title} listens on port {self.port}"
        self._changed(LinkChanged(self.settings.device, self._clock(), True, text))

    def stop(self) -> None:
        """End associations, the service and the worker."""
        if self._server is not None:
            for association in list(self._server.active_associations):
                association.abort()
            self._entity.shutdown()
            for association in list(self._server.active_associations):
                association.join(2.0)
            self._server = None
        self.worker.stop()

    def obey(self, command: Command, now_ns: int) -> None:
        """Remember the number of the shot; the imager's own console triggers the exposure."""
        if not isinstance(command, SendExpose):
            raise DeviceError(f"{self.settings.device}: an imager cannot {type(command).__name__}")
        with self._lock:
            self._pairs.expose(command.shot_id)

    @property
    def wake_ns(self) -> int | None:
        """When `wake` wants to be called, to give up a picture without partner."""
        return self._pairs.wake_ns

    def wake(self, now_ns: int) -> None:
        """Give up pictures that waited too long; called at `wake_ns` or later."""
        with self._lock:
            lost = self._pairs.wake(now_ns)
        for item in lost:
            self.worker.give(item)

    def _store(self, event: Any) -> int:
        """Handle one C-STORE request, in the association's thread."""
        now_ns = self._clock()
        try:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            pictures = decode(dataset, self.settings)
        except Exception as error:  # pydicom reads here what a stranger sent
            why = str(error) if isinstance(error, ProtocolError) else f"cannot be read ({error})"
            self._tell("DICOM object", f"from {_caller(event.assoc)}: {why}", now_ns)
            return CANNOT_UNDERSTAND
        self.peer = _who(event)
        with self._lock:
            ready = self._pairs.receive_all(pictures, now_ns)
        for item in ready:
            self.worker.give(item)
        return SUCCESS

    def _rejected(self, event: Any) -> None:
        """Tell the operator whom the service turned away, and why."""
        asked = event.assoc.requestor.primitive
        called, caller = str(asked.called_ae_title).strip(), str(asked.calling_ae_title).strip()
        if called != self.settings.ae_title:
            why = f"it calls {called!r}, this is {self.settings.ae_title!r} (ae_title)"
        elif self.settings.callers and caller not in self.settings.callers:
            why = f"only {', '.join(self.settings.callers)} may store here (callers)"
        else:
            why = f"reason {event.assoc.acceptor.primitive.diagnostic}, too many at once?"
        who = _caller(event.assoc)
        self._tell("DICOM association rejected", f"{who}: {why}", self._clock())

    def _accepted(self, event: Any) -> None:
        """Tell the operator where an accepted caller can store no radiograph, and why.

        Many callers offer every class there is; what else is turned down is not worth a word.
        """
        classes = _pynetdicom().sop_class
        radiographs = {getattr(classes, name) for name in ACCEPTED}
        taken = {context.abstract_syntax for context in event.assoc.accepted_contexts}
        refused = [c for c in event.assoc.rejected_contexts if c.abstract_syntax not in taken]
        wrong_form = [c for c in refused if c.abstract_syntax in radiographs]
        told = wrong_form or ([] if taken & radiographs else refused)
        if not told:
            return
        named = [
            f"{_name(c.abstract_syntax)} as {', '.join(_name(uid) for uid in c.transfer_syntax)}"
            for c in told[:3]
        ]
        more = f" and {len(told) - 3} more" if len(told) > 3 else ""
        what = f"{_caller(event.assoc)}: {'; '.join(named)}{more}: not read here"
        self._tell("DICOM contents rejected", what, self._clock())

    def _tell(self, what: str, value: str, now_ns: int) -> None:
        self.worker.give(BadSample(self.settings.device, now_ns, what, value))

    def _look(self, item: Pair | BadSample) -> list[Sample]:
        return [item] if isinstance(item, BadSample) else self._reader.read(item)


def readable_syntaxes() -> list[str]:
    """Return the transfer syntaxes that can be read: plain ones first, then those of decoders."""
    pixels: Any = importlib.import_module("pydicom.pixels")
    found: list[str] = list(PLAIN)
    for syntax in COMPRESSED:
        if pixels.get_decoder(syntax).is_available:
            found.append(syntax)
    return found


def _name(uid: Any) -> str:
    """Return the name of a class or transfer syntax, or its number where it has none."""
    return str(getattr(uid, "name", uid))


def _caller(association: Any) -> str:
    """Return who is at the other end of an association: its title and address."""
    requestor = association.requestor
    asked = requestor.primitive
    title = str(asked.calling_ae_title if asked is not None else requestor.ae_title).strip()
    return f"{title!r} at {requestor.address}"


def _who(event: Any) -> str:
    """Return what the storing side says of itself: title, maker, model."""
    keys = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber")
    words = [str(event.dataset.get(key, "") or "") for key in keys]
    return " ".join(filter(None, (str(event.assoc.requestor.ae_title), *words)))

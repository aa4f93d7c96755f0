"""Combine two cameras to one device: pictures come from their threads, samples leave a worker.

Image processing takes milliseconds, so it runs in a worker thread and never in the control loop.
When pictures come faster than they can be processed, the oldest is dropped and reported. The
cameras may be GigE, UVC, files or a DICOM receiver.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import cv2

from hal.errors import DeviceError
from hal.events import Command, SendExpose
from hal.imaging.image import Image
from hal.imaging.marker_camera import MarkerCamera
from hal.imaging.pairs import Pair, Pairing, ShotBook
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, Sample

HandOver = Callable[[Sample], None]
_DEPTH = 4
_MOST_BYTES = 256 * 1024 * 1024
"""Most bytes of pictures that wait, whatever the depth."""


class StereoCamera(Protocol):
    """What a stereo device needs of a camera."""

    def start(self) -> None:
        """Open it."""
        ...

    def stop(self) -> None:
        """Close it and wait until it is."""
        ...


class Triggered(StereoCamera, Protocol):
    """A camera that exposes when told to."""

    def expose(self, shot_id: int) -> None:
        """Pull the trigger."""
        ...


class Worker:
    """A thread that processes queued items, oldest first, and drops items when the queue is full.

    ``look`` turns one item into samples; ``hand_over`` is called from the worker's thread. An
    exception in ``look`` is a defect of the program: it is handed over as `BadSample` and kept in
    ``failure``. ``depth`` is how many items wait at most; a series arrives all at once.
    """

    def __init__(
        self,
        device: str,
        look: Callable[[Pair | BadSample], list[Sample]],
        hand_over: HandOver,
        clock: Callable[[], int],
        depth: int = _DEPTH,
    ) -> None:
        self.device = device
        self.dropped = 0
        self._depth = depth
        self.failure: Exception | None = None
        self._look, self._hand_over, self._clock = look, hand_over, clock
        self._queue: queue.Queue[Pair | BadSample | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name=f"look-{device}")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the present item and end the thread."""
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def give(self, item: Pair | BadSample) -> None:
        """Queue an item, from any thread."""
        if self._queue.qsize() >= self._depth or self._bytes_waiting() > _MOST_BYTES:
            try:
                lost = self._queue.get_nowait()
            except queue.Empty:
                lost = None
            if isinstance(lost, Pair):
                self.dropped += 1
                text = f"{self.dropped} so far, at most {self._depth} are kept waiting"
                self._queue.put(
                    BadSample(self.device, self._clock(), "pictures dropped unseen", text)
                )
            elif lost is not None:
                self._queue.put(lost)
        self._queue.put(item)

    def _bytes_waiting(self) -> int:
        """Return how many bytes of pictures wait."""
        pairs = [item for item in tuple(self._queue.queue) if isinstance(item, Pair)]
        return sum(pair.left.pixels.nbytes + pair.right.pixels.nbytes for pair in pairs)

    def _run(self) -> None:
        cv2.setNumThreads(1)
        while (item := self._queue.get()) is not None:
            try:
                samples = self._look(item)
            except Exception as error:
                self.failure = error
                text = f"{type(error).__name__}: {error}"
                samples = [BadSample(self.device, self._clock(), "picture analysis failed", text)]
            for sample in samples:
                self._hand_over(sample)


def _start(worker: Worker, cameras: Sequence[StereoCamera]) -> None:
    """Start the worker, then the cameras."""
    worker.start()
    for camera in cameras:
        camera.start()


def _stop(worker: Worker, cameras: Sequence[StereoCamera]) -> None:
    """Stop the cameras, then the worker."""
    for camera in cameras:
        camera.stop()
    worker.stop()


class MarkerDevice:
    """A stereo marker camera: both cameras call `on_image`, ``hand_over`` gets the samples."""

    def __init__(
        self,
        device: str,
        names: tuple[str, str],
        markers: MarkerCamera,
        apart_ms: float,
        hand_over: HandOver,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.device = device
        self._markers = markers
        self._pairing = Pairing(device, names[0], names[1], int(apart_ms * 1e6))
        self._lock = threading.Lock()
        self.worker = Worker(device, self._look, hand_over, clock)
        self._cameras: tuple[StereoCamera, ...] = ()

    def start(self, *cameras: StereoCamera) -> None:
        """Start the worker, then the cameras."""
        self._cameras = cameras
        _start(self.worker, cameras)

    def stop(self) -> None:
        """Stop the cameras, then the worker."""
        _stop(self.worker, self._cameras)

    def on_image(self, arrived: Image | BadSample) -> None:
        """Pair an image of a camera, or pass on its fault; called from the camera's thread."""
        if isinstance(arrived, BadSample):
            self.worker.give(_renamed(arrived, self.device))
            return
        with self._lock:
            ready = self._pairing.receive(arrived)
        for item in ready:
            self.worker.give(item)

    def obey(self, command: Command, now_ns: int) -> None:
        """Refuse every command: a marker camera takes none."""
        raise DeviceError(f"{self.device}: a marker camera cannot {type(command).__name__}")

    def _look(self, item: Pair | BadSample) -> list[Sample]:
        if isinstance(item, BadSample):
            return [item]
        return self._markers.locate(self.device, item.left, item.right)


class XrayDevice:
    """A software-triggered X-ray pair: one `SendExpose` in, one `FiducialShot` or its loss out."""

    def __init__(
        self,
        device: str,
        names: tuple[str, str],
        reader: XrayReader,
        hand_over: HandOver,
        clock: Callable[[], int] = time.monotonic_ns,
        answer_ms: float = 2000.0,
        skew_ms: float = 20.0,
    ) -> None:
        self.device = device
        self._reader, self._clock = reader, clock
        self._book = ShotBook(device, names[0], names[1], int(answer_ms * 1e6), int(skew_ms * 1e6))
        self._lock = threading.Lock()
        self.worker = Worker(device, self._look, hand_over, clock)
        self._cameras: tuple[Triggered, ...] = ()

    def start(self, *cameras: Triggered) -> None:
        """Start the worker, then the cameras: those that have a trigger, left first."""
        self._cameras = cameras
        _start(self.worker, cameras)

    def stop(self) -> None:
        """Stop the cameras, then the worker."""
        _stop(self.worker, self._cameras)

    @property
    def wake_ns(self) -> int | None:
        """When `wake` wants to be called, to give an unanswered shot up."""
        return self._book.wake_ns

    def wake(self, now_ns: int) -> None:
        """Give up a shot that was not answered in time; called at `wake_ns` or later."""
        with self._lock:
            lost = self._book.wake(now_ns)
        for item in lost:
            self.worker.give(item)

    def obey(self, command: Command, now_ns: int) -> None:
        """Expose both sides; raises `DeviceError` when a side cannot."""
        if not isinstance(command, SendExpose):
            raise DeviceError(f"{self.device}: an imager cannot {type(command).__name__}")
        with self._lock:
            lost = self._book.expose(command.shot_id, now_ns)
        for item in lost:
            self.worker.give(item)
        try:
            for camera in self._cameras:
                camera.expose(command.shot_id)
        except DeviceError as error:
            with self._lock:
                lost = self._book.spoil(now_ns, str(error))
            for item in lost:
                self.worker.give(item)
            raise

    def on_image(self, arrived: Image | BadSample) -> None:
        """Pair an image of an imager, or pass on its fault; called from the imager's thread."""
        with self._lock:
            if isinstance(arrived, BadSample):
                items: list[Pair | BadSample] = [_renamed(arrived, self.device)]
                if arrived.what in ("incomplete frame", "inconsistent frame"):
                    items += self._book.spoil(arrived.t_ns, f"{arrived.device}: {arrived.value}")
            else:
                items = list(self._book.receive(arrived))
        for item in items:
            self.worker.give(item)

    def _look(self, item: Pair | BadSample) -> list[Sample]:
        return [item] if isinstance(item, BadSample) else self._reader.read(item)


def _renamed(sample: BadSample, device: str) -> BadSample:
    """Return a camera's bad sample in the name of the stereo device; its value names the camera."""
    return BadSample(device, sample.t_ns, sample.what, f"{sample.device}: {sample.value}")

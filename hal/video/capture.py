"""A camera behind ``cv2.VideoCapture``, on its own thread: UVC devices, files and URLs.

OpenCV gives no exposure time for live cameras, so ``ticks`` are the host's stamp when the frame
came; for files they are the frame's place in the file. The decoder may hold frames back:
measure the delay before trusting it, and prefer GigE Vision where time matters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from hal.events import LinkChanged
from hal.imaging.image import Image, Take
from hal.messages import BadSample
from hal.video.files import is_video_file

_PAUSES_S = (0.5, 1.0, 2.0, 5.0)


class VideoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to open and how: a number is a local camera, anything else a path or a URL.

    ``pace`` plays a file at its own speed (``real``) or as fast as it is taken (``free``).
    ``width_px``, ``height_px`` and ``rate_hz`` are asked of a live camera; 0 asks nothing.
    """

    device: str
    source: int | str
    pace: Literal["real", "free"] = "real"
    width_px: Annotated[int, Meta(ge=0, le=16_384)] = 0
    height_px: Annotated[int, Meta(ge=0, le=16_384)] = 0
    rate_hz: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    silence_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    again: bool = True
    """Open a lost source again; a file that ended is not lost."""


class VideoCamera:
    """Runs one source until `stop` or, for a file, its end."""

    def __init__(
        self,
        settings: VideoSettings,
        take: Take,
        changed: Callable[[LinkChanged], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.settings = settings
        self.frames = 0
        self._take, self._changed, self._clock = take, changed, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"video-{settings.device}")

    @property
    def is_file(self) -> bool:
        """Whether the source has an end."""
        return is_video_file(self.settings.source)

    def start(self) -> None:
        """Open the source; pictures and link changes come from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close the source and end the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a file's end; return whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            before = self.frames
            why = self._converse()
            if self._stopping.is_set():
                return
            self._changed(LinkChanged(self.settings.device, self._clock(), False, why))
            if why == "end of file" or not self.settings.again:
                return
            tries = 0 if self.frames > before else tries + 1
            self._stopping.wait(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])

    def _converse(self) -> str:
        """Run the source once; return why it ended."""
        capture = self._open()
        try:
            if not capture.isOpened():
                return f"{self.settings.source!r} cannot be opened as video"
            rate_hz = float(capture.get(cv2.CAP_PROP_FPS)) or 0.0
            self._changed(
                LinkChanged(self.settings.device, self._clock(), True, self._text(capture))
            )
            started_ns = self._clock()
            heard_ns = started_ns
            number = 0
            while not self._stopping.is_set():
                good, picture = capture.read()
                now_ns = self._clock()
                if not good:
                    if self.is_file:
                        return "end of file" if number else "no picture in the file"
                    if now_ns - heard_ns > self.settings.silence_s * 1e9:
                        return f"no picture for {self.settings.silence_s:g} s"
                    self._stopping.wait(0.005)
                    continue
                heard_ns = now_ns
                number += 1
                ticks = now_ns
                if self.is_file:
                    period_ns = 1e9 / rate_hz if 0.0 < rate_hz <= 1000.0 else 40e6
                    ticks = int((number - 1) * period_ns)
                    now_ns = self._paced(started_ns + ticks)
                self._deliver(np.asarray(picture), now_ns, number, ticks)
            return "stopped"
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        settings = self.settings
        capture = cv2.VideoCapture(settings.source)
        wanted = (
            (cv2.CAP_PROP_FRAME_WIDTH, float(settings.width_px)),
            (cv2.CAP_PROP_FRAME_HEIGHT, float(settings.height_px)),
            (cv2.CAP_PROP_FPS, settings.rate_hz),
        )
        for name, value in wanted:
            if value and not self.is_file:
                capture.set(name, value)
        return capture

    @staticmethod
    def _text(capture: cv2.VideoCapture) -> str:
        wide, high = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        rate = capture.get(cv2.CAP_PROP_FPS)
        return f"{capture.getBackendName()}, {wide:.0f} x {high:.0f} at {rate:g} Hz"

    def _paced(self, due_ns: int) -> int:
        """Wait for a file's next picture; return the moment."""
        now_ns = self._clock()
        if self.settings.pace == "real" and due_ns > now_ns:
            self._stopping.wait((due_ns - now_ns) / 1e9)
            now_ns = self._clock()
        return now_ns

    def _deliver(self, picture: np.ndarray, now_ns: int, number: int, ticks: int) -> None:
        device = self.settings.device
        if picture.ndim == 3 and picture.shape[2] == 3:
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        elif picture.ndim == 3 and picture.shape[2] == 1:
            picture = picture[:, :, 0]
        if picture.ndim != 2 or picture.dtype.name not in ("uint8", "uint16"):
            text = f"shape {picture.shape}, type {picture.dtype}: grey or colour of 8 bits expected"
            self._take(BadSample(device, now_ns, "picture of a kind not read", text))
            return
        self.frames += 1
        self._take(Image(device, now_ns, number, ticks, picture))

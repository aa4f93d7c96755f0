"""The stereo marker camera on the wire: what the room's camera saw, drawn and sent as pictures.

Two outlets for the same pictures: GigE Vision cameras, and a web server of motion JPEG as network
cameras have it. The loop owns the room; a thread draws, so that no picture delays another twin.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import cv2

from hal.imaging.camera_settings import StereoGeometry
from hal.imaging.stereo_geometry import stereo_views
from hal.messages import MarkerFrame, Sample
from sim.gige import FedCamera, GigeTwinServer, Picture
from sim.scene import DiscPictures

SIDES = ("left", "right")
_WAITING = 8
"""Frames that may wait to be drawn; more are lost, as in a camera that cannot keep up."""
_JPEG_QUALITY = 95


class PictureOutlet(Protocol):
    """Where the pictures go."""

    @property
    def text(self) -> str:
        """Where it is, for people."""
        ...

    def send(self, side: int, pixels: Picture, frame: MarkerFrame) -> None:
        """One side's picture of a frame."""
        ...

    def close(self) -> None:
        """Send no more."""
        ...


class MarkerCameras:
    """Draws every `MarkerFrame` it is shown and sends both pictures, in order."""

    def __init__(
        self, geometry: StereoGeometry, diameter_mm: float, seed: int, outlet: PictureOutlet
    ) -> None:
        self._pictures = DiscPictures(stereo_views(geometry), diameter_mm, seed)
        self._outlet = outlet
        self._queue: queue.Queue[MarkerFrame | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="marker-cameras")
        self._thread.start()

    @property
    def text(self) -> str:
        """Where the pictures are."""
        return self._outlet.text

    def show(self, sample: Sample) -> None:
        """The room's camera exposed."""
        if isinstance(sample, MarkerFrame) and self._queue.qsize() < _WAITING:
            self._queue.put(sample)

    def close(self) -> None:
        """Draw what waits and end."""
        self._queue.put(None)
        self._thread.join()
        self._outlet.close()

    def _run(self) -> None:
        while (frame := self._queue.get()) is not None:
            for side in range(2):
                self._outlet.send(side, self._pictures.draw(side, frame.markers_mm), frame)


class GigeOutlet:
    """Two GigE Vision cameras; the frame's number is that of the room's camera."""

    def __init__(
        self,
        geometry: StereoGeometry,
        places: tuple[tuple[str, int], tuple[str, int]],
        clock: Callable[[], int],
    ) -> None:
        size = (geometry.width_px, geometry.height_px)
        self._twins = [FedCamera(size, f"CAMERA-{side.upper()}") for side in SIDES]
        self._servers: list[GigeTwinServer] = []
        for twin, (host, port) in zip(self._twins, places, strict=True):
            self._servers.append(GigeTwinServer(twin, host, port, clock))
        self.text = "gige " + " and ".join(
            f"{host}:{server.port}" for (host, _), server in zip(places, self._servers, strict=True)
        )

    def send(self, side: int, pixels: Picture, frame: MarkerFrame) -> None:
        """Have the camera send it."""
        self._twins[side].develop(pixels, frame.t_ns, frame.ticks)
        self._servers[side].ring()

    def close(self) -> None:
        """Leave the wires."""
        for server in self._servers:
            server.stop()


class VideoOutlet:
    """Motion JPEG at ``http://host:port/left.mjpg`` and ``/right.mjpg``."""

    def __init__(self, place: tuple[str, int]) -> None:
        self._news = threading.Condition()
        self._newest: dict[str, tuple[int, bytes]] = dict.fromkeys(SIDES, (0, b""))
        self._ended = False
        self._server = ThreadingHTTPServer(place, _page_of(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="video-twin"
        )
        self._thread.start()
        host, port = self._server.server_address[:2]
        self.text = f"http://{host}:{port}/left.mjpg and /right.mjpg"

    def send(self, side: int, pixels: Picture, frame: MarkerFrame) -> None:
        """Give whoever watches the side its newest picture."""
        good, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not good:
            raise ValueError(f"picture of {pixels.shape}: no JPEG can be made of it")
        with self._news:
            name = SIDES[side]
            self._newest[name] = (self._newest[name][0] + 1, jpeg.tobytes())
            self._news.notify_all()

    def close(self) -> None:
        """End every watcher's stream, then the server."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def after(self, name: str, number: int) -> tuple[int, bytes]:
        """Wait for a picture newer than ``number``; no bytes once it is over."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._newest[name][0] > number)
            return (number, b"") if self._ended else self._newest[name]


def _page_of(outlet: VideoOutlet) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        """One watcher of one side."""

        def do_GET(self) -> None:
            """Send pictures for as long as somebody watches."""
            name = self.path.strip("/").removesuffix(".mjpg")
            if name not in SIDES:
                self.send_error(404, "left.mjpg or right.mjpg")
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            number, jpeg = outlet.after(name, 0)
            try:
                while jpeg:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
                    number, jpeg = outlet.after(name, number)
            except OSError:
                return  # the watcher has gone

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Write nothing about a request to the terminal."""

        def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Write nothing about a refused request; the client reads its status code."""

    return Page

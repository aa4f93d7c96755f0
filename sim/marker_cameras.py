"""Draw what the room's marker camera saw, and send it as pictures over a real wire.

Two outlets for the same pictures: GigE Vision cameras, and a web server of motion JPEG as network
cameras have it. The loop owns the room; a thread draws, so that no picture delays another twin.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import urlsplit

import cv2
import msgspec

from hal.addresses import host_and_port
from hal.events import Command
from hal.gige.settings import GigeMarkersWire
from hal.imaging.camera_settings import MarkerSettings, StereoGeometry
from hal.imaging.stereo_geometry import stereo_views
from hal.imaging.stereo_wires import StereoMarkersWire
from hal.messages import MarkerFrame, Sample
from hal.video.settings import VideoMarkersWire
from sim.gige import FedCamera, GigeTwinServer, Picture
from sim.scenario import RoomCamera, RoomScenario
from sim.scene import DiscPictures
from sim.twin import Alone, ServedTwin, TwinContext, TwinRequest, TwinRow, marker_problem

SIDES = ("left", "right")
_WAITING = 8
"""The number of frames that may wait to be drawn; further frames are lost."""
_JPEG_QUALITY = 95


class PictureOutlet(Protocol):
    """An outlet to which the pictures are sent."""

    @property
    def text(self) -> str:
        """The address, in words for a person."""
        ...

    def send(self, side: int, pixels: Picture, frame: MarkerFrame) -> None:
        """Send one side's picture of a frame."""
        ...

    def close(self) -> None:
        """Stop sending."""
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
        """The address of the pictures, in words for a person."""
        return self._outlet.text

    def show(self, sample: Sample) -> None:
        """Queue a frame that the room's camera exposed."""
        if isinstance(sample, MarkerFrame) and self._queue.qsize() < _WAITING:
            self._queue.put(sample)

    def close(self) -> None:
        """Draw the frames that wait, then stop."""
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
        """Give the picture to the camera of its side, which sends it."""
        self._twins[side].develop(pixels, frame.t_ns, frame.ticks)
        self._servers[side].ring()

    def close(self) -> None:
        """Stop the cameras and close their sockets."""
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
        """Give the newest picture of a side to every client that reads it."""
        good, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not good:
            raise ValueError(f"picture of {pixels.shape}: no JPEG can be made of it")
        with self._news:
            name = SIDES[side]
            self._newest[name] = (self._newest[name][0] + 1, jpeg.tobytes())
            self._news.notify_all()

    def close(self) -> None:
        """End the stream of every client, then the server."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def after(self, name: str, number: int) -> tuple[int, bytes]:
        """Wait for a picture newer than ``number``; return no bytes after the end."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._newest[name][0] > number)
            return (number, b"") if self._ended else self._newest[name]


def _page_of(outlet: VideoOutlet) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        """The stream of one side to one client."""

        def do_GET(self) -> None:
            """Send pictures until the client disconnects."""
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
                return  # the client has disconnected

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Write nothing about a request to the terminal."""

        def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Write nothing about a refused request; the client reads its status code."""

    return Page


DISC_MM = 12.0
"""Diameter of the discs on the patient's chest."""
OVERHEAD = RoomCamera(rate_hz=30.0, position_mm=(0.0, 0.0, 1600.0))
"""The position of a stereo camera: above the chest, looking down."""
VIDEO_PATHS = ("/left.mjpg", "/right.mjpg")


@contextlib.asynccontextmanager
async def _drawn(
    settings: StereoMarkersWire, context: TwinContext, outlet: PictureOutlet
) -> AsyncGenerator[ServedTwin, None]:
    """Serve the discs as both cameras of the geometry see them, until the context ends."""
    cameras = MarkerCameras(settings.geometry, DISC_MM, context.seed, outlet)
    try:
        yield ServedTwin(cameras.text, cameras.show)
    finally:
        await asyncio.to_thread(cameras.close)


@contextlib.asynccontextmanager
async def _gige_opened(
    settings: GigeMarkersWire,
    context: TwinContext,
    clock: Callable[[], int],
    obey: Callable[[Command], None],
) -> AsyncGenerator[ServedTwin, None]:
    places = (host_and_port(settings.left), host_and_port(settings.right))
    outlet = GigeOutlet(settings.geometry, places, clock)
    async with _drawn(settings, context, outlet) as served:
        yield served


@contextlib.asynccontextmanager
async def _video_opened(
    settings: VideoMarkersWire,
    context: TwinContext,
    clock: Callable[[], int],
    obey: Callable[[Command], None],
) -> AsyncGenerator[ServedTwin, None]:
    outlet = VideoOutlet(host_and_port(urlsplit(str(settings.left)).netloc))
    async with _drawn(settings, context, outlet) as served:
        yield served


def _marker_problem(settings: StereoMarkersWire, context: TwinContext) -> str:
    count = len(settings.markers.arrangement_mm)
    return marker_problem("markers.arrangement_mm", count, context)


def _video_problem(settings: VideoMarkersWire, context: TwinContext) -> str:
    left, right = urlsplit(str(settings.left)), urlsplit(str(settings.right))
    paths = (left.path, right.path)
    if left.scheme != "http" or left.netloc != right.netloc or paths != VIDEO_PATHS:
        return (
            "left: a room serves http://host:port/left.mjpg and /right.mjpg of one host; "
            "change left and right"
        )
    return _marker_problem(settings, context)


def _gige_alone(request: TwinRequest) -> GigeMarkersWire:
    port = request.port_only("gige-markers", "cameras are on UDP", 3956)
    left, right = f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"
    return GigeMarkersWire(left=left, right=right, markers=MarkerSettings())


def _video_alone(request: TwinRequest) -> VideoMarkersWire:
    port = request.port_only("video-markers", "pictures are on TCP", 8081)
    left, right = (f"http://127.0.0.1:{port}{path}" for path in VIDEO_PATHS)
    return VideoMarkersWire(left=left, right=right, markers=MarkerSettings())


def _overhead(room: RoomScenario) -> RoomScenario:
    return msgspec.structs.replace(room, camera=OVERHEAD)


GIGE_MARKERS = TwinRow(
    driver="gige-markers",
    open=_gige_opened,
    problem=_marker_problem,
    alone=Alone(
        name="markers",
        does="stereo marker camera on GigE Vision",
        section="camera",
        settings=_gige_alone,
        furnish=_overhead,
    ),
)

VIDEO_MARKERS = TwinRow(
    driver="video-markers",
    open=_video_opened,
    problem=_video_problem,
    alone=Alone(
        name="video",
        does="the same as motion JPEG over HTTP",
        section="camera",
        settings=_video_alone,
        furnish=_overhead,
    ),
)

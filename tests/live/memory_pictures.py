"""Pictures in memory: the X-ray pair, and the stereo marker camera on GigE Vision, without threads.

Drawn by the twins' scenes, carried in packets where the wire matters, put together, paired and
read by the drivers' own parts; only the sockets and threads between them are left out.
"""

from __future__ import annotations

from hal.errors import DeviceError, LinkError
from hal.events import Command, Event, LinkChanged, SendExpose
from hal.gige.reassembly import GvspFrame, Reassembly
from hal.gige.session import GigeSession, GigeSettings
from hal.imaging.camera_settings import MarkerSettings, StereoGeometry
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.image import Image
from hal.imaging.marker_camera import MarkerCamera
from hal.imaging.pairs import Pair, Pairing, ShotBook
from hal.imaging.stereo_geometry import stereo_views
from hal.imaging.xray_geometry import XrayGeometry
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, FiducialShot, MarkerFrame, Sample, Triple
from sim.back_to_back import MS
from sim.gige import FedCamera
from sim.scene import DiscPictures
from sim.xray_panels import Radiographs

SIDES = ("left", "right")


class Panels:
    """The X-ray pair: radiographs drawn of the room's shots, paired by request, read."""

    def __init__(self, device: str, planned_mm: tuple[Triple, ...], seeds: int) -> None:
        geometry = XrayGeometry(width_px=512, height_px=512)
        self._radiographs = Radiographs(geometry, seeds + 1, seed=1)
        self._book = ShotBook(device, *SIDES, 2_000 * MS, 60 * MS)
        self._reader = XrayReader(device, FiducialFinder(self._radiographs.views, planned_mm))
        self.lost: set[int] = set()
        """Sides whose picture never becomes whole."""
        self.skew_ns = 0
        """How much later than the left picture the right one is there."""
        self.altered = lambda places: places
        """What is really in the patient, of what the room says is."""

    def expose(self, command: SendExpose, now_ns: int) -> list[Event]:
        """The trigger is pulled."""
        return [*self._book.expose(command.shot_id, now_ns)]

    def wake(self, now_ns: int) -> list[Event]:
        """Give up what was not answered in time."""
        return [*self._book.wake(now_ns)]

    def show(self, shot: FiducialShot) -> list[Event]:
        """The room has exposed: what the driver makes of the pictures."""
        out: list[Event] = []
        places = self.altered(shot.fiducials_mm)
        for side, name in enumerate(SIDES):
            at_ns = shot.t_ns + side * self.skew_ns
            if side in self.lost:
                out.append(BadSample(self._book.device, at_ns, "incomplete frame", name))
                out += self._book.spoil(at_ns, f"{name}: packets 3 to 9 never came")
                continue
            pixels = self._radiographs.expose(side, places)
            for found in self._book.receive(Image(name, at_ns, shot.shot_id, shot.ticks, pixels)):
                out += self._reader.read(found) if isinstance(found, Pair) else [found]
        return out


class _Camera:
    """One GigE camera: control and stream, driver's end and twin's."""

    def __init__(self, name: str, size_px: tuple[int, int], now_ns: int) -> None:
        self.twin = FedCamera(size_px, name)
        settings = GigeSettings(
            device=name, host="127.0.0.1", heartbeat_ms=500, features={"PixelFormat": "Mono8"}
        )
        self.session = GigeSession(settings, ("127.0.0.1", 50_000))
        self.pictures: Reassembly | None = None
        self.up = False
        self.why = ""
        self._open_ns = now_ns

    def run(self, now_ns: int) -> list[GvspFrame | BadSample]:
        """All that is due now, both ways."""
        if not self.up and now_ns >= self._open_ns and self.session.phase == "closed":
            self.session.begin(now_ns)
        try:
            if self.session.wake_ns is not None and self.session.wake_ns <= now_ns:
                self.session.wake(now_ns)
            self._control(now_ns)
        except (LinkError, DeviceError) as error:
            self.up, self.pictures, self.why = False, None, str(error)
            self.session.phase = "closed"
            self._open_ns = now_ns + 100 * MS
        if self.session.ready and self.pictures is None:
            self.pictures = Reassembly(self.session.settings.device, 1400, 1_000_000_000)
            self.up = True
        wake_ns = self.twin.wake_ns
        if wake_ns is not None and wake_ns <= now_ns:
            self.twin.wake(now_ns)
        return self._stream(now_ns)

    def _control(self, now_ns: int) -> None:
        while data := self.session.data_to_send():
            reply = self.twin.receive(data, now_ns)
            if reply:
                self.session.receive(reply, now_ns)

    def _stream(self, now_ns: int) -> list[GvspFrame | BadSample]:
        packets, self.twin.stream = self.twin.stream, []
        pictures = self.pictures
        if pictures is None or not self.twin.running:
            return []
        out: list[GvspFrame | BadSample] = []
        for packet in packets:
            out += pictures.receive(packet, now_ns)
        if pictures.wake_ns is not None and pictures.wake_ns <= now_ns:
            out += pictures.wake(now_ns)
        for wanted in pictures.wanted:
            self.session.resend(wanted)
        pictures.wanted.clear()
        return out


class Eyes:
    """The stereo marker camera as a joint of the memory room; see `tests.live.memory_room.Joint`.

    ``markers_mm`` are where the discs are now, in the left camera's frame.
    """

    def __init__(self, device: str, markers_mm: tuple[Triple, ...], now_ns: int) -> None:
        self.device = device
        self.up = True
        distance = sum(place[2] for place in markers_mm) / len(markers_mm)
        geometry = StereoGeometry(distance_mm=distance)
        views = stereo_views(geometry)
        size = (geometry.width_px, geometry.height_px)
        self.cameras = [_Camera(f"{device}-{side}", size, now_ns) for side in SIDES]
        self._drawing = DiscPictures(views, 12.0, seed=1)
        self._finder = MarkerCamera(views, MarkerSettings(arrangement_mm=markers_mm))
        self._pairing = Pairing(device, f"{device}-left", f"{device}-right", 8 * MS)
        self._now_ns = now_ns

    def show(self, sample: Sample, now_ns: int) -> None:
        """Both cameras expose."""
        if isinstance(sample, MarkerFrame):
            for side, camera in enumerate(self.cameras):
                pixels = self._drawing.draw(side, sample.markers_mm)
                camera.twin.develop(pixels, sample.t_ns, sample.ticks)

    def run(self, until_ns: int) -> list[Event]:
        """Go on to a moment, a millisecond at a time."""
        out: list[Event] = []
        while self._now_ns < until_ns:
            self._now_ns = min(self._now_ns + MS, until_ns)
            for camera in self.cameras:
                for found in camera.run(self._now_ns):
                    out += self._taken(camera, found)
        up = all(camera.up for camera in self.cameras)
        if up != self.up:
            self.up = up
            why = "; ".join(camera.why for camera in self.cameras if camera.why)
            out.append(LinkChanged(self.device, until_ns, up, why))
        return out

    def _taken(self, camera: _Camera, found: GvspFrame | BadSample) -> list[Event]:
        if isinstance(found, BadSample):
            return [BadSample(self.device, found.t_ns, found.what, found.value)]
        name = camera.session.settings.device
        image = Image(name, found.t_ns, found.number, found.timestamp, found.pixels)
        out: list[Event] = []
        for pair in self._pairing.receive(image):
            one = isinstance(pair, BadSample)
            out += [pair] if one else self._finder.locate(self.device, pair.left, pair.right)
        return out

    def asked(self) -> list[Command]:
        """A camera asks nothing of the room."""
        return []

    def obey(self, command: Command, now_ns: int) -> None:
        """A camera obeys nothing."""
        raise DeviceError(f"{self.device}: a camera cannot obey {type(command).__name__}")

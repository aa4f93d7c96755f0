"""The GigE Vision client against Aravis: its fake camera, its losses, and scenes of our own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hal.clock import HostClock
from hal.events import LinkChanged, SendExpose
from hal.gige.camera import GigeCamera, discover
from hal.gige.multipart import Part
from hal.gige.packets import MONO8
from hal.gige.session import GigeSettings
from hal.imaging.camera_settings import DiscLook
from hal.imaging.image import Image
from hal.imaging.markers import find_discs
from hal.messages import BadSample
from sim.gige import GigeTwin, GigeTwinServer
from sim.scene import Light, discs, stereo_camera
from tests.peers.peer_process import CLIENTS

pytestmark = [pytest.mark.realtime, pytest.mark.peer]
PROGRAM = "arv-fake-gv-camera-0.8"
SYSTEM_PYTHON = "/usr/bin/python3"


def until(condition: Callable[[], bool], within_s: float = 15.0) -> bool:
    end = time.monotonic() + within_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@contextmanager
def fake_camera(serial: str, lost_per_mille: int = 0) -> Iterator[None]:
    """Aravis's camera on its fixed port 3956."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed (apt aravis-tools)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", 3956))
        except OSError:
            pytest.skip("port 3956 is taken: another GigE Vision camera runs here")
    process = subprocess.Popen(
        [PROGRAM, "-i", "127.0.0.1", "-s", serial, "-r", str(lost_per_mille)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert until(lambda: bool(discover(("127.0.0.1",), 0.1)))
        yield
    finally:
        process.kill()
        process.wait()


class Taken:
    """Runs a camera and keeps what it hands over."""

    def __init__(self, **changes) -> None:
        self.images: list[Image] = []
        self.bad: list[BadSample] = []
        self.links: list[LinkChanged] = []
        self.clock = HostClock()
        self.camera = GigeCamera(
            GigeSettings(device="camera", host="127.0.0.1", **changes),
            self._take,
            self.links.append,
            self.clock,
        )

    def _take(self, item: Image | BadSample) -> None:
        if isinstance(item, BadSample):
            self.bad.append(item)
        else:
            self.images.append(item)

    def __enter__(self) -> Taken:
        self.camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.camera.stop()


FEATURES = {
    "Width": 512,
    "Height": 512,
    "PixelFormat": "Mono8",
    "AcquisitionFrameRate": 50.0,
}


@pytest.mark.parametrize("packet_bytes", [1400, 9000])
def test_pictures_of_aravis_arrive_whole(packet_bytes: int) -> None:
    """A busy machine drops packets and Aravis never sends them again: such a picture is refused."""
    with fake_camera("SN1"):
        (identity,) = discover(("127.0.0.1",), 0.2)
        assert (identity.vendor, identity.serial) == ("Aravis", "SN1")
        with Taken(serial="SN1", packet_bytes=packet_bytes, features=FEATURES) as taken:
            assert until(lambda: len(taken.images) >= 60)
        assert {bad.what for bad in taken.bad} <= {"incomplete frame"}
        assert all(_is_whole(image) for image in taken.images)
        numbers = np.diff([image.number for image in taken.images])
        assert np.all(numbers >= 1)
        assert np.median(numbers) == 1
        pace = np.diff([image.ticks for image in taken.images]) / np.maximum(numbers, 1)
        assert np.median(pace) == pytest.approx(20e6, rel=0.1)


def _is_whole(image: Image) -> bool:
    """Say whether a picture holds Aravis' diagonal bands; a hole is a step of the wrong size."""
    steps = np.diff(image.pixels.astype(np.int16), axis=1) % 256
    return image.pixels.shape == (512, 512) and bool(np.isin(steps, (0, 1, 2, 255)).all())


def test_pictures_with_lost_packets_never_pass_for_whole() -> None:
    """Aravis's camera does not send packets again; what is lost must be reported."""
    with (
        fake_camera("SN2", lost_per_mille=5),
        Taken(packet_bytes=1400, features=FEATURES) as taken,
    ):
        assert until(lambda: len(taken.bad) >= 20 and len(taken.images) >= 5)
    assert {bad.what for bad in taken.bad} == {"incomplete frame"}
    assert all(_is_whole(image) for image in taken.images)


def test_the_software_trigger_takes_pictures_one_by_one() -> None:
    features = {**FEATURES, "TriggerMode": "On", "TriggerSource": "Software"}
    with fake_camera("SN3"), Taken(packet_bytes=9000, features=features) as taken:
        assert until(lambda: any(link.up for link in taken.links))
        for shot in (1, 2, 3):
            taken.camera.expose(SendExpose(0, "camera", shot).shot_id)
            assert until(lambda n=shot: len(taken.images) >= n)
        time.sleep(0.2)
        assert len(taken.images) == 3


def test_a_camera_that_dies_is_reported() -> None:
    with Taken(packet_bytes=9000, heartbeat_ms=500, features=FEATURES) as taken:
        with fake_camera("SN4"):
            assert until(lambda: len(taken.images) >= 5)
        assert until(lambda: bool(taken.links) and not taken.links[-1].up)


def need_aravis_for_python() -> None:
    check = [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('Aravis', '0.8')"]
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run(check, capture_output=True, check=False).returncode
    ):
        pytest.skip("Aravis for Python is not installed (apt gir1.2-aravis-0.8 python3-gi)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", 3956))
        except OSError:
            pytest.skip("port 3956 is taken: another GigE Vision camera runs here")


def test_our_scene_through_aravis_shows_its_markers_where_they_are(tmp_path: Path) -> None:
    need_aravis_for_python()
    view = stereo_camera(focal_px=640.0, size_px=(512, 512))[0]
    markers = np.array([[0.0, 0.0, 1200.0], [90.0, 20.0, 1200.0], [-70.0, -60.0, 1190.0]])
    rng = np.random.default_rng(5)
    picture = discs(view, markers, np.array([0.0, 0.1, -1.0]), 14.0, Light(), rng)
    file = tmp_path / "scene.raw"
    file.write_bytes(picture.tobytes())
    settings = {"picture": str(file), "width": 512, "height": 512, "serial": "SCENE"}
    process = subprocess.Popen(
        [SYSTEM_PYTHON, str(CLIENTS / "aravis_scenes.py"), json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "READY"
        with Taken(serial="SCENE", packet_bytes=9000, features=FEATURES) as taken:
            assert until(lambda: len(taken.images) >= 20)
    finally:
        process.communicate()
    assert np.array_equal(taken.images[-1].pixels, picture)
    spots = find_discs(taken.images[-1].pixels, DiscLook()).places_px
    gaps = np.linalg.norm(view.project(markers)[:, None] - spots[None], axis=2)
    assert gaps.min(axis=1).max() < 0.1


def test_aravis_and_the_driver_read_the_same_parts_of_our_camera() -> None:
    """Aravis knows the layout of payloads of several parts independently of this project."""
    need_aravis_for_python()
    picture = (np.arange(64 * 48) % 251).astype(np.uint8).reshape(48, 64)
    depth, confidence = bytes(range(256)) * 24, bytes(reversed(range(256))) * 12
    twin = GigeTwin(lambda now_ns: picture, (64, 48), serial="PARTS")
    twin.further_parts = (
        (Part(5, len(depth), 0x0110_00B8, 0, 4, 64, 48), depth),
        (Part(9, len(confidence), MONO8, 0, 6, 64, 48), confidence),
    )
    with GigeTwinServer(twin, port=3956):
        wanted = json.dumps({"bytes": 64 * 48 * 4, "pictures": 2})
        client = [SYSTEM_PYTHON, str(CLIENTS / "aravis_parts.py"), wanted]
        said = subprocess.run(client, capture_output=True, text=True, timeout=60, check=True)
        features = {"Width": 64, "Height": 48}
        with Taken(serial="PARTS", packet_bytes=1400, features=features) as taken:
            assert until(lambda: len(taken.images) >= 2)
    told = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(told) == 2
    for parts in told:
        assert [(part["type"], part["component"]) for part in parts] == [(1, 1), (5, 4), (9, 6)]
        assert all((part["width"], part["height"]) == (64, 48) for part in parts)
        contents = [bytes.fromhex(part["hex"]) for part in parts]
        assert contents == [picture.tobytes(), depth, confidence]
    assert taken.bad == []
    assert np.array_equal(taken.images[-1].pixels, picture)

"""The camera's thread and the twin's over loopback: pictures, losses, reconnection, triggers."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from hal.clock import HostClock
from hal.errors import DeviceError
from hal.events import LinkChanged, SendExpose
from hal.gige.camera import RECEIVE_BUFFER_BYTES, GigeCamera, discover
from hal.gige.session import GigeSettings
from hal.imaging.camera_settings import MarkerSettings
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.image import Image
from hal.imaging.marker_camera import MarkerCamera
from hal.imaging.stereo_device import MarkerDevice, XrayDevice
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, FiducialShot, MarkerFrame
from sim.gige import GigeTwin, GigeTwinServer
from sim.radiograph import Exposure, Seed, expose_pair
from sim.scene import Light, discs, stereo_camera

PICTURE = np.random.default_rng(0).integers(0, 255, (240, 320), dtype=np.uint8)


def until(condition, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


class Taken:
    """Everything a camera handed over."""

    def __init__(self) -> None:
        self.images: list[Image] = []
        self.bad: list[BadSample] = []
        self.links: list[LinkChanged] = []

    def on_image(self, item: Image | BadSample) -> None:
        (self.images if isinstance(item, Image) else self.bad).append(item)  # pyright: ignore[reportArgumentType]


def settings(server: GigeTwinServer, device: str = "camera", **changes) -> GigeSettings:
    start = {"packet_bytes": 1400, "features": {"AcquisitionFrameRate": 60.0}}
    return GigeSettings(device=device, host="127.0.0.1", port=server.port, **{**start, **changes})


def test_pictures_come_over_the_wire_as_they_are_with_losses_made_good() -> None:
    twin = GigeTwin(
        lambda _: PICTURE, (320, 240), lose=lambda block, number: (block * 61 + number) % 40 == 0
    )
    taken = Taken()
    with GigeTwinServer(twin) as server:
        camera = GigeCamera(settings(server), taken.on_image, taken.links.append, HostClock())
        camera.start()
        try:
            until(lambda: len(taken.images) >= 40)
        finally:
            camera.stop()
        until(lambda: not twin.registers[0x0A00])  # control is given back
    # On a busy machine a resend may come too late. Each such picture must be reported.
    assert {bad.what for bad in taken.bad} <= {"incomplete frame"}
    assert camera.resent >= 20
    assert camera.buffer_bytes >= RECEIVE_BUFFER_BYTES or camera.buffer_bytes > 200_000
    assert all(np.array_equal(image.pixels, PICTURE) for image in taken.images)
    numbers = [image.number for image in taken.images]
    left_out = set(range(numbers[0], numbers[-1])) - set(numbers)
    assert left_out <= {int(re.findall(r"block (\d+)", bad.value)[0]) for bad in taken.bad}
    assert numbers == sorted(numbers)
    ticks = np.diff([image.ticks for image in taken.images]) / np.diff(numbers)
    assert np.median(ticks) == pytest.approx(1e9 / 60.0, rel=0.05)
    assert [link.up for link in taken.links] == [True]


def test_losses_nobody_makes_good_are_bad_samples() -> None:
    twin = GigeTwin(
        lambda _: PICTURE, (320, 240), lose=lambda b, n: b % 2 == 0 and n == 3, resends=False
    )
    taken = Taken()
    with GigeTwinServer(twin) as server:
        camera = GigeCamera(settings(server), taken.on_image, taken.links.append)
        camera.start()
        try:
            until(lambda: len(taken.images) >= 8 and len(taken.bad) >= 5)
        finally:
            camera.stop()
    assert {bad.what for bad in taken.bad} == {"incomplete frame"}
    assert all(image.number % 2 == 1 for image in taken.images)


def test_a_lost_camera_is_reported_and_found_again() -> None:
    twin = GigeTwin(lambda _: PICTURE, (320, 240))
    taken = Taken()
    with GigeTwinServer(twin) as server:
        camera = GigeCamera(
            settings(server, heartbeat_ms=500), taken.on_image, taken.links.append, HostClock()
        )
        camera.start()
        try:
            until(lambda: len(taken.images) >= 2)
            twin.silent = True
            until(lambda: len(taken.links) >= 2)
            assert not taken.links[1].up
            with pytest.raises(DeviceError, match="link is down"):
                camera.expose(1)
            twin.silent = False
            before = len(taken.images)
            until(lambda: len(taken.links) >= 3 and len(taken.images) > before)
            assert taken.links[-1].up
        finally:
            camera.stop()


def test_cameras_are_discovered() -> None:
    with GigeTwinServer(GigeTwin(lambda _: PICTURE, (320, 240), serial="A7")) as server:
        (identity,) = discover(("127.0.0.1",), 0.2, server.port)
    assert (identity.model, identity.serial) == ("Twin", "A7")


def test_a_triggered_pair_becomes_a_fiducial_shot() -> None:
    views = nominal_pair(XrayGeometry(width_px=400, height_px=400))
    planned = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0))
    shift = np.array([2.0, 3.0, -1.0])
    rng = np.random.default_rng(1)
    seeds = [Seed(np.array(p) + shift, rng.standard_normal(3)) for p in planned]
    pictures = expose_pair(views, (seeds, seeds), Exposure(), rng)
    twins = [GigeTwin(lambda _, p=p: p, (400, 400), serial=f"X{k}") for k, p in enumerate(pictures)]
    samples: list = []
    links: list[LinkChanged] = []
    clock = HostClock()
    device = XrayDevice(
        "imager",
        ("imager/left", "imager/right"),
        XrayReader("imager", FiducialFinder(views, planned)),
        samples.append,
        clock,
        skew_ms=200.0,
    )
    with GigeTwinServer(twins[0]) as left, GigeTwinServer(twins[1]) as right:
        cameras = [
            GigeCamera(
                settings(
                    server,
                    f"imager/{side}",
                    packet_bytes=8000,
                    features={"PixelFormat": "Mono16", "TriggerMode": "On"},
                ),
                device.on_image,
                links.append,
                clock,
            )
            for server, side in ((left, "left"), (right, "right"))
        ]
        device.start(*cameras)
        try:
            until(lambda: sum(link.up for link in links) == 2)
            for shot_id in (5, 6):
                device.obey(SendExpose(clock(), "imager", shot_id), clock())
                until(lambda n=shot_id - 4: len(samples) >= n)
        finally:
            device.stop()
    assert all(isinstance(s, FiducialShot) for s in samples), samples
    assert [s.shot_id for s in samples] == [5, 6]
    assert np.array(samples[0].fiducials_mm) == pytest.approx(np.array(planned) + shift, abs=0.3)
    assert samples[1].ticks - samples[0].ticks > 0


def test_two_free_running_cameras_become_marker_frames() -> None:
    views = stereo_camera(focal_px=800.0, size_px=(640, 512))
    markers = np.array([[0.0, 0.0, 0.0], [60.0, 10.0, 0.0], [-55.0, 25.0, 5.0], [20.0, -70.0, 9.0]])
    place = markers + [10.0, -5.0, 1500.0]
    rng = np.random.default_rng(3)
    pictures = [discs(v, place, np.array([0.1, 0.1, -1.0]), 16.0, Light(), rng) for v in views]
    clock = HostClock()
    samples: list = []
    device = MarkerDevice(
        "camera",
        ("camera/left", "camera/right"),
        MarkerCamera(views, MarkerSettings(arrangement_mm=tuple(map(tuple, markers.tolist())))),
        15.0,
        samples.append,
        clock,
    )
    twins = [GigeTwin(lambda _, p=p: p, (640, 512)) for p in pictures]
    with GigeTwinServer(twins[0]) as left, GigeTwinServer(twins[1]) as right:
        cameras = [
            GigeCamera(
                settings(
                    server,
                    f"camera/{side}",
                    packet_bytes=8000,
                    features={"AcquisitionFrameRate": 25.0},
                ),
                device.on_image,
                lambda _: None,
                clock,
            )
            for server, side in ((left, "left"), (right, "right"))
        ]
        device.start(*cameras)
        try:
            until(lambda: sum(isinstance(s, MarkerFrame) for s in samples) >= 10)
        finally:
            device.stop()
    frames = [s for s in samples if isinstance(s, MarkerFrame)]
    assert np.array(frames[-1].markers_mm) == pytest.approx(place, abs=0.5)
    assert frames[-1].ticks > frames[0].ticks

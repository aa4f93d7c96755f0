"""What works with pictures behind one link: opened again, told apart, timed, refused in words."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hal.clock import HostClock
from hal.dicom.codec import DicomSettings
from hal.dicom.settings import DicomXrayWire
from hal.dicom.storing_pair import StoringPair
from hal.errors import DeviceError
from hal.events import Command, LinkChanged, SendExpose, SendStop
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.messages import BadSample, FiducialShot, MarkerFrame, Sample
from sim.dicom import storing_of
from tests.live.processes import free_ports
from tracker.config import ConfigurationError, parse_configuration
from tracker.live.devices import picture_link as pictures
from tracker.live.devices.device_builder import build_device
from tracker.live.devices.device_plan import device_plans
from tracker.live.devices.picture_link import PictureLink
from tracker.live.devices.room_twins import room_twins

PLANNED = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0))
MS = 1_000_000
FRAME = MarkerFrame("camera", 5, 7, ((1.0, 2.0, 3.0),))


class Fake:
    """Two parts that do what the test says."""

    def __init__(self, refusals: int = 0) -> None:
        self.parts = ("left", "right")
        self.wake_ns: int | None = None
        self.refusals = refusals
        self.closed = False
        self.deliver: Callable[[Sample], None] = lambda sample: None
        self.changed: Callable[[LinkChanged], None] = lambda change: None

    def open(
        self, deliver: Callable[[Sample], None], changed: Callable[[LinkChanged], None]
    ) -> None:
        if self.refusals:
            self.refusals -= 1
            raise DeviceError("the port is taken")
        self.deliver, self.changed = deliver, changed

    def close(self) -> None:
        self.closed = True

    def obey(self, command: Command, now_ns: int) -> None:
        raise DeviceError(f"cannot {type(command).__name__}")

    def wake(self, now_ns: int) -> None:
        pass

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        return None if isinstance(sample, FiducialShot) else sample


def lived(apparatus: Fake, act: Callable[[PictureLink], None]) -> list[Any]:
    """What a link hands over while ``act`` goes on."""
    heard: list[Any] = []

    async def together() -> None:
        link = PictureLink("camera", apparatus, HostClock(), heard.append)
        task = asyncio.create_task(link.run())
        await asyncio.sleep(0.05)
        await asyncio.to_thread(act, link)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(together())
    assert apparatus.closed
    return heard


def test_a_pair_is_up_when_both_are_and_samples_come_in_order() -> None:
    fake = Fake()

    def act(link: PictureLink) -> None:
        fake.changed(LinkChanged("left", 1, True, "maker A"))
        fake.deliver(FRAME)
        fake.changed(LinkChanged("right", 2, True, "maker B"))
        fake.deliver(FiducialShot("camera", 6, 7, 1, ()))  # timed to nothing
        fake.changed(LinkChanged("left", 3, False, "control lost"))
        fake.changed(LinkChanged("right", 4, False, "control lost too"))

    heard = lived(fake, act)
    assert heard == [
        FRAME,
        LinkChanged("camera", 2, True, "right: maker A; maker B"),
        LinkChanged("camera", 3, False, "left: control lost"),
    ]


def test_what_it_cannot_do_is_said_and_while_it_is_down_nothing_is_tried() -> None:
    fake = Fake()
    heard: list[Any] = []

    async def together() -> None:
        link = PictureLink("camera", fake, HostClock(), heard.append)
        task = asyncio.create_task(link.run())
        await asyncio.sleep(0.02)
        link.obey(SendStop(0, "camera"))
        assert link.counts.refused_commands == 1
        for part in fake.parts:
            fake.changed(LinkChanged(part, 0, True))
        await asyncio.sleep(0.02)
        link.obey(SendStop(0, "camera"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(together())
    assert isinstance(heard[-1], BadSample)
    assert (heard[-1].what, heard[-1].value) == ("cannot SendStop", "SendStop")


def test_an_apparatus_that_cannot_be_opened_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "OPEN_AGAIN_S", 0.01)
    fake = Fake(refusals=2)
    heard = lived(fake, lambda link: fake.deliver(FRAME))
    assert [each.detail for each in heard[:2]] == ["the port is taken"] * 2
    assert heard[2:] == [FRAME]


def stored(age_ns: int, clock_ms: float = 0.0) -> Sample | None:
    """A shot by DICOM that was exposed ``age_ns`` before it is timed at one second of the run."""
    now_unix_ns = 1_800_000_000_000_000_000
    finder = FiducialFinder(nominal_pair(XrayGeometry(width_px=64, height_px=64)), PLANNED)
    settings = DicomSettings(device="imager", port=0)
    pair = StoringPair(settings, finder, clock_ms, 5.0, lambda: 0, lambda: now_unix_ns)
    ticks = now_unix_ns - age_ns + round(clock_ms * 1e6)
    return pair.timed(FiducialShot("imager", 0, ticks, -1, (None,)), 10_000 * MS)


@pytest.mark.parametrize("age_ms", [0, 400, 5000])
@pytest.mark.parametrize("clock_ms", [0.0, 3_600_000.0, -250.0])
def test_an_exposure_is_put_into_the_run_s_time(age_ms: int, clock_ms: float) -> None:
    shot = stored(age_ms * MS, clock_ms)
    assert isinstance(shot, FiducialShot)
    assert shot.ticks == (10_000 - age_ms) * MS
    assert shot.t_ns == 10_000 * MS


def test_clocks_a_little_apart_give_no_exposure_in_the_future() -> None:
    shot = stored(-20 * MS)
    assert isinstance(shot, FiducialShot)
    assert shot.ticks == 10_000 * MS


@pytest.mark.parametrize("age_ms", [-21, -3_600_000, 5001])
def test_an_exposure_that_cannot_be_is_refused(age_ms: int) -> None:
    refused = stored(age_ms * MS)
    assert isinstance(refused, BadSample)
    assert refused.what == "exposure time not believed"


def test_a_port_that_is_taken_keeps_a_dicom_imager_down_and_says_so() -> None:
    pytest.importorskip("pynetdicom", reason="extra dicom is not installed")
    heard: list[Any] = []

    async def together() -> None:
        with socket.create_server(("127.0.0.1", 0)) as held:
            place = f"127.0.0.1:{held.getsockname()[1]}"
            text = f'[wires.imager]\ndriver = "dicom-xray"\nlisten = "{place}"'
            plan = device_plans(parse_configuration(text))["imager"]
            device = build_device(plan, HostClock(), heard.append)
            task = asyncio.create_task(device.run())
            await asyncio.sleep(0.2)
            device.obey(SendExpose(0, "imager", 1))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(together())
    (down,) = heard
    assert not down.up
    assert "Address already in use" in down.detail


CAMERA = "[wires.camera]\n"
THREE = "markers = {arrangement_mm = [[0, 0, 0], [60, 10, 0], [-55, 25, 5]]}"
VIDEO = f'{CAMERA}driver = "video-markers"\n{THREE}\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f'{CAMERA}driver = "gige-markers"\nleft = "a"\nright = "b:1"\n{THREE}',
            "address 'a': write host:port",
        ),
        (
            f'{CAMERA}driver = "gige-markers"\nleft = "a:1"\nright = "b:1"\n'
            "markers = {arrangement_mm = [[0, 0, 0]]}",
            "1 discs in arrangement_mm: at least 3",
        ),
        (
            f'{CAMERA}driver = "openigtlink"\naddress = "tcp://a:1"\nsession = {{sensor = "B"}}',
            r"wires.camera.session.tools: is empty; name what the server sends",
        ),
        (
            '[wires.belt]\ndriver = "openigtlink"\naddress = "tcp://a:1"\n'
            'session = {tools = ["A"]}',
            r"wires.belt.session.sensor: is empty",
        ),
        ('[wires.imager]\ndriver = "dicom-xray"\nlisten = "11112"', "address '11112'"),
        (
            '[wires.imager]\ndriver = "gige-xray"\nleft = "a:1"\nright = "b:1"\n'
            'calibration = "none.json"',
            "none.json: no such file",
        ),
    ],
)
def test_what_is_wrong_with_a_wire_is_said_before_anything_opens(text: str, problem: str) -> None:
    def built() -> None:
        for plan in device_plans(parse_configuration(text)).values():
            build_device(plan, lambda: 0, lambda event: None)

    with pytest.raises((DeviceError, ConfigurationError), match=problem):
        built()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{VIDEO}left = 0\nright = 1\n[room]\n", "a room serves http://host:port/left.mjpg"),
        (
            f'{VIDEO}left = "http://a:1/left.mjpg"\nright = "http://b:1/right.mjpg"\n[room]\n',
            "of one host; change left and right",
        ),
        (
            f'{CAMERA}driver = "openigtlink"\naddress = "tcp://a:1"\n'
            'session = {tools = ["A", "B"]}\n[room]\n',
            "session.tools: 2 given, room.patient.markers has 3; make them as many",
        ),
    ],
)
def test_a_room_that_cannot_serve_a_wire_says_so(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        room_twins(parse_configuration(text))


def test_every_driver_of_a_wire_can_be_built_and_served(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    text = f"""
        {VIDEO}left = "http://127.0.0.1:{port}/left.mjpg"
        right = "http://127.0.0.1:{port}/right.mjpg"
        [wires.belt]
        driver = "lsl"
        [wires.imager]
        driver = "dicom-xray"
        callers = ["XRAY1"]
        [wires.actuator]
        driver = "gcs"
        address = "serial://{tmp_path}/couch?baud=115200"
        [belt]
        rate_hz = 25.0
        """
    configuration = parse_configuration(text)
    plans = device_plans(configuration)
    apart = {section for section, plan in plans.items() if plan.driver.own_process}
    assert apart == {"camera", "belt", "imager"}
    for plan in plans.values():
        assert build_device(plan, lambda: 0, lambda event: None).device == plan.device
    twins = room_twins(configuration)
    assert twins["belt"].context.rate_hz == 25.0, "the belt's own section says how fast it is"
    settings = twins["imager"].settings
    assert isinstance(settings, DicomXrayWire)
    storing = storing_of(settings, twins["imager"].context.exposure_every_s)
    assert (storing.port, storing.called, storing.title) == (11112, "TIDETRACK", "XRAY1")

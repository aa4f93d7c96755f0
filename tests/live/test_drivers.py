"""Every driver that is no part of `test_wired_run`, tracked with on its own wire, beam on.

Two whole rooms, each in a process beside its run. OpenIGTLink camera, LSL belt, an imager that
stores by DICOM and a couch over GCS on TCP; then GigE marker cameras, OpenIGTLink belt and the
couch on a serial line. The video camera is looked at with its twin alone, and so are the twins of
tracker, belt and imager as `tidetrack twin` serves them.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from hal.openigtlink.codec import IgtlPacket, StreamReader
from hal.openigtlink.contents import Status, Transform
from tests.live.processes import SOON, free_ports, with_beam
from tests.live.test_twin_and_probe import twins
from tracker.cli import main
from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.session import SessionState

pytestmark = pytest.mark.realtime

BEAM_SECONDS = 3
OVERHEAD = {"rate_hz": 30.0, "position_mm": [0.0, 0.0, 1600.0]}
ARRANGEMENT = [[10.0, -40.0, 115.0], [65.0, 35.0, 105.0], [-50.0, 80.0, 120.0]]

Changes = dict[str, dict[str, Any]]


def first_room(folder: Path) -> Changes:
    igtl, dicom, couch, gate, gateway = free_ports(5)
    return {
        "wires": {
            "camera": {
                "driver": "openigtlink",
                "address": f"tcp://127.0.0.1:{igtl}",
                "session": {"tools": ["A", "B", "C"], "ask": "TDATA"},
            },
            "belt": {"driver": "lsl", "session": {"name": f"belt {igtl}"}},
            "imager": {
                "driver": "dicom-xray",
                "listen": f"127.0.0.1:{dicom}",
                "width_px": 512,
                "height_px": 512,
            },
        },
        "wires.actuator": {"address": f"tcp://127.0.0.1:{couch}"},
        "wires.gate": {"address": f"tcp://127.0.0.1:{gate}"},
        "wires.gateway": {"listen": f"127.0.0.1:{gateway}"},
    }


def second_room(folder: Path) -> Changes:
    belt, gate, gateway = free_ports(3)
    ports = free_ports(4, socket.SOCK_DGRAM)
    left, right, one, other = (f"127.0.0.1:{port}" for port in ports)
    return {
        "camera": OVERHEAD,
        "room.camera": OVERHEAD,
        "wires": {
            "camera": {
                "driver": "gige-markers",
                "left": left,
                "right": right,
                "packet_bytes": 8000,
                "markers": {"arrangement_mm": ARRANGEMENT},
            },
            "belt": {
                "driver": "openigtlink",
                "address": f"tcp://127.0.0.1:{belt}",
                "session": {"sensor": "Belt"},
            },
        },
        "wires.imager": {"left": one, "right": other},
        "wires.actuator": {"address": f"serial://{folder}/couch?baud=115200"},
        "wires.gate": {"address": f"tcp://127.0.0.1:{gate}"},
        "wires.gateway": {"listen": f"127.0.0.1:{gateway}"},
    }


ROOMS = {"igtl-lsl-dicom-gcs": first_room, "markers-igtl-xray-gcs": second_room}


@pytest.mark.slow
@pytest.mark.parametrize("name", ROOMS)
def test_every_driver_is_tracked_with_beam_on(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pylsl", reason="extra lsl is not installed")
    pytest.importorskip("pynetdicom", reason="extra dicom is not installed")
    changes = ROOMS[name](tmp_path)
    file = tmp_path / "room.toml"
    shipped = load_configuration(SHIPPED / "room-twin-couch.toml")
    file.write_text(altered(shipped, {**SOON, **changes}).text)
    shown: list[IgtlPacket] = []
    done = with_beam(
        file, tmp_path, BEAM_SECONDS, lambda run: shown.extend(looked_at(run.ready().gateway))
    )

    places = {packet.device_name for packet in shown if isinstance(packet.content, Transform)}
    assert places == {"Target", "Prediction", "Couch"}
    (status,) = {packet.content for packet in shown if isinstance(packet.content, Status)}
    assert status.error_name == SessionState.TRACKING.value

    capsys.readouterr()
    assert main(["replay", str(done.journal)]) == 0
    assert capsys.readouterr().out.startswith("identical")
    # `BEAM_SECONDS` of beam were waited for; how long that took depends on the machine.
    tracked_mm, untracked_mm = done.rms_mm()
    assert tracked_mm < 0.6 * untracked_mm
    for name, device in done.devices().items():
        assert device["counts"]["samples"] >= (5 if name == "imager" else 100), device


def looked_at(listen: str) -> list[IgtlPacket]:
    """What a client of the gateway is shown in its first moments."""
    host, _, port = listen.rpartition(":")
    reader, found = StreamReader(), list[IgtlPacket]()
    with socket.create_connection((host, int(port)), timeout=5.0) as client:
        names = {"Target", "Prediction", "Couch", "Session"}
        while not names <= {packet.device_name for packet in found}:
            found += [
                item for item in reader.feed(client.recv(65536)) if isinstance(item, IgtlPacket)
            ]
    return found


def test_a_video_camera_sees_markers_through_opencv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    file, out = tmp_path / "probe.toml", tmp_path / "found.json"
    file.write_text(
        f"""
        [camera]
        rate_hz = 30.0
        [wires.camera]
        driver = "video-markers"
        left = "http://127.0.0.1:{port}/left.mjpg"
        right = "http://127.0.0.1:{port}/right.mjpg"
        markers = {{arrangement_mm = {ARRANGEMENT}}}
        """
    )
    with twins(("video", "--port", port)) as places:
        assert places == [f"video-markers at http://127.0.0.1:{port}/left.mjpg and /right.mjpg"]
        assert main(["probe", str(file), "--seconds", "2", "--json", str(out)]) == 0
    camera = json.loads(out.read_text())["camera"]
    assert "FFMPEG, 640 x 512" in camera["identity"]
    assert 0.0 < camera["rate_hz"] < 39.0
    assert 0.05 < camera["noise"] < 1.0, "a busy machine loses frames, and they count as noise"


def test_twins_of_tracker_belt_and_imager_are_probed(tmp_path: Path) -> None:
    pytest.importorskip("pylsl", reason="extra lsl is not installed")
    pytest.importorskip("pynetdicom", reason="extra dicom is not installed")
    igtl, dicom = free_ports(2)
    file, out = tmp_path / "probe.toml", tmp_path / "found.json"
    file.write_text(
        f"""
        [wires.camera]
        driver = "openigtlink"
        address = "tcp://127.0.0.1:{igtl}"
        session = {{tools = ["Marker1", "Marker2", "Marker3"]}}
        [wires.belt]
        driver = "lsl"
        session = {{name = "tidetrack belt"}}
        [wires.imager]
        driver = "dicom-xray"
        listen = "127.0.0.1:{dicom}"
        """
    )
    each = (("openigtlink", "--port", igtl), ("lsl",), ("dicom", "--port", dicom))
    with twins(*each) as places:
        assert places[1] == "lsl at LSL stream tidetrack belt"
        assert main(["probe", str(file), "--seconds", "6", "--expose", "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["camera"]["identity"] == "OpenIGTLink 'Marker1', header 1"
    # A busy machine slows the twins: they send at most as often as they are set to.
    assert 0.0 < found["camera"]["rate_hz"] < 72.0
    assert 0.0 < found["belt"]["rate_hz"] < 120.0
    assert "'tidetrack belt' (RESP)" in found["belt"]["identity"]
    assert found["imager"]["samples"] >= 1
    assert "TWIN tidetrack Twin" in found["imager"]["identity"]

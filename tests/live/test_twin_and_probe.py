"""`tidetrack twin`, probed over its wire like hardware."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tracker.cli import main
from tracker.live.devices.twin import KINDS

pytestmark = pytest.mark.realtime

ROOT = Path(__file__).parent.parent.parent


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextmanager
def twins(*each: tuple[object, ...]) -> Iterator[list[str]]:
    """Twins in processes of their own; gives where they say they are."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tracker", "twin", *map(str, arguments), "--duration-s", "60"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for arguments in each
    ]
    try:
        yield [p.stdout.readline().strip() for p in processes if p.stdout is not None]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(10.0) for process in processes] == [0] * len(processes)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def test_twins_are_probed_over_their_wires(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    couch, camera = free_port(socket.SOCK_STREAM), tmp_path / "camera"
    file = tmp_path / "probe.toml"
    file.write_text(
        f"""
        [wires.camera]
        driver = "polaris"
        address = "serial://{camera}"
        blank_tools = 3
        [wires.actuator]
        driver = "gcs"
        address = "tcp://127.0.0.1:{couch}"
        """
    )
    out = tmp_path / "found.json"
    with twins(("polaris", "--pty", camera), ("gcs", "--port", couch)) as places:
        assert places[0] == f"polaris at serial://{camera}"
        assert places[1] == f"gcs at tcp://127.0.0.1:{couch}"
        assert main(["probe", str(file), "--seconds", "2", "--json", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "Polaris Vega" in shown
    found = json.loads(out.read_text())
    assert 0.0 < found["camera"]["rate_hz"] < 66.0
    assert found["camera"]["noise"] == pytest.approx(0.1, rel=0.3)
    assert found["couch"]["samples"] > 20
    assert "Physik Instrumente" in found["couch"]["identity"]


def test_a_device_that_is_not_there_is_named_and_the_answer_is_no(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.live.devices.probe.CONNECT_S", 0.5)
    file = tmp_path / "probe.toml"
    port = free_port(socket.SOCK_STREAM)
    file.write_text(f'[wires.gate]\ndriver = "modbus"\naddress = "tcp://127.0.0.1:{port}"\n')
    assert main(["probe", str(file), "--seconds", "1"]) == 1
    shown = capsys.readouterr().out
    assert "not there" in shown
    assert f"tcp://127.0.0.1:{port}" in shown
    file.write_text('[wires.gate]\ndriver = "modbus"\naddress = "carrier pigeon"\n')
    assert main(["probe", str(file), "--seconds", "1"]) == 1
    assert "the kind of wire is not known" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["rsi", "xray"])
def test_twins_on_udp_can_be_served(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port(socket.SOCK_DGRAM)
    assert main(["twin", kind, "--port", str(port), "--duration-s", "0.2"]) == 0
    assert capsys.readouterr().out.startswith(f"{KINDS[kind].driver} at ")
    assert main(["twin", kind, "--pty", "/tmp/x", "--duration-s", "0.2"]) == 2
    assert "give --port" in capsys.readouterr().err

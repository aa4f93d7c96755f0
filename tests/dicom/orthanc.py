"""Runs Debian's Orthanc on the loopback interface as the archive of a hospital."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
STARTED_WITHIN_S = 60.0


class OrthancPeer:
    """One Orthanc with its folder; it knows one caller, TIDETRACK at ``caller_port``."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        self.http_port, self.dicom_port, self.caller_port = ports
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        settings = {
            "Name": "test", "StorageDirectory": str(folder), "IndexDirectory": str(folder),
            "HttpPort": self.http_port, "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "DicomAet": "ORTHANC", "DicomPort": self.dicom_port, "DicomCheckCalledAet": True,
            "DicomAlwaysAllowStore": False, "DicomAlwaysAllowEcho": True,
            "UnknownSopClassAccepted": True,
            "DicomModalities": {"tide": ["TIDETRACK", "127.0.0.1", self.caller_port]},
            "Plugins": [str(DICOMWEB)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))

    @property
    def address(self) -> str:
        return f"ORTHANC@127.0.0.1:{self.dicom_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["Orthanc", str(self._folder / "orthanc.json")], stdout=log, stderr=log
            )
        end = time.monotonic() + STARTED_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-3000:]

    def asked(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/{path}") as answer:
            return json.loads(answer.read())

    def emptied(self) -> None:
        for name in self.asked("patients"):
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.http_port}/patients/{name}", method="DELETE"
            )
            urllib.request.urlopen(request).close()

    def _answers(self) -> bool:
        try:
            for port in (self.http_port, self.dicom_port):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return False
        return True


def require_orthanc() -> None:
    """Skip the test where Orthanc or its DICOMweb is missing."""
    if shutil.which("Orthanc") is None or not DICOMWEB.exists():
        pytest.skip("Orthanc is not installed (apt orthanc orthanc-dicomweb)")

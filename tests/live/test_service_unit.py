"""The systemd unit: its syntax by systemd's own checker, and what it must ask for."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "config" / "tidetrack.service"


def test_the_unit_is_verified_by_systemd(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here; apt-get install systemd")
    program = tmp_path / "tidetrack"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "tidetrack.service"
    unit.write_text(UNIT.read_text().replace("/opt/tidetrack/.venv/bin/tidetrack", str(program)))
    done = subprocess.run(
        [analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "tidetrack" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_unit_restarts_what_hangs_and_never_what_was_refused() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(UNIT.read_text())
    service = parser["Service"]
    assert service["Type"] == "notify"
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == ["1", "2"]
    assert int(service["WatchdogSec"]) <= 5
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"

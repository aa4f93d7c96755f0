"""A calibration file that is edited, another device's, or missing refuses the run in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hal.imaging.calibration_file import pair_calibration, write_calibration
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from tracker.cli import main
from tracker.config import SHIPPED, altered, load_configuration


@pytest.mark.parametrize(
    ("device", "edit", "refusal"),
    [
        ("imager", ("2650", "2651"), "checksum does not match its content: calibrate again"),
        ("other", ("", ""), "is that of other, imager expected"),
        ("", ("", ""), "no such file: calibrate again"),
    ],
)
def test_a_calibration_that_is_not_as_written_refuses_the_run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    device: str,
    edit: tuple[str, str],
    refusal: str,
) -> None:
    (tmp_path / "rsi-ethernet.xml").write_bytes((SHIPPED / "rsi-ethernet.xml").read_bytes())
    shipped = load_configuration(SHIPPED / "room-twin.toml")
    changed = altered(shipped, {"wires.imager": {"calibration": "imager.json"}})
    file = tmp_path / "room.toml"
    file.write_text(changed.text)
    stored = tmp_path / "imager.json"
    if device:
        views = nominal_pair(XrayGeometry(width_px=512, height_px=512))
        write_calibration(
            stored, pair_calibration("xray", device, "2026-11-24T10:00:00Z", 0.1, views)
        )
        text = stored.read_text()
        assert edit[0] in text
        stored.write_text(text.replace(*edit, 1))
    journal = tmp_path / "j.mcap"
    assert main(["run", str(file), "--journal", str(journal)]) == 2
    said = capsys.readouterr().err
    assert refusal in said
    assert said.count("\n") == 1
    assert not journal.exists()

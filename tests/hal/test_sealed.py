"""A sealed record: read back as written, refused when a byte or a number is another."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hal.sealed import SealError, checksum, read_sealed, write_sealed


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: str
    made: str
    error_mm: float


RECORD = Measured("camera", "2026-11-24T10:00:00+00:00", 0.25)


def test_a_record_survives_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    write_sealed(path, RECORD)
    assert read_sealed(path, Measured) == RECORD
    assert [each.name for each in tmp_path.iterdir()] == ["camera.json"]


def test_the_order_and_spacing_of_keys_do_not_matter(tmp_path: Path) -> None:
    content = {"made": RECORD.made, "error_mm": 0.25, "device": "camera"}
    path = tmp_path / "x.json"
    path.write_bytes(msgspec.json.encode({"checksum": checksum(content), **content}))
    assert read_sealed(path, Measured) == RECORD


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (("0.25", "0.24"), "checksum does not match"),
        (("0.25", "NaN"), "NaN is no number"),
        (("camera", "cAmera"), "checksum does not match"),
        (("}", ""), "cannot be read"),
        (("checksum", "sum"), "checksum does not match"),
    ],
)
def test_what_was_edited_is_refused(tmp_path: Path, change: tuple[str, str], refusal: str) -> None:
    path = tmp_path / "x.json"
    write_sealed(path, RECORD)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(SealError, match=refusal):
        read_sealed(path, Measured)


def test_missing_files_and_other_records_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(SealError, match="no such file"):
        read_sealed(path, Measured)
    for text in ("[1]", "3", "null"):
        path.write_text(text)
        with pytest.raises(SealError, match="not a record"):
            read_sealed(path, Measured)
    other = {"device": "camera"}
    path.write_bytes(msgspec.json.encode({**other, "checksum": checksum(other)}))
    with pytest.raises(SealError, match="made"):
        read_sealed(path, Measured)

"""Records on disk that are refused when edited by hand: JSON with a checksum over the rest.

Such records hold calibrations and measured latencies. A small error in them would steer the beam
beside the tumour and would not be visible on the screen. An edited or partly written file is
refused.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeVar, cast

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)


_MOST_BYTES = 10_000_000


class SealError(ValueError):
    """The file is not what was written; says what is wrong, not what to do."""


def checksum(content: object) -> str:
    """Return the SHA-256 over the content in canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def write_sealed(path: Path, record: msgspec.Struct) -> None:
    """Write the record; a half-written one never appears under ``path``."""
    content = json.loads(msgspec.json.encode(record))
    text = json.dumps({**content, "checksum": checksum(content)}, indent=2) + "\n"
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def read_sealed(path: Path, kind: type[Record]) -> Record:
    """Read a record back; raises `SealError` for a file that is missing or not as written."""
    content = check_seal(path)
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise SealError(f"{path}: {error}") from error


def check_seal(path: Path) -> dict[str, object]:
    """Return the content of a sealed file of any kind, without its checksum.

    Raises `SealError` for a file that is missing or not as written.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise SealError(f"{path}: is larger than {_MOST_BYTES} bytes")
        content = json.loads(data.decode("utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise SealError(f"{path}: no such file") from None
    except SealError:
        raise
    except OSError as error:
        raise SealError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise SealError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise SealError(f"{path}: not a record of its kind")
    content = cast("dict[str, object]", content)
    said = content.pop("checksum", None)
    try:
        right = said == checksum(content)
    except (ValueError, RecursionError):  # a number too large, or a lone surrogate
        right = False
    if not right:
        raise SealError(f"{path}: checksum does not match its content")
    return content


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")

"""Read XDF files of the Lab Streaming Layer, with the package pyxdf: one recording a stream."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import numpy as np

from tracker.importing.choices import Choices
from tracker.importing.errors import refused
from tracker.importing.readers.reader import ReaderRow, library_failed, needed, quiet_library
from tracker.importing.source_table import Floats, SourceColumn, SourceTable
from tracker.importing.text_file import MOST_BYTES

_MARK = b"XDF:"
_HEADER, _SAMPLES = 2, 3
_CHANNELS = re.compile(rb"<channel_count>\s*(\d{1,9})\s*</channel_count>")


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the file begins with XDF's mark."""
    return head.startswith(_MARK)


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read every stream of numbers; stamps are corrected for the clocks, and not smoothed."""
    pyxdf: Any = needed(path, "pyxdf")
    if path.stat().st_size > MOST_BYTES:
        raise refused(path, f"is larger than {MOST_BYTES / 1e6:.0f} MB; cut it into parts")
    check_chunks(path, path.read_bytes())
    try:
        with quiet_library():
            loaded = pyxdf.load_xdf(str(path), dejitter_timestamps=False, verbose=False)
        streams = cast("list[Any]", loaded[0])
        found = [_stream(stream) for stream in streams]
    except Exception as error:  # pyxdf raises what the damage leads to
        raise library_failed(path, "pyxdf", error) from None
    tables = [table for table in found if table is not None]
    if not tables:
        raise refused(path, f"none of its {len(streams)} streams holds numbers; name another")
    if len(tables) > 1:
        return tables
    only = tables[0]
    return [SourceTable(only.columns, part="", facts=only.facts, remarks=only.remarks)]


def _stream(stream: Any) -> SourceTable | None:
    """Return the table of a stream; ``None`` for one of words, or without samples."""
    info = stream["info"]
    given: Any = stream["time_series"]
    if not isinstance(given, np.ndarray) or given.ndim != 2:
        return None
    samples = cast("Floats", given)
    if samples.dtype.kind not in "fiu":
        return None
    stamps = np.asarray(stream["time_stamps"], dtype=np.float64)
    if not len(stamps) or len(stamps) != len(samples):
        return None
    name = str(info["name"][0])
    columns = [SourceColumn("time", "s", numbers=stamps)]
    labels = _labels(info, samples.shape[1])
    for at, (label, unit) in enumerate(labels):
        values = samples[:, at].astype(np.float64)
        columns.append(SourceColumn(label or f"{name} {at + 1}", unit or "au", numbers=values))
    return SourceTable(tuple(columns), part=name, facts={"stream": name})


def _labels(info: Any, count: int) -> list[tuple[str, str]]:
    """Return label and unit of each channel, empty where the stream gives none."""
    try:
        described = info["desc"][0]["channels"][0]["channel"]
        labels = [
            (str((each.get("label") or [""])[0] or ""), str((each.get("unit") or [""])[0] or ""))
            for each in described
        ]
    except (KeyError, IndexError, TypeError, AttributeError):
        labels = []
    return (labels + [("", "")] * count)[:count]


XDF = ReaderRow("xdf", "XDF files of the Lab Streaming Layer", recognises, read)


def check_chunks(path: Path, data: bytes) -> None:
    """Refuse a file whose chunks say that they hold more than there is.

    The library reserves memory for what a chunk says. Chunks are laid out as XDF 1.0 specifies: the
    length of the length, the length, a tag of two bytes, the content.
    """
    channels: dict[bytes, int] = {}
    at = len(_MARK)
    while at < len(data):
        content, following = _chunk(data, at)
        if content is None:
            raise refused(path, f"the chunk at byte {at} is longer than the file; record it again")
        tag, body = int.from_bytes(content[:2], "little"), content[2:]
        if tag == _HEADER:
            count = _CHANNELS.search(body)
            channels[body[:4]] = int(count[1]) if count is not None else 0
        elif tag == _SAMPLES and len(body) > 5:
            width = body[4]
            samples = int.from_bytes(body[5 : 5 + width], "little")
            if samples * max(1, channels.get(body[:4], 1)) > len(body):
                what = f"the chunk at byte {at} holds fewer than the {samples} samples it names"
                raise refused(path, f"{what}; record it again")
        at = following


def _chunk(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Return the chunk at a place, tag included, and where the next begins; None: it is cut."""
    width = data[at]
    length = int.from_bytes(data[at + 1 : at + 1 + width], "little")
    begin = at + 1 + width
    if width not in (1, 4, 8) or length < 2 or begin + length > len(data):
        return None, len(data)
    return data[begin : begin + length], begin + length

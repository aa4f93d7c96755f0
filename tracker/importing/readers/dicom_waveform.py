"""Read waveform objects of DICOM, such as respiratory waveforms, with the package pydicom."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, cast

import numpy as np

from tracker.importing.choices import Choices
from tracker.importing.errors import refused
from tracker.importing.readers.reader import ReaderRow, library_failed, needed, quiet_library
from tracker.importing.source_table import SourceColumn, SourceTable
from tracker.importing.text_file import MOST_BYTES


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the file has DICOM's mark behind its preamble."""
    return head[128:132] == b"DICM"


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read every multiplex group as a recording of its own."""
    pydicom: Any = needed(path, "pydicom")
    if path.stat().st_size > MOST_BYTES:
        raise refused(path, f"is larger than {MOST_BYTES / 1e6:.0f} MB; cut it into parts")
    try:
        with quiet_library():
            dataset: Any = pydicom.dcmread(path)
            groups = list(dataset.get("WaveformSequence") or [])
    except Exception as error:  # pydicom raises what the damage leads to
        raise library_failed(path, "pydicom", error) from None
    if not groups:
        raise refused(path, "holds no waveform; name a waveform object")
    tables: list[SourceTable] = []
    for number, group in enumerate(groups):
        try:
            with quiet_library():
                tables.append(_group(dataset, group, number, len(groups)))
        except Exception as error:  # the same
            raise library_failed(path, "pydicom", error) from None
    return tables


def _group(dataset: Any, group: Any, number: int, groups: int) -> SourceTable:
    """Return the table of one multiplex group."""
    channels, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    if channels < 1 or samples < 1 or channels * samples > len(group.WaveformData):
        raise ValueError(f"{samples} samples of {channels} channels are not in its data")
    rate_hz = float(group.SamplingFrequency)
    if not 0.0 < rate_hz < 1e6:
        raise ValueError(f"a sampling frequency of {rate_hz:g} Hz")
    values = np.array(dataset.waveform_array(number), dtype=np.float64)
    values[_is_padding(dataset, group, number)] = np.nan
    columns = [SourceColumn("time", "s", numbers=np.arange(len(values)) / rate_hz)]
    for at, channel in enumerate(cast("list[Any]", group.ChannelDefinitionSequence)):
        columns.append(SourceColumn(_name(channel, at), _unit(channel), numbers=values[:, at]))
    part = f"group{number + 1}" if groups > 1 else ""
    return SourceTable(tuple(columns), part=part, facts={"rate_hz": f"{rate_hz:g}"})


def _is_padding(dataset: Any, group: Any, number: int) -> Any:
    """Return where the samples are the padding value, which stands for a missing one."""
    numpy_of: Any = importlib.import_module("pydicom.waveforms").multiplex_array
    raw: Any = numpy_of(dataset, number, as_raw=True)
    padding = group.get("WaveformPaddingValue")
    if padding is None:
        return np.zeros(raw.shape, dtype=bool)
    data = padding if isinstance(padding, bytes) else np.array(padding, raw.dtype).tobytes()
    if len(data) < raw.dtype.itemsize:
        raise ValueError(f"a padding value of {len(data)} bytes")
    return raw == np.frombuffer(data[: raw.dtype.itemsize], raw.dtype)[0]


def _name(channel: Any, at: int) -> str:
    """Return a channel's label, or the meaning of its source."""
    label = str(channel.get("ChannelLabel", "")).strip()
    source = channel.get("ChannelSourceSequence")
    meaning = str(source[0].get("CodeMeaning", "")).strip() if source else ""
    return label or meaning or f"channel {at + 1}"


def _unit(channel: Any) -> str:
    """Return the code of a channel's unit (UCUM); without one it is arbitrary."""
    units = channel.get("ChannelSensitivityUnitsSequence")
    code = str(units[0].get("CodeValue", "")).strip() if units else ""
    return code if code and code != "1" else "au"


DICOM_WAVEFORM = ReaderRow("dicom", "waveform objects of DICOM", recognises, read)

"""Write small files of binary formats for the tests: DICOM waveforms and XDF."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any


def waveform_file(rate_hz: float, values: Sequence[float], unit: str = "mm") -> bytes:
    """Return a respiratory waveform object; the samples are in hundredths of ``unit``."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    def coded(value: str, meaning: str) -> Any:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "UCUM", meaning
        return code

    channel = Dataset()
    channel.ChannelLabel = "Respiration"
    channel.ChannelSourceSequence = [coded("109065", "Respiration")]
    channel.ChannelSensitivity = "0.01"
    channel.ChannelSensitivityUnitsSequence = [coded(unit, unit)]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.WaveformBitsStored = 16
    group = Dataset()
    group.MultiplexGroupTimeOffset = "0"
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = 1
    group.NumberOfWaveformSamples = len(values)
    group.SamplingFrequency = str(rate_hz)
    group.ChannelDefinitionSequence = [channel]
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.WaveformData = b"".join(struct.pack("<h", round(100 * v)) for v in values)
    whole = Dataset()
    whole.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.9.6.1")
    whole.SOPInstanceUID = UID("1.2.3.4")
    whole.Modality = "RESP"
    whole.WaveformSequence = [group]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = whole.SOPClassUID
    meta.MediaStorageSOPInstanceUID = whole.SOPInstanceUID
    whole.file_meta = meta
    stream = io.BytesIO()
    whole.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def xdf_file(times_s: Sequence[float], values: Sequence[float], unit: str = "N") -> bytes:
    """Return an XDF file with one stream of one channel, after the specification of XDF 1.0."""
    header = (
        '<?xml version="1.0"?><info><name>Belt</name><type>Resp</type>'
        "<channel_count>1</channel_count><nominal_srate>20</nominal_srate>"
        "<channel_format>double64</channel_format><desc><channels><channel><label>Force</label>"
        f"<unit>{unit}</unit></channel></channels></desc></info>"
    )
    footer = (
        f'<?xml version="1.0"?><info><first_timestamp>{times_s[0]}</first_timestamp>'
        f"<last_timestamp>{times_s[-1]}</last_timestamp>"
        f"<sample_count>{len(times_s)}</sample_count></info>"
    )
    stream = struct.pack("<I", 1)
    samples = b"".join(
        b"\x08" + struct.pack("<d", t) + struct.pack("<d", v)
        for t, v in zip(times_s, values, strict=True)
    )
    head = b'<?xml version="1.0"?><info><version>1.0</version></info>'
    return b"XDF:" + b"".join(
        (
            _chunk(1, head),
            _chunk(2, stream + header.encode()),
            _chunk(3, stream + b"\x04" + struct.pack("<I", len(times_s)) + samples),
            _chunk(6, stream + footer.encode()),
        )
    )


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content

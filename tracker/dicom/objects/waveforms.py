"""Respiratory waveforms: the surrogate by itself; and target and error on three axes.

The surrogate is the controller's amplitude, the target the controller's estimate, and the error
target minus beam (from the truth of a simulation where there is one), all in the patient frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tracker.dicom import dataset_parts as parts
from tracker.dicom.export_job import Built, ExportJob, NotExportedError, Objects
from tracker.dicom.objects.sample_grid import PADDING, SampleGrid, encoded, grid_of, on_grid

Vector = NDArray[np.float64]

SURROGATE = parts.SeriesKind("1.2.840.10008.5.1.4.1.1.9.6.1", "RESP", 10, "surrogate")
TARGET = parts.SeriesKind("1.2.840.10008.5.1.4.1.1.9.6.2", "RESP", 11, "target and error")

RESPIRATION = parts.Coded("2:32832", "MDC", "Respiration")
MILLIMETRE = parts.Coded("mm", "UCUM", "millimeter")
AXES = ("left", "superior", "anterior")


class WaveChannel(NamedTuple):
    """One channel: its label, its values in mm, and the code of what was measured."""

    label: str
    values: Vector
    source: parts.Coded


def surrogate(job: ExportJob) -> Objects:
    """Return the surrogate as a Respiratory Waveform."""
    rows = job.session.records.surrogate
    if len(rows) < 2:
        raise NotExportedError("the journal has no surrogate")
    grid = grid_of(rows[:, 0])
    channel = WaveChannel("surrogate", on_grid(grid, rows[:, 0], rows[:, 1]), RESPIRATION)
    return (_waveform(job, SURROGATE, "surrogate", grid, [channel]),)


def target_and_error(job: ExportJob) -> Objects:
    """Return target and error as a Multi-channel Respiratory Waveform."""
    rows = job.session.records.estimate
    if len(rows) < 2:
        raise NotExportedError("the journal has no estimate of the target")
    grid = grid_of(rows[:, 0])
    channels = [
        WaveChannel(
            f"target {axis}",
            on_grid(grid, rows[:, 0], rows[:, 1 + k]),
            parts.Coded(f"TARGET-{axis[0].upper()}", parts.SCHEME, f"Estimated target, {axis}"),
        )
        for k, axis in enumerate(AXES)
    ]
    motion = job.session.motion
    if motion is not None:
        by = "simulated truth" if motion.from_truth else "estimate"
        times_ns = np.round(motion.t_s * 1e9)
        channels += [
            WaveChannel(
                f"error {axis}",
                on_grid(grid, times_ns, motion.tracked[:, k]),
                parts.Coded(
                    f"ERROR-{axis[0].upper()}", parts.SCHEME, f"Target minus beam, {axis} ({by})"
                ),
            )
            for k, axis in enumerate(AXES)
        ]
    return (_waveform(job, TARGET, "target-error", grid, channels),)


def _waveform(
    job: ExportJob,
    kind: parts.SeriesKind,
    name: str,
    grid: SampleGrid,
    channels: list[WaveChannel],
) -> Built:
    dataset = job.start(kind, name)
    begin = job.moment(round(grid.start_ns))
    dataset.ContentDate, dataset.ContentTime = parts.date_of(begin), parts.time_of(begin)
    dataset.AcquisitionDateTime = parts.date_time_of(begin)
    dataset.SynchronizationFrameOfReferenceUID = job.uid("clock")
    dataset.SynchronizationTrigger = "NO TRIGGER"
    dataset.AcquisitionTimeSynchronized = "N"
    dataset.AcquisitionContextSequence = parts.sequence()
    dataset.WaveformSequence = parts.sequence(_group(grid, channels))
    return Built(name, dataset)


def _group(grid: SampleGrid, channels: list[WaveChannel]) -> Dataset:
    """Return one multiplex group; a sample that is not there has the padding value."""
    group = parts.item(
        MultiplexGroupTimeOffset=0.0,
        MultiplexGroupLabel=channels[0].label.upper(),
        WaveformOriginality="DERIVED",
        NumberOfWaveformChannels=len(channels),
        NumberOfWaveformSamples=grid.samples,
        SamplingFrequency=parts.decimal(grid.rate_hz),
    )
    definitions: list[Dataset] = []
    columns: list[NDArray[np.int16]] = []
    for channel in channels:
        values = encoded(channel.values)
        columns.append(values.counts)
        definitions.append(
            parts.item(
                ChannelLabel=channel.label,
                ChannelSourceSequence=parts.sequence(channel.source.item()),
                ChannelSensitivity=parts.decimal(values.step_mm),
                ChannelSensitivityUnitsSequence=parts.sequence(MILLIMETRE.item()),
                ChannelSensitivityCorrectionFactor="1",
                ChannelBaseline=parts.decimal(values.baseline_mm),
                ChannelSampleSkew="0",
                WaveformBitsStored=16,
            )
        )
    group.ChannelDefinitionSequence = parts.sequence(*definitions)
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.add_new("WaveformPaddingValue", "OW", PADDING.to_bytes(2, "little", signed=True))
    group.add_new("WaveformData", "OW", np.stack(columns, axis=1).astype("<i2").tobytes())
    return group

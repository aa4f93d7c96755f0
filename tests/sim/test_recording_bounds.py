"""Times and values that no recording of a body can have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.recording import RecordingError, load_recording
from sim.recording_files import find_recordings

BREATH = [10.0 * math.sin(2.0 * math.pi * k / 80.0) + 15.0 for k in range(200)]


def trace(folder, times=None, values=BREATH, channel="ext_mm"):
    times = [k * 0.05 for k in range(len(values))] if times is None else times
    path = folder / "trace.csv"
    rows = [f"{t!r},{v!r}" for t, v in zip(times, values, strict=True)]
    path.write_text("\n".join([f"time_s,{channel}", *rows]) + "\n")
    return path


def swapped(at, value, values=BREATH):
    return [*values[:at], value, *values[at + 1 :]]


EPOCH = [1749000000.0 + 0.05 * k for k in range(200)]
STEPS = [0.05 * k for k in range(200)]

TIMES = {
    "first stamp 0, then epoch": ([0.0, *EPOCH[1:]], ["line 3", "1749000000.05", "Unix", "remove"]),
    "milliseconds": ([50.0 * k for k in range(200)], ["line 3", "milliseconds", "50 s", "import"]),
    "microseconds": ([5e4 * k for k in range(200)], ["microseconds"]),
    "nanoseconds": ([5e7 * k for k in range(200)], ["nanoseconds"]),
    "too slow": ([1.5 * k for k in range(200)], ["1.5 s", "0.667 Hz", "1 Hz"]),
    "too fast": ([1e-5 * k for k in range(200)], ["Hz", "2000", "unit"]),
    "a gap": ([*STEPS[:100], *(t + 400.0 for t in STEPS[100:])], ["line 102", "300", "cut"]),
    "the last stamp": ([*STEPS[:-1], 7e5], ["line 201", "last stamp", "700000"]),
    "before the first of an hour": ([-3600.0, *STEPS[1:]], ["line 3", "-3600", "first stamp"]),
    "epoch twice": ([*EPOCH[:9], *EPOCH[8:199]], ["line 11", "1749000000.4", "twice"]),
}

VALUES = {
    "over a metre": (swapped(50, 1000.5), ["line 52", "1000.5", "1000 mm"]),
    "NDI's missing number": (swapped(50, -3.697314e28), ["line 52", "-3.697314e+28"]),
    "1e300": (swapped(50, 1e300), ["line 52", "1e+300"]),
    "-9999": (swapped(50, -9999.0), ["line 52", "-9999"]),
    "999 among centimetres": (swapped(50, 999.0), ["line 52", "999", "mark"]),
    "1e-9 alone": (swapped(50, 1e-9), ["line 52", "1e-09", "far from zero"]),
    "all of 1e-9": ([v * 1e-9 for v in BREATH], ["unit"]),
}


@pytest.mark.parametrize("case", TIMES)
def test_impossible_times(case, tmp_path):
    times, words = TIMES[case]
    with pytest.raises(RecordingError) as caught:
        load_recording(trace(tmp_path, times))
    assert [word for word in words if word not in str(caught.value)] == []
    assert "e+" not in str(caught.value)


@pytest.mark.parametrize("case", VALUES)
def test_impossible_values(case, tmp_path):
    values, words = VALUES[case]
    with pytest.raises(RecordingError) as caught:
        load_recording(trace(tmp_path, values=values))
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("values", "channel"),
    [
        ([3.0] * 200, "ext_mm"),
        ([10.0 * math.sin(2.0 * math.pi * k / 80.0) for k in range(200)], "ext_mm"),
        ([10.0 - 10.0 * math.cos(2.0 * math.pi * k / 80.0) for k in range(200)], "ext_mm"),
        ([999.0 + math.sin(k / 9.0) for k in range(200)], "ext_mm"),
        ([9990.0 + (k % 10) for k in range(200)], "belt_au"),
        ([1e-17 * k for k in range(200)], "int_rlr_deg"),
    ],
    ids=["constant", "through zero", "touching zero", "near 999", "9999 in reach", "tiny angle"],
)
def test_possible_values(values, channel, tmp_path):
    path = trace(tmp_path, values=values, channel=channel)
    if channel.endswith("_deg"):
        lines = path.read_text().splitlines()
        rows = [f"{line},{k % 7}" for k, line in enumerate(lines[1:])]
        path.write_text("\n".join([lines[0] + ",ext_mm", *rows]) + "\n")
    assert len(load_recording(path).times_s) == 200


def test_epoch_times_are_read_from_zero(tmp_path):
    recording = load_recording(trace(tmp_path, EPOCH))
    assert recording.times_s[0] == 0.0
    assert np.allclose(recording.times_s, STEPS, atol=1e-6)


def test_the_same_files_are_found_by_every_command(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.csv", "B.CSV", "c.vxp", "D.VXP", "deep/e.csv", "INDEX.csv", "gaps.csv"):
        (tmp_path / name).write_text("x")
    for marker in ("LAC", "UAC", "ucc"):
        (tmp_path / f"20120510-{marker}-1-T.csv").write_text("x")
    for name in ("notes.txt", ".hidden.csv", "a.json", "deep/photo.png"):
        (tmp_path / name).write_text("x")
    found = find_recordings(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in found.files}
    assert names == {"20120510-LAC-1-T.csv", "a.csv", "B.CSV", "c.vxp", "D.VXP", "deep/e.csv"}
    assert found.remark(tmp_path).endswith("deep/photo.png, notes.txt")

"""Make a recording of a session's journal: where the target was estimated, and the breath.

A live session knows no truth. What its controller estimated is taken for the target's motion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from sim.recording import Recording, RecordingError
from tracker.journal import read_journal
from tracker.report.records import collect

RATE_HZ: Final = 20.0
_LONGEST_GAP_S: Final = 0.5
_CHANNELS: Final = ("int_lr_mm", "int_si_mm", "int_ap_mm", "ext_mm")


def recording_of_session(path: Path) -> Recording:
    """Return the breath of a journal; raises `RecordingError` where no target was estimated."""
    records, _ = collect(read_journal(path))
    estimate, surrogate = records.estimate, records.surrogate
    if len(estimate) < 2 or len(surrogate) < 2:
        raise RecordingError(path, None, "no target was estimated; name a session that tracked")
    begin, end = estimate[0, 0] * 1e-9, estimate[-1, 0] * 1e-9
    times = np.arange(begin, end, 1.0 / RATE_HZ)
    known, heard = estimate[:, 0] * 1e-9, surrogate[:, 0] * 1e-9
    columns = [np.interp(times, known, estimate[:, 1 + axis]) for axis in range(3)]
    columns.append(np.interp(times, heard, surrogate[:, 1]))
    steps = np.flatnonzero(np.diff(known) > _LONGEST_GAP_S)
    gaps = tuple((float(known[i] - begin), float(known[i + 1] - begin)) for i in steps)
    return Recording(
        name=path.stem,
        times_s=times - begin,
        channels=_CHANNELS,
        values=np.stack(columns, axis=1),
        gaps=gaps,
        kind="both",
    )

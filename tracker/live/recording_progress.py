"""No record, no beam: how old the oldest event is that is not on disk, and whether it ever will be.

Looked at once a tick. What it finds is told to the engine as an event, which is recorded like any
other, so that a replay holds at the same tick. A write that failed ends the run in order.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator
from pathlib import Path

from hal.events import RecordingState
from tracker.daemon_settings import SessionRecords
from tracker.journal import Header, JournalError, JournalWriter, Recorder, open_journal
from tracker.journal.recorder import MB


class RecordingProgress:
    """Follows a recorder's acknowledgements."""

    def __init__(self, recorder: Recorder, hold_after_ms: float) -> None:
        self.recorder = recorder
        self._hold_after_ns = round(hold_after_ms * 1e6)
        self._marks: deque[tuple[int, int]] = deque()
        """When how many bytes had been handed over, those that are not acknowledged."""
        self._said = ""

    @property
    def failure(self) -> str:
        """Why the run cannot be recorded to its end; empty: it can."""
        return self.recorder.trouble

    def changes(self, now_ns: int) -> list[RecordingState]:
        """What has changed since the last look."""
        recorder, marks = self.recorder, self._marks
        recorder.push()
        if not marks or recorder.sent != marks[-1][1]:
            marks.append((now_ns, recorder.sent))
        done = recorder.acknowledged
        while marks and marks[0][1] <= done:
            marks.popleft()
        what, detail = self._trouble(now_ns)
        if what == self._said:
            return []
        self._said = what
        return [RecordingState(now_ns, not what, detail)]

    def _trouble(self, now_ns: int) -> tuple[str, str]:
        """What is wrong, and the same with its numbers; empty: nothing."""
        if failure := self.recorder.trouble:
            rest = "nothing more is recorded" if self.recorder.lost else "the end still finds room"
            return failure, f"{failure}; {rest}"
        age_ns = now_ns - self._marks[0][0] if self._marks else 0
        if age_ns > self._hold_after_ns:
            limit_ms = self._hold_after_ns / 1e6
            return "slow", f"an event waits {age_ns / 1e6:.0f} ms for the disk, limit {limit_ms:g}"
        return "", ""


@contextlib.contextmanager
def recorded(
    path: Path, header: Header, settings: SessionRecords
) -> Generator[tuple[JournalWriter, RecordingProgress], None, None]:
    """A run's journal behind a recorder, and the watch on it; closed also when the run fails."""
    file = open_journal(path)
    try:
        recorder = Recorder(
            file,
            queue_bytes=settings.queue_mb * MB,
            reserve_bytes=settings.reserve_mb * MB,
            sync_ms=settings.sync_ms,
        )
    except OSError as error:
        file.close()
        path.unlink()
        raise JournalError(f"{path}: cannot be recorded ({error.strerror}); make room") from error
    with JournalWriter(path, header, durability="process", file=recorder) as writer:
        yield writer, RecordingProgress(recorder, settings.hold_after_ms)

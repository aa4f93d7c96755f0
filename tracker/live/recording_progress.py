"""Follow how much of the journal is on disk: an event that waits too long for the disk is a fault.

The daemon asks for changes once a tick and tells the engine about them as events. These events are
recorded like any others, so a replay holds the beam at the same tick. A write that failed ends
the run in order.
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
    """Compares what was handed to a recorder with what it has acknowledged."""

    def __init__(self, recorder: Recorder, hold_after_ms: float) -> None:
        self.recorder = recorder
        self._hold_after_ns = round(hold_after_ms * 1e6)
        self._marks: deque[tuple[int, int]] = deque()
        """Time and number of bytes handed over by then; only what is not acknowledged yet."""
        self._said = ""

    @property
    def failure(self) -> str:
        """The reason why the run cannot be recorded to its end; empty if it can."""
        return self.recorder.trouble

    def changes(self, now_ns: int) -> list[RecordingState]:
        """Return what changed since the last call: recording failed, is slow, or works again."""
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
        """Return what is wrong, and the same with its numbers; empty if nothing is wrong."""
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
    """Open the journal of a run behind a recorder; it is closed also when the run fails.

    Raises `JournalError` where the file cannot be made.
    """
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

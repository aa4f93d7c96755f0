"""Record from the daemon without waiting: write bytes into a pipe, and know what is on disk.

The queue is the pipe and a bounded buffer in memory. A separate process
(`tracker.journal.recording_process`) empties it and acknowledges what it has written. A slow disk
delays acknowledgements and never a tick. After a write that failed for good, nothing more is
written, so that the journal has no gap.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import mmap
import os
import struct
import subprocess
import sys
from pathlib import Path

from tracker.journal.recording_process import DONE, ERROR, FINISHED, LOST, PAGE_BYTES

MB = 1 << 20
_PIPE_BYTES = MB
_NUMBER = struct.Struct("<Q")
_PROCESS = Path(__file__).with_name("recording_process.py")


class Recorder:
    """Stands in for the journal's file: `JournalWriter` writes to it as its ``file``."""

    def __init__(
        self,
        file: io.FileIO,
        *,
        queue_bytes: int = 16 * MB,
        reserve_bytes: int = 4 * MB,
        sync_ms: int = 1000,
        finish_s: float = 10.0,
    ) -> None:
        """Start the process; raises ``OSError`` where there is no room even for the reserve."""
        self._file = file
        self._queue_bytes = queue_bytes
        self._finish_s = finish_s
        self._waiting = bytearray()
        self._given_up = ""
        self.sent = 0
        """Bytes accepted so far, whether or not they are on disk."""
        self.closed = False
        reserve = _reserve(Path(str(file.name)), reserve_bytes)
        page = os.memfd_create("tidetrack-recorder")
        try:
            os.ftruncate(page, PAGE_BYTES)
            self._page = mmap.mmap(page, PAGE_BYTES)
            theirs, self._pipe = os.pipe()
            with contextlib.suppress(OSError):  # a smaller pipe works too
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            os.set_blocking(self._pipe, False)
            try:
                self._process = self._start(theirs, file.fileno(), page, reserve, sync_ms)
            finally:
                os.close(theirs)
        finally:
            os.close(page)
            if reserve >= 0:
                os.close(reserve)

    @property
    def pid(self) -> int:
        """The number of the process that writes to the disk."""
        return self._process.pid

    @property
    def acknowledged(self) -> int:
        """Bytes the process has written to the file."""
        return self._number(DONE)

    @property
    def trouble(self) -> str:
        """Why the record is incomplete; empty while it is complete. Once set, it stays."""
        if self._given_up:
            return self._given_up
        number = self._number(ERROR)
        return os.strerror(number) if number else ""

    @property
    def lost(self) -> bool:
        """Whether nothing more can be written; until then the reserve takes the last records."""
        return bool(self._given_up or self._number(LOST))

    def write(self, data: bytes | memoryview) -> int:
        """Accept all bytes without waiting, and return their number; `trouble` tells of losses."""
        size = len(data)
        self.sent += size
        if self._given_up:
            return size
        if self._waiting:
            self._waiting += data
            self._push()
        else:
            taken = self._put(data)
            if taken < size:
                self._waiting += data[taken:]
        if len(self._waiting) > self._queue_bytes:
            self._give_up(f"{len(self._waiting) / MB:.0f} MB wait to be written, the queue is full")
        return size

    def push(self) -> None:
        """Write waiting bytes to the pipe, as many as it accepts now."""
        if self._waiting:
            self._push()
        if not self._given_up and self._process.poll() is not None:
            self._give_up("the process that writes the journal ended")

    def fileno(self) -> int:
        """The file's own descriptor."""
        return self._file.fileno()

    def close(self) -> None:
        """Wait until everything is written; raises ``OSError`` when that is impossible."""
        if self.closed:
            return
        self.closed = True
        try:
            if self._waiting and not self._given_up:
                os.set_blocking(self._pipe, True)
                with contextlib.suppress(OSError):
                    self._push()
            os.close(self._pipe)
            try:
                self._process.wait(self._finish_s)
            except subprocess.TimeoutExpired:
                self._given_up = f"not written within {self._finish_s:g} s"
            finished = self._number(FINISHED)
        finally:
            self._file.close()
        if self.lost or not finished:
            raise OSError(errno.EIO, self.trouble or "the process that writes the journal ended")

    def _start(
        self, pipe: int, file: int, page: int, reserve: int, sync_ms: int
    ) -> subprocess.Popen[bytes]:
        descriptors = [pipe, file, page] + ([reserve] if reserve >= 0 else [])
        numbers = (pipe, file, page, reserve, sync_ms)
        return subprocess.Popen(
            [sys.executable, "-I", str(_PROCESS), *map(str, numbers)],
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # what is sent to our group is not for it
        )

    def _put(self, data: bytes | memoryview | bytearray) -> int:
        try:
            return os.write(self._pipe, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._give_up("the process that writes the journal ended")
            return 0

    def _push(self) -> None:
        while self._waiting and not self._given_up:
            taken = self._put(self._waiting)
            if not taken:
                return
            del self._waiting[:taken]

    def _give_up(self, why: str) -> None:
        self._given_up = self._given_up or why
        self._waiting.clear()

    def _number(self, where: int) -> int:
        number: int = _NUMBER.unpack_from(self._page, where)[0]
        return number


def _reserve(path: Path, size: int) -> int:
    """Open an unnamed file of ``size`` bytes beside the journal; -1 when none is wanted."""
    if not size or not path.is_file():
        return -1
    folder = path.absolute().parent
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # not every file system has unnamed files
        name = folder / f".{path.name}.reserve"
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        name.unlink()
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

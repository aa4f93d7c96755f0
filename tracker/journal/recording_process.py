"""Write a journal to disk in a process of its own: read a pipe, write a file, report progress.

    python -I recording_process.py PIPE FILE PAGE RESERVE SYNC_MS

When the daemon is killed, this process continues until the pipe is empty, so everything that the
daemon handed over is on disk. A full disk is reported at once. The reserve, an unnamed file beside
the journal, is then released, so that the end of the run and its reason can still be written. After
a write that failed for good nothing more is written: the journal stays whole up to there. This file
uses the standard library only.
"""

from __future__ import annotations

import errno
import os
import signal
import struct
import sys
import time

PIECE = 1 << 18
GATHER_S = 0.004
"""Between two reads: what came meanwhile is written as one."""
DONE, ERROR, LOST, FINISHED = 0, 8, 16, 24
PAGE_BYTES = 4096
_NUMBER = struct.Struct("<Q")


class Disk:
    """Writes the file, holds the reserve, and reports on a shared page how much is written."""

    def __init__(self, file: int, page: int, reserve: int, sync_ms: int) -> None:
        self._file = file
        self._page = page
        self._reserve = reserve
        self._sync_s = sync_ms / 1e3
        self._synced_s = time.monotonic()
        self._done = 0
        self.lost = False

    def write(self, data: bytes) -> None:
        """Write all bytes, or find that nothing can be written any more."""
        left = memoryview(data)
        while left and not self.lost:
            try:
                count = os.write(self._file, left)
            except OSError as error:
                self._failed(error.errno or errno.EIO)
                continue
            self._done += count
            left = left[count:]
        self.tell(DONE, self._done)
        if self._sync_s and time.monotonic() - self._synced_s >= self._sync_s:
            self.sync()

    def sync(self) -> None:
        """Flush the file to the disk; do nothing for a device that cannot do so."""
        self._synced_s = time.monotonic()
        try:
            os.fdatasync(self._file)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                self._failed(error.errno or errno.EIO)

    def tell(self, where: int, value: int) -> None:
        """Write a number to the shared page in one operation."""
        os.pwrite(self._page, _NUMBER.pack(value), where)

    def _failed(self, number: int) -> None:
        self.tell(ERROR, number)
        if self._reserve >= 0 and number in (errno.ENOSPC, errno.EDQUOT):
            os.close(self._reserve)
            self._reserve = -1
        else:
            self.lost = True
            self.tell(LOST, 1)


def main() -> int:
    """Copy the pipe to the file until the pipe is empty and its other end is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the daemon does, not before
    pipe, file, page, reserve, sync_ms = map(int, sys.argv[1:6])
    disk = Disk(file, page, reserve, sync_ms)
    while data := os.read(pipe, PIECE):
        disk.write(data)
        time.sleep(GATHER_S)
    if not disk.lost:
        disk.sync()
    disk.tell(FINISHED, 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())

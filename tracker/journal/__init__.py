"""Record a run: every event the controller received and every output it returned, in order.

`JournalWriter` writes it, `read_journal` reads it, `verify` checks that nothing in it changed.
The file is an MCAP file, described in ``docs/reference/journal.md``.
"""

from tracker.journal.contents import (
    Digest,
    Header,
    JournalError,
    Seal,
    Truth,
    encode_record,
    make_header,
)
from tracker.journal.reader import Entry, Journal, TornTail, read_journal
from tracker.journal.recorder import Recorder
from tracker.journal.verify import Verification, verify
from tracker.journal.writer import JournalWriter, open_journal

__all__ = [
    "Digest",
    "Entry",
    "Header",
    "Journal",
    "JournalError",
    "JournalWriter",
    "Recorder",
    "Seal",
    "TornTail",
    "Truth",
    "Verification",
    "encode_record",
    "make_header",
    "open_journal",
    "read_journal",
    "verify",
]

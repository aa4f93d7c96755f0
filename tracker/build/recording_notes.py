"""Tell the person at the terminal how recordings were read."""

from __future__ import annotations

import sys
from collections.abc import Iterable


def tell_notes(notes: Iterable[str]) -> None:
    """Print each note once, as a line on standard error."""
    for note in dict.fromkeys(notes):
        sys.stderr.write(f"note: {note}\n")

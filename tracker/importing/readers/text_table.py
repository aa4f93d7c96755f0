"""Read any table in a text file: the reader for what no other one recognises."""

from __future__ import annotations

import re
from pathlib import Path

from tracker.importing.choices import Choices
from tracker.importing.readers.reader import ReaderRow
from tracker.importing.separated_text import read_separated
from tracker.importing.source_table import SourceTable
from tracker.importing.text_file import decode, read_bytes

_UNIT_SAID = re.compile(
    r"(?:units?|einheit(?:en)?|unité|unidad"
    r"|(?:positions?|amplitudes?|values?|coordinates?)(?: are)?(?: given)? in)\s*[:=]?\s*\"?"
    r"(mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?)\b",
    re.IGNORECASE,
)


def text_table(path: Path, choices: Choices) -> SourceTable:
    """Return the one table of a text file, with the unit that its preamble may name."""
    decoded = decode(path, read_bytes(path))
    table = read_separated(path, decoded, choices.separator, choices.decimal)
    first = table.lines[0] if table.lines else 1
    preamble = decoded.text.split("\n", first)[: first - 1]
    said = {found[1].lower() for line in preamble if (found := _UNIT_SAID.search(line)) is not None}
    if len(said) == 1:
        table.facts["unit"] = said.pop()
    return table


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read the file."""
    return [text_table(path, choices)]


def recognises(path: Path, head: bytes) -> bool:
    """Return true: every other file is tried as text."""
    return True


TEXT_TABLE = ReaderRow("table", "a table in a text file", recognises, read)

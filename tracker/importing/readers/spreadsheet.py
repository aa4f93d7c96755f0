"""Read spreadsheets (.xlsx, .ods) with the package pandas: every sheet that holds a table."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, cast

from tracker.importing.choices import Choices
from tracker.importing.errors import ImportRefusedError, refused
from tracker.importing.readers.reader import ReaderRow, library_failed, needed, quiet_library
from tracker.importing.separated_text import read_separated
from tracker.importing.source_table import SourceTable
from tracker.importing.text_file import MOST_BYTES, DecodedText

_SUFFIXES = (".xlsx", ".xlsm", ".ods")


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the file is packed as spreadsheets are, and named like one."""
    return head.startswith(b"PK") and path.suffix.lower() in _SUFFIXES


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read each sheet as text, then as any other table."""
    pandas: Any = needed(path, "pandas")
    needed(path, "odf" if path.suffix.lower() == ".ods" else "openpyxl")
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(item.file_size for item in packed.infolist()) > 4 * MOST_BYTES:
                raise refused(path, "unpacks to too much; cut it into parts")
        with quiet_library():
            read: Any = pandas.read_excel(
                path, sheet_name=None, header=None, dtype=object, keep_default_na=False
            )
        sheets = cast("dict[str, Any]", read)
        texts = {name: _as_text(sheet) for name, sheet in sheets.items()}
    except ImportRefusedError:
        raise
    except Exception as error:  # pandas and its engines raise what the damage leads to
        raise library_failed(path, "pandas", error) from None
    tables: list[SourceTable] = []
    refusals: list[ImportRefusedError] = []
    for name, text in texts.items():
        try:
            table = read_separated(path, DecodedText(text, "spreadsheet"), "\t", ".")
        except ImportRefusedError as error:
            refusals.append(error)
            continue
        tables.append(table.select(range(len(table.lines)), name if len(texts) > 1 else ""))
    if not tables:
        raise refusals[0] if refusals else refused(path, "holds no sheet; name another file")
    return tables


def _as_text(sheet: Any) -> str:
    """Return the cells of a sheet as lines with tabs."""
    rows = cast("list[list[object]]", sheet.values.tolist())
    return "\n".join("\t".join(_cell(value) for value in row) for row in rows)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return repr(value)
    return str(value).replace("\t", " ").replace("\n", " ").replace("\r", " ")


SPREADSHEET = ReaderRow("spreadsheet", "spreadsheets (.xlsx, .ods)", recognises, read)

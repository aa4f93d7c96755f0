"""Read a configuration that extends another: its keys replace those of the file it names.

The key ``extends`` names a file relative to the folder of the one it stands in. Tables are merged
key by key; everything else, a list too, is replaced whole. The result is one text with every key
that is set, as a journal records it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import tomli_w

EXTENDS: Final = "extends"
_DEEPEST: Final = 5
"""So many files may extend one another."""


class ExtendsError(Exception):
    """The file to be extended cannot be used: one line that names file, what and remedy."""


def whole_text(text: str, path: Path) -> str:
    """Return the text of a configuration with everything that it extends.

    A text that extends nothing, or is not TOML, is returned as it is. Raises `ExtendsError`.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return text
    return tomli_w.dumps(_extended(table, path, 1)) if EXTENDS in table else text


def _extended(table: dict[str, Any], path: Path, depth: int) -> dict[str, Any]:
    """Merge a document over the one that it extends."""
    if EXTENDS not in table:
        return table
    named = table[EXTENDS]
    if not isinstance(named, str) or not named:
        raise ExtendsError(f"{path}: {EXTENDS}: {named!r} is no file name; name a .toml file")
    if depth > _DEEPEST:
        raise ExtendsError(f"{path}: {EXTENDS}: over {_DEEPEST} files extend one another; name one")
    base_path = path.parent / named
    try:
        base = tomllib.loads(base_path.read_text(encoding="utf-8"))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ExtendsError(f"{path}: {EXTENDS}: {base_path}: {why}; correct the name") from None
    except (ValueError, RecursionError) as error:
        raise ExtendsError(f"{path}: {EXTENDS}: {base_path}: not TOML: {error}") from None
    own = {key: value for key, value in table.items() if key != EXTENDS}
    return _merged(_extended(base, base_path, depth + 1), own)


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of both tables; where both have one, that of ``own``."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merged(cast(Mapping[str, Any], below), cast(Mapping[str, Any], value))
        else:
            merged[key] = value
    return merged

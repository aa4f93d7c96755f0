"""Check an object against the standard's tables, as the package highdicom brings them, offline.

Attributes of type 1 and 2 are looked for wherever their sequence is. Conditional attributes (1C,
2C) are not judged.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

CONTENT_TREE = "sr-document-content"
"""Its table lists the attributes of every value type as if each content item had them all."""


@cache
def _tables() -> tuple[Any, Any, Any]:
    found = importlib.util.find_spec("highdicom")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "_standard"
    names = ("sop_class_iod_map", "iod_module_map", "module_attribute_map")
    a, b, c = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in names)
    return a, b, c


def faults(path: Path) -> list[str]:
    """Return what is missing or empty; one line that names the SOP class if it is not known."""
    classes, objects, modules = _tables()
    dataset = pydicom.dcmread(path)
    name = classes.get(str(dataset.SOPClassUID))
    if name is None:
        return [f"SOP class {dataset.SOPClassUID} is in no table"]
    found: list[str] = []
    for module in objects[name]:
        table = modules.get(module["key"], [])
        if module["key"] == CONTENT_TREE:
            table = [row for row in table if not row["path"] and row["keyword"] == "ValueType"]
        top = [row["keyword"] for row in table if not row["path"] and row["type"] == "1"]
        if module["usage"] == "M" or any(keyword in dataset for keyword in top):
            found += _faults_of_module(dataset, module["key"], table)
    return list(dict.fromkeys(found))


def _faults_of_module(dataset: Dataset, module: str, table: list[Any]) -> list[str]:
    found: list[str] = []
    for row in table:
        keyword, kind = row["keyword"], row["type"]
        tag = tag_for_keyword(keyword)
        if kind not in ("1", "2") or tag is None:
            continue
        where = "/".join([*row["path"], keyword])
        for place in _places(dataset, row["path"]):
            if tag not in place:
                found.append(f"{module}: {where} (type {kind}) is missing")
            elif kind == "1" and place[tag].is_empty:
                found.append(f"{module}: {where} (type 1) is empty")
    return found


def _places(dataset: Dataset, path: list[str]) -> list[Dataset]:
    """Return every item at the path; none where a sequence on the way is absent."""
    here = [dataset]
    for keyword in path:
        here = [item for each in here for item in (each.get(keyword) or [])]
    return here

"""The keys of a configuration, and what is wrong with one, for the tests of configurations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from msgspec import inspect

from sim.scenario import RoomScenario
from tracker.config import (
    ConfigurationError,
    parse_configuration,
)
from tracker.core.machine.kinds.table import MACHINE_KINDS
from tracker.core.settings import Controller

CONFIG = Path(__file__).parent.parent / "config"
FILES = sorted(CONFIG.glob("*.toml"))
MACHINES = sorted(CONFIG.glob("machines/*.toml"))
KINDS = ", ".join(MACHINE_KINDS)
SHIPPED_NAMES = ("couch", "demo", "robot")


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text, name="f.toml")
    return caught.value.problems


def leaves(record: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, inspect.Type]]:
    """Every key a document may have that is no section, with its type."""
    for field in cast(inspect.StructType, inspect.type_info(record)).fields:
        if isinstance(field.type, inspect.StructType):
            yield from leaves(field.type.cls, f"{prefix}{field.encode_name}.")
        else:
            yield f"{prefix}{field.encode_name}", field.type


LEAVES = {**dict(leaves(Controller)), **dict(leaves(RoomScenario, "room."))}


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The document as dotted keys, as far down as the records have keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        path = prefix + key
        if isinstance(value, dict) and path not in LEAVES:
            found.update(flat(cast(dict[str, Any], value), f"{path}."))
        else:
            found[path] = value
    return found

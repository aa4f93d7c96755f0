"""Read the few settings a report needs from a configuration of any version.

A report must be possible for a journal whose configuration today's program would refuse, so the
text is read for these keys alone, and a key that is not there has today's default.
"""

from __future__ import annotations

import tomllib
from typing import Any, cast

import msgspec

from tracker.core.frames import Orientation
from tracker.core.settings import Controller


class Setting(msgspec.Struct, frozen=True):
    """The settings that a report shows or needs."""

    patient_id: str
    plan_id: str
    orientation: Orientation
    actuator: str
    """Name of the kind of treatment machine; today's program may not know it any more."""


def setting_of(configuration: str) -> Setting:
    """Read the keys from a configuration's text."""
    try:
        table: dict[str, Any] = tomllib.loads(configuration)
    except tomllib.TOMLDecodeError:
        table = {}
    today = Controller()
    found = {
        "patient_id": _text(table, "session", "patient_id", today.session.patient_id),
        "plan_id": _text(table, "session", "plan_id", today.session.plan_id),
        "orientation": _text(table, "session", "orientation", today.session.orientation),
        "actuator": _text(table, "actuator", "kind", today.actuator.kind),
    }
    try:
        return msgspec.convert(found, Setting)
    except msgspec.ValidationError:  # an orientation that today's program does not know
        return msgspec.convert(found | {"orientation": today.session.orientation}, Setting)


def _text(table: dict[str, Any], section: str, key: str, default: str) -> str:
    part = table.get(section)
    value = cast(dict[str, Any], part).get(key) if isinstance(part, dict) else None
    return value if isinstance(value, str) else default

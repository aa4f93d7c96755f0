"""Write the reference of all drivers as Markdown, from the driver table; a test keeps it current.

python -m tracker.live.devices.driver_reference docs/reference/drivers.md
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import inspect as types

from hal.driver import ROLES, AnyDriver, DriverTable
from hal.openigtlink.driver import IgtlGatewaySettings
from hal.registry import DRIVERS
from sim.registry import TWINS
from sim.twin import TwinTable

Record = type[msgspec.Struct]

OPENING = """# Drivers

Written by `python -m tracker.live.devices.driver_reference docs/reference/drivers.md` from the
table in `hal/registry.py`: change that, not this page.
[Write a driver](../how-to/write-a-driver.md) tells how to add one.

A section `[wires.NAME]` connects the device whose own section is `[NAME]`: `camera`, `belt`,
`imager`, `actuator`, `gate`, `linac`, or a further source `[sources.NAME]`. Its key `driver` names
a row of this table. Every driver that can have the role of a device can connect it. Paths are
relative to the configuration's folder. A file without `[wires.*]` is for the closed loop.

| role | what the device does |
|---|---|
"""

WIRES = {
    "tcp": "`tcp://host:port`",
    "udp": "`udp://:port`",
    "serial": "`serial:///dev/name?baud=9600`",
    "gige": "GigE Vision, `host:port` of each camera",
    "video": "what OpenCV opens: a number, a path, a URL",
    "dicom": "DICOM C-STORE, `host:port` of this machine",
    "lsl": "found by name on the Lab Streaming Layer",
}


def page(drivers: DriverTable = DRIVERS, twins: TwinTable = TWINS) -> str:
    """Return the whole page."""
    lines = [f"| {role} | {_marked(words)} |" for role, words in ROLES.items()]
    lines += ["", "| driver | connects | role | wire | own process | twin |"]
    lines.append("|---|---|---|---|---|---|")
    for row in drivers.rows:
        twin = twins.row(row.name).alone.name
        own = "yes" if row.own_process else "no"
        lines.append(
            f"| [`{row.name}`](#{row.name}) | {row.does} | {', '.join(row.roles)} "
            f"| {', '.join(row.wires)} | {own} | `tidetrack twin {twin}` |"
        )
    lines.append("")
    shown: dict[Record, str] = {}
    for row in drivers.rows:
        lines += _driver(row, shown)
    lines += ["## The gateway", "", *_record("[wires.gateway]", IgtlGatewaySettings, shown)]
    lines += [
        "## The measured latency",
        "",
        "`latency_file` in `[wires]` names the file that `tidetrack latency --out` wrote. A start",
        "is refused where it disagrees with `timing.latency_ms`.",
    ]
    return OPENING + "\n".join(lines) + "\n"


def _driver(row: AnyDriver, shown: dict[Record, str]) -> Iterator[str]:
    roles = ", ".join(row.roles)
    yield from (f"## {row.name}", "")
    wires = "; ".join(WIRES.get(wire, wire) for wire in row.wires)
    yield from (f"Role: {roles}. Wire: {wires}.", "")
    yield from _record(f'driver = "{row.name}"', row.settings, shown)


def _record(title: str, record: Record, shown: dict[Record, str]) -> Iterator[str]:
    """Yield the table of a record's keys, then those of the records within it, each once."""
    if record in shown:
        yield from (f"**`{title}`**: the keys of `{shown[record]}` above.", "")
        return
    shown[record] = title
    yield from (f"**`{title}`** {_marked(inspect.getdoc(record) or '')}", "")
    yield from ("| key | value | default | |", "|---|---|---|---|")
    notes, inner = _notes_of(record), list[tuple[str, Record]]()
    for field in _fields(record):
        default = "must be given" if field.required else _shown(field)
        note = _marked(notes.get(field.name, ""))
        yield f"| `{field.encode_name}` | {_words(field.type)} | {default} | {note} |"
        inner += [(field.encode_name, kind) for kind in _records_in(field.type)]
    yield ""
    for name, kind in inner:
        yield from _record(name, kind, shown)


def _fields(record: Record) -> tuple[types.Field, ...]:
    return cast(types.StructType, types.type_info(record)).fields


def _records_in(kind: types.Type) -> Iterator[Record]:
    match kind:
        case types.StructType(cls=record):
            yield record
        case types.UnionType(types=parts):
            for part in parts:
                yield from _records_in(part)
        case types.Metadata(type=inner):
            yield from _records_in(inner)
        case _:
            return


def _words(kind: types.Type) -> str:
    """Return a type and its bounds in words."""
    match kind:
        case types.Metadata(type=inner):
            return _words(inner)
        case types.UnionType(types=parts):
            return " or ".join(_words(part) for part in parts)
        case types.IntType() | types.FloatType():
            name = "whole number" if isinstance(kind, types.IntType) else "number"
            return " ".join([name, " and ".join(_bounds(kind))]).rstrip()
        case types.StrType():
            return "text" if kind.max_length is None else f"text, at most {kind.max_length}"
        case types.LiteralType():
            return " or ".join(f'`"{v}"`' if isinstance(v, str) else f"`{v}`" for v in kind.values)
        case types.VarTupleType() | types.ListType():
            return f"list of: {_words(kind.item_type)}"
        case types.TupleType():
            return f"{len(kind.item_types)} values"
        case types.NoneType():
            return "nothing"
        case types.BoolType():
            return "`true` or `false`"
        case _:
            return "table"


def _bounds(kind: types.IntType | types.FloatType) -> Iterator[str]:
    for limit, words in (
        (kind.ge, "at least"),
        (kind.gt, "above"),
        (kind.le, "at most"),
        (kind.lt, "below"),
    ):
        if limit is not None:
            yield f"{words} {limit:.12g}"


def _shown(field: types.Field) -> str:
    value: Any = field.default
    if value is msgspec.NODEFAULT:
        factory: Any = field.default_factory
        value = factory()
    if isinstance(value, msgspec.Struct):
        return "its defaults"
    return "none" if value is None else f"`{msgspec.json.encode(value).decode()}`"


def _notes_of(record: Record) -> dict[str, str]:
    """Return the string under each field of a record and of those it derives from."""
    notes: dict[str, str] = {}
    for part in reversed(record.__mro__):
        if part in (object, msgspec.Struct) or not issubclass(part, msgspec.Struct):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        assert isinstance(body, ast.ClassDef)
        for field, note in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(note, ast.Expr)
                and isinstance(note.value, ast.Constant)
            ):
                notes[field.target.id] = " ".join(str(note.value.value).split())
    return notes


def _marked(text: str) -> str:
    """Return docstring text as one line of a table."""
    line = " ".join(text.split()).replace("|", "\\|")
    return re.sub(r"``([^`]+)``|`([^`]+)`", lambda found: f"`{found[1] or found[2]}`", line)


def main(arguments: list[str]) -> int:
    """Write the page."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tracker.live.devices.driver_reference FILE\n")
        return 2
    Path(arguments[0]).write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

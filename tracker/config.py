"""A configuration file, read whole and either right or refused with every wrong key at once.

The settings records say what each key may be (`tracker.core.settings`, `sim.scenario.Room`);
the table of `tracker.config_rules` says what must hold between two keys.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

import msgspec
import tomli_w

from hal.driver import DriverTable
from hal.registry import DRIVERS
from sim.machines import MACHINES
from sim.scenario import RoomScenario, SourceTwinSettings, Twin
from tracker.config_errors import Problem, document_problems, not_one_of, path_first, shown
from tracker.config_extends import ExtendsError, whole_text
from tracker.config_rules import rule_problems
from tracker.config_sources import Entries, as_entries, entry_problems, read_entries
from tracker.core.machine.kinds.table import MACHINE_KINDS
from tracker.core.settings import Controller
from tracker.core.surrogate.sources.source import SourceSettings
from tracker.core.surrogate.sources.table import SOURCE_KINDS, SourceKinds
from tracker.daemon_settings import Operation
from tracker.wires import SectionRoles, Wires, read_wires, section_roles, wires_record

if TYPE_CHECKING:
    from sim.source_twins import SourceTwins

SHIPPED = Path(__file__).parent / "defaults"
"""The folder of the configurations that come with the program."""


class Sources(NamedTuple):
    """The kinds of surrogate source a configuration may name, and the kinds of their twins."""

    kinds: SourceKinds = SOURCE_KINDS
    twins: SourceTwins | None = None
    """``None``: those of `sim.source_twins`, imported when a configuration has such a twin."""

    def records(self) -> dict[str, type[SourceSettings]]:
        """Return, for each kind of source, the record of its settings."""
        return {kind.name: kind.settings for kind in self.kinds}

    def twin_records(self) -> dict[str, type[SourceTwinSettings]]:
        """Return, for each kind of source, the record of its twin's settings."""
        from sim.source_twins import SOURCE_TWINS

        twins = SOURCE_TWINS if self.twins is None else self.twins
        return {twin.name: twin.settings for twin in twins}


SHIPPED_SOURCES = Sources()


class ConfigurationError(Exception):
    """A configuration is not usable; ``problems`` holds one line for each thing wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What one configuration file says, and the file itself for the journal's header.

    ``room`` is ``None`` when the file has no [room]: such a file is for real hardware. ``wires``
    is ``None`` when it has no [wires]: such a file is for the closed loop.
    """

    controller: Controller
    room: RoomScenario | None
    text: str
    path: Path | None
    sha256: str
    wires: Wires | None = None
    operation: Operation = field(default_factory=Operation)
    drivers: DriverTable = DRIVERS
    """The table that the drivers of ``wires`` were chosen from."""
    sources: Sources = SHIPPED_SOURCES
    """The tables that further sources and their twins were chosen from."""

    @property
    def folder(self) -> Path:
        """The folder that the files it names are relative to."""
        return self.path.parent if self.path else Path()


@functools.lru_cache(maxsize=32)
def _document_record(roles: SectionRoles, drivers: DriverTable) -> type[msgspec.Struct]:
    """Make the record of what is neither the controller's nor the daemon's: [room], [wires]."""
    return msgspec.defstruct(
        "RoomAndWires",
        [
            ("room", RoomScenario | None, None),
            ("wires", wires_record(roles, drivers) | None, None),
        ],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


def load_configuration(path: Path | str, drivers: DriverTable = DRIVERS) -> Configuration:
    """Read a configuration file; raises `ConfigurationError` naming everything wrong with it."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError([f"{path}: no such file; {_shipped()}"]) from None
    except IsADirectoryError:
        raise ConfigurationError([f"{path}: is a directory; name a .toml file"]) from None
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        raise ConfigurationError([f"{path}:{line}: {what}; save the file as UTF-8"]) from None
    try:
        text = whole_text(text, path)
    except ExtendsError as error:
        raise ConfigurationError([str(error)]) from None
    return parse_configuration(text, name=str(path), path=path, drivers=drivers)


def parse_configuration(
    text: str,
    name: str = "configuration",
    path: Path | None = None,
    drivers: DriverTable = DRIVERS,
    sources: Sources = SHIPPED_SOURCES,
) -> Configuration:
    """Read a configuration from its text; ``name`` stands before each problem.

    ``drivers`` is the table that the key ``driver`` of each wire names a row of; ``sources`` are
    the tables of the key ``kind`` of each further source.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # mostly tomllib.TOMLDecodeError
        raise ConfigurationError([_syntax_problem(name, text, error)]) from None
    roles = section_roles(table)
    entries = _take_entries(table, sources)
    document_record = _document_record(roles, drivers)
    problems = list(document_problems(table, Controller, document_record, Operation))
    wrong_entries = [problem for entry in entries for problem in entry_problems(entry)]
    problems.extend(wrong_entries)
    wrong = frozenset(_key(problem.path) for problem in problems)
    if wrong_entries:
        wrong |= {"sources"}
    sections, rest, operation = (
        {key: table[key] for key in record.__struct_fields__ if key in table}
        for record in (Controller, document_record, Operation)
    )
    try:
        # With the wrong keys left out, so that the rules between the others are looked at too.
        right = _with_machine_defaults(_without(sections, wrong))
        controller = msgspec.convert(right, Controller)
        if not wrong_entries:
            controller = msgspec.structs.replace(controller, sources=read_entries(entries[0]))
        problems.extend(rule_problems(controller, wrong))
        document: Any = msgspec.convert(_without(rest, wrong), document_record)
        room: RoomScenario | None = document.room
        if room is not None and not wrong_entries:
            room = msgspec.structs.replace(room, sources=read_entries(entries[1]))
        if not wrong_entries:
            problems.extend(_room_problems(room, controller, sources))
        if problems:
            raise ConfigurationError([f"{name}: {path}: {what}" for path, what in problems])
        running = msgspec.convert(operation, Operation)
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"{name}: {path_first(str(error))}"]) from None
    digest = hashlib.sha256(text.encode()).hexdigest()
    wires = None if document.wires is None else read_wires(document.wires, roles, drivers)
    return Configuration(controller, room, text, path, digest, wires, running, drivers, sources)


def _take_entries(
    table: dict[str, Any], sources: Sources
) -> tuple[Entries[SourceSettings], Entries[SourceTwinSettings]]:
    """Take the entries of [sources] and of [room.sources] out of a document.

    The device of a source is called like its entry, unless the entry says otherwise. A section that
    is no table stays where it is, to be refused with the rest.
    """
    in_room = _popped(table.get("room"), "sources")
    named: dict[str, Any] = {
        name: {"device": name, **cast("dict[str, Any]", entry)}
        if isinstance(entry, dict)
        else entry
        for name, entry in _popped(table, "sources").items()
    }
    return (
        Entries("sources", named, sources.records()),
        Entries("room.sources", in_room, sources.twin_records() if in_room else {}),
    )


def _popped(table: Any, key: str) -> dict[str, Any]:
    """Take a table out of another; give an empty one where there is none."""
    if not isinstance(table, dict):
        return {}
    holder = cast("dict[str, Any]", table)
    return holder.pop(key) if isinstance(holder.get(key), dict) else {}


def altered(
    configuration: Configuration, changes: Mapping[str, Mapping[str, Any]]
) -> Configuration:
    """Give the configuration with some keys replaced (section -> key -> value), checked anew.

    Its text becomes the whole effective configuration, so that a journal holds what really ran.
    """
    table: dict[str, Any] = msgspec.to_builtins(configuration.controller)
    table.update(msgspec.to_builtins(configuration.operation))
    sources, room = configuration.sources, configuration.room
    table["sources"] = as_entries(configuration.controller.sources, sources.records())
    if room is not None:
        table["room"] = msgspec.to_builtins(room)
        if room.sources:
            table["room"]["sources"] = as_entries(room.sources, sources.twin_records())
    if configuration.wires is not None:
        table["wires"] = configuration.wires.as_table()
    for section, keys in changes.items():
        place = table
        for part in section.split("."):
            place = place[part]
        place.update(keys)
    text = tomli_w.dumps(_without_none(table))
    return parse_configuration(
        text,
        name="the configuration as changed",
        path=configuration.path,
        drivers=configuration.drivers,
        sources=configuration.sources,
    )


def _shipped() -> str:
    names = [
        *sorted(file.stem for file in SHIPPED.glob("*.toml")),
        *sorted(f"machines/{file.stem}" for file in SHIPPED.glob("machines/*.toml")),
    ]
    return f"shipped with the program, in {SHIPPED}: {', '.join(names)}"


def _without_none(value: Any) -> Any:
    """Leave out what is ``None``: TOML has no such value, and it is the default of its key."""
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value).items()
        return {key: _without_none(item) for key, item in items if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in cast(Sequence[Any], value)]
    return value


def _syntax_problem(name: str, text: str, error: Exception) -> str:
    found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    what = str(error).split(" (at ")[0]
    what = what[:1].lower() + what[1:]
    lines = text.splitlines() or [""]
    number = min(int(found[1]), len(lines)) if found else len(lines)
    return f"{name}:{number}: not TOML: {what}: {shown(lines[number - 1].strip())}; correct it"


def _key(path: str) -> str:
    """The section and key a path lies in: timing.tick_hz, imager.fiducials_mm."""
    return ".".join(path.split("[", maxsplit=1)[0].split(".")[:2])


def _without(sections: Mapping[str, Any], wrong: frozenset[str]) -> dict[str, dict[str, Any]]:
    return {
        section: {key: item for key, item in table.items() if f"{section}.{key}" not in wrong}
        for section, table in sections.items()
        if section not in wrong
    }


def _with_machine_defaults(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Fill the keys of ``[actuator]`` and ``[guard]`` that are not set, by the kind of machine."""
    kind = MACHINE_KINDS.get(sections.get("actuator", {}).get("kind", ""))
    if kind is None:
        return dict(sections)
    defaults = {"actuator": kind.actuator, "guard": kind.guard}
    filled = {
        section: msgspec.to_builtins(record) | dict(sections.get(section, {}))
        for section, record in defaults.items()
    }
    return {**sections, **filled}


def _room_problems(
    room: RoomScenario | None, controller: Controller, sources: Sources
) -> Iterator[Problem]:
    """Name what the simulated room does not know: a kind of machine, a source, a mishap's twin."""
    if room is None:
        return
    if room.actuator.kind not in MACHINES:
        yield Problem("room.actuator.kind", not_one_of(room.actuator.kind, tuple(MACHINES)))
    kinds = {record: kind for kind, record in sources.records().items()}
    twin_kinds = (
        {record: kind for kind, record in sources.twin_records().items()} if room.sources else {}
    )
    for name, twin in room.sources.items():
        source = controller.sources.get(name)
        if source is None:
            yield Problem(f"room.sources.{name}", f"there is no [sources.{name}]; add or remove it")
            continue
        kind, twin_kind = kinds[type(source)], twin_kinds[type(twin)]
        if kind != twin_kind:
            what = f'is "{twin_kind}", but sources.{name}.kind is "{kind}"; make them equal'
            yield Problem(f"room.sources.{name}.kind", what)
    names = (*get_args(Twin), *controller.sources)
    for number, mishap in enumerate(room.mishaps):
        if mishap.on not in names:
            yield Problem(f"room.mishaps[{number}].on", not_one_of(mishap.on, names))

"""Find every key of a configuration that does not fit its settings record, and say why in words.

The records are msgspec structs; their types and bounds are read with `msgspec.inspect`, so a new
setting is checked, and explained, as soon as it is declared.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect


class Problem(NamedTuple):
    """What is wrong at ``path``, a dotted key with an index where it is in a list."""

    path: str
    what: str


def path_first(message: str) -> str:
    """Return a message of msgspec with the key before what is wrong, as all other messages have it.

    msgspec names the key behind it: ``what - at `$.wires.linac.session` ``.
    """
    what, separator, path = message.rpartition(" - at `$")
    return f"{path.rstrip('`').lstrip('.')}: {what}" if separator else message


def document_problems(
    table: Mapping[str, Any], *records: type[msgspec.Struct], prefix: str = ""
) -> Iterator[Problem]:
    """Yield a problem for each part of ``table`` that does not fit the fields of ``records``."""
    fields: dict[str, inspect.Field] = {}
    for record in records:
        fields.update(_fields_of(record))
    yield from _table_problems(table, fields, prefix, _key_paths(fields, prefix))


@functools.cache
def _fields_of(record: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    """Return the fields of a record; cached, because inspecting all settings takes 12 ms."""
    return _fields(cast(inspect.StructType, inspect.type_info(record)))


def _fields(record: inspect.StructType) -> dict[str, inspect.Field]:
    return {field.encode_name: field for field in record.fields}


def _key_paths(fields: Mapping[str, inspect.Field], prefix: str = "") -> tuple[str, ...]:
    """List every dotted key that is allowed, to suggest one for a wrong key."""
    paths: list[str] = []
    for name, field in fields.items():
        paths.append(prefix + name)
        for kind in _alternatives(field.type):
            if isinstance(kind, inspect.StructType):
                paths.extend(_key_paths(_fields(kind), f"{prefix}{name}."))
    return tuple(paths)


def _table_problems(
    table: Mapping[str, Any],
    fields: Mapping[str, inspect.Field],
    prefix: str,
    known: Sequence[str],
) -> Iterator[Problem]:
    for key, value in table.items():
        if key in fields:
            yield from _value_problems(value, fields[key].type, prefix + key, known)
        else:
            what = "section" if isinstance(value, dict) else "key"
            yield Problem(prefix + key, f"unknown {what}; {_meant(key, fields, prefix, known)}")
    for name, field in fields.items():
        if field.required and name not in table:
            yield Problem(prefix + name, "missing; add it")


def _meant(key: str, fields: Mapping[str, object], prefix: str, known: Sequence[str]) -> str:
    by_name: dict[str, str] = {}
    for path in known:
        by_name.setdefault(path.rpartition(".")[2], path)
    near = difflib.get_close_matches(key.lower(), fields, n=1, cutoff=0.6)
    if near and key not in by_name:
        return f"did you mean {prefix}{near[0]}?"
    near = difflib.get_close_matches(key.lower(), by_name, n=1, cutoff=0.75)
    if near:
        return f"did you mean {by_name[near[0]]}?"
    section = prefix.rstrip(".")
    where = f"[{section}]" if section else "a configuration"
    return f"remove it; {where} knows {', '.join(fields)}"


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(kind, inspect.Metadata):
        return _alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        return tuple(part for whole in kind.types for part in _alternatives(whole))
    return (kind,)


def _value_problems(
    value: object, kind: inspect.Type, path: str, known: Sequence[str]
) -> Iterator[Problem]:
    kinds = [part for part in _alternatives(kind) if not isinstance(part, inspect.NoneType)]
    records = [part for part in kinds if isinstance(part, inspect.StructType)]
    tagged = len(records) > 1 or any(record.tag_field is not None for record in records)
    if tagged and isinstance(value, dict):
        yield from _tagged_problems(cast(dict[str, object], value), records, path, known)
        return
    fitting = [part for part in kinds if _is_of_type(value, part)]
    if not fitting:
        expected = " or ".join(dict.fromkeys(_in_words(part) for part in kinds))
        yield Problem(path, f"wrong type: {shown(value)}; write {expected}")
        return
    yield from _content_problems(value, fitting[0], path, known)


def _content_problems(
    value: object, kind: inspect.Type, path: str, known: Sequence[str]
) -> Iterator[Problem]:
    match kind:
        case inspect.StructType():
            table = cast(dict[str, object], value)
            fields = _fields(kind)
            if kind.tag_field is not None:
                table = {key: item for key, item in table.items() if key != kind.tag_field}
            yield from _table_problems(table, fields, f"{path}.", known)
        case inspect.IntType() | inspect.FloatType():
            yield from _number_problems(cast(float, value), kind, path)
        case inspect.StrType():
            yield from _text_problems(cast(str, value), kind, path)
        case inspect.LiteralType():
            if value not in kind.values:
                yield Problem(path, not_one_of(value, kind.values))
        case inspect.EnumType():
            choices = [member.value for member in kind.cls]
            if value not in choices:
                yield Problem(path, not_one_of(value, choices))
        case inspect.TupleType():
            items = cast(list[object], value)
            if len(items) != len(kind.item_types):
                yield Problem(path, f"{len(items)} values; write {_in_words(kind)}")
                return
            for index, (item, part) in enumerate(zip(items, kind.item_types, strict=True)):
                yield from _value_problems(item, part, f"{path}[{index}]", known)
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType():
            items = cast(list[object], value)
            yield from _length_problems(len(items), kind, path, "values")
            for index, item in enumerate(items):
                yield from _value_problems(item, kind.item_type, f"{path}[{index}]", known)
        case inspect.DictType():
            for key, item in cast(dict[str, object], value).items():
                yield from _value_problems(item, kind.value_type, f"{path}.{key}", known)
        case _:
            pass


def _tagged_problems(
    table: dict[str, object], records: list[inspect.StructType], path: str, known: Sequence[str]
) -> Iterator[Problem]:
    tag_field = records[0].tag_field or "type"
    by_tag = {record.tag: record for record in records}
    if tag_field not in table:
        yield Problem(f"{path}.{tag_field}", f"missing; add one of {', '.join(map(str, by_tag))}")
        return
    tag = table[tag_field]
    if not isinstance(tag, str | int) or tag not in by_tag:
        yield Problem(f"{path}.{tag_field}", not_one_of(tag, list(by_tag)))
        return
    yield from _content_problems(table, by_tag[tag], path, known)


def _number_problems(
    value: float, kind: inspect.IntType | inspect.FloatType, path: str
) -> Iterator[Problem]:
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"not finite: {shown(value)}, {_bounds(kind)}; write a number")
        return
    too_small = (kind.ge is not None and value < kind.ge) or (
        kind.gt is not None and value <= kind.gt
    )
    too_large = (kind.le is not None and value > kind.le) or (
        kind.lt is not None and value >= kind.lt
    )
    if too_small or too_large:
        what = "too small" if too_small else "too large"
        yield Problem(path, f"{what}: {shown(value)}, {_bounds(kind)}; choose a value inside")
    elif kind.multiple_of is not None and value % kind.multiple_of:
        yield Problem(path, f"{shown(value)} is no multiple of {kind.multiple_of:g}; round it")


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    low, high = None, None
    if kind.ge is not None:
        low = f"at least {kind.ge:g}"
    elif kind.gt is not None:
        low = f"above {kind.gt:g}"
    if kind.le is not None:
        high = f"at most {kind.le:g}"
    elif kind.lt is not None:
        high = f"below {kind.lt:g}"
    limits = [limit for limit in (low, high) if limit]
    return "allowed " + " and ".join(limits) if limits else "allowed any finite number"


def _text_problems(value: str, kind: inspect.StrType, path: str) -> Iterator[Problem]:
    yield from _length_problems(len(value), kind, path, "characters")
    if kind.pattern is not None and value and re.search(kind.pattern, value) is None:
        yield Problem(
            path, f"{shown(value)} does not match {kind.pattern}; use such characters only"
        )


def _length_problems(
    length: int,
    kind: inspect.StrType | inspect.VarTupleType | inspect.ListType | inspect.SetType,
    path: str,
    of: str,
) -> Iterator[Problem]:
    if kind.min_length is not None and length < kind.min_length:
        yield Problem(path, f"{length} {of}, at least {kind.min_length} are needed; add some")
    if kind.max_length is not None and length > kind.max_length:
        yield Problem(path, f"{length} {of}, at most {kind.max_length} are allowed; shorten it")


def not_one_of(value: object, choices: Sequence[object]) -> str:
    """Say that a value is not one of the choices, name them all, and the one it may have meant."""
    names = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(value).lower(), names, n=1, cutoff=0.6)
    advice = f"did you mean {shown(near[0])}?" if near else "choose one of them"
    return f"{shown(value)} is not one of {', '.join(names)}; {advice}"


def _is_of_type(value: object, kind: inspect.Type) -> bool:
    match kind:
        case inspect.AnyType():
            return True
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.LiteralType() | inspect.EnumType():
            return isinstance(value, str | int) and not isinstance(value, bool)
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, dict)
        case inspect.TupleType() | inspect.VarTupleType() | inspect.ListType() | inspect.SetType():
            return isinstance(value, list)
        case _:
            return False


def _in_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case inspect.StrType():
            return 'text in "quotes"'
        case inspect.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in kind.values)
        case inspect.EnumType():
            return "one of " + ", ".join(f'"{member.value}"' for member in kind.cls)
        case inspect.StructType() | inspect.DictType():
            return "a table"
        case inspect.TupleType():
            return f"a list of {len(kind.item_types)} values"
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType():
            return "a list"
        case _:
            return "something else"


def shown(value: object) -> str:
    """A value as the file would have it, short enough for a line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, dict):
        text = "a table"
    else:
        text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."

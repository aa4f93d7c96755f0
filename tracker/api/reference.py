"""Write the API reference as Markdown from schema, roles and limits; a test keeps it current.

python -m tracker.api.reference docs/reference/api.md
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from tracker.api import roles, schema
from tracker.core.session import SessionState

OPENING = f"""# Requests and published state

Written by `python -m tracker.api.reference docs/reference/api.md` from `tracker/api/schema.py`:
change that, not this page. Version {schema.VERSION}. A field is added with a default and the
version stays; anything else raises it.

Two ZeroMQ sockets, both CURVE servers: a ROUTER that takes requests and a PUB that publishes, at
the addresses of `[service]`. Use [`tracker.client`](../how-to/script-a-run.md), or any ZeroMQ
library. What protects them: [security](../explanation/security.md).

**Published**: two parts a message, the topic and JSON. **Requests**: one part of JSON from a
DEALER, one part of JSON back. Every record names its type in `type`. Times are nanoseconds of the
run, positions millimetres in the patient frame (+X left, +Y superior, +Z anterior) relative to the
reference position; covariances are upper triangles (xx, xy, xz, yy, yz, zz) in mm².

| topic | record | when |
|---|---|---|
| `state` | [State](#state) | every 50 ms |
| `model` | [Model](#model) | at each refit and every 2 s, once there is one |
| `log` | [Said](#said) | at once |
"""

PUBLISHED = (schema.State, schema.Model, schema.Said)
PARTS = (
    schema.Beam,
    schema.Surrogate,
    schema.BeamWindow,
    schema.BreathingGuide,
    schema.Place,
    schema.ActiveFault,
    schema.DeviceHealth,
    schema.Health,
    schema.Hop,
    schema.ModelShot,
)
ASKED = (schema.Hello, schema.Welcome, schema.Ask, schema.Answer)

REFUSED = """## What is refused, and how it is told

Each answer with `accepted` false says why in `reason`, and `state` is the session's state.

| what | told by |
|---|---|
| a key that is not known | no connection: the handshake ends with status 400 |
| a message larger than `service.most_bytes` | the connection is cut |
| more than `service.requests_per_s`; hold and stop are counted apart | an answer |
| bad JSON, an unknown field, another version | an answer |
| another `run_id`, a `nonce` used before | an answer |
| a role the key is not for, a request the role may not make | an answer |
| what session table or active faults refuse | an answer, the request being in the journal |

An answer to a message that could not be read has an empty `request_id`.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            OPENING,
            "## Published records\n",
            *(_record(each) for each in PUBLISHED),
            "## Their parts\n",
            *(_record(each) for each in PARTS),
            "## Requests and answers\n",
            *(_record(each) for each in ASKED),
            _roles(),
            REFUSED,
        ]
    )


def _record(record: type[msgspec.Struct]) -> str:
    lines = [f"### {record.__name__}\n", _words(record), "", "| field | type | |", "|---|---|---|"]
    hints = typing.get_type_hints(record, include_extras=True)
    notes = dict(_notes(record))
    for field in msgspec.structs.fields(record):
        kind = _kind(hints[field.name])
        said = [notes.get(field.name, "")]
        if not field.required:
            said.append(f"default {_default(field)}")
        words = "; ".join(part for part in said if part)
        lines.append(f"| `{field.name}` | {kind} | {words} |")
    return "\n".join([*lines, ""])


def _words(record: type[msgspec.Struct]) -> str:
    text = inspect.getdoc(record) or ""
    return re.sub(r"``([^`]+)``|`([^`]+)`", lambda found: f"`{found[1] or found[2]}`", text)


def _notes(record: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """Return the string under each field, on one line."""
    (body,) = ast.parse(inspect.getsource(record)).body
    assert isinstance(body, ast.ClassDef)
    for field, note in zip(body.body, body.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant):
            text = " ".join(str(note.value.value).split()).replace("``", "`")
            yield field.target.id, text


_JSON_WORDS = ((str, "string"), (float, "number"), (int, "integer"), (bool, "boolean"))


def _kind(hint: Any) -> str:
    """Return the JSON name of a type."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return " or ".join(map(_kind, typing.get_args(hint)))
    if typing.get_origin(hint) is typing.Annotated:
        kind, *metas = typing.get_args(hint)
        return _kind(kind) + "".join(_bounds(meta) for meta in metas)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return f"list of {_kind(inner[0])}"
        return f"{len(inner)} × {_kind(inner[0])}"
    if typing.get_origin(hint) is dict:
        return f"object of {_kind(typing.get_args(hint)[1])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " \\| ".join(f"`{member.value}`" for member in hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return next((word for plain, word in _JSON_WORDS if plain is hint), "null")


def _bounds(meta: Any) -> str:
    if not isinstance(meta, msgspec.Meta) or meta.max_length is None:
        return ""
    return f", {meta.min_length or 0} to {meta.max_length} characters"


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{msgspec.json.encode(value).decode()}`"


def _roles() -> str:
    """Return the table of roles as Markdown."""
    letters = ", ".join(f"{letter} {role.value}" for letter, role in roles.LETTERS.items())
    lines = [
        "## Who may ask for what, and when\n",
        f"{letters}; an empty cell is nobody. A key of role service acts for whoever is logged in",
        "there, in that person's role.\n",
        f"| request | {' | '.join(SessionState)} |",
        "|---|" + "---|" * len(SessionState),
    ]
    for request, row in roles.TABLE.items():
        lines.append(f"| `{request}` | {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def main(arguments: list[str]) -> int:
    """Write the page."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tracker.api.reference FILE\n")
        return 2
    Path(arguments[0]).write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The JSON schema of each record, in the plain form that Foxglove reads.

Foxglove wants an object at the top, no references, no tuples spelled out item by item, and in
``properties`` neither arrays of arrays nor values that may be null. Those two are put into
``patternProperties``, which validators use and Foxglove ignores.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

import msgspec

Schema = dict[str, Any]


def schema_of(record_type: type[Any]) -> bytes:
    """The self-contained JSON schema of ``record_type``, as UTF-8 JSON."""
    (_,), definitions = msgspec.json.schema_components([record_type])
    schema = _flatten(definitions[record_type.__name__], definitions)
    properties: Schema = {}
    patterns: Schema = {}
    for name, field in schema["properties"].items():
        if _is_plain(field):
            properties[name] = field
        else:
            patterns[f"^{re.escape(name)}$"] = field
    schema["properties"] = properties
    if patterns:
        schema["patternProperties"] = patterns
    return json.dumps(schema, separators=(",", ":")).encode()


def _flatten(schema: Any, definitions: dict[str, Any]) -> Any:
    """Put what references point to in their place, and tuples as arrays of one item type."""
    if isinstance(schema, list):
        return [_flatten(part, definitions) for part in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    schema = cast(Schema, schema)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _flatten(definitions[reference.rsplit("/", 1)[1]], definitions)
    flat: Schema = {key: _flatten(value, definitions) for key, value in schema.items()}
    prefix = flat.get("prefixItems")
    if prefix and all(item == prefix[0] for item in prefix):
        del flat["prefixItems"]
        flat["items"] = prefix[0]
    if "enum" in flat and "type" not in flat:
        flat["type"] = "string"
    if isinstance(flat.get("description"), str):
        flat["description"] = " ".join(flat["description"].split())
    return flat


def _is_plain(field: Schema) -> bool:
    if field.get("type") == "array":
        return field["items"].get("type") in ("number", "integer", "string", "boolean")
    return field.get("type") in ("number", "integer", "string", "boolean")

"""Read a camera's description (GenICam XML) into nodes; nothing is evaluated here.

Source: GenICam GenApi 2.1.1, chapter 2.8. A description is large, written by a maker, and only a
small part of it is used: what is not understood is kept by name and refused when a feature needs
it. Bytes that are no characters stand in tooltips as a rule; they are replaced, not refused.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from hal.errors import ProtocolError

REGISTERS = frozenset({"IntReg", "MaskedIntReg", "FloatReg", "StructEntry"})
"""Kinds of node that stand for bytes of the camera's memory."""
INLINE_KNIVES = frozenset({"IntSwissKnife", "SwissKnife"})

_NOT_NODES = frozenset({"EnumEntry", "StructEntry", "pVariable", "Constant", "Expression"})
_PLACE = "Address pAddress pIndex IntSwissKnife Length pLength pPort Sign Endianess LSB MSB Bit"
_ACCESS = "AccessMode ImposedAccessMode pIsImplemented pIsAvailable pIsLocked pBlockPolling"
_FOR_PEOPLE = (
    "Extension ToolTip Description DisplayName Visibility ImposedVisibility DocuURL IsDeprecated "
    "pIsDeprecated Unit Representation DisplayNotation DisplayPrecision MergePriority ExposeStatic"
)
_FOR_PROGRAMS = (
    "StructEntry EventID pError pErrors pErrorCondition pAlias pCastAlias Streamable Cachable "
    "PollingTime pInvalidator pSelected"
)
_KNOWN_IN_REGISTERS = frozenset(" ".join((_PLACE, _ACCESS, _FOR_PEOPLE, _FOR_PROGRAMS)).split(" "))
"""Elements of a register that are understood, or that say nothing of where its value lies."""
_ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_END = re.compile(r"(</(?:\w+:)?RegisterDescription\s*>).*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AddressTerm:
    """One summand of a register's address.

    ``element`` is ``Address`` (a number), ``pAddress`` (a node's value) or ``pIndex`` (a node's
    value times ``stride``, or times the value of the node ``stride_node``, or, with neither, times
    the register's length).
    """

    element: str
    text: str
    stride: str = ""
    stride_node: str = ""


@dataclass(frozen=True, slots=True)
class EnumEntry:
    """One value of an enumeration; the texts of its number and of the nodes that guard it."""

    value: str
    numeric: str = ""
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a description: its kind, and the texts of its children by element."""

    kind: str
    name: str
    texts: Mapping[str, tuple[str, ...]]
    terms: tuple[AddressTerm, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    constants: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str], ...] = ()
    entries: Mapping[str, EnumEntry] | None = None
    indexed: tuple[tuple[str, str, str], ...] = ()
    """Rows of a value that is chosen by ``pIndex``: index, element, text."""
    strange: tuple[str, ...] = ()
    """What in a register is not understood: elements and attributes by name."""

    def text(self, element: str, otherwise: str = "") -> str:
        """Return the text of the first child of this name."""
        return self.texts.get(element, (otherwise,))[0]


def unpack_description(data: bytes, name: str) -> bytes:
    """Return the XML of a description file; it is unzipped if its name or content says ZIP."""
    if not name.lower().endswith(".zip") and not data.startswith(b"PK\x03\x04"):
        return data.rstrip(b"\0")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
            xml = [member for member in members if member.lower().endswith(".xml")]
            return archive.read((xml or members)[0])
    except (zipfile.BadZipFile, IndexError, OSError, ValueError, NotImplementedError) as error:
        raise ProtocolError(f"camera description {name!r}: {error}") from error


def read_nodes(xml: bytes) -> dict[str, Node]:
    """Return the nodes of a description by name; raises `ProtocolError` for what is no XML."""
    return dict(_nodes(_root(xml)))


def _root(xml: bytes) -> ElementTree.Element:
    """Parse a description; characters that XML forbids, and bytes of no character, are replaced."""
    try:
        return ElementTree.fromstring(xml)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        first = error
    text = xml.decode("utf-8-sig", "replace")
    text = _ILLEGAL.sub("?", _END.sub(r"\1", _DECLARATION.sub("", text)))
    try:
        return ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError):
        raise ProtocolError(f"camera description: {first}") from first


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""  # pyright: ignore


def _nodes(parent: ElementTree.Element) -> Iterator[tuple[str, Node]]:
    """Yield the nodes below an element: those of its groups too, and entries of structures."""
    for element in parent:
        kind = _tag(element)
        if kind == "StructReg":
            shared = _node(element)
            for child in element:
                if _tag(child) == "StructEntry":
                    entry = _node(child)
                    yield entry.name, _in_structure(entry, shared)
        elif element.get("Name") and kind not in _NOT_NODES:
            yield element.get("Name", ""), _node(element)
        elif kind == "Group":
            yield from _nodes(element)
        for child in element:
            if _tag(child) in INLINE_KNIVES and kind != "Group":
                yield child.get("Name", ""), _node(child)


def _in_structure(entry: Node, shared: Node) -> Node:
    """Return an entry of a structured register: a masked register at the structure's address."""
    strange = tuple(dict.fromkeys(shared.strange + entry.strange))
    texts = {**shared.texts, **entry.texts}
    return replace(entry, texts=texts, terms=shared.terms + entry.terms, strange=strange)


def _node(element: ElementTree.Element) -> Node:
    kind = _tag(element)
    texts: dict[str, tuple[str, ...]] = {}
    named: dict[str, list[tuple[str, str]]] = {"pVariable": [], "Constant": [], "Expression": []}
    terms: list[AddressTerm] = []
    entries: dict[str, EnumEntry] = {}
    indexed: list[tuple[str, str, str]] = []
    strange: list[str] = []
    register = kind in REGISTERS or kind in ("StructReg", "StringReg", "Register")
    for child in element:
        tag, text = _tag(child), (child.text or "").strip()
        if not tag:
            continue  # a comment
        texts[tag] = (*texts.get(tag, ()), text)
        if tag in named:
            named[tag].append((child.get("Name", ""), text))
        elif tag == "EnumEntry":
            entries[child.get("Name", "")] = _entry(child)
        elif tag in ("ValueIndexed", "pValueIndexed"):
            indexed.append((child.get("Index", ""), tag, text))
        elif register:
            strange += _strange(child, tag)
            if tag in ("Address", "pAddress", "pIndex"):
                stride, node = child.get("Offset", ""), child.get("pOffset", "")
                terms.append(AddressTerm(tag, text, stride, node))
            elif tag == "IntSwissKnife":
                terms.append(AddressTerm("pAddress", child.get("Name", "")))
    return Node(
        kind,
        element.get("Name", ""),
        texts,
        tuple(terms),
        tuple(named["pVariable"]),
        tuple(named["Constant"]),
        tuple(named["Expression"]),
        entries or None,
        tuple(indexed),
        tuple(strange),
    )


def _strange(child: ElementTree.Element, tag: str) -> Iterator[str]:
    """Yield what in an element of a register is not understood and could move its address."""
    if tag not in _KNOWN_IN_REGISTERS:
        yield f"<{tag}>"
    allowed = {"Offset", "pOffset"} if tag == "pIndex" else set[str]()
    if tag in ("Address", "pAddress", "pIndex", "Length", "pLength", "LSB", "MSB", "Bit"):
        yield from (f"<{tag} {name}>" for name in child.attrib if name not in allowed)
    if tag == "pIndex" and allowed <= set(child.attrib):
        yield "<pIndex> with both Offset and pOffset"


def _entry(element: ElementTree.Element) -> EnumEntry:
    texts = {_tag(child): (child.text or "").strip() for child in element}
    guards = tuple(texts[tag] for tag in ("pIsImplemented", "pIsAvailable") if tag in texts)
    return EnumEntry(texts.get("Value", ""), texts.get("NumericValue", ""), guards)

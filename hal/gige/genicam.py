"""A camera's own description of its features (GenICam XML): names to registers.

Each camera keeps the registers of its features at addresses of its own and describes them in
an XML file that it carries. This module reads the part of the standard that a driver needs to
set and read features by name: registers, masks, enumerations, commands, and converters with
formulas. Access is by generators that yield a command and are sent its answer, so nothing here
does I/O.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Generator
from xml.etree import ElementTree

from hal.errors import DeviceError, ProtocolError
from hal.gige.codec import (
    Ack,
    GvcpAsk,
    memory_bytes,
    read_memory,
    read_register,
    register_value,
    write_memory,
    write_register,
)
from hal.gige.formula import Number, evaluate

Value = int | float | str | bool
Reading = Generator[GvcpAsk, Ack, Number]
Writing = Generator[GvcpAsk, Ack, None]
_REGISTERS = ("IntReg", "MaskedIntReg", "FloatReg", "StructEntry")
_KNIVES = ("SwissKnife", "IntSwissKnife")
_CONVERTERS = ("Converter", "IntConverter")
_DEEPEST = 16


def unpack_description(data: bytes, name: str) -> bytes:
    """Return the XML in a description file, which may be zipped."""
    if not name.lower().endswith(".zip"):
        return data.rstrip(b"\0")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(archive.namelist()[0])
    except (zipfile.BadZipFile, IndexError, OSError, ValueError) as error:
        raise ProtocolError(f"camera description {name!r}: {error}") from error


class _Node:
    """A node of the description: its kind and the texts of its children by tag."""

    def __init__(self, element: ElementTree.Element) -> None:
        self.kind = element.tag.rsplit("}", 1)[-1]
        self.name = element.get("Name", "")
        self.texts: dict[str, list[str]] = {}
        self.variables: dict[str, str] = {}
        self.entries: dict[str, int] = {}
        for child in element:
            tag = child.tag.rsplit("}", 1)[-1]
            text = (child.text or "").strip()
            self.texts.setdefault(tag, []).append(text)
            if tag == "pVariable":
                self.variables[child.get("Name", "")] = text
            elif tag == "EnumEntry":
                value = next((e.text for e in child if e.tag.rsplit("}", 1)[-1] == "Value"), None)
                if value is not None:
                    self.entries[child.get("Name", "")] = int(value.strip(), 0)

    def text(self, tag: str, otherwise: str = "") -> str:
        return self.texts.get(tag, [otherwise])[0]


class FeatureMap:
    """The features of one camera; raises `ProtocolError` for a description that is none."""

    def __init__(self, xml: bytes) -> None:
        try:
            root = ElementTree.fromstring(xml)
        except ElementTree.ParseError as error:
            raise ProtocolError(f"camera description: {error}") from error
        self._nodes: dict[str, _Node] = {}
        for element in root.iter():
            node = _Node(element)
            if node.kind == "StructReg":
                self._add_entries(element, node)
            elif node.name and node.kind not in ("EnumEntry", "StructEntry", "pVariable"):
                self._nodes[node.name] = node

    def _add_entries(self, element: ElementTree.Element, parent: _Node) -> None:
        """The entries of a structured register are masked registers at its address."""
        for child in element:
            if child.tag.rsplit("}", 1)[-1] == "StructEntry":
                entry = _Node(child)
                entry.texts = {**parent.texts, **entry.texts}
                self._nodes[entry.name] = entry

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def _node(self, name: str) -> _Node:
        node = self._nodes.get(name)
        if node is None:
            raise DeviceError(f"the camera has no feature {name!r}")
        return node

    def read(self, name: str, depth: int = 0) -> Reading:
        """A feature's value as a number (an enumeration's: its register value)."""
        node = self._node(name)
        if depth > _DEEPEST:
            raise ProtocolError(f"feature {name!r} refers to itself")
        if node.kind in _REGISTERS:
            return (yield from self._read_register(node, depth))
        if node.kind in _KNIVES:
            values = yield from self._variables(node, depth)
            return evaluate(node.text("Formula"), values)
        if node.kind in _CONVERTERS:
            values = yield from self._variables(node, depth)
            values["TO"] = yield from self.read(node.text("pValue"), depth + 1)
            return evaluate(node.text("FormulaFrom"), values)
        if node.text("pValue"):
            return (yield from self.read(node.text("pValue"), depth + 1))
        if node.text("Value"):
            return _number(node.text("Value"))
        raise DeviceError(f"feature {name!r} ({node.kind}) cannot be read")

    def write(self, name: str, value: Value, depth: int = 0) -> Writing:
        """Set a feature; an enumeration by the name of its entry, a switch by true or false."""
        node = self._node(name)
        if depth > _DEEPEST:
            raise ProtocolError(f"feature {name!r} refers to itself")
        number = _as_number(node, value)
        if node.kind in _REGISTERS:
            yield from self._write_register(node, number, depth)
            return
        yield from self._check_limits(node, number, depth)
        target = node.text("pValue")
        if not target:
            raise DeviceError(f"feature {name!r} ({node.kind}) cannot be set")
        if node.kind in _CONVERTERS:
            values = yield from self._variables(node, depth)
            number = evaluate(node.text("FormulaTo"), {**values, "FROM": number})
        yield from self.write(target, number, depth + 1)

    def execute(self, name: str) -> Writing:
        """Carry out a command feature."""
        node = self._node(name)
        if node.kind != "Command":
            raise DeviceError(f"feature {name!r} is {node.kind}, no command")
        if node.text("pCommandValue"):
            value = yield from self.read(node.text("pCommandValue"), 1)
        else:
            value = _number(node.text("CommandValue", "1"))
        yield from self.write(node.text("pValue"), value, 1)

    def _check_limits(self, node: _Node, number: Number, depth: int) -> Writing:
        for tag, sign, word in (("Min", -1, "at least"), ("Max", 1, "at most")):
            if node.text("p" + tag):
                limit = yield from self.read(node.text("p" + tag), depth + 1)
            elif node.text(tag):
                limit = _number(node.text(tag))
            else:
                continue
            if (number - limit) * sign > 0:
                raise DeviceError(f"feature {node.name!r} set to {number}, {word} {limit}")

    def _variables(self, node: _Node, depth: int) -> Generator[GvcpAsk, Ack, dict[str, Number]]:
        values: dict[str, Number] = {}
        for name, source in node.variables.items():
            values[name] = yield from self.read(source, depth + 1)
        return values

    def _address(self, node: _Node, depth: int) -> Reading:
        address = sum(int(text, 0) for text in node.texts.get("Address", []))
        for source in node.texts.get("pAddress", []):
            address += int((yield from self.read(source, depth + 1)))
        return address

    def _fetch(self, address: int, length: int) -> Generator[GvcpAsk, Ack, bytes]:
        if length == 4:
            ack = yield read_register(address)
            return register_value(ack).to_bytes(4, "big")
        ack = yield read_memory(address, length)
        return memory_bytes(ack, address, length)

    def _read_register(self, node: _Node, depth: int) -> Reading:
        address = int((yield from self._address(node, depth)))
        length = int(node.text("Length", "4"), 0)
        data = yield from self._fetch(address, length)
        if node.kind == "FloatReg":
            return struct.unpack(_order(node) + ("f" if length == 4 else "d"), data)[0]
        whole = int.from_bytes(data, "big" if _order(node) == ">" else "little")
        low, width = _bits(node, length)
        value = whole >> low & (1 << width) - 1
        if node.text("Sign") == "Signed" and value >> (width - 1):
            value -= 1 << width
        return value

    def _write_register(self, node: _Node, number: Number, depth: int) -> Writing:
        address = int((yield from self._address(node, depth)))
        length = int(node.text("Length", "4"), 0)
        order: str = "big" if _order(node) == ">" else "little"
        if node.kind == "FloatReg":
            data = struct.pack(_order(node) + ("f" if length == 4 else "d"), float(number))
        else:
            low, width = _bits(node, length)
            whole = round(number) & (1 << width) - 1
            if width < 8 * length:
                old = yield from self._fetch(address, length)
                mask = (1 << width) - 1 << low
                whole = int.from_bytes(old, order) & ~mask | whole << low  # type: ignore[arg-type]
            data = whole.to_bytes(length, order)  # type: ignore[arg-type]
        if length == 4:
            yield write_register(address, int.from_bytes(data, "big"))
        else:
            yield write_memory(address, data)


def _order(node: _Node) -> str:
    return ">" if node.text("Endianess") == "BigEndian" else "<"


def _bits(node: _Node, length: int) -> tuple[int, int]:
    """Lowest bit and width of a masked register; GenICam counts from the left when big endian."""
    if node.text("Bit"):
        first = last = int(node.text("Bit"), 0)
    elif node.text("LSB"):
        first, last = int(node.text("LSB"), 0), int(node.text("MSB"), 0)
    else:
        return 0, 8 * length
    if _order(node) == ">":
        first, last = 8 * length - 1 - first, 8 * length - 1 - last
    return min(first, last), abs(last - first) + 1


def _number(text: str) -> Number:
    try:
        return int(text, 0)
    except ValueError:
        return float(text)


def _as_number(node: _Node, value: Value) -> Number:
    if isinstance(value, str):
        if value not in node.entries:
            known = ", ".join(sorted(node.entries)) or "none by name"
            raise DeviceError(f"feature {node.name!r} set to {value!r}; it knows {known}")
        return node.entries[value]
    if isinstance(value, bool):
        return _number(node.text("OnValue", "1") if value else node.text("OffValue", "0"))
    return value

"""A camera's features by name: which registers they are, and how their values are read and set.

Each camera keeps the registers of its features at addresses of its own and describes them in an XML
file that it carries (`hal.gige.description`). This module evaluates what a driver needs to set and
read features: registers, masks, enumerations, commands, converters and formulas, values chosen by
an index, and values that live in the description alone. Access is by generators that yield a
command and are sent its answer, so nothing here does I/O.

A feature whose address or value depends on something that is not understood is refused by name: a
wrong register would be read in silence. Source: GenICam GenApi 2.1.1, chapter 2.8.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Generator, Mapping
from typing import Literal

from hal.errors import DeviceError, ProtocolError
from hal.gige.codec import (
    MOST_MEMORY,
    Ack,
    GvcpAsk,
    memory_bytes,
    read_memory,
    read_register,
    register_value,
    write_memory,
    write_register,
)
from hal.gige.description import (
    INLINE_KNIVES,
    REGISTERS,
    AddressTerm,
    Node,
    read_nodes,
    unpack_description,
)
from hal.gige.formula import Number, evaluate, nearest_whole

__all__ = ["FOREIGN_PORTS", "FeatureMap", "Reading", "Value", "Writing", "unpack_description"]

Value = int | float | str | bool
Reading = Generator[GvcpAsk, Ack, Number]
Writing = Generator[GvcpAsk, Ack, None]
_CONVERTERS = ("Converter", "IntConverter")
_WHOLE = ("IntSwissKnife", "IntConverter")
_VALUES = ("Integer", "Float", "Boolean", "Enumeration", "Command")
FOREIGN_PORTS = ("ChunkID", "pChunkID", "EventID")
"""A port with one of these is no memory of the camera: a part of a picture, or of an event."""
_DEEPEST = 24
_MOST_ADDRESS = 0xFFFF_FFFF


class FeatureMap:
    """The features of one camera; raises `ProtocolError` for a description that is none."""

    def __init__(self, xml: bytes) -> None:
        self._nodes = read_nodes(xml)
        self._kept: dict[str, Number] = {}
        """Values set here that the description keeps itself: no register holds them."""

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every node of the description by name."""
        return self._nodes

    def _node(self, name: str, depth: int = 0) -> Node:
        node = self._nodes.get(name)
        if node is None:
            raise DeviceError(f"the camera has no feature {name!r}")
        if depth > _DEEPEST:
            raise ProtocolError(f"feature {name!r} refers to itself")
        return node

    def read(self, name: str, depth: int = 0) -> Reading:
        """Return a feature's value as a number (an enumeration's: its register value)."""
        node = self._node(name, depth)
        if depth == 0:
            yield from self._check_there(node)
        if node.kind in REGISTERS:
            return (yield from self._read_register(node, depth))
        if node.kind in INLINE_KNIVES:
            values = yield from self._variables(node, depth)
            return self._formula(node, "Formula", values)
        if node.kind in _CONVERTERS:
            values = yield from self._variables(node, depth)
            values["TO"] = yield from self.read(node.text("pValue"), depth + 1)
            return self._formula(node, "FormulaFrom", values)
        if node.kind not in _VALUES:
            raise DeviceError(f"feature {name!r} ({node.kind}) cannot be read")
        target, text = yield from self._source(node, depth)
        if target:
            value = yield from self.read(target, depth + 1)
        else:
            value = self._kept.get(name, _number(node, text))
        if node.kind == "Boolean":
            return _switch(node, value)
        return self._numeric(target, value) if target and node.kind == "Float" else value

    def write(self, name: str, value: Value, depth: int = 0) -> Writing:
        """Set a feature; an enumeration by the name of its entry, a switch by true or false."""
        node = self._node(name, depth)
        if depth == 0:
            yield from self._check_there(node)
            yield from self._check_free(node, value)
        number = _as_number(node, value)
        if "RO" in (node.text("ImposedAccessMode"), node.text("AccessMode")):
            raise DeviceError(f"feature {name!r} can only be read")
        if node.kind in REGISTERS:
            yield from self._write_register(node, number, depth)
            return
        yield from self._check_limits(node, number, depth)
        if node.kind in _CONVERTERS:
            values = yield from self._variables(node, depth)
            number = self._formula(node, "FormulaTo", {**values, "FROM": number})
            target = node.text("pValue")
        elif node.kind in _VALUES:
            target, _ = yield from self._source(node, depth)
        else:
            raise DeviceError(f"feature {name!r} ({node.kind}) cannot be set")
        if not target:
            self._kept[name] = number
            return
        for one in (target, *node.texts.get("pValueCopy", ())):
            yield from self.write(one, number, depth + 1)

    def execute(self, name: str, *, checked: bool = True) -> Writing:
        """Carry out a command feature; unless ``checked``, whether it is available or not."""
        node = self._node(name)
        if node.kind != "Command":
            raise DeviceError(f"feature {name!r} is {node.kind}, no command")
        if checked:
            yield from self._check_there(node)
        if node.text("pCommandValue"):
            value = yield from self.read(node.text("pCommandValue"), 1)
        else:
            value = _number(node, node.text("CommandValue", "1"))
        yield from self.write(node.text("pValue"), value, 1)

    def address(self, name: str, depth: int = 0) -> Reading:
        """Return the address of a register, read with all that it depends on."""
        node = self._node(name, depth)
        if node.kind not in REGISTERS:
            raise DeviceError(f"feature {name!r} is {node.kind}, no register")
        return (yield from self._address(node, depth))

    # Whether a feature may be used.

    def _check_there(self, node: Node, depth: int = 0) -> Writing:
        """Refuse a feature that is not there now by the camera's own word, or its register's."""
        for element, word in (("pIsImplemented", "implemented"), ("pIsAvailable", "available now")):
            for source in node.texts.get(element, ()):
                if not (yield from self.read(source, depth + 1)):
                    raise DeviceError(f"feature {node.name!r} is not {word} ({source} is 0)")
        for target in node.texts.get("pValue", ()):
            yield from self._check_there(self._node(target, depth + 1), depth + 1)

    def _check_free(self, node: Node, value: Value) -> Writing:
        """Refuse to set a feature that is locked, or an entry that is not there now."""
        for source in node.texts.get("pIsLocked", ()):
            if (yield from self.read(source, 1)):
                raise DeviceError(f"feature {node.name!r} is locked now ({source} is not 0)")
        entry = (node.entries or {}).get(value) if isinstance(value, str) else None
        for source in entry.guards if entry is not None else ():
            if not (yield from self.read(source, 1)):
                raise DeviceError(f"feature {node.name!r}: {value!r} is not available ({source})")

    def _check_limits(self, node: Node, number: Number, depth: int) -> Writing:
        limits: dict[str, Number] = {}
        for tag in ("Min", "Max", "Inc"):
            if node.text("p" + tag):
                limits[tag] = yield from self.read(node.text("p" + tag), depth + 1)
            elif node.text(tag):
                limits[tag] = _number(node, node.text(tag))
        low, high, step = limits.get("Min"), limits.get("Max"), limits.get("Inc")
        if low is not None and number < low:
            raise DeviceError(f"feature {node.name!r} set to {number}, at least {low}")
        if high is not None and number > high:
            raise DeviceError(f"feature {node.name!r} set to {number}, at most {high}")
        whole = isinstance(step, int) and isinstance(number, int) and isinstance(low, int | None)
        if whole and step and (number - (low or 0)) % step:
            raise DeviceError(
                f"feature {node.name!r} set to {number}, in steps of {step} from {low or 0}"
            )

    # Where a value comes from.

    def _source(self, node: Node, depth: int) -> Generator[GvcpAsk, Ack, tuple[str, str]]:
        """Return the node that holds a value, or the text of the value where there is none."""
        if node.text("pIndex"):
            index = nearest_whole((yield from self.read(node.text("pIndex"), depth + 1)))
            for key, element, text in node.indexed:
                if _whole(node, key) == index:
                    return (text, "") if element == "pValueIndexed" else ("", text)
            if not (node.text("pValueDefault") or node.text("ValueDefault")):
                raise DeviceError(f"feature {node.name!r} has no value for index {index}")
            return node.text("pValueDefault"), node.text("ValueDefault")
        if not (node.text("pValue") or node.text("Value")):
            raise DeviceError(f"feature {node.name!r} ({node.kind}) has no value")
        return node.text("pValue"), node.text("Value")

    def _numeric(self, name: str, value: Number) -> Number:
        """Return the number that a value of an enumeration stands for, where it has one."""
        node = self._node(name)
        for entry in (node.entries or {}).values():
            if entry.numeric and _whole(node, entry.value) == value:
                return _number(node, entry.numeric)
        return value

    def _variables(self, node: Node, depth: int) -> Generator[GvcpAsk, Ack, dict[str, Number]]:
        """Return what a formula may name: variables, constants, and expressions of these."""
        values: dict[str, Number] = {}
        for name, source in node.variables:
            values[name] = yield from self._variable(node, name, source, depth)
        for name, text in node.constants:
            values[name] = _number(node, text)
        for name, text in node.expressions:
            values[name] = self._evaluated(node, text, values)
        return values

    def _variable(self, node: Node, name: str, source: str, depth: int) -> Reading:
        """Return the value of a variable, or the property that its name asks for: ``X.Max``."""
        _, _, wanted = name.partition(".")
        if wanted in ("", "Value"):
            return (yield from self.read(source, depth + 1))
        of = self._node(source, depth + 1)
        if wanted in ("Min", "Max", "Inc"):
            if of.text("p" + wanted):
                return (yield from self.read(of.text("p" + wanted), depth + 1))
            if of.text(wanted):
                return _number(of, of.text(wanted))
        kind, _, entry = wanted.partition(".")
        if kind == "Entry" and of.entries is not None and entry in of.entries:
            return _whole(of, of.entries[entry].value)
        raise ProtocolError(f"feature {node.name!r}: {source!r} has no {wanted!r} for {name!r}")

    def _formula(self, node: Node, element: str, values: Mapping[str, Number]) -> Number:
        if not node.text(element):
            raise ProtocolError(f"feature {node.name!r} ({node.kind}) has no <{element}>")
        return self._evaluated(node, node.text(element), values)

    @staticmethod
    def _evaluated(node: Node, text: str, values: Mapping[str, Number]) -> Number:
        try:
            return evaluate(text, values, whole=node.kind in _WHOLE)
        except ProtocolError as error:
            raise ProtocolError(f"feature {node.name!r}: {error}") from error

    # Registers.

    def _address(self, node: Node, depth: int) -> Reading:
        """Return the sum of all terms of a register's address."""
        if node.strange:
            what = ", ".join(node.strange)
            raise ProtocolError(f"feature {node.name!r}: {what} in its address is not understood")
        if not node.terms:
            raise ProtocolError(f"feature {node.name!r} has no address")
        port = self._nodes.get(node.text("pPort"))
        if port is not None and any(port.text(element) for element in FOREIGN_PORTS):
            raise DeviceError(
                f"feature {node.name!r} is behind the port {port.name!r}: it comes with a "
                "picture or an event, and is no register of the camera"
            )
        address = 0
        for term in node.terms:
            address += nearest_whole((yield from self._term(node, term, depth)))
        if not 0 <= address <= _MOST_ADDRESS:
            raise ProtocolError(f"feature {node.name!r} at address {address:#x}: 32 bits are read")
        return address

    def _term(self, node: Node, term: AddressTerm, depth: int) -> Reading:
        if term.element == "Address":
            return _whole(node, term.text)
        value = nearest_whole((yield from self.read(term.text, depth + 1)))
        if term.element == "pAddress":
            return value
        if term.stride_node:
            return value * nearest_whole((yield from self.read(term.stride_node, depth + 1)))
        if term.stride:
            return value * _whole(node, term.stride)
        return value * (yield from self._length(node, depth))

    def _length(self, node: Node, depth: int) -> Generator[GvcpAsk, Ack, int]:
        if node.text("pLength"):
            length = nearest_whole((yield from self.read(node.text("pLength"), depth + 1)))
        else:
            length = _whole(node, node.text("Length", "4"))
        allowed = (4, 8) if node.kind == "FloatReg" else range(1, 9)
        if length not in allowed:
            raise ProtocolError(f"feature {node.name!r} ({node.kind}) of {length} bytes")
        return length

    def _fetch(self, address: int, length: int) -> Generator[GvcpAsk, Ack, bytes]:
        """Read bytes; GVCP reads whole groups of four at multiples of four."""
        start, end = address // 4 * 4, -(-(address + length) // 4) * 4
        if end - start == 4:
            data = register_value((yield read_register(start))).to_bytes(4, "big")
        else:
            data = b""
            for at in range(start, end, MOST_MEMORY):
                count = min(MOST_MEMORY, end - at)
                data += memory_bytes((yield read_memory(at, count)), at, count)
        return data[address - start : address - start + length]

    def _store(self, address: int, data: bytes) -> Writing:
        """Write bytes; what else lies in their groups of four is written back as it was."""
        start, end = address // 4 * 4, -(-(address + len(data)) // 4) * 4
        if end - start != len(data):
            around = yield from self._fetch(start, end - start)
            data = around[: address - start] + data + around[address - start + len(data) :]
        if len(data) == 4:
            yield write_register(start, int.from_bytes(data, "big"))
        else:
            yield write_memory(start, data)

    def _read_register(self, node: Node, depth: int) -> Reading:
        if "WO" in (node.text("ImposedAccessMode"), node.text("AccessMode")):
            raise DeviceError(f"feature {node.name!r} can only be written")
        address = nearest_whole((yield from self._address(node, depth)))
        length = yield from self._length(node, depth)
        data = yield from self._fetch(address, length)
        if node.kind == "FloatReg":
            number: float = struct.unpack(_order(node) + ("f" if length == 4 else "d"), data)[0]
            if not math.isfinite(number):
                raise ProtocolError(f"feature {node.name!r} is {number}, no finite number")
            return number
        whole = int.from_bytes(data, "big" if _order(node) == ">" else "little")
        low, width = _bits(node, length)
        value = whole >> low & (1 << width) - 1
        if node.text("Sign") == "Signed" and value >> (width - 1):
            value -= 1 << width
        return value

    def _write_register(self, node: Node, number: Number, depth: int) -> Writing:
        address = nearest_whole((yield from self._address(node, depth)))
        length = yield from self._length(node, depth)
        if node.kind == "FloatReg":
            yield from self._store(address, _packed(node, float(number), length))
            return
        low, width = _bits(node, length)
        number = nearest_whole(number)
        signed = node.text("Sign") == "Signed"
        least, most = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        if not least <= number <= most:
            raise DeviceError(
                f"feature {node.name!r} set to {number}; its {width} bits hold {least} to {most}"
            )
        whole = number & (1 << width) - 1
        order: Literal["big", "little"] = "big" if _order(node) == ">" else "little"
        if width < 8 * length:
            old = yield from self._fetch(address, length)
            mask = (1 << width) - 1 << low
            whole = int.from_bytes(old, order) & ~mask | whole << low
        yield from self._store(address, whole.to_bytes(length, order))


def _order(node: Node) -> str:
    word = node.text("Endianess", "LittleEndian")
    if word not in ("BigEndian", "LittleEndian"):
        raise ProtocolError(f"feature {node.name!r}: byte order {word!r} is not understood")
    return ">" if word == "BigEndian" else "<"


def _packed(node: Node, number: float, length: int) -> bytes:
    try:
        return struct.pack(_order(node) + ("f" if length == 4 else "d"), number)
    except OverflowError:
        raise DeviceError(f"feature {node.name!r} set to {number}: too large") from None


def _bits(node: Node, length: int) -> tuple[int, int]:
    """Return lowest bit and width of a masked register; big endian ones count from the left."""
    if node.text("Bit"):
        first = last = _whole(node, node.text("Bit"))
    elif node.text("LSB") and node.text("MSB"):
        first, last = _whole(node, node.text("LSB")), _whole(node, node.text("MSB"))
    elif node.text("LSB") or node.text("MSB") or node.kind in ("MaskedIntReg", "StructEntry"):
        raise ProtocolError(f"feature {node.name!r}: LSB and MSB, or Bit, are needed")
    else:
        return 0, 8 * length
    if not (0 <= first < 8 * length and 0 <= last < 8 * length):
        raise ProtocolError(f"feature {node.name!r}: bits {first} to {last} of {8 * length}")
    if _order(node) == ">":
        first, last = 8 * length - 1 - first, 8 * length - 1 - last
    return min(first, last), abs(last - first) + 1


def _whole(node: Node, text: str) -> int:
    """Return a whole number: decimal, also with leading zeros, or hexadecimal."""
    plain = text.strip().lower()
    try:
        return int(plain, 16) if plain.lstrip("+-").startswith("0x") else int(plain, 10)
    except ValueError:
        raise ProtocolError(f"feature {node.name!r}: {text!r} is no whole number") from None


def _number(node: Node, text: str) -> Number:
    try:
        return _whole(node, text)
    except ProtocolError:
        pass
    words = {"yes": 1, "true": 1, "no": 0, "false": 0}
    if node.kind == "Boolean" and text.lower() in words:
        return words[text.lower()]
    try:
        return float(text)
    except ValueError:
        raise ProtocolError(f"feature {node.name!r}: {text!r} is no number") from None


def _switch(node: Node, value: Number) -> int:
    """Return 1 or 0 for a switch; refuse a value that is neither of its two."""
    on = _number(node, node.text("OnValue", "1"))
    off = _number(node, node.text("OffValue", "0"))
    if value not in (on, off):
        raise ProtocolError(f"feature {node.name!r} is {value}, neither on ({on}) nor off ({off})")
    return int(value == on)


def _as_number(node: Node, value: Value) -> Number:
    if isinstance(value, str):
        entries = node.entries or {}
        if value not in entries:
            known = ", ".join(sorted(entries)) or "none by name"
            raise DeviceError(f"feature {node.name!r} set to {value!r}; it knows {known}")
        return _whole(node, entries[value].value)
    if isinstance(value, bool):
        return _number(node, node.text("OnValue", "1") if value else node.text("OffValue", "0"))
    return value

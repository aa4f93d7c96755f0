"""Read every feature of camera descriptions, and compare values and addresses with the reference.

    python -m tests.hal.gige.descriptions FOLDER [--reference FOLDER] [--made 300]

FOLDER has camera descriptions (``.xml``, ``.zip``), as cameras carry them; with ``--made`` so many
are made up and compared too. The reference is the EMVA's own implementation of the standard, the
Python package ``genicam``; its licence is not free, so it is neither shipped nor needed by anything
but this command. ``--reference`` names the folder of packages it is installed in, where that is not
this environment.

Each description is read against three made-up memories, and every feature's value and every
register's address are compared. Exit code 0: wherever both read, they agree.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import math
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hal.errors import DeviceError
from hal.gige.codec import READREG, Ack
from hal.gige.description import INLINE_KNIVES, REGISTERS, unpack_description
from hal.gige.genicam import FOREIGN_PORTS, FeatureMap, Reading
from tests.hal.gige.made_descriptions import Maker

Memory = Callable[[int], int]
"""The byte at an address."""


def mixed(address: int) -> int:
    """Return a byte that nobody can guess from its address."""
    return hashlib.blake2b(address.to_bytes(8, "big"), digest_size=1).digest()[0]


MEMORIES: dict[str, Memory] = {
    "zeros": lambda address: 0,
    "ones": lambda address: 1 if address % 4 == 3 else 0,
    "mixed": mixed,
}
FEATURES = (
    REGISTERS
    | INLINE_KNIVES
    | {
        "Integer",
        "Float",
        "Boolean",
        "Enumeration",
        "Converter",
        "IntConverter",
    }
)


def run(script: Reading, memory: Memory) -> float:
    """Return what a script reads from a memory."""
    try:
        ask = next(script)
        while True:
            start = int.from_bytes(ask.payload[:4], "big")
            count = 4 if ask.command == READREG else int.from_bytes(ask.payload[6:8], "big")
            data = bytes(memory(at) for at in range(start, start + count))
            head = b"" if ask.command == READREG else ask.payload[:4]
            ask = script.send(Ack(0, ask.command + 1, 1, head + data))
    except StopIteration as end:
        return end.value


class Reference:
    """The EMVA's implementation with a description loaded and a memory behind it."""

    def __init__(self, genapi: Any, xml: bytes, memory: Memory, ports: list[str]) -> None:
        class Port(genapi.AbstractPort):
            def get_access_mode(self) -> Any:
                return genapi.EAccessMode.RW

            def read(self, address: int, length: int) -> bytes:
                return bytes(memory(at) for at in range(address, address + length))

            def write(self, address: int, data: bytes) -> None:
                raise AssertionError("nothing is written here")

        self._map = genapi.NodeMap()
        self._map.load_xml_from_string(xml.decode("utf-8-sig", "replace"))
        self._port = Port()
        for name in ports:
            self._map.connect(self._port, name)

    def value(self, name: str) -> float | None:
        """Return a feature's value; ``None`` where the reference does not give one."""
        try:
            node = self._map.get_node(name)
            value = node.get_int_value() if hasattr(node, "get_int_value") else node.value
        except Exception:  # whatever it raises, it has no value
            return None
        return value if isinstance(value, bool | int | float) else None

    def address(self, name: str) -> int | None:
        """Return the address of a register; ``None``: the reference tells it of this kind not."""
        found: int | None = getattr(self._map.get_node(name), "address", None)
        return found


def alike(value: float, theirs: float) -> bool:
    """Return whether two values are the same; the reference has whole numbers of 64 bits signed."""
    if isinstance(value, int) and isinstance(theirs, int):
        return (value - theirs) % (1 << 64) == 0
    return math.isclose(value, theirs, rel_tol=1e-9, abs_tol=1e-12)


def same_address(ours: FeatureMap, reference: Reference, name: str, memory: Memory) -> bool:
    """Return whether a register lies at the same address for both."""
    if ours.nodes[name].kind not in REGISTERS:
        return True
    theirs = reference.address(name)
    return theirs is None or run(ours.address(name), memory) == theirs


def compare(xml: bytes, genapi: Any) -> Counter[str]:
    """Compare one description; print each feature on which the two disagree."""
    found: Counter[str] = Counter()
    for kind, memory in MEMORIES.items():
        ours = FeatureMap(xml)
        ports = [
            name
            for name, node in ours.nodes.items()
            if node.kind == "Port" and not any(node.text(element) for element in FOREIGN_PORTS)
        ]
        reference = Reference(genapi, xml, memory, ports)
        for name, node in ours.nodes.items():
            if node.kind not in FEATURES:
                continue
            theirs = reference.value(name)
            try:
                value = run(ours.read(name), memory)
            except DeviceError as error:
                found["neither reads" if theirs is None else "refused here"] += 1
                if theirs is not None:
                    print(f"  {kind}: {name} refused, reference reads {theirs}: {error}")
                continue
            if theirs is None:
                found["read here alone"] += 1
            elif not alike(value, theirs):
                found["DIFFERENT VALUE"] += 1
                what = node.text("Formula", node.kind)
                print(f"  {kind}: {name} ({what}) is {value}, reference reads {theirs}")
            elif not same_address(ours, reference, name, memory):
                found["DIFFERENT ADDRESS"] += 1
                print(f"  {kind}: {name} lies at {reference.address(name)} for the reference")
            else:
                found["same"] += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--made", type=int, default=0, help="how many to make up")
    parser.add_argument("--reference", type=Path, help="folder in which genicam is installed")
    given = parser.parse_args()
    if given.reference is not None:
        sys.path.insert(0, str(given.reference))
    try:
        genapi: Any = importlib.import_module("genicam.genapi")
    except ImportError as error:
        print(f"the reference is not here ({error}); name its folder: --reference FOLDER")
        return 2
    paths = sorted(p for p in given.folder.iterdir() if p.suffix.lower() in (".xml", ".zip"))
    if not paths and not given.made:
        print(f"{given.folder}: no description (*.xml, *.zip)")
        return 2
    files = [(path.name, unpack_description(path.read_bytes(), path.name)) for path in paths]
    made = [(f"made up {seed}", Maker(seed).description()) for seed in range(given.made)]
    total: Counter[str] = Counter()
    for name, xml in files + made:
        print(name)
        try:
            found = compare(xml, genapi)
        except DeviceError as error:
            print(f"  refused: {error}")
            found = Counter({"DESCRIPTION REFUSED": 1})
        except genapi.GenericException as error:
            print(f"  the reference does not load it: {str(error)[:200]}")
            found = Counter({"reference does not load": 1})
        print("  " + ", ".join(f"{count} {what}" for what, count in sorted(found.items())))
        total += found
    print(f"{len(files)} found, {len(made)} made up")
    print(", ".join(f"{count} {what}" for what, count in sorted(total.items())))
    return 1 if any(what.isupper() for what in total) else 0


if __name__ == "__main__":
    sys.exit(main())

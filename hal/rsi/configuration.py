"""The controller's own ETHERNET configuration XML: which elements both telegrams carry.

Both ends read the same file, so nothing about the telegrams is configured twice. Element tags
without a dot are XML elements with text (``DiL``); tags with a dot are attributes of a common
element (``RKorr.X`` is ``<RKorr X="…"/>``); tags that start with ``DEF_`` name the controller's
internal structures, whose attributes are fixed (``DEF_RIst`` has X, Y, Z, A, B, C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from hal.errors import DeviceError

CHANNELS_AT_MOST = 64
"""Largest number of inputs and outputs of an ETHERNET object."""

Kind = Literal["BOOL", "LONG", "DOUBLE", "STRING"]
_KINDS: tuple[Kind, ...] = ("BOOL", "LONG", "DOUBLE", "STRING")

POSE = ("X", "Y", "Z", "A", "B", "C")
"""Cartesian attributes: millimetres, then degrees about Z, Y and X."""

_AXES = ("A1", "A2", "A3", "A4", "A5", "A6")
_EXTERNAL_AXES = ("E1", "E2", "E3", "E4", "E5", "E6")
_STRUCTURES: dict[str, tuple[str, ...]] = {
    "RIst": POSE,
    "RSol": POSE,
    "AIPos": _AXES,
    "ASPos": _AXES,
    "MACur": _AXES,
    "EIPos": _EXTERNAL_AXES,
    "ESPos": _EXTERNAL_AXES,
    "ELPos": _EXTERNAL_AXES,
    "MECur": _EXTERNAL_AXES,
    "Delay": ("D",),
    **{
        f"Tech.{letter}{group}": tuple(f"{letter}{group}{number}" for number in range(1, 11))
        for letter in "CT"
        for group in range(1, 7)
    },
}
_TEXTS = ("EStr", "ComStatus", "BMode", "IPOSTAT")


@dataclass(frozen=True, slots=True)
class Element:
    """One XML element of a telegram.

    ``attributes`` holds the names of its attributes, or one empty name when the value is the
    element's text. ``hold_on`` tells, attribute by attribute, whether the controller keeps the
    last value when a reply is late (HOLDON="1") or falls back to zero.
    """

    name: str
    kind: Kind
    attributes: tuple[str, ...] = ("",)
    hold_on: tuple[bool, ...] = (True,)


@dataclass(frozen=True, slots=True)
class EthernetConfiguration:
    """What the file says: where the sensor listens, and what is sent in which order.

    ``sends`` is what the robot sends, ``receives`` what it expects; the IPOC closes both.
    """

    ip_number: str
    port: int
    sen_type: str
    only_send: bool
    sends: tuple[Element, ...]
    receives: tuple[Element, ...]

    def holds(self, element: str, attribute: str) -> bool:
        """Return whether the robot keeps ``element.attribute`` when a reply is late.

        Raises `DeviceError` where the configuration has no such input.
        """
        for candidate in self.receives:
            if candidate.name == element and attribute in candidate.attributes:
                return candidate.hold_on[candidate.attributes.index(attribute)]
        raise _refused(f"RECEIVE has no {element}.{attribute}", f"add TAG={element}.{attribute}")


def read_ethernet(text: str) -> EthernetConfiguration:
    """Read the configuration; raises `DeviceError` naming what is missing or wrong."""
    if "<!" in text.replace("<!--", ""):
        raise _refused("it declares a document type or entities", "use the controller's own file")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise _refused(f"it is no XML ({error})", "copy it again from the controller") from error
    if root.tag != "ROOT":
        raise _refused(f"its root is <{root.tag}>, not <ROOT>", "use the controller's own file")
    sends = _elements(root, "SEND")
    receives = _elements(root, "RECEIVE")
    return EthernetConfiguration(
        ip_number=_setting(root, "IP_NUMBER"),
        port=_number(_setting(root, "PORT"), "PORT", 1, 65535),
        sen_type=_setting(root, "SENTYPE"),
        only_send=_truth(_setting(root, "ONLYSEND"), "ONLYSEND"),
        sends=sends,
        receives=receives,
    )


def require_tracking(configuration: EthernetConfiguration) -> None:
    """Refuse a configuration tracking cannot run on.

    Tracking needs the actual pose and the late counter from the robot, the three Cartesian
    corrections towards it, and HOLDON="1" on each: an absolute correction that falls back to
    zero on one late packet makes the robot jump by the whole breathing excursion.
    """
    if configuration.only_send:
        raise _refused("ONLYSEND is TRUE", "set it to FALSE, or the robot takes no corrections")
    sent = {element.name for element in configuration.sends}
    for name in ("RIst", "Delay"):
        if name not in sent:
            raise _refused(f"SEND has no DEF_{name}", f"add TAG=DEF_{name}")
    for axis in ("X", "Y", "Z"):
        if not configuration.holds("RKorr", axis):
            raise _refused(f'RKorr.{axis} has HOLDON="0"', 'set HOLDON="1"')


def _elements(root: ElementTree.Element, direction: str) -> tuple[Element, ...]:
    """Return the elements of one direction in the file's order, dotted tags gathered by parent."""
    gathered: dict[str, Element] = {}
    found = root.findall(f"{direction}/ELEMENTS/ELEMENT")
    if not found:
        raise _refused(f"{direction} has no elements", "use the controller's own file")
    if len(found) > CHANNELS_AT_MOST:
        raise _refused(f"{direction} has {len(found)} elements", f"keep at most {CHANNELS_AT_MOST}")
    for entry in found:
        tag = entry.get("TAG", "")
        kind = _kind(entry.get("TYPE", ""), tag)
        hold = _truth(entry.get("HOLDON", "1"), f"HOLDON of {tag}")
        name, attributes = _shape(tag)
        if name == "IPOC":
            continue  # always there, always last
        known = gathered.get(name)
        if known is None:
            gathered[name] = Element(name, kind, attributes, (hold,) * len(attributes))
            continue
        if "" in known.attributes or "" in attributes or set(known.attributes) & set(attributes):
            raise _refused(f"{direction} names {tag} twice", "remove one of them")
        gathered[name] = Element(
            name,
            known.kind,
            known.attributes + attributes,
            known.hold_on + (hold,) * len(attributes),
        )
    return tuple(gathered.values())


def _shape(tag: str) -> tuple[str, tuple[str, ...]]:
    """Return the XML element name and attribute names that a TAG stands for."""
    internal = tag.removeprefix("DEF_")
    if internal in _STRUCTURES:
        return internal.split(".")[0], _STRUCTURES[internal]
    if tag != internal and internal not in _TEXTS:
        raise _refused(f"{tag} is not a known internal structure", "remove it, or report it")
    parts = internal.split(".")
    if len(parts) > 2 or not all(part.isascii() and part.isidentifier() for part in parts):
        raise _refused(f"TAG {tag!r} is no element name", "use letters, digits and one dot")
    return (parts[0], (parts[1],)) if len(parts) == 2 else (parts[0], ("",))


def _kind(text: str, tag: str) -> Kind:
    for kind in _KINDS:
        if text == kind:
            return kind
    raise _refused(f"{tag} has TYPE {text!r}", f"use one of {', '.join(_KINDS)}")


def _setting(root: ElementTree.Element, name: str) -> str:
    text = (root.findtext(f"CONFIG/{name}") or "").strip()
    if not text:
        raise _refused(f"CONFIG has no {name}", "use the controller's own file")
    if any(character in text for character in "<>&\"'"):
        raise _refused(f"{name} is {text!r}", "use letters, digits, dots and dashes")
    return text


def _number(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise _refused(f"{name} is {text!r}", f"use a number from {least} to {most}")
    return int(text)


def _truth(text: str, name: str) -> bool:
    if text.upper() in ("1", "TRUE"):
        return True
    if text.upper() in ("0", "FALSE"):
        return False
    raise _refused(f"{name} is {text!r}", "use TRUE or FALSE, 1 or 0")


def _refused(what: str, remedy: str) -> DeviceError:
    return DeviceError(f"RSI ETHERNET configuration refused: {what}; {remedy}")

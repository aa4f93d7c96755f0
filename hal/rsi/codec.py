"""RSI telegrams: XML datagrams ⇄ numbers and texts by name, without a document tree.

Each cycle the robot sends ``<Rob Type="KUKA">…</Rob>`` and expects ``<Sen Type="ImFree">…</Sen>``
with the same IPOC (the controller's cycle stamp in milliseconds). Which elements they carry says
the ETHERNET configuration (`hal.rsi.configuration`); a `TelegramForm` is made from it once, and
then writes a telegram by one string template and reads one by scanning elements in any order.

Reading is strict: exactly the configured elements and attributes, each once, every number a
finite decimal of its configured kind, the IPOC last. There is no checksum in the telegram; UDP's
own guards the digits, and `hal.rsi.session` refuses what is implausible.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hal.errors import ProtocolError
from hal.rsi.configuration import Element, EthernetConfiguration, Kind

LONGEST = 8192
"""Bytes; 64 channels each way fit several times."""

_SPACE = " \t\r\n"
_HEAD = re.compile(rf'[{_SPACE}]*<(\w+)[{_SPACE}]+(?:Type|TYPE)="([^"<>&]*)"[{_SPACE}]*>', re.ASCII)
_ELEMENT = re.compile(
    rf"""[{_SPACE}]*<([A-Za-z_]\w*)((?:[{_SPACE}]+\w+="[^"<>&]*")*)[{_SPACE}]*"""
    rf"""(?:/>|>([^<>&]*)</([A-Za-z_]\w*)[{_SPACE}]*>)""",
    re.ASCII,
)
_ATTRIBUTE = re.compile(rf'[{_SPACE}](\w+)="([^"]*)"', re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{0,15})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,10}(?:\.0{0,15})?", re.ASCII)
_IPOC = re.compile(r"\d{1,12}", re.ASCII)
_TEXT = re.compile(r"[ -~]{0,255}", re.ASCII)
_SLOTS: dict[Kind, str] = {"BOOL": "%d", "LONG": "%d", "DOUBLE": "%.4f", "STRING": "%s"}


@dataclass(frozen=True, slots=True)
class Telegram:
    """One datagram, either way.

    ``numbers`` goes by ``"RIst.X"`` for an attribute and ``"DiL"`` for an element's text, in the
    configuration's units (mm, degrees, counts; BOOL is 0 or 1); ``texts`` likewise.
    """

    ipoc: int
    numbers: Mapping[str, float]
    texts: Mapping[str, str] = field(default_factory=dict[str, str])


def robot_form(configuration: EthernetConfiguration) -> TelegramForm:
    """Return what the robot sends: the driver decodes it, the twin encodes it."""
    return TelegramForm("Rob", "KUKA", configuration.sends)


def sensor_form(configuration: EthernetConfiguration) -> TelegramForm:
    """Return what the sensor answers: the driver encodes it, the twin decodes it."""
    return TelegramForm("Sen", configuration.sen_type, configuration.receives)


class TelegramForm:
    """The fixed shape of one direction's telegrams."""

    def __init__(self, root: str, type_name: str, elements: tuple[Element, ...]) -> None:
        self._root = root
        self._type_name = type_name
        self._elements = {element.name: element for element in elements}
        self._names = {
            element.name: {a: f"{element.name}.{a}" if a else element.name for a in shape}
            for element in elements
            for shape in (element.attributes,)
        }
        self._tail = re.compile(rf"[{_SPACE}]*</{root}[{_SPACE}]*>[{_SPACE}]*")
        body = "".join(_slots(element) for element in elements)
        self._template = f'<{root} Type="{type_name}">{body}<IPOC>%d</IPOC></{root}>'
        self._slots = [
            (name, element.kind)
            for element in elements
            for name in self._names[element.name].values()
        ]

    def encode(self, telegram: Telegram) -> bytes:
        """Write a telegram; what it does not name is 0 or empty.

        Raises `ProtocolError` for a number that is not finite, a text XML would misread, or a
        name the configuration does not have.
        """
        unknown = (telegram.numbers.keys() | telegram.texts.keys()) - {n for n, _ in self._slots}
        if unknown:
            raise _refused(f"{sorted(unknown)[0]} is not in the ETHERNET configuration")
        values: list[float | str] = []
        for name, kind in self._slots:
            if kind == "STRING":
                text = telegram.texts.get(name, "")
                if not _TEXT.fullmatch(text) or any(character in text for character in '<>&"'):
                    raise _refused(f'{name} is {text!r}; send plain ASCII without < > & "')
                values.append(text)
                continue
            number = telegram.numbers.get(name, 0.0)
            if not math.isfinite(number) or abs(number) >= 1e9:
                raise _refused(f"{name} is {number}; send a finite number below 1e9")
            values.append(number)
        return (self._template % (*values, telegram.ipoc)).encode("ascii")

    def decode(self, data: bytes) -> Telegram:
        """Read a telegram; raises `ProtocolError` saying what is wrong with it."""
        if len(data) > LONGEST:
            raise _refused(f"{len(data)} bytes are more than {LONGEST}")
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError as error:
            raise _refused(f"byte {error.start} is not ASCII") from error
        head = _HEAD.match(text)
        if head is None or head[1] != self._root:
            raise _refused(f"it does not open with <{self._root} Type=…>: {text[:40]!r}")
        if head[2] != self._type_name:
            raise _refused(f"its Type is {head[2]!r}, not {self._type_name!r}")
        numbers: dict[str, float] = {}
        texts: dict[str, str] = {}
        position = head.end()
        while (found := _ELEMENT.match(text, position)) is not None:
            position = found.end()
            name, attributes, content, closing = found.groups()
            if content is not None and closing != name:
                raise _refused(f"<{name}> is closed by </{closing}>")
            if name == "IPOC":
                ipoc = _ipoc(attributes, content)
                break
            self._add_element(name, attributes, content, numbers, texts)
        else:
            raise _refused(
                f"at character {position} no element: {text[position : position + 40]!r}"
            )
        if len(numbers) + len(texts) != len(self._slots):
            missing = [n for n, _ in self._slots if n not in numbers and n not in texts]
            raise _refused(f"it lacks {', '.join(missing)}")
        if self._tail.fullmatch(text, position) is None:
            raise _refused(f"after the IPOC comes {text[position : position + 40]!r}")
        return Telegram(ipoc, numbers, texts)

    def _add_element(
        self,
        name: str,
        attributes: str,
        content: str | None,
        numbers: dict[str, float],
        texts: dict[str, str],
    ) -> None:
        """Add one element's values; refuses what the configuration does not have."""
        element = self._elements.get(name)
        if element is None:
            raise _refused(f"<{name}> is not in the ETHERNET configuration")
        if element.attributes == ("",):
            pairs = [("", content.strip(_SPACE) if content else "")]
            wrong = bool(attributes)
        else:
            pairs = _ATTRIBUTE.findall(attributes)
            wrong = bool(content and content.strip(_SPACE))
        names = self._names[name]
        if wrong or len(pairs) != len(names):
            raise _refused(f"<{name}> has not the attributes {', '.join(element.attributes)}")
        for attribute, value in pairs:
            key = names.get(attribute)
            if key is None or key in numbers or key in texts:
                raise _refused(f"<{name}> has {attribute!r} twice, or should not have it")
            if element.kind == "STRING":
                texts[key] = value
            else:
                numbers[key] = _number(key, element.kind, value)


def _slots(element: Element) -> str:
    slot = _SLOTS[element.kind]
    if element.attributes == ("",):
        return f"<{element.name}>{slot}</{element.name}>"
    pairs = " ".join(f'{attribute}="{slot}"' for attribute in element.attributes)
    return f"<{element.name} {pairs}/>"


def _number(name: str, kind: Kind, text: str) -> float:
    grammar = _NUMBER if kind == "DOUBLE" else _WHOLE
    if grammar.fullmatch(text) is None:
        raise _refused(f"{name} is {text[:20]!r}, not a {kind}")
    value = float(text)
    if kind == "BOOL" and value not in (0.0, 1.0):
        raise _refused(f"{name} is {text!r}, not a {kind}")
    return value


def _ipoc(attributes: str, content: str | None) -> int:
    text = "" if content is None else content.strip(_SPACE)
    if attributes or _IPOC.fullmatch(text) is None:
        raise _refused(f"its IPOC is {text[:20]!r}, not a whole number")
    return int(text)


def _refused(what: str) -> ProtocolError:
    return ProtocolError(f"RSI telegram refused: {what}")

"""Make up camera descriptions with every kind of node the driver evaluates, by chance."""

from __future__ import annotations

import random
from xml.sax.saxutils import escape

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?><RegisterDescription ModelName="Made" VendorName="Up" '
    'ToolTip="t" StandardNameSpace="GEV" SchemaMajorVersion="1" SchemaMinorVersion="1" '
    'SchemaSubMinorVersion="0" MajorVersion="1" MinorVersion="0" SubMinorVersion="0" '
    'ProductGuid="11111111-1111-1111-1111-111111111111" '
    'VersionGuid="11111111-1111-1111-1111-111111111112" '
    'xmlns="http://www.genicam.org/GenApi/Version_1_1">'
    '<Category Name="Root"/><Port Name="Device"/>'
)
_WHOLE_OPERATORS = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "=", "<>", "<", ">=", "&&")
_OPERATORS = ("+", "-", "*", "/", "=", "<>", "<", ">=", "||", "**")


class Maker:
    """Makes nodes one after the other; each may refer to those before it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.parts: list[str] = []
        self.small: list[str] = []
        """Names of nodes with a small whole number: good for an index."""
        self.whole: list[str] = []
        self.count = 0

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def description(self, nodes: int = 40) -> bytes:
        """Return a whole description."""
        makers = (
            self.local,
            self.enumeration,
            self.register,
            self.register,
            self.masked,
            self.floating,
            self.structure,
            self.knife,
            self.knife,
            self.float_knife,
            self.converter,
            self.chosen,
            self.feature,
        )
        self.local()
        self.enumeration()
        self.register()
        for _ in range(nodes):
            self.chance.choice(makers)()
        return (HEAD + "".join(self.parts) + "</RegisterDescription>").encode()

    def local(self) -> None:
        name = self.name("Local")
        number = self.chance.randrange(6)
        text = self.chance.choice((f"{number}", f"0x{number:x}", f"0{number}"))
        self.parts.append(f'<Integer Name="{name}"><Value>{text}</Value></Integer>')
        self.small.append(name)
        self.whole.append(name)

    def enumeration(self) -> None:
        name = self.name("Enumeration")
        entries = "".join(
            f'<EnumEntry Name="Entry{value}"><Value>{value}</Value></EnumEntry>'
            for value in range(4)
        )
        value = self.chance.randrange(4)
        self.parts.append(
            f'<Enumeration Name="{name}">{entries}<Value>{value}</Value></Enumeration>'
        )
        self.small.append(name)

    def address(self) -> str:
        terms = [f"<Address>{self.chance.choice(('0x{:x}', '{}')).format(self.place())}</Address>"]
        for _ in range(self.chance.randrange(3)):
            index = self.chance.choice(self.small)
            kind = self.chance.randrange(5)
            if kind == 0:
                terms.append(f"<pAddress>{index}</pAddress>")
            elif kind == 1:
                terms.append(f"<pIndex>{index}</pIndex>")
            elif kind == 2:
                terms.append(f'<pIndex Offset="{self.chance.choice((4, 64, 3))}">{index}</pIndex>')
            elif kind == 3:
                other = self.chance.choice(self.small)
                terms.append(f'<pIndex pOffset="{other}">{index}</pIndex>')
            else:
                terms.append(
                    f'<IntSwissKnife Name="{self.name("Inline")}"><pVariable Name="I">{index}'
                    "</pVariable><Formula>I * 0x20 + 8</Formula></IntSwissKnife>"
                )
        self.chance.shuffle(terms)
        return "".join(terms)

    def place(self) -> int:
        return self.chance.randrange(0x1000, 0x20000)

    def tail(self, length: int, extra: str, *, sign: bool = True) -> str:
        order = self.chance.choice(("BigEndian", "LittleEndian"))
        # The reference has no unsigned whole numbers of 64 bits.
        word = "Signed" if length == 8 else self.chance.choice(("Signed", "Unsigned"))
        signs = f"<Sign>{word}</Sign>" if sign else ""
        if extra == "bits":
            bits = sorted(self.chance.randrange(8 * length) for _ in range(2))
            lsb, msb = bits[::-1] if order == "BigEndian" else bits
            extra = f"<LSB>{lsb}</LSB><MSB>{msb}</MSB>"
        return (
            f"<Length>{length}</Length><AccessMode>RW</AccessMode><pPort>Device</pPort>{extra}"
            f"{signs}<Endianess>{order}</Endianess>"
        )

    def register(self) -> None:
        name = self.name("Register")
        length = self.chance.choice((1, 2, 4, 4, 8))
        self.parts.append(f'<IntReg Name="{name}">{self.address()}{self.tail(length, "")}</IntReg>')
        self.whole.append(name)

    def masked(self) -> None:
        name = self.name("Masked")
        length = self.chance.choice((1, 2, 4, 8))
        bits = self.chance.choice(("bits", f"<Bit>{self.chance.randrange(8 * length)}</Bit>"))
        self.parts.append(
            f'<MaskedIntReg Name="{name}">{self.address()}{self.tail(length, bits)}</MaskedIntReg>'
        )
        self.whole.append(name)

    def floating(self) -> None:
        name = self.name("Floating")
        tail = self.tail(self.chance.choice((4, 8)), "", sign=False)
        self.parts.append(f'<FloatReg Name="{name}">{self.address()}{tail}</FloatReg>')

    def structure(self) -> None:
        entries = "".join(
            f'<StructEntry Name="{self.name("Part")}"><Bit>{bit}</Bit></StructEntry>'
            for bit in self.chance.sample(range(32), 3)
        )
        self.parts.append(
            f'<StructReg Comment="s">{self.address()}<Length>4</Length><AccessMode>RW</AccessMode>'
            f"<pPort>Device</pPort><Endianess>BigEndian</Endianess>{entries}</StructReg>"
        )

    def names_of(self) -> tuple[str, list[str]]:
        """Return variables, constants and expressions, and what a formula may call them."""
        sources = [self.chance.choice(self.whole) for _ in range(2)]
        head = "".join(
            f'<pVariable Name="V{at}">{source}</pVariable>' for at, source in enumerate(sources)
        )
        head += f'<Constant Name="C">{self.chance.randrange(1, 50)}</Constant>'
        head += '<Expression Name="X">V0 / 3 + C</Expression>'
        return head, ["V0", "V1", "C", "X", str(self.chance.randrange(20)), "0x1F"]

    def formula(self, names: list[str], operators: tuple[str, ...], depth: int = 3) -> str:
        if depth == 0:
            return self.chance.choice(names)
        kind = self.chance.randrange(8)
        left = self.formula(names, operators, depth - 1)
        right = self.formula(names, operators, depth - 1)
        if kind == 0:
            return f"({left})"
        if kind == 1:
            return f"(({left}) ? ({right}) : ({left}))"
        if kind == 2:
            return f"SGN({left})"
        return f"{left} {self.chance.choice(operators)} {right}"

    def knife(self) -> None:
        name = self.name("Knife")
        head, names = self.names_of()
        text = escape(self.formula(names, _WHOLE_OPERATORS))
        self.parts.append(
            f'<IntSwissKnife Name="{name}">{head}<Formula>{text}</Formula></IntSwissKnife>'
        )
        self.whole.append(name)

    def float_knife(self) -> None:
        head, names = self.names_of()
        text = escape(self.formula([*names, "2.5", "PI"], _OPERATORS))
        self.parts.append(
            f'<SwissKnife Name="{self.name("FloatKnife")}">{head}<Formula>{text}</Formula>'
            "</SwissKnife>"
        )

    def converter(self) -> None:
        kind = self.chance.choice(("Converter", "IntConverter"))
        self.parts.append(
            f'<{kind} Name="{self.name(kind)}"><pVariable Name="S">{self.chance.choice(self.small)}'
            "</pVariable><FormulaTo>FROM - S</FormulaTo><FormulaFrom>TO / 3 + S</FormulaFrom>"
            f"<pValue>{self.chance.choice(self.whole)}</pValue></{kind}>"
        )

    def chosen(self) -> None:
        rows = [
            f'<pValueIndexed Index="{key}">{self.chance.choice(self.whole)}</pValueIndexed>'
            if self.chance.random() < 0.5
            else f'<ValueIndexed Index="{key}">{self.chance.randrange(99)}</ValueIndexed>'
            for key in self.chance.sample(range(5), 3)
        ]
        name = self.name("Chosen")
        index = self.chance.choice(self.small)
        self.parts.append(
            f'<Integer Name="{name}"><pIndex>{index}</pIndex>{"".join(rows)}'
            "<ValueDefault>7</ValueDefault></Integer>"
        )
        self.whole.append(name)

    def feature(self) -> None:
        """Make a feature that is there only where a small number is not 0."""
        name = self.name("Feature")
        guard, value = self.chance.choice(self.small), self.chance.choice(self.whole)
        self.parts.append(
            f'<Integer Name="{name}"><pIsAvailable>{guard}</pIsAvailable><pValue>{value}</pValue>'
            "</Integer>"
        )

"""Define what a journal holds: its record types, their topics and encoding, and the header."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Callable, Iterable
from importlib import metadata
from operator import attrgetter
from typing import Any, Literal, cast, get_args

import msgspec

from hal.events import Event
from hal.messages import Triple
from tracker.core.types import Output, TargetPrediction

FORMAT = "1"
"""Version of the layout described in docs/reference/journal.md."""

PROFILE = "tidetrack"
HEADER_NAME = "tidetrack"
CLOSING_NAME = "tidetrack.closing"

Kind = Literal["event", "output", "truth", "seal"]


class JournalError(Exception):
    """A journal cannot be written or read: one line that says file, what, and what to do."""


class Truth(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What only a simulator knows, at ``t_ns``: where target, beam and actuator really are.

    ``target_mm`` is in the patient frame, relative to the reference position; ``*_fixed_mm`` and
    ``actuator_mm`` are in the fixed frame; ``surrogate_mm`` is the true breathing amplitude.
    ``scored`` tells whether tracking had begun, so that the moment counts.
    """

    t_ns: int
    target_mm: Triple
    target_fixed_mm: Triple
    beam_fixed_mm: Triple
    actuator_mm: Triple
    surrogate_mm: float
    beam_on: bool
    scored: bool
    to_source: Triple = (0.0, 0.0, 1.0)
    """Unit vector from where the beam aims to its source, fixed frame."""


class Seal(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The SHA-256 of every byte of the file before this record, which is number ``records``."""

    t_ns: int
    records: int
    sha256: str


class Header(msgspec.Struct, frozen=True):
    """The configuration, seed and versions of a run: enough to build the same controller again.

    ``configuration`` is the TOML text as it was read. ``seed`` is ``None`` where nothing was
    drawn. ``further`` holds other facts of the run, as text.
    """

    configuration: str
    configuration_sha256: str
    seed: int | None
    versions: dict[str, str]
    further: dict[str, str] = {}


class Content(msgspec.Struct, frozen=True):
    """One type of record: its kind, its topic, and which of its fields is its time."""

    type: type[Any]
    kind: Kind
    topic: str
    time_of: Callable[[Any], int]


def _contents() -> tuple[Content, ...]:
    def rows(kind: Kind, types: Iterable[type[Any]], folder: str) -> list[Content]:
        return [
            Content(
                type=each,
                kind=kind,
                topic=f"/{folder}/{each.__name__}" if folder else f"/{each.__name__.lower()}",
                time_of=attrgetter("made_ns" if each is TargetPrediction else "t_ns"),
            )
            for each in types
        ]

    return tuple(
        rows("event", get_args(Event), "events")
        + rows("output", get_args(Output), "outputs")
        + rows("truth", [Truth], "")
        + rows("seal", [Seal], "")
    )


CONTENTS = _contents()
"""Every type of record a journal can hold; its place here plus one is its channel in the file."""


def _plain_number(value: Any) -> Any:
    """Return the Python number of a NumPy scalar; refuse everything else."""
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"{type(value).__name__} cannot be written to a journal")
    return item()


_ENCODER = msgspec.json.Encoder(enc_hook=_plain_number)
encode_record: Callable[[Any], bytes] = _ENCODER.encode
"""The JSON bytes of a record; the shortest text that reads back to the same bits."""
encode_records: Callable[[list[Any]], bytes] = _ENCODER.encode_lines
"""The JSON bytes of several records, each followed by a newline; no record contains one."""


def refuse_not_finite(record: msgspec.Struct) -> None:
    """Raise `JournalError` when a number in ``record`` is NaN or infinite: JSON has neither."""

    def search(value: object, name: str) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise JournalError(
                f"journal: {type(record).__name__}.{name} is {value}, and a journal holds only"
                " finite numbers; correct the part that computed it"
            )
        if isinstance(value, tuple):
            for index, part in enumerate(cast(tuple[object, ...], value)):
                search(part, f"{name}[{index}]")

    for name in record.__struct_fields__:
        search(getattr(record, name), name)


class Digest:
    """SHA-256 over outputs in their order, each as its JSON followed by a newline."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._waiting: list[Output] = []

    def add(self, outputs: Iterable[Output]) -> None:
        """Add the outputs that the engine returned for an event."""
        self._waiting.extend(outputs)
        if len(self._waiting) >= 256:
            self._hash_waiting()

    def add_encoded(self, outputs: Iterable[bytes]) -> None:
        """Add outputs that are JSON already."""
        self._hash_waiting()
        self._sha256.update(b"\n".join([*outputs, b""]))

    def _hash_waiting(self) -> None:
        if self._waiting:
            self._sha256.update(_ENCODER.encode_lines(self._waiting))
            self._waiting.clear()

    def hexdigest(self) -> str:
        """Return the digest of what was added so far; more may follow."""
        self._hash_waiting()
        return self._sha256.hexdigest()


def make_header(
    configuration: str, seed: int | None = None, further: dict[str, str] | None = None
) -> Header:
    """Make the header of a run that starts now, with the versions of Python and its libraries."""
    versions = {"python": platform.python_version()}
    for name in ("tidetrack", "numpy", "numba", "msgspec", "mcap"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return Header(
        configuration=configuration,
        configuration_sha256=sha256_of_text(configuration),
        seed=seed,
        versions=versions,
        further=dict(further or {}),
    )


def sha256_of_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


_OWN_KEYS = ("format", "configuration", "configuration_sha256", "seed")


def header_to_text(header: Header) -> dict[str, str]:
    """Convert the header to MCAP metadata, which holds only text."""
    own = {
        "format": FORMAT,
        "configuration": header.configuration,
        "configuration_sha256": header.configuration_sha256,
        "seed": "" if header.seed is None else str(header.seed),
    }
    versions = {f"version.{name}": version for name, version in header.versions.items()}
    for key in header.further:
        if key in own or key.startswith("version."):
            raise JournalError(f"journal: the header key {key!r} is taken; choose another name")
    return own | versions | header.further


def header_from_text(text: dict[str, str]) -> Header:
    """Read the header from MCAP metadata; raises `KeyError` or `ValueError` when it is not one."""
    return Header(
        configuration=text["configuration"],
        configuration_sha256=text["configuration_sha256"],
        seed=int(text["seed"]) if text["seed"] else None,
        versions={
            key.removeprefix("version."): value
            for key, value in text.items()
            if key.startswith("version.")
        },
        further={
            key: value
            for key, value in text.items()
            if key not in _OWN_KEYS and not key.startswith("version.")
        },
    )

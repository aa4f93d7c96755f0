"""A parameter artefact: what a predictor was tuned to, for which room, on which recordings.

`tidetrack tune` writes it, the daemon and `simulate` read it; reading needs nothing the tuner
needs. Parameters tuned for one latency and rate are not those of another: `check_fits` refuses
a room that differs by more than ``TOLERANCE``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tomli_w
from msgspec import Meta

from tracker.config_errors import document_problems
from tracker.core.prediction.registry import METHODS, parameter_record

FORMAT = 1
TOLERANCE = 0.1
"""Largest relative difference of latency or rate between artefact and room."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0)]


class ArtefactError(Exception):
    """An artefact is not usable; ``problems`` holds one line for each thing wrong."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        lines = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(lines))
        self.problems = lines


class ArtefactRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common to every part: frozen, named, and no unknown key."""


class Tuned(ArtefactRecord, frozen=True, kw_only=True):
    """The predictor and its parameters; those not named keep their defaults."""

    predictor: str
    latency_ms: Positive
    rate_hz: Positive
    """How often the predictor learns: ``prediction.learn_hz`` of the room."""
    parameters: dict[str, float]


class Scores(ArtefactRecord, frozen=True, kw_only=True):
    """Means over held-out subjects: 1 is as bad as holding still."""

    rms: Share
    default_rms: Share
    loss: Share
    default_loss: Share
    trials: Annotated[int, Meta(ge=1)]
    study: str


class HeldOut(ArtefactRecord, frozen=True, kw_only=True):
    """One subject, scored with the parameters the others chose, beside the default's."""

    subject: str
    rms: Share
    default_rms: Share
    loss: Share
    default_loss: Share


class Dataset(ArtefactRecord, frozen=True, kw_only=True):
    """One recording the parameters were tuned on."""

    trace: str
    subject: str
    sha256: Sha256
    rate_hz: Positive
    """At which it was used."""
    ahead_ms: Positive
    """The latency in whole samples, as it was scored."""


class Versions(ArtefactRecord, frozen=True, kw_only=True):
    """What computed the scores."""

    tidetrack: str
    python: str
    numpy: str
    numba: str
    optuna: str
    kernels_sha256: Sha256


class Artefact(ArtefactRecord, frozen=True, kw_only=True):
    """The whole file."""

    format: int
    made: str
    """When, in UTC after ISO 8601."""
    prediction: Tuned
    scores: Scores
    held_out: tuple[HeldOut, ...]
    datasets: tuple[Dataset, ...]
    versions: Versions


def load_artefact(path: Path | str) -> Artefact:
    """Read an artefact; raises `ArtefactError` naming everything wrong with it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such file; `tidetrack tune` writes one") from None
    except UnicodeDecodeError:
        raise ArtefactError(f"{path}: not UTF-8 text; name a parameter artefact") from None
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # mostly tomllib.TOMLDecodeError
        raise ArtefactError(f"{path}: not TOML: {error}; tune again or restore it") from None
    if table.get("format", FORMAT) != FORMAT:
        raise ArtefactError(
            f"{path}: format {table['format']!r}, this version reads {FORMAT}; tune again"
        )
    problems = [f"{path}: {place}: {what}" for place, what in document_problems(table, Artefact)]
    if not problems:
        problems = [f"{path}: {what}" for what in _prediction_problems(table["prediction"])]
    if problems:
        raise ArtefactError(problems)
    return msgspec.convert(table, Artefact)


def _prediction_problems(table: Mapping[str, Any]) -> list[str]:
    name = table["predictor"]
    if name not in METHODS:
        return [f"prediction.predictor: {name!r} is not one of {', '.join(METHODS)}; tune again"]
    try:
        parameter_record(name, table["parameters"])
    except ValueError as error:
        return [f"prediction.parameters: {error}; tune again"]
    return []


def save_artefact(path: Path, artefact: Artefact) -> None:
    """Write an artefact; the file is either the old or the new one, never half of one."""
    table = msgspec.to_builtins(artefact)
    half = path.with_name(f".{path.name}.half")
    half.write_text(_HEAD + tomli_w.dumps(table), encoding="utf-8")
    half.replace(path)


_HEAD = """\
# Parameters of a predictor, written by `tidetrack tune`. Not to be edited: they are worth what
# the scores below say only as they stand, at this latency and rate.
"""


def check_fits(artefact: Artefact, latency_ms: float, rate_hz: float) -> None:
    """Raise `ArtefactError` unless tuned for about the room's latency and rate of learning."""
    tuned = artefact.prediction
    problems: list[str] = []
    if abs(latency_ms - tuned.latency_ms) > TOLERANCE * tuned.latency_ms:
        problems.append(
            f"parameters were tuned for a latency of {tuned.latency_ms:g} ms, "
            f"timing.latency_ms is {latency_ms:g}: more than {TOLERANCE:.0%} off; "
            f"tune with --latency-ms {latency_ms:g}"
        )
    if abs(rate_hz - tuned.rate_hz) > TOLERANCE * tuned.rate_hz:
        problems.append(
            f"parameters were tuned at {tuned.rate_hz:g} Hz, prediction.learn_hz is {rate_hz:g}: "
            f"more than {TOLERANCE:.0%} off; tune with --rate-hz {rate_hz:g}, or set learn_hz"
        )
    if problems:
        raise ArtefactError(problems)


def as_changes(artefact: Artefact) -> dict[str, dict[str, Any]]:
    """What to change in a configuration (see `tracker.config.altered`) to use the parameters."""
    tuned = artefact.prediction
    return {"prediction": {"predictor": tuned.predictor, "parameters": dict(tuned.parameters)}}

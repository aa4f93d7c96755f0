"""Compare techniques of treatment for a patient's own breathing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sim.recording import Recording
from tidetrack.html import html_table
from tidetrack.packages import needed
from tidetrack.progress import progress
from tidetrack.recordings import LoadedRecording, load_recording
from tidetrack.simulation import flat
from tracker.config import ConfigurationError
from tracker.offline.compare.command import ALL, GENERATED
from tracker.offline.compare.measure import recording_at
from tracker.offline.compare.outcome import TechniqueOutcome
from tracker.offline.compare.table import HEAD, cells_of
from tracker.offline.compare.techniques import BY_NAME, TECHNIQUES, Technique
from tracker.offline.compare.verdict import Verdict, judge, sentence
from tracker.offline.compare.work import CompareJob, compared

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingTypeStubs]


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """What every technique would do for every recording, and which of them suit."""

    verdicts: dict[str, list[Verdict]]
    """By recording: figures, whether the technique suits, and the reasons if it does not."""

    @property
    def sentences(self) -> dict[str, str]:
        """What suits each patient and what does not, in words."""
        return {name: sentence(verdicts) for name, verdicts in self.verdicts.items()}

    def to_frame(self) -> DataFrame:
        """Return one row for each recording and technique; figures are NaN where there are none.

        Raises `MissingPackageError` without pandas.
        """
        pandas = needed("to_frame", "pandas")
        return pandas.DataFrame(list(self._rows()))

    def __repr__(self) -> str:
        """Return one line."""
        return f"<comparison of techniques on {len(self.verdicts)} recording(s)>"

    def _repr_html_(self) -> str:
        return "".join(
            html_table(f"{name}: {sentence(verdicts)}", HEAD, [cells_of(each) for each in verdicts])
            for name, verdicts in self.verdicts.items()
        )

    def _rows(self) -> Iterator[dict[str, Any]]:
        for verdicts in self.verdicts.values():
            for verdict in verdicts:
                figures = flat(msgspec.to_builtins(verdict.outcome))
                figures["margin_mm"] = verdict.outcome.margin_mm
                figures["suits"] = verdict.suits
                figures["reasons"] = "; ".join(verdict.reasons)
                yield figures


def compare(
    recordings: LoadedRecording | str | Path | Sequence[LoadedRecording | str | Path] = (),
    techniques: Sequence[str] = (ALL,),
    *,
    beam_on_s: float = 120.0,
    tolerance_mm: float = 5.0,
    seed: int = 1,
    workers: int = 1,
    show_progress: bool = True,
) -> ComparisonResult:
    """Say what every technique would do for each recording, as ``tidetrack compare`` does.

    ``recordings``: recordings or journals; none stands for a generated patient. ``techniques``:
    ``all``, or of ``itv``, ``gate``, ``breath-hold``, ``couch``, ``robot``, ``gimbal``, ``mlc``,
    ``jaws``. ``beam_on_s``: beam time of the plan. ``tolerance_mm``: of the error, 95 % of the
    time. With one of ``workers`` all is done in this process; with more, a script needs the usual
    guard ``if __name__ == "__main__"``. Raises `ConfigurationError` or `RecordingError`.
    """
    chosen = _chosen(techniques)
    _check(beam_on_s=(beam_on_s, 1.0, 3600.0), tolerance_mm=(tolerance_mm, 0.1, 50.0),
           seed=(seed, 0, 2**31), workers=(workers, 1, 256))  # fmt: skip
    names, loaded = _loaded(recordings)
    with progress("comparing", show_progress) as tell:
        total = len(names) * len(chosen)

        def done(count: int) -> None:
            if tell is not None:
                tell(count / total)

        if workers == 1:
            outcomes: list[TechniqueOutcome] = []
            job = CompareJob(tuple(loaded), tuple(names), tuple(chosen), beam_on_s, seed)
            worker = job.scorer()
            worker.warm_up()
            for number in range(len(names)):
                for name in chosen:
                    outcomes.append(worker.score({}, f"{name} {number}"))
                    done(len(outcomes))
        else:
            outcomes = compared(
                loaded, names, list(chosen.values()),
                beam_on_s=beam_on_s, seed=seed, workers=workers, done=done,
            )  # fmt: skip
    return ComparisonResult(
        {
            name: [judge(each, tolerance_mm) for each in group]
            for name, group in groupby(outcomes, key=lambda each: each.trace)
        }
    )


def _chosen(techniques: Sequence[str]) -> dict[str, Technique]:
    wanted = [techniques] if isinstance(techniques, str) else list(techniques)
    unknown = [name for name in wanted if name not in (ALL, *BY_NAME)]
    if unknown or not wanted:
        named = repr(unknown[0]) if unknown else "none"
        raise ConfigurationError([f"techniques {named}: choose {ALL}, or of {', '.join(BY_NAME)}"])
    if ALL in wanted:
        return {each.name: each for each in TECHNIQUES}
    return {name: BY_NAME[name] for name in wanted}


def _check(**limits: tuple[float, float, float]) -> None:
    wrong = [
        f"{name} {value:g}: allowed {low:g} to {high:g}"
        for name, (value, low, high) in limits.items()
        if not low <= value <= high
    ]
    if wrong:
        raise ConfigurationError(wrong)


def _loaded(
    given: LoadedRecording | str | Path | Sequence[LoadedRecording | str | Path],
) -> tuple[list[str], list[Recording | None]]:
    """Return names, each once, and recordings."""
    several = [given] if isinstance(given, LoadedRecording | str | Path) else list(given)
    if not several:
        return [GENERATED], [None]
    recordings: list[Recording | None] = []
    names: list[str] = []
    for each in several:
        if isinstance(each, LoadedRecording):
            found = each.recording
        elif Path(each).suffix.lower() == ".mcap":
            found = recording_at(Path(each))
        else:
            found = load_recording(each).recording
        again = sum(name == found.name or name.startswith(f"{found.name} (") for name in names)
        names.append(f"{found.name} ({again + 1})" if again else found.name)
        recordings.append(found)
    return names, recordings

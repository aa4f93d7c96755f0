"""Write an imported recording: the project's CSV, and a sidecar that says how it was made."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from sim.recording import RecordingError, load_recording
from tracker.importing.errors import ImportRefusedError
from tracker.importing.proposal import Proposal

FORMAT = 1


def file_name(path: Path, part: str) -> str:
    """Return the name of the CSV of one recording of a file."""
    stem = path.name
    for suffix in (".gz", ".csv", ".txt", ".tsv", ".dat", ".log", ".xdf", ".hea", ".dcm", ".vxp",
                   ".xlsx", ".asc"):  # fmt: skip
        if stem.lower().endswith(suffix) and len(stem) > len(suffix):
            stem = stem[: -len(suffix)]
    name = f"{stem}_{part}" if part else stem
    return (re.sub(r"[^\w.-]+", "-", name).strip("-.") or "recording") + ".csv"


def write(
    path: Path,
    out: Path,
    proposal: Proposal,
    reader: str,
    facts: dict[str, str],
    overwrite: bool = False,
) -> Path:
    """Write CSV and sidecar, and return the CSV's path; raises `ImportRefusedError`.

    Both are written beside their names first, and the CSV is read back: what is there in the end
    is whole, and is what every other command accepts.
    """
    target = out / file_name(path, proposal.part)
    sidecar = target.with_suffix(".json")
    for file in (target, sidecar):
        if file.exists() and not overwrite:
            raise ImportRefusedError(
                f"{file}: is there already; choose another --out, or --overwrite"
            )
        if file.resolve() == path.resolve():
            raise ImportRefusedError(f"{file}: is the file to be imported; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    half, half_sidecar = target.with_name(f".{target.name}"), target.with_name(f".{sidecar.name}")
    try:
        half.write_text(_csv(proposal), encoding="utf-8", newline="")
        try:
            load_recording(half)
        except RecordingError as error:
            raise ImportRefusedError(str(error).replace(str(half), str(path))) from None
        about = sidecar_of(path, proposal, reader, facts, half.read_bytes())
        half_sidecar.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", "utf-8")
        half_sidecar.replace(sidecar)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
        half_sidecar.unlink(missing_ok=True)
    return target


def _csv(proposal: Proposal) -> str:
    lines = [",".join(["time_s", *(planned.channel for planned in proposal.channels)])]
    for at_s, row in zip(proposal.times.times_s, proposal.values, strict=True):
        cells = ["" if not np.isfinite(value) else f"{value:.10g}" for value in row]
        lines.append(",".join([f"{at_s:.6f}", *cells]))
    return "\n".join(lines) + "\n"


def sidecar_of(
    path: Path, proposal: Proposal, reader: str, facts: dict[str, str], written: bytes
) -> dict[str, Any]:
    """Return what the sidecar says: source, reading, channels, and what was left out."""
    times = proposal.times
    duration = float(times.times_s[-1])
    return {
        "format": FORMAT,
        "made_by": "tidetrack import",
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "source": {"file": path.name, "sha256": _digest_of(path), "part": proposal.part},
        "csv_sha256": hashlib.sha256(written).hexdigest(),
        "reader": reader,
        "read_as": facts,
        "time": {"column": times.column, "unit": times.unit, "first_stamp": times.origin},
        "channels": [
            {
                "channel": planned.channel,
                "column": planned.column,
                "unit": planned.unit,
                "factor": planned.factor,
                "sign": planned.sign,
                "offset": planned.offset,
                "why": planned.why,
            }
            for planned in proposal.channels
        ],
        "not_used": [{"column": column, "why": why} for column, why in proposal.unused],
        "remarks": list(proposal.remarks),
        "samples": len(times.times_s),
        "missing": int(np.isnan(proposal.values).sum()),
        "duration_s": round(duration, 6),
        "rate_hz": round((len(times.times_s) - 1) / duration, 6) if duration else None,
        "breathing_period_s": None if proposal.period_s is None else round(proposal.period_s, 2),
    }


def _digest_of(path: Path) -> str:
    """Return the SHA-256 of the file that was imported."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

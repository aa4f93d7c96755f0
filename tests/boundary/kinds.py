"""The kinds of input that are fuzzed: a valid example of each, and who reads it.

A kind reads as a command does. It returns the exit code and what the command said on standard
error; an exception that escapes is a missing boundary.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.boundary.mutated_bytes import TOKENS, mutated
from tracker import cli

ROWS = [(k * 0.05, 5.0 * math.sin(k * 0.07)) for k in range(60)]


class Heard(NamedTuple):
    """What came of one input."""

    code: int
    error: str


class BoundaryKind(NamedTuple):
    """One kind of input: files by name, which of them is mutated, and the command that reads it.

    ``removed`` are files that the command makes, and that must not be there before it runs.
    """

    files: Callable[[], dict[str, bytes]]
    mutated: tuple[str, ...]
    command: Callable[[Path], list[str]]
    removed: tuple[str, ...] = ()


def hear(arguments: list[str]) -> Heard:
    """Run a command in this process; an unexpected error escapes."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(arguments)
    return Heard(code, err.getvalue())


def text(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def csv_of(header: str, form: str = "{t:.2f},{v:.4f}") -> bytes:
    return text(header, *(form.format(t=t, v=v, k=k) for k, (t, v) in enumerate(ROWS)))


def recording() -> dict[str, bytes]:
    gaps = text("trace,start_s,end_s", "trace,1,2")
    return {"trace.csv": csv_of("time_s,ext_mm"), "GAPS.csv": gaps}


def vxp() -> dict[str, bytes]:
    head = (
        "[Header]", "CRC=0", "Version=1.6",
        "Data_layout=amplitude,phase,timestamp,validflag,ttlin,mark,ttlout", "Patient_ID=X",
        "Samples_per_second=20", "Scale_factor=10.0", "[Data]",
    )  # fmt: skip
    rows = (f"{v / 10:.4f},0.5,{round(1000 * t)},0,0,,0" for t, v in ROWS)
    return {"trace.vxp": text(*head, *rows)}


def extmarker() -> dict[str, bytes]:
    rows = [f"{k};{round(1000 * t)};{v:.1f};1;2".replace(".", ",") for k, (t, v) in enumerate(ROWS)]
    content = text('"Frame";"Timestamp";"x";"y";"z"', *rows)
    return {f"20120510-{marker}-1-T.csv": content for marker in ("LAC", "UAC", "UCC")}


def ndi() -> bytes:
    head = "Tools,Port 1,Frame,Face,State,Q0,Qx,Qy,Qz,Tx,Ty,Tz,Error,Timestamp [s]"
    rows = (
        f"1,A,{k},0,OK,1,0,0,0,1.5,2.5,{v - 900:.3f},0.1,{t:.2f}" for k, (t, v) in enumerate(ROWS)
    )
    return text(head, *rows)


def bids() -> dict[str, bytes]:
    about = {"SamplingFrequency": 20.0, "StartTime": 0.0, "Columns": ["respiratory", "trigger"]}
    body = text(*(f"{v:.4f}\t0" for _, v in ROWS))
    return {
        "a_physio.tsv": body,
        "a_physio.tsv.gz": gzip.compress(body),
        "a_physio.json": json.dumps(about).encode(),
    }


def physionet() -> dict[str, bytes]:
    samples = b"".join(round(100 * v).to_bytes(2, "little", signed=True) for _, v in ROWS)
    header = text(f"a 1 20 {len(ROWS)}", "a.dat 16 100/mV 16 0 0 0 0 RESP")
    return {"a.hea": header, "a.dat": samples}


def xdf() -> dict[str, bytes]:
    from tests.importing.binary_files import xdf_file

    return {"a.xdf": xdf_file([t for t, _ in ROWS], [v for _, v in ROWS])}


def dicom() -> dict[str, bytes]:
    from tests.importing.binary_files import waveform_file

    return {"a.dcm": waveform_file(20.0, [v for _, v in ROWS])}


def configuration() -> dict[str, bytes]:
    from tracker.config import SHIPPED

    files = ("room-twin.toml", "robot.toml", "rsi-ethernet.xml")
    return {name: (SHIPPED / name).read_bytes() for name in files}


def calibration() -> dict[str, bytes]:
    from hal.sealed import checksum

    content: dict[str, object] = {"device": "robot", "latency_ms": 115.0}
    seal = {**content, "checksum": checksum(content)}
    toml = text('extends = "room-twin.toml"', "[wires]", 'latency_file = "latency.json"')
    return {**configuration(), "mine.toml": toml, "latency.json": json.dumps(seal).encode()}


def index() -> dict[str, bytes]:
    listed = text("file,subject", "trace.csv,one", "other.csv,two")
    return {**recording(), "other.csv": csv_of("time_s,belt_au"), "INDEX.csv": listed}


def journal() -> dict[str, bytes]:
    import tempfile

    from hal.events import Tick
    from tracker.config import SHIPPED
    from tracker.journal import JournalWriter, make_header

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.mcap"
        configuration_text = (SHIPPED / "couch.toml").read_text()
        with JournalWriter(path, make_header(configuration_text, 1, {"run": "simulate"})) as kept:
            for k in range(50):
                kept.event(Tick(k * 10_000_000, k * 10_000_000))
            kept.close({})
        return {"session.mcap": path.read_bytes()}


def artefact() -> dict[str, bytes]:
    body = text(
        "format = 1", 'made = "2026-01-01T00:00:00+00:00"', "datasets = []", "held_out = []",
        "[prediction]", 'predictor = "mix"', "latency_ms = 150.0", "rate_hz = 25.0",
        "[prediction.parameters]",
    )  # fmt: skip
    return {"tuned.toml": body, **recording()}


def keys() -> dict[str, bytes]:
    import tempfile

    from tracker.api.keys import new_key
    from tracker.api.schema import Role

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "keys"
        new_key(folder, "anna", [Role.OPERATOR])
        return {f"keys/{file}": (folder / file).read_bytes() for file in KEY_FILES}


KEY_FILES = ("server.key", "anna.key", "known/anna.json")


def tokens() -> dict[str, bytes]:
    import tempfile

    from tracker.api.schema import Role
    from tracker.api.tokens import new_token

    with tempfile.TemporaryDirectory() as name:
        new_token(Path(name) / "tokens", "anna", Role.OPERATOR, 30)
        return {"tokens/anna.json": (Path(name) / "tokens/anna.json").read_bytes()}


def sessions() -> dict[str, bytes]:
    import tempfile

    from tracker.catalogue import FILE, Catalogue

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one.mcap").write_bytes(journal()["session.mcap"])
        with Catalogue(folder):
            pass
        return {f"sessions/{each}": (folder / each).read_bytes() for each in (FILE, "one.mcap")}


def dose_plan() -> dict[str, bytes]:
    body = text(
        'name = "one beam"', "prescription_gy = 45.0", "fractions = 3", "margin_mm = 3.0",
        "[body]", "radius_x_mm = 165.0", "radius_z_mm = 125.0", "[[body.inserts]]",
        "density_above_water = 0.05",
        'shape = { type = "ellipsoid", centre_mm = [-65, 0, 5], radii_mm = [80, 75, 70] }',
        "[[beams]]", "direction = [0.0, 0.0, -1.0]", "isocentre_mm = [-60.0, 0.0, 0.0]",
        'aperture = { type = "circle", diameter_mm = 36.0 }', "weight = 1.0",
        "[[structures]]", 'name = "target"', 'role = "target"', "spacing_mm = 2.0",
        'shape = { type = "ellipsoid", centre_mm = [-60, 0, 0], radii_mm = [15, 15, 15] }',
        "[[structures]]", 'name = "spinal cord"', 'role = "organ"', "[structures.shape]",
        'type = "cylinder"', "centre_mm = [0.0, 0.0, -70.0]",
        "radius_x_mm = 6.0", "radius_z_mm = 5.0", "half_length_mm = 60.0",
    )  # fmt: skip
    return {"plan.toml": body, "session.mcap": b"no journal"}


def paired() -> dict[str, bytes]:
    rows = "{t:.2f},{v:.4f},0.1,{v:.3f},0.2"
    return {"trace.csv": csv_of("time_s,ext_mm,target_x_mm,target_y_mm,target_z_mm", rows)}


def imported(name: str) -> Callable[[Path], list[str]]:
    def command(folder: Path) -> list[str]:
        options = ["--out", str(folder / "out"), "--yes", "--overwrite"]
        return ["import", str(folder / name), *options]

    return command


def one(name: str, content: Callable[[], bytes]) -> Callable[[], dict[str, bytes]]:
    return lambda: {name: content()}


def bench(name: str) -> Callable[[Path], list[str]]:
    return lambda folder: ["bench", str(folder / name), "--predictors", "hold", "--warmup-s", "0"]


KINDS: dict[str, BoundaryKind] = {
    "csv": BoundaryKind(recording, ("trace.csv",), bench("trace.csv")),
    "gaps": BoundaryKind(recording, ("GAPS.csv",), bench("trace.csv")),
    "vxp": BoundaryKind(vxp, ("trace.vxp",), bench("trace.vxp")),
    "extmarker": BoundaryKind(
        extmarker, ("20120510-LAC-1-T.csv", "20120510-UCC-1-T.csv"), bench("20120510-LAC-1-T.csv")
    ),
    "index": BoundaryKind(
        index,
        ("INDEX.csv",),
        # Refused after the archive was read: nothing is to be tuned here.
        lambda folder: [
            "tune", str(folder), "--latency-ms", "150", "--rate-hz", "20", "--trials", "1",
            "--out", str(folder / "o.toml"), "--storage", "nothing://here", "--workers", "1",
        ],
    ),
    "config": BoundaryKind(
        configuration,
        ("room-twin.toml", "robot.toml"),
        lambda folder: ["check", str(folder / "room-twin.toml")],
    ),
    "ethernet": BoundaryKind(
        configuration,
        ("rsi-ethernet.xml",),
        lambda folder: ["check", str(folder / "room-twin.toml")],
    ),
    "sealed": BoundaryKind(
        calibration, ("latency.json",), lambda folder: ["check", str(folder / "mine.toml")]
    ),
    "artefact": BoundaryKind(
        artefact,
        ("tuned.toml",),
        lambda folder: [
            "simulate", str(folder / "trace.csv"), "--parameters", str(folder / "tuned.toml"),
        ],
    ),
    "journal": BoundaryKind(
        journal, ("session.mcap",), lambda folder: ["verify", str(folder / "session.mcap")]
    ),
    "keys": BoundaryKind(
        keys,
        ("keys/known/anna.json",),
        lambda folder: ["keys", "list", "--folder", str(folder / "keys")],
    ),
    "server-key": BoundaryKind(
        keys,
        ("keys/server.key",),
        lambda folder: [
            "keys", "new", "bob", "--role", "observer", "--folder", str(folder / "keys"),
        ],
        ("keys/bob.key", "keys/known/bob.json"),
    ),
    "tokens": BoundaryKind(
        tokens,
        ("tokens/anna.json",),
        lambda folder: ["tokens", "list", "--folder", str(folder / "tokens")],
    ),
    "sessions": BoundaryKind(
        sessions,
        ("sessions/catalogue.sqlite", "sessions/one.mcap"),
        lambda folder: ["sessions", "show", "last", "--folder", str(folder / "sessions")],
        ("sessions/catalogue.sqlite-journal",),
    ),
    "dose-plan": BoundaryKind(
        dose_plan,
        ("plan.toml",),
        # Refused after the plan was read: computing a dose takes seconds.
        lambda folder: [
            "dose", str(folder / "session.mcap"), "--plan", str(folder / "plan.toml"),
        ],
    ),
    "compare": BoundaryKind(
        paired,
        ("trace.csv",),
        # Refused after the trace was read: measuring starts a process of its own.
        lambda folder: ["compare", str(folder / "trace.csv"), str(folder / "none.csv")],
    ),
    "import-table": BoundaryKind(
        one("a.csv", lambda: csv_of("Time [s];SI [mm];Amp [cm]", "{t:.2f};{v:.4f};{v:.5f}")),
        ("a.csv",),
        imported("a.csv"),
    ),
    "import-clock": BoundaryKind(
        one("a.csv", lambda: csv_of("Uhrzeit,Amp [mm],valid", "23:59:{t:06.3f},{v:.4f},1")),
        ("a.csv",),
        imported("a.csv"),
    ),
    "import-ndi": BoundaryKind(one("a.csv", ndi), ("a.csv",), imported("a.csv")),
    "import-vernier": BoundaryKind(
        one("a.csv", lambda: csv_of("Data Set 1:Time(s),Data Set 1:Force(N)")),
        ("a.csv",),
        imported("a.csv"),
    ),
    "import-cyberknife": BoundaryKind(
        one("Markers.log", lambda: csv_of("Time LED1_X LED1_Y LED1_Z", "{t:.2f} 1 2 {v:.3f}")),
        ("Markers.log",),
        imported("Markers.log"),
    ),
    "import-bids": BoundaryKind(
        bids, ("a_physio.tsv.gz", "a_physio.json"), imported("a_physio.tsv.gz")
    ),
    "import-bids-text": BoundaryKind(
        bids, ("a_physio.tsv", "a_physio.json"), imported("a_physio.tsv")
    ),
    "import-physionet": BoundaryKind(physionet, ("a.hea", "a.dat"), imported("a.hea")),
    "import-xdf": BoundaryKind(xdf, ("a.xdf",), imported("a.xdf")),
    "import-dicom": BoundaryKind(dicom, ("a.dcm",), imported("a.dcm")),
}  # fmt: skip


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a kind, those in folders of their own as well."""
    for name, content in files.items():
        if "/" in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def feed(name: str, files: dict[str, bytes], rng: random.Random, folder: Path) -> Heard:
    """Write the files of a kind, one of them mutated, and run its command."""
    kind = KINDS[name]
    target = rng.choice(kind.mutated)
    write(folder, {**files, target: mutated(rng, files[target])})
    for each in kind.removed:
        (folder / each).unlink(missing_ok=True)
    return hear(kind.command(folder))


RUN = ("check", "verify", "replay", "report", "import", "score", "machines")
"""Commands that read files and end at once. Of all others the arguments are only parsed: they reach
for devices and daemons, or compute for minutes."""


def arguments(rng: random.Random, folder: Path) -> list[str]:
    """Return a command line of a command's own options with values of every kind."""
    name = rng.choice(list(cli.COMMANDS))
    options = {
        "simulate": ("--seed", "--latency-ms", "--predictor", "--config", "--parameters"),
        "bench": ("--horizons-ms", "--predictors", "--warmup-s", "--json"),
        "import": ("--out", "--time", "--map", "--ignore", "--rate-hz", "--decimal", "--separator",
                   "--reader", "--patient", "--yes"),
        "tune": ("--latency-ms", "--rate-hz", "--trials", "--storage", "--range", "--out"),
    }.get(name, ("--config", "--out", "--json", "--key", "--seed"))  # fmt: skip
    words = [name]
    for _ in range(rng.randint(0, 5)):
        value = rng.choice(TOKENS).decode("latin-1")[:200].replace("\x00", "0")
        words += rng.choice(([rng.choice(options)], [rng.choice(options), value], [value],
                             [str(folder / "trace.csv")], [str(folder)]))  # fmt: skip
    return words

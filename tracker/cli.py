"""Run the command `tidetrack`: a table of commands, and how their errors are shown.

A command is a module with ``add_arguments(parser)`` and ``run(args) -> int``. It is imported
when it is run, so that no command loads what only another one needs.

Exit codes: 0 done, 1 done and the answer is no (a replay that differs), 2 wrong use or input,
130 interrupted. Trouble of a known kind is one line on stderr for each thing wrong.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple, NoReturn, Protocol, cast


class CommandRow(NamedTuple):
    """One command: the module behind it, what it does in one line, and an example."""

    module: str
    does: str
    example: str


COMMANDS: dict[str, CommandRow] = {
    "demo": CommandRow(
        "tracker.offline.demo",
        "track a simulated liver patient and write a report",
        "tidetrack demo",
    ),
    "simulate": CommandRow(
        "tracker.offline.simulate",
        "track a recorded or generated breath in a simulated room",
        "tidetrack simulate lark_091.csv --config couch.toml --report out/lark_091",
    ),
    "replay": CommandRow(
        "tracker.offline.replay",
        "run a journal through the same engine again and compare every output",
        "tidetrack replay out/demo/session.mcap",
    ),
    "report": CommandRow(
        "tracker.report.command",
        "rebuild the report of a session from its journal; or make the physicist's report",
        "tidetrack report out/demo/session.mcap",
    ),
    "dose": CommandRow(
        "tracker.dose.command",
        "estimate what the errors of one or more sessions mean in dose to target and liver",
        "tidetrack dose out/demo/session.mcap --report out/dose --json out/dose.json",
    ),
    "sessions": CommandRow(
        "tracker.report.sessions",
        "list, show, report, export and prune the recorded sessions of a folder, and show trends",
        "tidetrack sessions show last",
    ),
    "export": CommandRow(
        "tracker.exporting.command",
        "write a recorded session as CSV, Parquet, MAT, BIDS or DICOM, or send it to an archive",
        "tidetrack export parquet out/demo/session.mcap --out out/parquet",
    ),
    "plan": CommandRow(
        "tracker.dicom.plan_command",
        "read a plan from DICOM files, check it, and write a configuration and a dose plan",
        "tidetrack plan import plan.dcm structures.dcm --out patient.toml --extends couch.toml",
    ),
    "qa": CommandRow(
        "tracker.offline.qa.command",
        "run quality assurance tests against stated tolerances and keep their history",
        "tidetrack qa daily",
    ),
    "verify": CommandRow(
        "tracker.offline.verify",
        "check by their seals that journals are unchanged",
        "tidetrack verify sessions/20260301-101500.mcap",
    ),
    "import": CommandRow(
        "tracker.importing.command",
        "read what other programs exported and write recordings; refuses what is not sure",
        "tidetrack import export.csv --out recordings --map 'Amp:ext_mm:cm'",
    ),
    "check": CommandRow(
        "tracker.offline.check",
        "check a configuration and name every key that is wrong",
        "tidetrack check config/couch.toml",
    ),
    "compare": CommandRow(
        "tracker.offline.compare.command",
        "say what every technique would do for a patient's own breathing, and which of them suit",
        "tidetrack compare recording.csv --report compared",
    ),
    "doctor": CommandRow(
        "tracker.doctor.command",
        "say what is missing for which feature of the program, and how to get it",
        "tidetrack doctor notebook tune",
    ),
    "machines": CommandRow(
        "tracker.offline.machines",
        "list the kinds of treatment machine and what each of them follows",
        "tidetrack machines",
    ),
    "run": CommandRow(
        "tracker.live.run",
        "track live: the controller with its devices on real wires, until told to stop",
        "tidetrack run config/room-twin.toml --journal session.mcap",
    ),
    "keys": CommandRow(
        "tracker.live.service.keys",
        "make a key known to a daemon, list who is known, or revoke one",
        "tidetrack keys new anna --role operator",
    ),
    "ctl": CommandRow(
        "tracker.live.service.ctl",
        "ask a running daemon for something: model, start, hold, resume, stop, …",
        "tidetrack ctl hold --key keys/anna.key",
    ),
    "status": CommandRow(
        "tracker.live.service.status",
        "show the state of a running daemon: session, beam, devices, faults",
        "tidetrack status --key keys/anna.key",
    ),
    "console": CommandRow(
        "tracker.live.web.command",
        "serve the operator's page of a daemon; run starts it where console.start is child",
        "tidetrack console config/room-twin.toml",
    ),
    "tokens": CommandRow(
        "tracker.live.web.tokens_command",
        "make a person's token for the console page, list the tokens, or revoke one",
        "tidetrack tokens new anna --role operator",
    ),
    "room": CommandRow(
        "tracker.live.devices.room",
        "serve a whole simulated room on real wires, for a run in another process",
        "tidetrack room config/room-twin.toml --truth truth.mcap",
    ),
    "monitor": CommandRow(
        "tracker.live.dead_man.command",
        "hold the beam from a separate process when the daemon fails; or reset the gate's latch",
        "tidetrack monitor config/room-twin.toml --reset",
    ),
    "score": CommandRow(
        "tracker.live.score",
        "score a live session against the truth of the room it was tracked in",
        "tidetrack score session.mcap truth.mcap",
    ),
    "twin": CommandRow(
        "tracker.live.devices.twin",
        "serve one device's twin on a real wire",
        "tidetrack twin polaris --pty /tmp/tracker",
    ),
    "probe": CommandRow(
        "tracker.live.devices.probe",
        "connect to each configured device for ten seconds and print what was found",
        "tidetrack probe config/room-twin.toml",
    ),
    "latency": CommandRow(
        "tracker.live.devices.latency",
        "move the actuator through a chirp and measure the latency from demand to motion",
        "tidetrack latency config/room-twin.toml --wires --out latency.json",
    ),
    "arrangement": CommandRow(
        "tracker.live.devices.arrangement",
        "measure a plate with known markers and check every axis and sign",
        "tidetrack arrangement config/room-twin.toml --out arrangement.json",
    ),
    "bench": CommandRow(
        "tracker.offline.bench.command",
        "score predictors on recorded traces; each predictor knows only the past",
        "tidetrack bench recordings/ --horizons-ms 200,400 --json bench.json",
    ),
    "tune": CommandRow(
        "tracker.offline.tuning.command",
        "fit a predictor's parameters to an archive of recordings, each subject left out once",
        "tidetrack tune archive/ --latency-ms 150 --rate-hz 25 --out couch-150ms.toml",
    ),
    "campaign": CommandRow(
        "tracker.offline.campaign.command",
        "run many simulated sessions with mishaps and report how long each was unsafe",
        "tidetrack campaign --faults all --pairs --seeds 10 --report out/campaign",
    ),
}

KNOWN_ERRORS = (
    ("tracker.config", "ConfigurationError"),
    ("tracker.journal", "JournalError"),
    ("tracker.catalogue", "CatalogueError"),
    ("tracker.dose.dose_error", "DoseError"),
    ("tracker.dicom.dicom_error", "DicomError"),
    ("tracker.report.report_error", "ReportError"),
    ("tracker.offline.qa.qa_error", "QaError"),
    ("sim.recording", "RecordingError"),
    ("tracker.importing.errors", "ImportRefusedError"),
    ("tracker.exporting.export_error", "ExportError"),
    ("tracker.artefact", "ArtefactError"),
    ("tracker.offline.tuning.errors", "TuningError"),
    ("tracker.offline.campaign.errors", "CampaignError"),
    ("hal.errors", "DeviceError"),
    ("tracker.api.keys", "KeysError"),
    ("tracker.client", "ClientError"),
    ("tracker.live.web.context", "ConsoleError"),
    ("tracker.api.tokens", "TokenError"),
)
"""The errors whose message is shown to the person at the terminal: (module, class)."""


TRACEBACK = "TIDETRACK_TRACEBACK"
"""The environment variable that makes an unexpected error show where it came from."""
_MOST_SHOWN = 300


class CommandModule(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Run the command; return the exit code."""
        ...


class UsageError(Exception):
    """The command line is wrong; the message says why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (by default the process's own); return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the pipe has ended (… | head). Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:
        lines = _for_people(error)
        if lines is None and os.environ.get(TRACEBACK):
            raise
        print("\n".join(lines or (_defect(arguments, error),)), file=sys.stderr)
        return 2


def _defect(arguments: list[str], error: Exception) -> str:
    """Return the line for an error that no boundary expected: a defect of the program."""
    text = " ".join(str(error).split())[:_MOST_SHOWN] or "no message"
    command = " ".join(arguments[:1])
    return (
        f"tidetrack {command}: unexpected {type(error).__name__}: {text}; please report it, with "
        f"what {TRACEBACK}=1 shows"
    )


def _dispatch(arguments: list[str]) -> int:
    match arguments:
        case [] | ["-h" | "--help" | "help", *_]:
            print(_overview())
            return 0 if arguments else 2
        case ["--version" | "-V", *_]:
            print(f"tidetrack {_version()}")
            return 0
        case [name, *rest]:
            return _run(name, rest)
        case _:
            raise AssertionError(arguments)


def _run(name: str, arguments: list[str]) -> int:
    command = COMMANDS.get(name)
    if command is None:
        what = "option" if name.startswith("-") else "command"
        near = get_close_matches(name, COMMANDS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(COMMANDS)}"
        raise UsageError(f"tidetrack: unknown {what} {name}; {advice}")
    module = cast(CommandModule, importlib.import_module(command.module))
    parser = _Parser(
        prog=f"tidetrack {name}",
        description=command.does[0].upper() + command.does[1:] + ".",
        epilog=f"example: {command.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    try:
        args = parser.parse_args(arguments)
    except SystemExit:  # --help has been printed
        return 0
    return module.run(args)


def _version() -> str:
    try:
        return importlib.metadata.version("tidetrack")
    except importlib.metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.does}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: tidetrack COMMAND [ARGUMENT…]",
            "",
            "Real-time respiratory tumour tracking. Research software, not a medical device.",
            "",
            *lines,
            "",
            "tidetrack COMMAND --help tells more, tidetrack --version the version.",
            "example: tidetrack demo",
        ]
    )


def _for_people(error: Exception) -> tuple[str, ...] | None:
    """Return the message lines of a known kind of error; ``None`` for a defect of the program."""
    for module, name in KNOWN_ERRORS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return tuple(getattr(error, "problems", ())) or (str(error),)
    if isinstance(error, OSError) and error.filename is not None:
        return (f"{os.fsdecode(error.filename)}: {error.strerror}",)
    return None

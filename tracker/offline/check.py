"""`tidetrack check`: check a configuration and name every wrong key and file at once."""

from __future__ import annotations

import argparse

from tracker.build.named_files import file_problems
from tracker.build.wire_problems import address_problems, wire_problems
from tracker.config import Configuration, ConfigurationError, altered, load_configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a configuration in TOML")
    parser.add_argument(
        "--resolved",
        action="store_true",
        help="print every key with its value, with what the files extend and all defaults",
    )


def run(args: argparse.Namespace) -> int:
    """Print the files that are right; raise one error that names all problems of the others."""
    problems: list[str] = []
    for file in args.files:
        try:
            configuration = load_configuration(file)
            wrong = [
                *wire_problems(configuration),
                *address_problems(configuration),
                *file_problems(configuration),
            ]
            if wrong:
                problems.extend(wrong)
                continue
            print(
                altered(configuration, {}).text if args.resolved else _summary(file, configuration)
            )
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigurationError(problems)
    return 0


def _summary(file: str, configuration: Configuration) -> str:
    controller = configuration.controller
    room = "no room, for hardware" if configuration.room is None else "simulated room"
    return (
        f"{file}: right: {controller.actuator.kind}, latency {controller.timing.latency_ms:g} ms,"
        f" predictor {controller.prediction.predictor}, {room};"
        f" sha256 {configuration.sha256[:12]}"
    )

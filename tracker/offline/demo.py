"""`tidetrack demo`: a simulated liver session with a drift and a cough, and its report."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.config import SHIPPED, load_configuration
from tracker.offline.simulate import Wanted, carry_out, describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/demo"),
        metavar="DIR",
        help="where to write report, journal and summary (default: out/demo)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the shipped demo configuration and say where to look."""
    config = SHIPPED / "demo.toml"
    wanted = Wanted(
        load_configuration(config),
        None,
        "demo",
        config.name,
        seed=1,
        journal=args.out / "session.mcap",
        report=args.out,
        summary=args.out / "summary.json",
    )
    _, summary = carry_out(wanted)
    print("A simulated liver patient, tracked for three minutes with a drift and a cough.\n")
    print(describe(summary))
    print(f"\nNow open {args.out / 'report.html'}")
    return 0

"""Run `tidetrack doctor`: what is missing for which feature, and how to get it."""

from __future__ import annotations

import argparse
import json

from tracker.doctor.features import BY_NAME, FEATURES, PROGRAM, Feature
from tracker.doctor.findings import Lacking


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "features",
        nargs="*",
        type=_feature,
        metavar="FEATURE",
        help=f"only these, and exit with 1 if one lacks something: {', '.join(BY_NAME)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _feature(name: str) -> str:
    if name not in BY_NAME:
        raise argparse.ArgumentTypeError(f"{name} is none; choose of {', '.join(BY_NAME)}")
    return name


def run(args: argparse.Namespace) -> int:
    """Print what each feature lacks; 1 when a named one, or the program itself, lacks something."""
    chosen = [BY_NAME[name] for name in args.features] or list(FEATURES)
    found = {feature.name: feature.lacking() for feature in chosen}
    if args.json:
        print(json.dumps({name: [each._asdict() for each in f] for name, f in found.items()}))
    else:
        for feature in chosen:
            print("\n".join(_lines(feature, found[feature.name])))
    needed = args.features or [PROGRAM]
    return int(any(found[name] for name in needed))


def _lines(feature: Feature, lacking: list[Lacking]) -> list[str]:
    width = max(map(len, BY_NAME))
    state = "lacks" if lacking else "ready"
    lines = [f"{state}  {feature.name:<{width}}  {feature.does}"]
    remedies = dict.fromkeys(each.remedy for each in lacking)
    for remedy in remedies:
        missing = ", ".join(each.what for each in lacking if each.remedy == remedy)
        lines.append(f"         {missing}: {remedy}")
    return lines

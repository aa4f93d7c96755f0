"""Feeds codecs with malformed frames without end: ``python -m tests.hal.fuzz CODEC --frames N``.

A codec takes part by a file ``tests/hal/<codec>/malformed.py`` with two functions:
``malformed(rng) -> bytes`` makes a frame that must not be believed, ``feed(data) -> bool`` tells
whether it was; an exception from ``feed`` is a crash. Seeds make every run repeatable.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

CODECS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/malformed.py"))


class Outcome(NamedTuple):
    """Frames fed, believed and crashed on, with the first few of the latter two."""

    frames: int
    believed: int
    crashes: int
    examples: list[str]


def fuzz(codec: str, frames: int, seed: int = 1) -> Outcome:
    """Feed a codec so many frames."""
    table = importlib.import_module(f"tests.hal.{codec}.malformed")
    rng = random.Random(seed)
    count: Counter[str] = Counter()
    examples: list[str] = []
    for _ in range(frames):
        data = table.malformed(rng)
        try:
            what = "believed" if table.feed(data) else ""
        except Exception as error:
            what = f"crash {type(error).__name__}"
        if what:
            count[what.split()[0]] += 1
            if len(examples) < 5:
                examples.append(f"{what}: {data.hex()}")
    return Outcome(frames, count["believed"], count["crash"], examples)


def main() -> int:
    """Run from the command line; exit code 1 where anything was believed or crashed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("codec", choices=[*CODECS, "all"])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    bad = 0
    for codec in CODECS if asked.codec == "all" else [asked.codec]:
        begun = time.monotonic()
        outcome = fuzz(codec, asked.frames, asked.seed)
        took_s = time.monotonic() - begun
        sys.stdout.write(
            f"{codec}: {outcome.frames} frames, {outcome.crashes} crashes, "
            f"{outcome.believed} believed, {outcome.frames / took_s:.0f}/s\n"
        )
        sys.stdout.writelines(f"  {example}\n" for example in outcome.examples)
        bad += outcome.crashes + outcome.believed
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""Feed every reader with mutated files: ``python -m tests.boundary.fuzz KIND --count N``.

An input is handled when the exit code is 0, 1 or 2 and standard error is made of single lines
without a traceback. An exception that escapes is a crash, as is a process that grew to 1 GiB.
``all`` runs every kind in a process of its own; seeds make every run repeatable.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.metadata
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import unittest.mock
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.boundary.kinds import KINDS, RUN, Heard, arguments, csv_of, feed, hear
from tracker import cli

MOST_BYTES = 1 << 30
ARGUMENTS = "arguments"
_EXAMPLES = 5
_MEMORY = Path("/dev/shm")
"""Files are written here where it exists: opening one on a disk may take longer than reading it."""


class Outcome(NamedTuple):
    """How many inputs ended with which code, and the first that were not handled."""

    codes: Counter[int]
    crashes: int
    examples: list[str]
    peak_bytes: int


def fuzz(kind: str, count: int, seed: int = 1) -> Outcome:
    """Feed one kind so many inputs."""
    codes: Counter[int] = Counter()
    examples: list[str] = []
    crashes = 0
    logging.disable(logging.CRITICAL)
    before = os.environ.get(cli.TRACEBACK)
    mask = os.umask(0o077)  # keys that others may read are refused
    os.environ[cli.TRACEBACK] = "1"
    # Looking for the entry points of all installed packages takes longer than reading a small file.
    found = functools.cache(importlib.metadata.entry_points)
    try:
        with (
            tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name,
            warnings.catch_warnings(),
            unittest.mock.patch("importlib.metadata.entry_points", found),
        ):
            warnings.simplefilter("ignore")
            folder = Path(name)
            files = {} if kind == ARGUMENTS else KINDS[kind].files()
            (folder / "trace.csv").write_bytes(csv_of("time_s,ext_mm"))
            with contextlib.chdir(folder):
                for number in range(count):
                    wrong = ""
                    try:
                        heard = _one(kind, files, random.Random(f"{seed} {number}"), folder)
                        codes[heard.code] += 1
                        wrong = _not_handled(heard)
                    except Exception:
                        wrong = traceback.format_exc(limit=-6)
                    if wrong:
                        crashes += 1
                        if len(examples) < _EXAMPLES:
                            examples.append(f"seed {seed}, input {number}: {wrong}")
    finally:
        os.umask(mask)
        logging.disable(logging.NOTSET)
        if before is None:
            del os.environ[cli.TRACEBACK]
        else:
            os.environ[cli.TRACEBACK] = before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Outcome(codes, crashes, examples, peak)


def _one(kind: str, files: dict[str, bytes], rng: random.Random, folder: Path) -> Heard:
    if kind != ARGUMENTS:
        return feed(kind, files, rng, folder)
    words = arguments(rng, folder)
    if words[0] not in RUN:
        words.append("--no-such-option")  # refused once everything else was parsed
    return hear(words)


def _not_handled(heard: Heard) -> str:
    """Return what is wrong with an answer; empty: nothing."""
    if heard.code not in (0, 1, 2):
        return f"exit code {heard.code}: {heard.error[:200]}"
    if "Traceback" in heard.error:
        return heard.error[-600:]
    if heard.code == 2 and not heard.error.strip():
        return "exit code 2 without a word"
    return ""


def main() -> int:
    """Run from the command line; exit code 1 where anything was not handled."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=[*KINDS, ARGUMENTS, "all"])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.kind == "all":
        command = [sys.executable, "-m", "tests.boundary.fuzz"]
        options = ["--count", str(asked.count), "--seed", str(asked.seed)]
        ends = [subprocess.call([*command, kind, *options]) for kind in (*KINDS, ARGUMENTS)]
        return int(any(ends))
    begun = time.monotonic()
    outcome = fuzz(asked.kind, asked.count, asked.seed)
    took_s = time.monotonic() - begun
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(outcome.codes.items()))
    sys.stdout.write(
        f"{asked.kind}: {asked.count} inputs, exit codes {{{codes}}}, {outcome.crashes} not "
        f"handled, peak {outcome.peak_bytes / 2**20:.0f} MiB, {asked.count / took_s:.0f}/s\n"
    )
    sys.stdout.writelines(f"  {example}\n" for example in outcome.examples)
    return int(outcome.crashes > 0 or outcome.peak_bytes >= MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())

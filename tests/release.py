"""Make a release: build it, try it in an empty environment, and, when asked to, cut and tag it.

    python -m tests.release 0.2.0          # shows what would be done; the checkout stays as it is
    python -m tests.release 0.2.0 --cut    # the same, then commits and tags; pushes nothing

The source distribution is built from the newest commit, and the wheel from the source distribution.
The wheel is installed in a new virtual environment, with exactly what ``locks/runtime.lock`` names,
and runs the demo there; the demo's journal must then replay identically. The archives are in
``build/release``, with ``--cut`` in ``dist``.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent
VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
UNRELEASED = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BUILD = (
    "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])('..'))"
)
MINUTES = 20


class ReleaseError(Exception):
    """The release cannot be made: one line with what is wrong and what to do."""


class Release(NamedTuple):
    """A release to be made: its version, its changelog section, and the two files it changes."""

    version: str
    notes: str
    pyproject: str
    changelog: str

    @property
    def tag(self) -> str:
        """Return the name of the release's tag."""
        return f"v{self.version}"


def plan_release(pyproject: str, changelog: str, version: str, day: datetime.date) -> Release:
    """Return the release of a version, from the texts of ``pyproject.toml`` and ``CHANGELOG.md``.

    Raises `ReleaseError` for a version that is not X.Y.Z or older than the present one, and when
    the section *Unreleased* of the changelog is missing or empty.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"{version} is no version; give three numbers, such as 0.2.0")
    present = VERSION.search(pyproject)
    if present is None:
        raise ReleaseError("pyproject.toml has no version; add one under [project]")
    if _numbers(version) < _numbers(present[1]):
        raise ReleaseError(f"{version} is older than {present[1]}, the present version; go up")
    section = UNRELEASED.search(changelog)
    notes = section[1].strip() if section else ""
    if section is None or not notes:
        raise ReleaseError("CHANGELOG.md says nothing under [Unreleased]; say there what is new")
    cut = f"## [Unreleased]\n\n## [{version}] - {day.isoformat()}\n\n{notes}\n\n"
    return Release(
        version,
        notes,
        VERSION.sub(f'version = "{version}"', pyproject, count=1),
        (changelog[: section.start()] + cut + changelog[section.end() :]).rstrip() + "\n",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def write_release(release: Release, folder: Path) -> None:
    """Put the version and the cut changelog into a checkout."""
    (folder / "pyproject.toml").write_text(release.pyproject, encoding="utf-8")
    (folder / "CHANGELOG.md").write_text(release.changelog, encoding="utf-8")


def build_archives(source: Path, scratch: Path) -> tuple[Path, Path]:
    """Build the source distribution of ``source``, and from it the wheel; return both files.

    Raises `ReleaseError` with the last lines of the build when it fails.
    """
    work = scratch / "source"
    shutil.copytree(source, work, symlinks=True)
    sdist = scratch / _build("build_sdist", work)
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch / "unpacked", filter="data")
    (unpacked,) = (scratch / "unpacked").iterdir()
    wheel = (scratch / "unpacked") / _build("build_wheel", unpacked)
    return sdist, wheel


def _build(hook: str, folder: Path) -> str:
    result = _run([sys.executable, "-W", "ignore", "-c", BUILD, hook], folder)
    return result.splitlines()[-1]


def try_wheel(wheel: Path, locks: Path, python: str, scratch: Path) -> dict[str, object]:
    """Install the wheel in an empty environment and run the demo there; return its summary.

    ``python`` is a Python that has pip. Raises `ReleaseError` when a step fails.
    """
    environment, home = scratch / "environment", scratch / "elsewhere"
    home.mkdir()
    _run([python, "-m", "venv", "--without-pip", str(environment)], home)
    pip = [python, "-m", "pip", "--python", str(environment / "bin" / "python")]
    pip += ["--disable-pip-version-check", "install", "--quiet"]
    for lock in ("build.lock", "runtime.lock"):
        options = ["--require-hashes", "--no-build-isolation", "--use-pep517"]
        _run([*pip, *options, "-r", str(locks / lock)], home)
    _run([*pip, "--no-deps", "--no-index", str(wheel)], home)
    tidetrack = str(environment / "bin" / "tidetrack")
    version = _run([tidetrack, "--version"], home).split()[-1]
    if f"-{version}-" not in wheel.name:
        raise ReleaseError(f"{wheel.name} says that it is version {version}; clean and try again")
    print(_run([tidetrack, "demo"], home))
    print(_run([tidetrack, "replay", "out/demo/session.mcap"], home))
    return json.loads((home / "out" / "demo" / "summary.json").read_text(encoding="utf-8"))


def cut_release(release: Release, repository: Path) -> None:
    """Write the version and the changelog, commit both and tag the commit.

    Raises `ReleaseError` when git refuses.
    """
    write_release(release, repository)
    _run(["git", "add", "pyproject.toml", "CHANGELOG.md"], repository)
    _run(["git", "commit", "--quiet", "-m", f"release: {release.version}"], repository)
    message = f"tidetrack {release.version}\n\n{release.notes}"
    _run(["git", "tag", "--cleanup=verbatim", "-a", release.tag, "-m", message], repository)


def check_checkout(repository: Path, tag: str, is_cut: bool) -> None:
    """Raise `ReleaseError` when the tag exists, or a cut would mix with changes not committed."""
    if _run(["git", "tag", "--list", tag], repository).strip():
        raise ReleaseError(f"the tag {tag} exists; choose another version")
    if is_cut and _run(["git", "status", "--porcelain"], repository).strip():
        raise ReleaseError("the checkout has changes that are not committed; commit them first")


def _export(repository: Path, folder: Path) -> None:
    """Write the files of the newest commit into ``folder``."""
    archive = folder.parent / "head.tar"
    _run(["git", "archive", "--format=tar", f"--output={archive}", "HEAD"], repository)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")


def _run(command: list[str], folder: Path) -> str:
    """Run a command outside of the checkout's own environment; return what it printed."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    result = subprocess.run(
        command,
        cwd=folder,
        env=inherited,
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * MINUTES,
    )
    if result.returncode:
        last = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
        raise ReleaseError(f"{' '.join(command[:6])} … failed with {result.returncode}:\n{last}")
    return result.stdout


def make_release(version: str, python: str, is_cut: bool) -> None:
    """Make the release of the newest commit of this checkout; print each step."""
    with tempfile.TemporaryDirectory(prefix="tidetrack-release-") as name:
        scratch = Path(name)
        check_checkout(REPOSITORY, f"v{version}", is_cut)
        _export(REPOSITORY, scratch / "head")
        release = plan_release(
            (scratch / "head" / "pyproject.toml").read_text(encoding="utf-8"),
            (scratch / "head" / "CHANGELOG.md").read_text(encoding="utf-8"),
            version,
            datetime.datetime.now(datetime.UTC).date(),
        )
        write_release(release, scratch / "head")
        archives = build_archives(scratch / "head", scratch)
        for archive in archives:
            print(f"built {archive.name}, {archive.stat().st_size / 1e6:.1f} MB")
        print("installing the wheel in an empty environment, then running its demo")
        summary = try_wheel(archives[1], scratch / "head" / "locks", python, scratch)
        print(f"the demo ran from the wheel; digest {summary['digest']}")
        kept = REPOSITORY / ("dist" if is_cut else "build/release")
        kept.mkdir(parents=True, exist_ok=True)
        for archive in archives:
            shutil.copy(archive, kept)
            print(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {kept.name}/{archive.name}")
        print(f"\nchangelog of {version}:\n\n{release.notes}\n")
        if is_cut:
            cut_release(release, REPOSITORY)
            print(f"committed and tagged {release.tag}; to publish: git push --follow-tags")
        else:
            print(f"nothing in the checkout was changed; with --cut, {release.tag} would be tagged")


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("version", help="such as 0.2.0")
    parser.add_argument("--cut", action="store_true", help="commit and tag what was built")
    parser.add_argument("--python", default="python3", help="a Python with pip (python3)")
    args = parser.parse_args()
    try:
        make_release(args.version, args.python, args.cut)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

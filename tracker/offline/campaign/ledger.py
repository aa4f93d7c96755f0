"""The ledger: every finished run of a campaign, one line each, appended and never changed.

The first line names the campaign; another campaign is refused. A last line that is incomplete,
after a kill, is dropped. So the same command continues a campaign, however it was ended.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import msgspec

import tracker
from tracker.offline.campaign.errors import CampaignError
from tracker.offline.campaign.record import RunRecord


class CampaignIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What must be the same for runs to belong to one campaign."""

    code_sha256: str
    """Over the source of everything that a run depends on."""
    configuration_sha256: str
    recordings_sha256: str
    minutes: float


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The versions and settings with which the runs were made, for people."""

    commit: str
    config: str
    recordings: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    identity: CampaignIdentity
    made: Made


def read_ledger(path: Path) -> tuple[Head, dict[str, RunRecord]]:
    """Read what a ledger holds, by name of run; raises `CampaignError` when it is none."""
    head, records, _ = _whole_lines(path)
    if head is None:
        raise CampaignError(f"{path}: is empty; run the campaign first")
    return head, records


def _whole_lines(path: Path) -> tuple[Head | None, dict[str, RunRecord], int]:
    """Read head and runs, and how many bytes of the file are whole lines."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    lines = data[:whole].splitlines()
    if not lines:
        return None, {}, 0
    records: dict[str, RunRecord] = {}
    try:
        head = msgspec.json.decode(lines[0], type=Head)
        for line in lines[1:]:
            record = msgspec.json.decode(line, type=RunRecord)
            records[record.name] = record
    except (ValueError, RecursionError) as error:
        raise CampaignError(
            f"{path}: no ledger of a campaign ({error}); name another file with --json"
        ) from None
    return head, records, whole


class Ledger:
    """The file, and what it holds."""

    def __init__(self, path: Path, head: Head) -> None:
        """Open or begin; raises `CampaignError` when the file is of another campaign."""
        self.records: dict[str, RunRecord] = {}
        self.head = head
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._read(path) if path.exists() else 0
        self._file = path.open("ab")
        self._file.truncate(whole)
        if whole == 0:
            self._write(head)

    def _read(self, path: Path) -> int:
        """Read the file; return how many of its bytes are whole lines."""
        there, self.records, whole = _whole_lines(path)
        if there is None:
            return 0
        if there.identity != self.head.identity:
            other = ", ".join(_differences(there.identity, self.head.identity))
            raise CampaignError(
                f"{path}: is of a campaign with other {other}; name another file with --json, or "
                "remove this one"
            )
        self.head = there
        return whole

    def add(self, record: RunRecord) -> None:
        """Write a run to the file, and flush it to the system."""
        self.records[record.name] = record
        self._write(record)

    def _write(self, what: Head | RunRecord) -> None:
        self._file.write(msgspec.json.encode(what) + b"\n")
        self._file.flush()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


RESTS_ON = (
    "hal/messages.py",
    "hal/events.py",
    "sim",
    "tracker/core",
    "tracker/build/engine.py",
    "tracker/config.py",
    "tracker/offline/campaign",
    "tracker/offline/closed_loop.py",
    "tracker/build/scripted_operator.py",
    "tracker/build/virtual_time.py",
)
"""Whatever decides how a run goes."""


def code_sha256() -> str:
    """Return a SHA-256 over the source of everything that `RESTS_ON` names."""
    digest = hashlib.sha256()
    root = Path(tracker.__file__ or "").parent.parent
    for name in RESTS_ON:
        place = root / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def commit() -> str:
    """Return the commit this runs from, with a ``+`` if the source differs; else the version."""
    root = Path(tracker.__file__ or "").parent.parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", *RESTS_ON)
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        from importlib.metadata import version

        return f"version {version('tidetrack')}"


def _differences(there: CampaignIdentity, here: CampaignIdentity) -> list[str]:
    return [
        field.removesuffix("_sha256")
        for field in CampaignIdentity.__struct_fields__
        if getattr(there, field) != getattr(here, field)
    ]

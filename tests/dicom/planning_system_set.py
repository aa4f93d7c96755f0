"""Fetch a plan that a planning system exported: the test data of dicompyler-core (BSD licence).

``python -m tests.dicom.planning_system_set`` puts the four files into ``build/planning-system``.
They are RT Plan, structure set, dose and one CT slice of one breast patient, anonymised, by
Eclipse. They are not part of this repository; their test skips where they are missing.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "planning-system"
PACKAGE = "dicompyler-core==0.5.6"
SHA256 = "0e3c05920a8fa3f1c0ff05a5c21dab3ff3f735e00012b69b38926b219d07faee"
NAMES = ("ct.0.dcm", "rtdose.dcm", "rtplan.dcm", "rtss.dcm")


def fetch() -> int:
    """Download the source package, check its hash, and take the four files; once."""
    if FOLDER.is_dir():
        return 0
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
             "--dest", place, PACKAGE], capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(f"{PACKAGE}: cannot be fetched; its test will skip", file=sys.stderr)
            return 1
        (path,) = Path(place).glob("*.tar.gz")
        if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
            print(f"{path.name}: is another file than expected; nothing was taken", file=sys.stderr)
            return 1
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                name = Path(member.name).name
                content = archive.extractfile(member) if name in NAMES else None
                if content is not None:
                    (FOLDER / name).write_bytes(content.read())
    print(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(fetch())

"""The environment in which a process that the daemon starts finds this program."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).parents[2]
"""The folder that holds the package ``tracker``."""


def process_environment() -> dict[str, str]:
    """Return this process's environment, with this program first on the import path."""
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}

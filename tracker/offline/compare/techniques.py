"""The techniques that are compared: one row each, with the configuration that it runs with."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from tracker.config import SHIPPED


class Technique(NamedTuple):
    """A way to treat a target that moves."""

    name: str
    """What ``--machines`` calls it."""
    words: str
    """What tables and sentences call it."""
    file: str
    """The shipped configuration, below `config`; empty: nothing follows or gates."""
    needs_holds: bool = False
    """Whether it needs a trace in which the patient holds the breath."""

    @property
    def configuration(self) -> Path | None:
        """The configuration file; ``None`` where nothing is controlled."""
        return SHIPPED / self.file if self.file else None


ITV: Final = "itv"
"""The technique without any management: the aperture covers all of the motion."""

TECHNIQUES: Final = (
    Technique(ITV, "internal target volume", ""),
    Technique("gate", "gating", "machines/gate.toml"),
    Technique("breath-hold", "breath hold", "machines/breath-hold.toml", needs_holds=True),
    Technique("couch", "couch tracking", "machines/couch.toml"),
    Technique("robot", "robot tracking", "machines/robot.toml"),
    Technique("gimbal", "gimbal tracking", "machines/gimbal.toml"),
    Technique("mlc", "MLC tracking", "machines/mlc.toml"),
    Technique("jaws", "jaws and leaves", "machines/jaws.toml"),
)
BY_NAME: Final = {technique.name: technique for technique in TECHNIQUES}

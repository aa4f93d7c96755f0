"""Define the error that stops a campaign and is shown to the person at the terminal."""

from __future__ import annotations

from collections.abc import Sequence


class CampaignError(Exception):
    """A campaign cannot start or go on; ``problems`` holds one line for each thing wrong."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        """Take one line, or several."""
        lines = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(lines))
        self.problems = lines

"""Define the error that ends a tuning run and is shown to the person at the terminal."""

from __future__ import annotations

from collections.abc import Sequence


class TuningError(Exception):
    """Tuning cannot start or continue; ``problems`` holds one line for each thing wrong."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        lines = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(lines))
        self.problems = lines

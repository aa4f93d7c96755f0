"""Show how far a run is: a bar in a notebook, a bar on a terminal, and else nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from html import escape
from typing import Any

from tracker.offline.simulate import progress_bar

STEPS = 100


@contextmanager
def progress(what: str, is_shown: bool = True) -> Generator[Callable[[float], None] | None]:
    """Give a function that is told the share that is done, 0 to 1; ``None``: nobody looks on."""
    display = _notebook_display() if is_shown else None
    if not is_shown:
        yield None
    elif display is None:
        with progress_bar(what) as tell:
            yield tell
    else:
        bar = _NotebookBar(display, what)
        try:
            yield bar.tell
        finally:
            bar.clear()


class _NotebookBar:
    """A bar in the output of a cell; it is written anew only when its percentage changes."""

    def __init__(self, display: Any, what: str) -> None:
        self._what = what
        self._shown = 0
        self._handle = display(_Html(self._html()), display_id=True)

    def tell(self, share: float) -> None:
        """Show a share, 0 to 1."""
        reached = int(STEPS * min(1.0, max(0.0, share)))
        if reached != self._shown:
            self._shown = reached
            self._handle.update(_Html(self._html()))

    def clear(self) -> None:
        """Leave an empty output."""
        self._handle.update(_Html(""))

    def _html(self) -> str:
        return (
            f'<label>{escape(self._what)} <progress max="{STEPS}" value="{self._shown}">'
            f"{self._shown} %</progress></label>"
        )


class _Html:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return self._text


def _notebook_display() -> Any:
    """Return IPython's ``display`` in a notebook; ``None`` elsewhere. IPython is not imported."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return getattr(sys.modules.get("IPython.display"), "display", None)

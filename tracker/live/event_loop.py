"""The daemon's event loop: the fastest there is.

Apart from `tracker.live.scheduling`, which the monitor shares: it must not bring asyncio along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's loop where it is installed, which it is not everywhere; else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def run_in_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, in the fastest loop there is."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(coroutine)

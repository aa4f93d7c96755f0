"""The event loop of the daemon: uvloop, where it is installed.

This is not part of `tracker.live.scheduling`, because the monitor imports that and must not import
asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where it is installed; ``None``: asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def run_in_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine as `asyncio.run` does, in the loop of `loop_factory`."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(coroutine)

"""Ticks on an absolute schedule: late ones are late, missed ones are skipped and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def tick_on_schedule(
    clock: Callable[[], int],
    period_ns: int,
    tick: Callable[[int, int], None],
    skipped: Callable[[int], None],
) -> None:
    """Call ``tick(now_ns, due_ns)`` each period, for ever.

    ``due_ns`` is a whole multiple of the period. A tick that was missed by a whole period or more
    is not made up for: ``skipped`` is called with the number of those.
    """
    due_ns = (clock() // period_ns + 1) * period_ns
    while True:
        await asyncio.sleep(max(0, due_ns - clock()) / 1e9)
        now_ns = clock()
        if now_ns < due_ns:
            continue
        tick(now_ns, due_ns)
        missed = (now_ns - due_ns) // period_ns
        if missed:
            skipped(missed)
        due_ns += (missed + 1) * period_ns

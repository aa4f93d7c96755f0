"""The LSL thread where there is no library, or one that does the unexpected."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import pytest

from hal.clock import HostClock
from hal.events import LinkChanged
from hal.lsl.inlet import LslInlet
from hal.lsl.session import LslSettings
from hal.messages import Sample


def test_a_missing_library_is_said_once_and_the_thread_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    heard: list[Sample | LinkChanged] = []

    async def scenario() -> None:
        inlet = LslInlet("belt", LslSettings(), HostClock(), heard.append)
        task = asyncio.create_task(inlet.run())
        await asyncio.sleep(0.5)
        assert not inlet.up
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    (change,) = heard
    assert isinstance(change, LinkChanged)
    assert not change.up
    assert "pip install 'tidetrack[lsl]'" in change.detail


def test_the_unexpected_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", ModuleType("pylsl"))

    async def scenario() -> None:
        inlet = LslInlet("belt", LslSettings(), HostClock(), lambda _item: None)
        with pytest.raises(AttributeError, match="resolve_bypred"):
            await inlet.run()

    asyncio.run(scenario())

"""Simulate a belt on LSL by an outlet. liblsl does the networking: this twin handles no bytes.

with LslTwin("twin belt", rate_hz=50.0) as belt:
belt.show(BeltSample(…), now_ns)
"""

from __future__ import annotations

import contextlib
import importlib
import tempfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from hal.events import Command
from hal.lsl.configuration import confine
from hal.lsl.driver import LslWire
from hal.lsl.session import LslSettings
from hal.messages import BeltSample, Sample
from sim.twin import Alone, ServedTwin, TwinContext, TwinError, TwinRequest, TwinRow


class LslTwin:
    """Offers a stream while the context lasts; ``values`` are its channels' other numbers."""

    def __init__(
        self,
        name: str,
        *,
        type_name: str = "RESP",
        rate_hz: float = 50.0,
        source_id: str = "tidetrack-twin",
        channels: int = 1,
        channel: int = 0,
    ) -> None:
        self._name = name
        self._type_name = type_name
        self._rate_hz = rate_hz
        self._source_id = source_id
        self._channels = channels
        self._channel = channel
        self._outlet: Any = None
        self._clock_s: Callable[[], float] = lambda: 0.0

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return self._outlet is not None and bool(self._outlet.have_consumers())

    def __enter__(self) -> LslTwin:
        """Offer the stream on the network."""
        pylsl: Any = importlib.import_module("pylsl")
        info = pylsl.StreamInfo(
            self._name,
            self._type_name,
            self._channels,
            self._rate_hz,
            pylsl.cf_double64,
            self._source_id,
        )
        self._clock_s = pylsl.local_clock
        self._outlet = pylsl.StreamOutlet(info, chunk_size=1, max_buffered=10)
        return self

    def __exit__(self, *_: object) -> None:
        """Withdraw it; listeners notice."""
        self._outlet = None

    def show(self, sample: Sample, now_ns: int) -> None:
        """Send what the belt measured, stamped by LSL's own clock when it was due."""
        if isinstance(sample, BeltSample) and self._outlet is not None:
            values = [0.0] * self._channels
            values[self._channel] = sample.value_au
            late_s = max(0, now_ns - sample.t_ns) / 1e9
            self._outlet.push_sample(values, self._clock_s() - late_s)


def belt_stream(settings: LslSettings, rate_hz: float) -> LslTwin:
    """Return the outlet that a driver with these settings finds."""
    return LslTwin(
        settings.name or "tidetrack belt",
        type_name=settings.type or "RESP",
        rate_hz=rate_hz,
        source_id=settings.source_id or "tidetrack-twin",
        channels=settings.channel + 1,
        channel=settings.channel,
    )


@contextlib.asynccontextmanager
async def _opened(
    settings: LslWire,
    context: TwinContext,
    clock: Callable[[], int],
    obey: Callable[[Command], None],
) -> AsyncGenerator[ServedTwin, None]:
    session = settings.session
    with tempfile.TemporaryDirectory(prefix="tidetrack-lsl-") as folder:
        confine(Path(folder))
        with belt_stream(session, context.rate_hz) as belt:
            text = f"LSL stream {session.name or session.source_id}"

            def show(sample: Sample) -> None:
                belt.show(sample, clock())

            yield ServedTwin(text, show)


def _alone(request: TwinRequest) -> LslWire:
    if request.port is not None or request.pty is not None:
        option = "--port" if request.pty is None else "--pty"
        raise TwinError(f"{option}: LSL finds its streams by name; leave it out")
    return LslWire(session=LslSettings(name="tidetrack belt"))


LSL = TwinRow(
    driver="lsl",
    open=_opened,
    alone=Alone(
        name="lsl",
        does="breathing belt on the Lab Streaming Layer",
        section="belt",
        settings=_alone,
    ),
)

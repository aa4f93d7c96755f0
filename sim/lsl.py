"""Twin of a belt on LSL: an outlet. liblsl does the networking, so this twin has no bytes.

with LslTwin("twin belt", rate_hz=50.0) as belt:
belt.show(BeltSample(…), now_ns)
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from hal.messages import BeltSample, Sample


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
        """Offer the stream."""
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

"""Histogram of durations: counts in buckets, so that hours of ticks need no more memory."""

from __future__ import annotations

from array import array

import msgspec

BUCKET_NS = 10_000
BUCKETS = 20_000
"""Up to 200 ms; longer durations count in the last bucket, and the longest is kept exactly."""


class DurationFigures(msgspec.Struct, frozen=True, gc=False):
    """Number and quantiles of durations in microseconds: upper edges of buckets, exact maximum."""

    count: int = 0
    p50_us: float = 0.0
    p90_us: float = 0.0
    p99_us: float = 0.0
    p999_us: float = 0.0
    max_us: float = 0.0

    def describe(self) -> str:
        """Return one line for people, in milliseconds."""
        if not self.count:
            return "none"
        return (
            f"p50 {self.p50_us / 1e3:.2f}  p99 {self.p99_us / 1e3:.2f}  "
            f"p99.9 {self.p999_us / 1e3:.2f}  max {self.max_us / 1e3:.2f} ms  ({self.count})"
        )


class Durations:
    """Counts durations; adding one takes a fraction of a microsecond."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * BUCKETS))
        self._count = 0
        self._max_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count a duration."""
        bucket = duration_ns // BUCKET_NS
        self._counts[bucket if 0 <= bucket < BUCKETS else (BUCKETS - 1 if bucket > 0 else 0)] += 1
        self._count += 1
        self._max_ns = max(self._max_ns, duration_ns)

    def figures(self) -> DurationFigures:
        """Return number and quantiles of the durations counted so far."""
        if not self._count:
            return DurationFigures()
        p50, p90, p99, p999 = map(self._quantile, (0.5, 0.9, 0.99, 0.999))
        return DurationFigures(self._count, p50, p90, p99, p999, self._max_ns / 1e3)

    def _quantile(self, share: float) -> float:
        wanted = share * self._count
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min((bucket + 1) * BUCKET_NS, self._max_ns) / 1e3
        return self._max_ns / 1e3

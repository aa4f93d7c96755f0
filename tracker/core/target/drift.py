"""Drift of the target away from the model, seen by shots alone (H10).

A two-sided cumulative sum per axis (Page 1954) over the residuals before each refit: two shots off
by the limit the same way, or more that are off by less, are a drift; what alternates is not. After
that the target is taken to drift on until several shots in a row lie near the model.
"""

from __future__ import annotations

from hal.messages import Triple

_SHARE = 0.5
"""Of the limit: what a residual must exceed to count, and must stay under to calm."""
_FEWEST = 2
_CALM = 3


class Drift:
    """Cumulative sums of the residuals, three axes, both ways."""

    def __init__(self, limit_mm: float) -> None:
        """Take the residual of which two in a row are a drift."""
        self._limit = limit_mm
        self.forget()

    def forget(self) -> None:
        """A new baseline was confirmed otherwise."""
        self._sums = [0.0] * 6
        self._shots = [0] * 6
        self._calm_needed = 0
        self.found = ""
        """What drifts; empty: nothing."""

    def take(self, residual_mm: Triple) -> bool:
        """Take a residual; tell whether the baseline should be rebuilt now."""
        allowance = _SHARE * self._limit
        signal = False
        for index in range(6):
            value = residual_mm[index // 2] * (1.0 if index % 2 == 0 else -1.0)
            total = max(0.0, self._sums[index] + value - allowance)
            self._shots[index] = self._shots[index] + 1 if total > 0.0 else 0
            self._sums[index] = total
            if total >= self._limit and self._shots[index] >= _FEWEST:
                signal = True
                way = ["left", "superior", "anterior"][index // 2]
                self.found = (
                    f"{self._shots[index]} shots in a row off toward "
                    f"{'+' if index % 2 == 0 else '-'}{way}, limit {self._limit:g} mm on two"
                )
        if signal:
            self._sums = [0.0] * 6
            self._shots = [0] * 6
            self._calm_needed = _CALM
        elif max(map(abs, residual_mm)) <= allowance and self._calm_needed:
            self._calm_needed -= 1
            if not self._calm_needed:
                self.found = ""
        return signal

"""Find a drift of the target away from the model, from the residuals of the shots alone (H10).

For each axis and both ways there is a cumulative sum (Page 1954) of the residuals before each
refit. Two shots in a row that are off by the limit the same way are a drift, and so are more shots
that are off by less. Residuals that alternate are none. Once found, a drift is taken to go on until
several shots lie near the model.
"""

from __future__ import annotations

from hal.messages import Triple

_SHARE = 0.5
"""Share of the limit that a residual must exceed to count, and must not exceed to be near."""
_FEWEST = 2
"""Shots that it takes to show a drift."""
_CALM = 3
"""Shots near the model that end a drift."""
_WAYS = ("+left", "-left", "+superior", "-superior", "+anterior", "-anterior")
"""Names of the sums: an axis of the patient and a sign."""


class Drift:
    """Cumulative sums of the residuals, three axes, both ways."""

    _calm_needed: int
    """Shots near the model that the drift found needs to end."""

    def __init__(self, limit_mm: float) -> None:
        """Start without a shot; two in a row that are off by ``limit_mm`` are a drift."""
        self._limit = limit_mm
        self.forget()

    def forget(self) -> None:
        """Start anew: another reason for the residuals was found."""
        self._start_sums()
        self.found = ""
        """What drifts, in words; empty: nothing."""

    def _start_sums(self) -> None:
        self._sums = [0.0 for _ in _WAYS]
        self._shots = [0 for _ in _WAYS]

    def add(self, residual_mm: Triple) -> bool:
        """Add the residual of a shot; return whether the baseline should be rebuilt now."""
        allowance = _SHARE * self._limit
        signal = False
        x, y, z = residual_mm
        for index, value in enumerate((x, -x, y, -y, z, -z)):
            total = max(0.0, self._sums[index] + value - allowance)
            shots = self._shots[index] + 1 if total > 0.0 else 0
            self._sums[index], self._shots[index] = total, shots
            if total >= self._limit and shots >= _FEWEST:
                signal = True
                way = _WAYS[index]
                self.found = (
                    f"{shots} shots in a row off toward {way}, the last by {value:.1f} mm; "
                    f"limit {self._limit:g} mm on two"
                )
        if signal:
            self._start_sums()
            self._calm_needed = _CALM
        elif self.found and max(map(abs, residual_mm)) <= allowance:
            self._calm_needed -= 1
            if not self._calm_needed:
                self.found = ""
        return signal

"""Take projections at regular intervals; at once when in doubt, or when an operator asks.

In a prototype, exposures that wait for a part of the breath gained nothing over regular ones
(`docs/explanation/images.md`). A shot may be asked for while earlier ones are still on their way.
"""

from __future__ import annotations

from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target.exposure_time import out_of_time

_SHARE_IN_DOUBT = 0.5
"""In doubt, the interval is this share of the usual one."""
_LATEST = 16


class RegularImaging:
    """Which shots were asked for, which came, and when the next is due."""

    def __init__(self, settings: Controller) -> None:
        """Take the intervals from the settings."""
        self._modelling_ns = round(settings.correlation.modelling_interval_s * 1e9)
        self._interval_ns = round(settings.imager.interval_s * 1e9)
        self._drift_ns = round(settings.imager.drift_interval_s * 1e9)
        self._answer_ns = round(settings.imager.answer_within_s * 1e9)
        self._next_id = 1
        self._asked_ns = -1
        self._waiting: dict[int, int] = {}
        """When each shot that has not come was asked for."""
        self._late: dict[int, int] = {}
        """The same of shots that are waited for no more; their answer may still come."""
        self._asap = False
        self._drifting = False
        self._last_used_ns = self._agreed_ns = -1

    def forget(self) -> None:
        """Begin a new model."""
        self._asap = self._drifting = False
        self._last_used_ns = self._agreed_ns = -1

    @property
    def last_used_ns(self) -> int:
        """Exposure time of the newest shot that was used; -1: none."""
        return self._last_used_ns

    @property
    def agreed_ns(self) -> int:
        """Exposure time of the newest shot that agreed with the model; -1: none."""
        return self._agreed_ns

    def request_shot(self) -> None:
        """Take a shot at the next tick, because an operator asks for one."""
        self._asap = True

    def shot_used(self, exposed_ns: int, *, drifting: bool) -> None:
        """Note that the model learned a shot, and whether the target drifts from the model."""
        self._last_used_ns = exposed_ns
        self._drifting = drifting

    def shot_agreed(self, exposed_ns: int) -> None:
        """Note that a shot agreed with the model before the model learned it."""
        self._agreed_ns = exposed_ns

    def shot_unreadable(self) -> bool:
        """Note that an image could not be read; tell whether a shot was waited for.

        An image without a number is taken for the oldest that is waited for.
        """
        if not self._waiting:
            return False
        del self._waiting[min(self._waiting)]
        return True

    def answered(self, shot_id: int, exposed_ns: int, arrived_ns: int) -> str:
        """Note that a shot came; say what is wrong with its exposure time, if it cannot be (H03).

        ``exposed_ns`` is when the imager says it was exposed, ``arrived_ns`` when it arrived.
        """
        asked_ns = self._waiting.pop(shot_id, -1)
        if asked_ns < 0:
            asked_ns = self._late.pop(shot_id, arrived_ns - self._answer_ns)
        return out_of_time(shot_id, asked_ns, exposed_ns, arrived_ns)

    def next_shot(
        self,
        now_ns: int,
        breathing: BreathingState | None,
        span: BreathingRange | None,
        *,
        modelling: bool,
        rebuild: bool,
        suspect_phase: float | None = None,
    ) -> int | None:
        """Give the number of the shot to take now; ``None``: no shot is due.

        ``modelling``: shots are taken at the modelling interval. ``rebuild``: a shot is wanted
        soon. ``suspect_phase`` is not waited for.
        """
        self._give_up(now_ns)
        if modelling and (breathing is None or span is None):
            return None
        interval_ns = self._modelling_ns if modelling else self._interval_ns
        if self._drifting and not modelling:
            interval_ns = min(interval_ns, self._drift_ns)
        if rebuild:
            interval_ns = round(interval_ns * _SHARE_IN_DOUBT)
        if self._asked_ns >= 0 and now_ns - self._asked_ns < interval_ns and not self._asap:
            return None
        # The grid is kept: a late tick does not move the shots after it.
        on_grid = self._asked_ns >= 0 and now_ns - self._asked_ns < 2 * interval_ns
        regular = on_grid and not self._asap
        self._asked_ns = self._asked_ns + interval_ns if regular else now_ns
        self._asap = False
        shot, self._next_id = self._next_id, self._next_id + 1
        self._waiting[shot] = now_ns
        return shot

    def _give_up(self, now_ns: int) -> None:
        """Wait no more for shots that should have come."""
        for shot, asked_ns in list(self._waiting.items()):
            if now_ns - asked_ns > self._answer_ns:
                self._late[shot] = self._waiting.pop(shot)
                self._late.pop(shot - _LATEST, None)

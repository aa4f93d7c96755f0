"""Join left and right pictures of one exposure, and the shot request they answer; no I/O.

The clocks of two cameras have the same rate but not the same zero. Pictures that reached the host
within half a frame of each other are one exposure; a picture without a partner is reported and
dropped.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from hal.imaging.image import Image
from hal.messages import BadSample


class Pair(NamedTuple):
    """One exposure by both cameras; ``shot_id`` is that of the request, -1 when free running."""

    left: Image
    right: Image
    shot_id: int


class Pairing:
    """Joins the pictures of free-running cameras.

    ``apart_ns`` is the longest time between the arrivals of one exposure's pictures.
    """

    def __init__(self, device: str, left: str, right: str, apart_ns: int) -> None:
        self.device = device
        self.sides = (left, right)
        self.apart_ns = apart_ns
        self._waiting: dict[str, deque[Image]] = {left: deque(), right: deque()}

    def receive(self, image: Image) -> list[Pair | BadSample]:
        """Take a picture; a pair when its partner is there."""
        other = self.sides[1] if image.device == self.sides[0] else self.sides[0]
        answer: list[Pair | BadSample] = []
        queue = self._waiting[other]
        while queue and queue[0].t_ns < image.t_ns - self.apart_ns:
            answer.append(self._alone(queue.popleft()))
        if queue and abs(queue[0].t_ns - image.t_ns) <= self.apart_ns:
            partner = queue.popleft()
            left, right = (image, partner) if image.device == self.sides[0] else (partner, image)
            answer.append(Pair(left, right, -1))
            return answer
        mine = self._waiting[image.device]
        mine.append(image)
        if len(mine) > 4:
            answer.append(self._alone(mine.popleft()))
        return answer

    def _alone(self, image: Image) -> BadSample:
        return BadSample(
            self.device,
            image.t_ns,
            "picture without partner",
            f"frame {image.number} of {image.device}, none within {self.apart_ns / 1e6:g} ms",
        )


class ShotBook:
    """Joins the pictures of one software trigger and gives them its number.

    One shot is open at a time. ``answer_ns`` is how long both pictures may take, ``skew_ns``
    how far apart they may arrive: two exposures at different moments of a breath do not make
    one position.
    """

    def __init__(self, device: str, left: str, right: str, answer_ns: int, skew_ns: int) -> None:
        self.device = device
        self.sides = (left, right)
        self.answer_ns, self.skew_ns = answer_ns, skew_ns
        self._shot: tuple[int, int] | None = None
        self._pictures: dict[str, Image] = {}

    @property
    def wake_ns(self) -> int | None:
        """When the open shot is given up."""
        return None if self._shot is None else self._shot[1] + self.answer_ns

    @property
    def open(self) -> bool:
        """Whether a shot is waiting for its pictures."""
        return self._shot is not None

    def expose(self, shot_id: int, now_ns: int) -> list[BadSample]:
        """Note a shot request; give up a shot that is still open."""
        answer = self._give_up(now_ns, "another shot was asked for") if self._shot else []
        self._shot, self._pictures = (shot_id, now_ns), {}
        return answer

    def receive(self, image: Image) -> list[Pair | BadSample]:
        """Take a picture of either side."""
        if self._shot is None or image.t_ns < self._shot[1]:
            text = f"frame {image.number} of {image.device}"
            return [BadSample(self.device, image.t_ns, "picture nobody asked for", text)]
        if image.device in self._pictures:
            text = f"second picture of {image.device} in shot {self._shot[0]}"
            return [BadSample(self.device, image.t_ns, "picture nobody asked for", text)]
        self._pictures[image.device] = image
        if len(self._pictures) < 2:
            return []
        left, right = (self._pictures[side] for side in self.sides)
        shot_id = self._shot[0]
        self._shot = None
        skew = abs(left.t_ns - right.t_ns)
        if skew > self.skew_ns:
            text = f"shot {shot_id}: {skew / 1e6:.1f} ms apart, at most {self.skew_ns / 1e6:g}"
            return [BadSample(self.device, image.t_ns, "pictures not simultaneous", text)]
        return [Pair(left, right, shot_id)]

    def spoil(self, now_ns: int, why: str) -> list[BadSample]:
        """Note that a picture of the open shot is lost."""
        return self._give_up(now_ns, why) if self._shot is not None else []

    def wake(self, now_ns: int) -> list[BadSample]:
        """Give the shot up when it is time."""
        wake_ns = self.wake_ns
        if wake_ns is None or now_ns < wake_ns:
            return []
        return self._give_up(now_ns, f"no answer within {self.answer_ns / 1e6:g} ms")

    def _give_up(self, now_ns: int, why: str) -> list[BadSample]:
        assert self._shot is not None
        missing = [side for side in self.sides if side not in self._pictures]
        text = f"shot {self._shot[0]}: {why}; missing: {', '.join(missing)}"
        self._shot, self._pictures = None, {}
        return [BadSample(self.device, now_ns, "shot lost", text)]

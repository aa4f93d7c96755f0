"""Join stored images to pairs: both sides of one exposure, with the number of the shot request.

This module does no I/O. It does not trigger the imager: a person or the imager's own schedule
exposes. After a shot request, the next pair answers it; an unrequested pair has the number -1.
"""

from __future__ import annotations

from hal.dicom.codec import DicomSettings, Radiograph
from hal.imaging.image import Image
from hal.imaging.pairs import Pair
from hal.messages import BadSample

_MOST_WAITING = 4


class PairCollector:
    """Keeps each radiograph until the other side arrives."""

    def __init__(self, settings: DicomSettings) -> None:
        self.settings = settings
        self._waiting: list[tuple[Radiograph, int]] = []
        self._seen: list[str] = []
        self._asked: int | None = None
        self._count = 0

    @property
    def wake_ns(self) -> int | None:
        """The moment at which the oldest single picture is given up."""
        answer_ns = int(self.settings.answer_ms * 1e6)
        return min((t + answer_ns for _, t in self._waiting), default=None)

    def expose(self, shot_id: int) -> None:
        """Note a shot request: the next pair answers it."""
        self._asked = shot_id

    def receive(self, picture: Radiograph, now_ns: int) -> list[Pair | BadSample]:
        """Add one stored picture; report a repeated one and ignore it."""
        device = self.settings.device
        if picture.instance in self._seen:
            return [BadSample(device, now_ns, "picture stored twice", picture.instance)]
        self._seen = [*self._seen[-63:], picture.instance]
        skew_ns = int(self.settings.skew_ms * 1e6)
        for entry in self._waiting:
            other, arrived_ns = entry
            near = abs(other.exposed_ns - picture.exposed_ns) <= skew_ns
            if other.side != picture.side and near:
                self._waiting.remove(entry)
                sides = {other.side: (other, arrived_ns), picture.side: (picture, now_ns)}
                return [self._pair(sides)]
        self._waiting.append((picture, now_ns))
        if len(self._waiting) > _MOST_WAITING:
            return [self._alone(*self._waiting.pop(0), now_ns)]
        return []

    def wake(self, now_ns: int) -> list[BadSample]:
        """Give up pictures that waited too long."""
        answer_ns = int(self.settings.answer_ms * 1e6)
        late = [entry for entry in self._waiting if now_ns >= entry[1] + answer_ns]
        self._waiting = [entry for entry in self._waiting if entry not in late]
        return [self._alone(*entry, now_ns) for entry in late]

    def _pair(self, sides: dict[str, tuple[Radiograph, int]]) -> Pair:
        self._count += 1
        images = [
            Image(
                f"{self.settings.device}/{side}",
                sides[side][1],
                self._count,
                sides[side][0].exposed_ns,
                sides[side][0].pixels,
            )
            for side in ("left", "right")
        ]
        shot_id, self._asked = (-1 if self._asked is None else self._asked), None
        return Pair(images[0], images[1], shot_id)

    def _alone(self, picture: Radiograph, arrived_ns: int, now_ns: int) -> BadSample:
        waited_ms = (now_ns - arrived_ns) / 1e6
        text = (
            f"{picture.side}, {picture.instance}: no other side within "
            f"{self.settings.skew_ms:g} ms of its exposure, waited {waited_ms:.0f} ms"
        )
        return BadSample(self.settings.device, now_ns, "picture without partner", text)

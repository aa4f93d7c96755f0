"""Join stored images to pairs: both sides of one exposure, with the number of the shot request.

This module does no I/O. It does not trigger the imager: a person or the imager's own schedule
exposes. After a shot request, the next pair answers it; an unrequested pair has the number -1.
The frames of a series are paired one by one: the first pair answers the request.
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.dicom.codec import DicomSettings, Radiograph
from hal.imaging.image import Image
from hal.imaging.pairs import Pair
from hal.messages import BadSample

_MOST_WAITING = 4
"""Objects whose frames wait for their other side."""
_MOST_SEEN = 64
"""Objects that are remembered, so that one that is stored again is noticed."""


class PairCollector:
    """Keeps each radiograph until the other side arrives."""

    def __init__(self, settings: DicomSettings) -> None:
        self.settings = settings
        self._waiting: list[tuple[Radiograph, int]] = []
        self._seen: dict[str, set[int]] = {}
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

    def receive_all(self, pictures: Sequence[Radiograph], now_ns: int) -> list[Pair | BadSample]:
        """Add the frames of one stored object."""
        return [item for picture in pictures for item in self.receive(picture, now_ns)]

    def receive(self, picture: Radiograph, now_ns: int) -> list[Pair | BadSample]:
        """Add one stored picture; report a repeated one and ignore it.

        Its partner is the waiting picture of the other side that is nearest in time.
        """
        frames = self._seen.setdefault(picture.instance, set())
        if picture.frame in frames:
            text = f"{picture.instance}, frame {picture.frame}"
            return [BadSample(self.settings.device, now_ns, "picture stored twice", text)]
        frames.add(picture.frame)
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        partner = self._partner(picture)
        if partner is not None:
            self._waiting.remove(partner)
            return [self._pair({partner[0].side: partner, picture.side: (picture, now_ns)})]
        self._waiting.append((picture, now_ns))
        if len({waiting.instance for waiting, _ in self._waiting}) <= _MOST_WAITING:
            return []
        oldest = self._waiting[0][0].instance
        crowd = [each for each in self._waiting if each[0].instance == oldest]
        return [*self._give_up(crowd, now_ns)]

    def _partner(self, picture: Radiograph) -> tuple[Radiograph, int] | None:
        """Return the waiting picture of the other side that was exposed with this one."""
        skew_ns = int(self.settings.skew_ms * 1e6)

        def apart_ns(entry: tuple[Radiograph, int]) -> int:
            return abs(entry[0].exposed_ns - picture.exposed_ns)

        others = [each for each in self._waiting if each[0].side != picture.side]
        nearest = min(others, key=apart_ns, default=None)
        return nearest if nearest is not None and apart_ns(nearest) <= skew_ns else None

    def wake(self, now_ns: int) -> list[BadSample]:
        """Give up pictures that waited too long."""
        answer_ns = int(self.settings.answer_ms * 1e6)
        return self._give_up(
            [entry for entry in self._waiting if now_ns >= entry[1] + answer_ns], now_ns
        )

    def _give_up(self, entries: list[tuple[Radiograph, int]], now_ns: int) -> list[BadSample]:
        """Forget waiting pictures; report each object once."""
        self._waiting = [each for each in self._waiting if each not in entries]
        objects: dict[str, list[tuple[Radiograph, int]]] = {}
        for entry in entries:
            objects.setdefault(entry[0].instance, []).append(entry)
        return [self._alone(alone, now_ns) for alone in objects.values()]

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

    def _alone(self, entries: list[tuple[Radiograph, int]], now_ns: int) -> BadSample:
        picture, arrived_ns = entries[0]
        waited_ms = (now_ns - arrived_ns) / 1e6
        frames = f", {len(entries)} frames from {picture.frame} on" if len(entries) > 1 else ""
        text = (
            f"{picture.side}, {picture.instance}{frames}: no other side within "
            f"{self.settings.skew_ms:g} ms of its exposure, waited {waited_ms:.0f} ms"
        )
        return BadSample(self.settings.device, now_ns, "picture without partner", text)

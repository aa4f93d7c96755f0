"""Read when a stored image was exposed: dates and times of DICOM in every length they may have.

Sources: DICOM PS3.5, 6.2 (DA, DT, TM) and PS3.3, C.12.1 (Timezone Offset From UTC). Trailing parts
of a date and time may be left out: then the moment is known to the hour or the minute only. That
is legal, and no exposure time.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from hal.errors import ProtocolError

_DATE_TIME = re.compile(
    r"(?P<date>\d{4}(?:\d{2}(?:\d{2})?)?)(?P<time>(?:\d{2}){0,3})"
    r"(?:\.(?P<fraction>\d{1,6}))?(?P<zone>[+-]\d{4})?"
)
_ZONE = re.compile(r"[+-]\d{4}")
_PRECISE = {0: "year", 2: "month", 4: "day", 6: "hour", 8: "minute"}
"""What a moment is known to, by the digits that follow the year."""
_SECONDS = 10
_ZONES_MINUTES = range(-12 * 60, 14 * 60 + 1)


def exposure_ns(dataset: Any) -> int:
    """Return when the picture was taken (ns since 1970): acquisition date and time, else content.

    The zone is the time's own, else the object's; without either the time counts as UTC. Raises
    `ProtocolError` where there is no time, or none that is known to the second.
    """
    return first_moment_ns(_moments(dataset), _text(dataset, "TimezoneOffsetFromUTC"))


def content_ns(dataset: Any) -> int:
    """Return the content date and time (ns since 1970), from which `FrameDelay` counts."""
    moments = [each for each in _moments(dataset) if each[0].startswith("Content")]
    return first_moment_ns(moments, _text(dataset, "TimezoneOffsetFromUTC"))


def first_moment_ns(moments: list[tuple[str, str]], zone: str) -> int:
    """Return the first moment that is known to the second, in nanoseconds since 1970.

    ``moments`` holds attributes and what they say; ``zone`` counts where a moment has none.
    """
    said: list[str] = []
    for name, text in moments:
        match = _DATE_TIME.fullmatch(text)
        if match is None or (len(match["date"]) < 8 and (match["time"] or match["fraction"])):
            raise ProtocolError(f"acquisition time {text!r} ({name}): no date and time of DICOM")
        digits = len(match["date"]) - 4 + len(match["time"])
        if digits < _SECONDS:
            known = _PRECISE[digits]
            said.append(f"acquisition time {text!r} ({name}) is known to the {known} only")
            continue
        return _unix_ns(text, match, match["zone"] or zone)
    raise ProtocolError(
        "; ".join(said) + ": store it with seconds and their fraction"
        if said
        else "no acquisition time: date and time needed (AcquisitionDateTime)"
    )


def _moments(dataset: Any) -> list[tuple[str, str]]:
    """Return the attributes that may tell the moment, best first, each as one date and time."""
    found: list[tuple[str, str]] = []
    whole = _text(dataset, "AcquisitionDateTime")
    if whole:
        found.append(("AcquisitionDateTime", whole))
    for stem in ("Acquisition", "Content"):
        date = _text(dataset, f"{stem}Date").replace(".", "")  # before 1993 with dots and colons
        time = _text(dataset, f"{stem}Time").replace(":", "")
        if date and time:
            found.append((f"{stem}Date and {stem}Time", date + time))
    return found


def _text(dataset: Any, keyword: str) -> str:
    return str(dataset.get(keyword, "") or "").strip(" \0")


def _unix_ns(text: str, match: re.Match[str], zone: str) -> int:
    """Return the nanoseconds since 1970 of a moment that is known to the second."""
    time = match["time"]
    leap = time[4:6] == "60"  # a leap second is the next minute's first
    whole = match["date"] + time[:4] + ("59" if leap else time[4:6])
    try:
        moment = datetime.datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise ProtocolError(f"acquisition time {text!r}: {error}") from error
    minutes = _zone_minutes(zone) if zone else 0
    micro = int((match["fraction"] or "").ljust(6, "0"))
    seconds = round(moment.timestamp()) + leap - minutes * 60
    return (seconds * 1_000_000 + micro) * 1000


def _zone_minutes(zone: str) -> int:
    """Return how many minutes a zone is ahead of UTC."""
    if _ZONE.fullmatch(zone) is None:
        raise ProtocolError(f"time zone {zone!r}: +HHMM or -HHMM expected")
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    minutes = -minutes if zone[0] == "-" else minutes
    if int(zone[3:5]) > 59 or minutes not in _ZONES_MINUTES:
        raise ProtocolError(f"time zone {zone!r}: -1200 to +1400 exist")
    return minutes

"""Find out from a column's name what it measures: a table of words, in the languages of exports.

A name decides only what it says. Where the direction or the kind of a signal could be another,
the meaning is ``None`` with a question, and a person decides.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

NOT_USED: Final = "not used"
TIME: Final = "time"
PATIENT: Final = "patient"
VALID: Final = "valid"
MOTION: Final = "motion"
UNKNOWN: Final = "unknown"


class Meaning(NamedTuple):
    """What a column is, and for motion the channel it becomes.

    ``base`` is the channel's name without its unit; ``sign`` is -1 where the column counts the
    other way; ``question`` is what only a person can say.
    """

    kind: str
    base: str = ""
    sign: int = 1
    question: str = ""
    why: str = ""


_OF_ID = {"id", "name", "no", "nr", "number"}
_OF_VALID = {"is", "flag", "tracking", "tool", "marker"}
TIME_WORDS = frozenset((
    "time", "t", "timestamp", "timestamps", "stamp", "zeit", "zeitstempel", "uhrzeit", "temps",
    "tiempo", "tempo", "tijd", "tid", "date", "datetime", "clock", "datum", "epoch", "unixtime",
    "elapsed", "hora", "heure", "时间", "時間", "время", "sec", "seconds", "ms", "secs", "sekunden",
))  # fmt: skip
INDEX_WORDS = frozenset((
    "frame", "frames", "index", "idx", "sample", "samples", "no", "nr", "num", "number", "row",
    "line", "id#", "#", "n",
))  # fmt: skip
PATIENT_WORDS = frozenset((
    "patient", "patientid", "patid", "pat", "subject", "subjectid", "subj", "mrn", "case",
    "person", "patienten", "patientennummer", "pid", "proband", "participant",
))  # fmt: skip
VALID_WORDS = frozenset((
    "valid", "validflag", "validity", "isvalid", "visible", "visibility", "tracked", "status",
    "state", "quality", "missing", "lost", "occluded", "flag", "ok", "good",
))  # fmt: skip
OTHER_WORDS = frozenset((
    "phase", "phasen", "phi", "ttl", "ttlin", "ttlout", "mark", "marker#", "trigger", "trig",
    "beam", "beamon", "hold", "event", "events", "comment", "note", "notes", "error", "err",
    "rms", "fre", "residual", "ecg", "ekg", "pulse", "heart", "hr", "spo2", "temp", "temperature",
    "battery", "cardiac", "ppg", "eda", "gsr", "velocity", "speed", "acceleration", "predicted",
    "prediction", "predict", "rate", "bpm", "frequency", "face", "port", "handle", "q0", "qx",
    "qy", "qz", "rx", "ry", "rz", "quaternion", "device", "sensor", "operator", "confidence",
    "std", "sd", "sigma", "min", "max", "date", "session", "fraction", "couch", "gantry", "gate",
    "gating", "counter", "count", "steps", "red", "green", "blue", "x_px", "y_px", "width",
    "height",
))  # fmt: skip
INSIDE_WORDS = frozenset((
    "int", "internal", "tumor", "tumour", "target", "lesion", "gtv", "itv", "fiducial",
    "fiducials", "seed", "seeds", "liver", "lung", "kim", "calypso", "beacon", "beacons",
    "centroid", "intern", "tumeur", "leber", "lunge",
))  # fmt: skip
OUTSIDE_WORDS = frozenset((
    "ext", "external", "surrogate", "chest", "abdomen", "abdominal", "thorax", "thoracic", "amp",
    "amplitude", "amplitud", "amplitudes", "ampiezza", "ampl", "rpm", "resp", "respiration",
    "respiratory", "breath", "breathing", "atmung", "atem", "atemsignal", "atemkurve", "brust",
    "bauch", "respiracion", "respiración", "respirazione", "respiratoire", "wave", "waveform",
    "displacement", "position", "pos", "auslenkung", "signal", "trace", "motion", "excursion",
    "height", "hub", "value", "wert", "valeur", "valor", "extern", "externe", "rpmsignal",
    "amplituden", "atemamplitude", "幅度", "振幅", "呼吸", "externalsignal", "block",
))  # fmt: skip
BELT_WORDS = frozenset((
    "belt", "gurt", "force", "kraft", "bellows", "strap", "pneumo", "pressure", "stretch",
    "strain", "rip",
))  # fmt: skip
DISTANCE_WORDS = frozenset((
    "depth", "distance", "range", "dist", "tiefe", "abstand", "roi",
))  # fmt: skip
AXES: Mapping[str, tuple[str, int]] = {
    "lr": ("lr", 1), "leftright": ("lr", 1), "lateral": ("lr", 0), "lat": ("lr", 0),
    "ml": ("lr", 0), "rl": ("lr", 0), "rightleft": ("lr", 0),
    "left": ("lr", 1), "links": ("lr", 1), "right": ("lr", -1), "rechts": ("lr", -1),
    "si": ("si", 1), "superiorinferior": ("si", 1), "superoinferior": ("si", 1), "cc": ("si", 0),
    "craniocaudal": ("si", 0), "longitudinal": ("si", 0), "lng": ("si", 0), "long": ("si", 0),
    "is": ("si", 0), "inferiorsuperior": ("si", 0), "hf": ("si", 0),
    "superior": ("si", 1), "sup": ("si", 1), "cranial": ("si", 1), "head": ("si", 1),
    "inferior": ("si", -1), "inf": ("si", -1), "caudal": ("si", -1), "feet": ("si", -1),
    "foot": ("si", -1), "kaudal": ("si", -1), "kranial": ("si", 1),
    "ap": ("ap", 1), "anteriorposterior": ("ap", 1), "anteroposterior": ("ap", 1),
    "pa": ("ap", 0), "posterioranterior": ("ap", 0), "vertical": ("ap", 0), "vrt": ("ap", 0),
    "vert": ("ap", 0),
    "anterior": ("ap", 1), "ant": ("ap", 1), "ventral": ("ap", 1),
    "posterior": ("ap", -1), "post": ("ap", -1), "dorsal": ("ap", -1),
}  # fmt: skip
"""Words of direction: the axis, and whether they count its way; 0: that depends on who wrote it."""
_PATIENT_AXES = {"lr": "x", "si": "y", "ap": "z"}
_ANGLE_AXES = {"rlr": "int_rlr", "rsi": "int_rsi", "rap": "int_rap"}
_DIRECTION = {
    "lr": ("left", "right"),
    "si": ("superior", "inferior"),
    "ap": ("anterior", "posterior"),
}
_OPPOSITE = re.compile(
    r"^\s*-\s*(?=[A-Za-z])|\b(?:inverted|inv|negative|neg|flipped|reversed|invertiert|umgekehrt)\b"
    r"|\(\s*-\s*\)",
    re.IGNORECASE,
)
_POSITIVE_WAY = re.compile(
    r"(?:\+\s*(?:=|is|to|toward[s]?|:)?\s*|positive\s*(?:=|is|to|toward[s]?|:)?\s*"
    r"|toward[s]?\s*)([A-Za-z]{3,10})\b|\b([A-Za-z]{3,10})\s*(?:\+|positive|is positive)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+|\d+|#", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: ``LED1_PosX`` gives led, 1, pos, x."""
    return [word.lower() for word in _WORDS.findall(_CAMEL.sub(" ", name))]


def meaning_of(name: str, *, angle: bool = False, arbitrary: bool = False) -> Meaning:
    """Return what a column's name, without its unit, says it is.

    ``angle`` and ``arbitrary`` tell that the unit is one of angles, or of no length.
    """
    found = words_of(name)
    joined = "".join(found)
    words = set(found)
    if not found:
        return Meaning(NOT_USED, why="no name")
    named = not words & (OUTSIDE_WORDS | INSIDE_WORDS)
    counted = words & INDEX_WORDS and not words - INDEX_WORDS - {"id"}
    if joined in INDEX_WORDS or counted:
        return Meaning(NOT_USED, why="a counter")
    if joined in PATIENT_WORDS or (words & PATIENT_WORDS and words <= PATIENT_WORDS | _OF_ID):
        return Meaning(PATIENT)
    if joined in VALID_WORDS or (words & VALID_WORDS and words <= VALID_WORDS | _OF_VALID):
        return Meaning(VALID)
    if joined in TIME_WORDS or (words & TIME_WORDS and named):
        return Meaning(TIME)
    if words & OTHER_WORDS and not (arbitrary and words & BELT_WORDS):
        return Meaning(NOT_USED, why="no position")
    return _motion(name, found, angle=angle, arbitrary=arbitrary)


def _motion(name: str, found: list[str], *, angle: bool, arbitrary: bool) -> Meaning:
    words = set(found)
    axis = next((_ANGLE_AXES[word] for word in found if word in _ANGLE_AXES), None)
    if angle:
        if axis is not None and (words & INSIDE_WORDS or words <= set(_ANGLE_AXES)):
            return Meaning(MOTION, axis)
        return Meaning(NOT_USED, why="an angle")
    sign = -1 if _OPPOSITE.search(name) else 1
    way = _positive_way(name)
    anatomical = _anatomical(found, name)
    if anatomical is not None:
        return _on_axis(name, words, anatomical, sign, way)
    cartesian = _cartesian(found)
    if cartesian is not None:
        return _of_marker(name, words, *cartesian, sign)
    if arbitrary or words & BELT_WORDS:
        return Meaning(MOTION, "belt", sign)
    if words & DISTANCE_WORDS:
        return Meaning(MOTION, "surface", -sign, why="a distance: nearer is anterior")
    if words & INSIDE_WORDS:
        return Meaning(UNKNOWN, question=f"which axis is {name!r}? --map 'COLUMN:int_si_mm'")
    if words & OUTSIDE_WORDS:
        return Meaning(MOTION, "ext", sign)
    return Meaning(UNKNOWN)


def _anatomical(found: list[str], name: str) -> tuple[str, int] | None:
    """Return axis and direction of the first word of direction; what stands after + is no axis."""
    said = _POSITIVE_WAY.search(name)
    way = (said[1] or said[2] or "").lower() if said else ""
    rest = [word for word in found if word != way] or found
    joined = ["".join(pair) for pair in itertools.pairwise(rest)]
    for word in (*joined, *rest):
        if word in AXES:
            return AXES[word]
    return AXES.get(way)


def _positive_way(name: str) -> str:
    said = _POSITIVE_WAY.search(name)
    return "" if said is None else (said[1] or said[2]).lower()


def _on_axis(
    name: str, words: set[str], anatomical: tuple[str, int], sign: int, way: str
) -> Meaning:
    axis, direction = anatomical
    if way in AXES and AXES[way][0] == axis and AXES[way][1]:
        direction = AXES[way][1]
    if direction == 0:
        plus, minus = _DIRECTION[axis]
        what = f"is {name!r} positive toward {plus} or toward {minus}?"
        remedy = f"--map 'COLUMN:int_{axis}_mm:UNIT:+' if {plus}, ':-' if {minus}"
        return Meaning(UNKNOWN, f"int_{axis}", 1, f"{what} {remedy}")
    outside = words & (OUTSIDE_WORDS - {"position", "pos", "motion", "displacement", "signal",
                                        "amplitude", "amp", "value", "trace"})  # fmt: skip
    if outside and not words & INSIDE_WORDS:
        return Meaning(MOTION, f"chest_{_PATIENT_AXES[axis]}", sign * direction)
    return Meaning(MOTION, f"int_{axis}", sign * direction)


def _cartesian(found: list[str]) -> tuple[str, str] | None:
    """Return prefix and axis of a coordinate: ``LED1_PosX`` gives led1 and x."""
    for at in range(len(found) - 1, -1, -1):
        word = found[at].removeprefix("t") if found[at] in ("tx", "ty", "tz") else found[at]
        if word in ("x", "y", "z"):
            rest = found[:at] + found[at + 1 :]
            rest = [w for w in rest if w not in ("pos", "position", "coordinate", "coord", "t")]
            return "_".join(rest), word
        if re.fullmatch(r"[a-z]{2,}[xyz]", found[at]) and found[at][:-1] in (
            "pos",
            "marker",
            "led",
        ):
            rest = found[:at] + found[at + 1 :]
            prefix = found[at][:-1]
            return "_".join(rest if prefix == "pos" else [prefix, *rest]), found[at][-1]
    return None


def _of_marker(name: str, words: set[str], prefix: str, axis: str, sign: int) -> Meaning:
    if words & INSIDE_WORDS:
        return Meaning(
            UNKNOWN,
            question=f"which patient axis is {name!r}? --map 'COLUMN:int_si_mm:UNIT'",
        )
    slug = re.sub(r"[^a-z0-9_]", "", prefix) or "marker"
    if slug[0].isdigit():
        slug = f"marker_{slug}"
    return Meaning(MOTION, f"{slug}_{axis}", sign)

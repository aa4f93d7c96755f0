"""Define the tolerances of the physicist's report and of the QA tests, as configured.

A figure is a row of `REPORT_FIGURES`: its unit, and whether the limit is its most or its least
value. A tolerance names a figure, its limit, and what to do when it is not kept. The limits here
are defaults; a clinic states its own. Where a publication gives a limit it is named as the source,
otherwise the limit is this project's and has to be set locally.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta

from tracker.core.settings_record import Settings

Sense = Literal["at most", "at least"]

ReportFigure = Literal[
    "total_p95_mm",
    "total_mean_mm",
    "rss_against_total",
    "localisation_sd_mm",
    "correlation_p95_mm",
    "prediction_p95_mm",
    "machine_p95_mm",
    "within_3_mm",
    "within_5_mm",
    "beyond_5_mm_s",
    "drift_mm_min",
    "marker_correlation",
    "image_age_s",
    "images_refused",
    "held_share",
    "latency_error_ms",
    "imaging_dose_mgy",
]


class FigureKind(NamedTuple):
    """What a figure is: its unit, in which sense it is limited, and its name for people."""

    unit: str
    sense: Sense
    words: str


REPORT_FIGURES: Final[Mapping[str, FigureKind]] = MappingProxyType(
    {
        "total_p95_mm": FigureKind("mm", "at most", "total error at images, 95th percentile"),
        "total_mean_mm": FigureKind("mm", "at most", "total error at images, length of the mean"),
        "rss_against_total": FigureKind(
            "share", "at most", "root sum of squares of the causes against the total"
        ),
        "localisation_sd_mm": FigureKind("mm", "at most", "localisation in the images, SD in 3-D"),
        "correlation_p95_mm": FigureKind("mm", "at most", "image against model, 95th percentile"),
        "prediction_p95_mm": FigureKind("mm", "at most", "prediction error, 95th percentile"),
        "machine_p95_mm": FigureKind("mm", "at most", "machine error, 95th percentile"),
        "within_3_mm": FigureKind("share", "at least", "share of beam time within 3 mm"),
        "within_5_mm": FigureKind("share", "at least", "share of beam time within 5 mm"),
        "beyond_5_mm_s": FigureKind("s", "at most", "longest time with beam beyond 5 mm"),
        "drift_mm_min": FigureKind("mm/min", "at most", "drift of the target's baseline"),
        "marker_correlation": FigureKind(
            "", "at least", "best correlation of a surrogate with the target"
        ),
        "image_age_s": FigureKind("s", "at most", "greatest age of the last image with beam on"),
        "images_refused": FigureKind("share", "at most", "share of images that were not used"),
        "held_share": FigureKind("share", "at most", "share of the treatment held by faults"),
        "latency_error_ms": FigureKind("ms", "at most", "measured against configured latency"),
        "imaging_dose_mgy": FigureKind("mGy", "at most", "dose of all images"),
    }
)


class Tolerance(Settings, frozen=True, kw_only=True):
    """One row of the report's tolerance table."""

    figure: ReportFigure
    limit: Annotated[float, Meta(ge=0, le=1e6)]
    remedy: Annotated[str, Meta(min_length=1, max_length=200)]
    """What to do when the limit is not kept."""
    source: Annotated[str, Meta(max_length=200)] = "set locally"


_LARK = "as the LARK trial holds the beam (3 mm for 5 s)"
_TG135 = "AAPM TG-135 (2011): 1.5 mm for motion tracking, end to end"

DEFAULT_TOLERANCES: Final = (
    Tolerance(
        figure="total_p95_mm", limit=3.0, source=_LARK,
        remedy="find the largest cause in the table of errors before the next fraction",
    ),
    Tolerance(
        figure="total_mean_mm", limit=1.5, source=_TG135,
        remedy="check set-up, calibration of the imager, and the latency",
    ),
    Tolerance(
        figure="within_3_mm", limit=0.95,
        remedy="look at the longest excursion; take images more often or tighten the gate",
    ),
    Tolerance(
        figure="within_5_mm", limit=0.99,
        remedy="review the session with the physician; check the margin",
    ),
    Tolerance(
        figure="beyond_5_mm_s", limit=1.0,
        remedy="find in the log why the beam was not held",
    ),
    Tolerance(
        figure="rss_against_total", limit=0.2,
        remedy="a cause is missing or two are linked: compare the causes, image by image",
    ),
    Tolerance(
        figure="localisation_sd_mm", limit=1.0,
        source="AAPM TG-147 (2012): 1 mm for stereotactic treatments",
        remedy="check that fiducials have not moved, and the imager's calibration",
    ),
    Tolerance(
        figure="correlation_p95_mm", limit=3.0,
        remedy="image more often, or let the patient rest; the model does not fit this breath",
    ),
    Tolerance(
        figure="prediction_p95_mm", limit=2.0,
        remedy="coach the patient; compare predictors for this latency with tidetrack bench",
    ),
    Tolerance(
        figure="machine_p95_mm", limit=1.0,
        remedy="measure the latency again (tidetrack latency) and check the machine's limits",
    ),
    Tolerance(
        figure="drift_mm_min", limit=1.0,
        remedy="the patient is not at rest; wait longer before modelling",
    ),
    Tolerance(
        figure="marker_correlation", limit=0.7,
        remedy="place the markers where the chest moves most, and model again",
    ),
    Tolerance(
        figure="image_age_s", limit=60.0,
        remedy="check the imager; imager.interval_s sets how often images are taken",
    ),
    Tolerance(
        figure="images_refused", limit=0.25,
        remedy="read in the log why images were refused",
    ),
    Tolerance(
        figure="held_share", limit=0.25,
        remedy="look at the most frequent cause in the table of holds",
    ),
    Tolerance(
        figure="latency_error_ms", limit=20.0,
        remedy="measure the latency again (tidetrack latency), then set timing.latency_ms",
    ),
)  # fmt: skip


class ReportRules(Settings, frozen=True, kw_only=True):
    """What the physicist's report compares with."""

    mgy_per_image: Annotated[float, Meta(ge=0, le=100)] = 0.0
    """Dose of one image (a stereo pair counts as one), measured locally. 0: not known."""
    tolerances: Annotated[tuple[Tolerance, ...], Meta(max_length=40)] = DEFAULT_TOLERANCES
    """The tolerance table; a table given in a file replaces all of this one."""


QaTest = Literal["static", "dynamic", "interruption", "latency", "end-to-end"]

QaFigure = Literal[
    "static_mean_mm",
    "static_most_mm",
    "dynamic_mean_mm",
    "dynamic_p95_mm",
    "dynamic_gain",
    "beam_off_ms",
    "missed_interruptions",
    "beyond_5_mm_s",
    "not_resumed",
    "motion_latency_error_ms",
    "hold_latency_ms",
    "permit_latency_ms",
    "targeting_mm",
    "target_d99_loss",
]

QA_FIGURES: Final[Mapping[str, FigureKind]] = MappingProxyType(
    {
        "static_mean_mm": FigureKind("mm", "at most", "mean error of localisation, at rest"),
        "static_most_mm": FigureKind("mm", "at most", "largest error of localisation, at rest"),
        "dynamic_mean_mm": FigureKind("mm", "at most", "length of the mean tracking error"),
        "dynamic_p95_mm": FigureKind("mm", "at most", "tracking error, 95th percentile"),
        "dynamic_gain": FigureKind("share", "at most", "error with tracking against without"),
        "beam_off_ms": FigureKind("ms", "at most", "longest time from interruption to beam off"),
        "missed_interruptions": FigureKind(
            "", "at most", "interruptions that did not hold the beam"
        ),
        "beyond_5_mm_s": FigureKind("s", "at most", "longest time with beam beyond 5 mm"),
        "not_resumed": FigureKind("", "at most", "interruptions without a return of the beam"),
        "motion_latency_error_ms": FigureKind(
            "ms", "at most", "latency of motion, measured against configured"
        ),
        "hold_latency_ms": FigureKind("ms", "at most", "longest time from hold to beam off"),
        "permit_latency_ms": FigureKind("ms", "at most", "longest time from permit to beam on"),
        "targeting_mm": FigureKind("mm", "at most", "shift of the dose, end to end"),
        "target_d99_loss": FigureKind("share", "at most", "loss of target D99 against the plan"),
    }
)


class QaTolerance(Settings, frozen=True, kw_only=True):
    """One row of the QA tolerance table: the test, its figure, the limit, and the source."""

    test: QaTest
    figure: QaFigure
    limit: Annotated[float, Meta(ge=0, le=1e6)]
    remedy: Annotated[str, Meta(min_length=1, max_length=200)]
    """What to do when the limit is not kept."""
    source: Annotated[str, Meta(max_length=200)] = "set locally"


_TG147 = "AAPM TG-147 (2012): 1 mm for stereotactic treatments"
_TG142 = "AAPM TG-142 (2009): gating on time within 100 ms"

DEFAULT_QA_TOLERANCES: Final = (
    QaTolerance(
        test="static", figure="static_mean_mm", limit=1.0, source=_TG147,
        remedy="calibrate the imager and the cameras again (tidetrack arrangement)",
    ),
    QaTolerance(
        test="static", figure="static_most_mm", limit=2.0,
        source="AAPM TG-147 (2012): 2 mm, daily",
        remedy="find the image that is off; check that every fiducial is seen",
    ),
    QaTolerance(
        test="dynamic", figure="dynamic_mean_mm", limit=1.0,
        remedy="check the reference position and the calibration of the machine",
    ),
    QaTolerance(
        test="dynamic", figure="dynamic_p95_mm", limit=2.0,
        remedy="run qa latency; then look at which cause is largest",
    ),
    QaTolerance(
        test="dynamic", figure="dynamic_gain", limit=0.5,
        remedy="tracking hardly helps: look at prediction and machine",
    ),
    QaTolerance(
        test="interruption", figure="missed_interruptions", limit=0.0,
        remedy="do not treat: an interruption went unnoticed",
    ),
    QaTolerance(
        test="interruption", figure="beam_off_ms", limit=500.0,
        source="AAPM TG-76 (2006): delay of the system below 0.5 s",
        remedy="do not treat: check fusion.stale_ms, the gate and its wire",
    ),
    QaTolerance(
        test="interruption", figure="beyond_5_mm_s", limit=0.3,
        remedy="do not treat: the beam stayed on beyond 5 mm",
    ),
    QaTolerance(
        test="interruption", figure="not_resumed", limit=0.0,
        remedy="read in the log which fault stays",
    ),
    QaTolerance(
        test="latency", figure="motion_latency_error_ms", limit=20.0,
        remedy="measure the latency (tidetrack latency), then set timing.latency_ms",
    ),
    QaTolerance(
        test="latency", figure="hold_latency_ms", limit=100.0, source=_TG142,
        remedy="check the gate and its wire",
    ),
    QaTolerance(
        test="latency", figure="permit_latency_ms", limit=100.0, source=_TG142,
        remedy="check the gate and its wire",
    ),
    QaTolerance(
        test="end-to-end", figure="targeting_mm", limit=1.5, source=_TG135,
        remedy="run qa static and qa dynamic to find which part is off",
    ),
    QaTolerance(
        test="end-to-end", figure="target_d99_loss", limit=0.03,
        remedy="look at the tracking error; the dose follows it",
    ),
)  # fmt: skip


class QaRules(Settings, frozen=True, kw_only=True):
    """The tolerances of `tidetrack qa`, and where its history is kept."""

    history: Annotated[str, Meta(min_length=1, max_length=400)] = "qa/history.jsonl"
    """File of the QA history; relative to where the command is started."""
    tolerances: Annotated[tuple[QaTolerance, ...], Meta(max_length=60)] = DEFAULT_QA_TOLERANCES
    """The tolerance table; a table given in a file replaces all of this one."""

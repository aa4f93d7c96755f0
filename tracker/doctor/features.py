"""The features that need more than the program itself, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from tracker.doctor.findings import (
    Lacking,
    cache_folder,
    packages,
    program,
    python,
    real_time_priority,
    requirements,
    serial_ports,
)

PRIORITY: Final = 60
"""The real-time priority that a configuration may ask for, at most, in `config/`."""


class Feature(NamedTuple):
    """One feature: its name, what it is for, and what looks for what it needs."""

    name: str
    does: str
    looks: Sequence[Callable[[], list[Lacking]]]

    def lacking(self) -> list[Lacking]:
        """Return everything that is missing for the feature."""
        return [lack for look in self.looks for lack in look()]


PROGRAM: Final = "program"
"""The feature without which nothing works."""

FEATURES: Final = (
    Feature(
        PROGRAM,
        "track, simulate, replay, report",
        (partial(python, (3, 11)), partial(requirements, "tidetrack")),
    ),
    Feature("kernels", "compiled predictors are kept between runs",
            (partial(cache_folder, "tracker"),)),
    Feature("notebook", "frames and notebooks of `import tidetrack`",
            (partial(packages, "pandas", "ipykernel", extra="notebook"),)),
    Feature("export", "sessions as Parquet", (partial(packages, "pyarrow", extra="export"),)),
    Feature("import", "spreadsheets, PhysioNet, XDF and DICOM waveforms",
            (partial(packages, "pandas", "openpyxl", "pydicom", "wfdb", "pyxdf", extra="import"),)),
    Feature("dicom", "DICOM imagers, exports and archives",
            (partial(packages, "pydicom", "pynetdicom", "gdcm", extra="dicom"),)),
    Feature("tune", "fit predictors to an archive, on one machine or a cluster",
            (partial(packages, "optuna", "distributed", "psycopg", extra="tune"),)),
    Feature("bench", "compare predictors with those of other libraries",
            (partial(packages, "padasip", "river", "statsmodels", extra="bench"),)),
    Feature("lsl", "belts on the Lab Streaming Layer", (partial(packages, "pylsl", extra="lsl"),)),
    Feature("serial", "trackers, belts and couches on a serial line", (serial_ports,)),
    Feature("priority", "ticks that are not late on a busy machine",
            (partial(real_time_priority, PRIORITY),)),
    Feature("service", "run as a service of systemd", (partial(program, "systemctl", "systemd"),)),
)  # fmt: skip
BY_NAME: Final = {feature.name: feature for feature in FEATURES}

"""Define how the daemon is run: the sections of a configuration that the engine never reads.

Nothing here changes what the engine answers to an event; replay and closed loop ignore it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hal.messages import Triple
from tracker.core.settings import Settings
from tracker.tolerance_settings import QaRules, ReportRules


class SessionRecords(Settings, frozen=True, kw_only=True):
    """Where live runs are recorded, and how long they are kept."""

    folder: Annotated[str, Meta(min_length=1, max_length=400)] = "sessions"
    """Journals and their catalogue; relative to where the daemon is started."""
    retention_days: Annotated[int, Meta(ge=0, le=36500)] = 3650
    """A journal of this age may be pruned; 0: never. Nothing is deleted automatically."""
    least_free_mb: Annotated[int, Meta(ge=10, le=1_000_000)] = 2000
    """Free disk space a start needs: an hour of tracking writes some 500 MB."""
    hold_after_ms: Annotated[float, Meta(ge=50, le=900)] = 700.0
    """Hazard H24: the oldest event not on disk; the beam is off within a second of it."""
    queue_mb: Annotated[int, Meta(ge=1, le=1000)] = 16
    """Data that may wait for a slow disk: two minutes of tracking. A full queue ends the run."""
    reserve_mb: Annotated[int, Meta(ge=0, le=1000)] = 4
    """The space kept free beside the journal, so that the end of the run fits on a full disk."""
    sync_ms: Annotated[int, Meta(ge=0, le=60_000)] = 1000
    """The time between forced writes to the disk: a power cut may lose this much."""


class Monitor(Settings, frozen=True, kw_only=True):
    """The process that watches the daemon and can only take the beam away."""

    start: Literal["child", "apart", "off"] = "child"
    """child: `run` starts and ends it; apart: it stands by itself, found by ``page``."""
    page: str = ""
    """Path of the shared page where both stand apart; empty: in the user's runtime folder."""
    heartbeat_ms: Annotated[float, Meta(ge=40, le=150)] = 100.0
    """Hazard H16: the beam is taken from a daemon that is silent for this long."""
    readback_ms: Annotated[float, Meta(ge=40, le=1000)] = 120.0
    """Hazard H19: beam after its permit ended, the gate's own delay included. More than 150 ms only
    for a beam that takes so long to go off: at most ``gate.readback_ms``."""
    surrogate_ms: Annotated[float, Meta(ge=60, le=150)] = 140.0
    """Hazard H01: more than ``fusion.stale_ms``, which the engine holds at."""
    lost_ms: Annotated[float, Meta(ge=50, le=1000)] = 250.0
    """A monitor silent for this long counts as lost, and the engine holds."""
    priority: Annotated[int, Meta(ge=0, le=99)] = 60
    """SCHED_FIFO priority, where the system allows it; 0: none."""


class SelfTest(Settings, frozen=True, kw_only=True):
    """The checks before a start; a failed check refuses the start."""

    seconds: Annotated[float, Meta(ge=1, le=60)] = 3.0
    """The time for which every device is observed."""
    rate_share: Annotated[float, Meta(ge=0.01, le=0.5)] = 0.1
    """How far a sensor's rate may be from the configured one, as a share of it."""
    drift_ppm: Annotated[float, Meta(ge=10, le=10_000)] = 2000.0
    """How far a device's clock may run from the host's; a few seconds cannot see less."""
    calibration_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    """Age of a calibration file; unverified, the local programme of quality assurance rules."""
    latency_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    """Age of the latency measurement (hazard H28)."""
    arrangement_mm: tuple[Triple, ...] = ()
    """Where a plate at the isocentre has its markers (fixed frame), in each camera's order."""
    arrangement_tolerance_mm: Annotated[float, Meta(gt=0, le=20)] = 2.0
    """The largest distance of a plate's marker from its known position."""
    arrangement_file: str = ""
    """The file that ``tidetrack arrangement --out`` wrote (hazard H05); empty: not required."""
    arrangement_days: Annotated[int, Meta(ge=1, le=365)] = 1
    """The greatest age of the arrangement check: a morning check is valid for the day."""


class ConsolePage(Settings, frozen=True, kw_only=True):
    """The operator's page: a web server in its own process beside the daemon."""

    start: Literal["child", "off"] = "off"
    """child: `run` starts and ends it; off: nobody, or ``tidetrack console`` by hand."""
    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    """The address. Any other than the loopback needs ``certificate`` and ``private_key``."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8443
    """0: any free port, which is then printed."""
    names: tuple[Annotated[str, Meta(min_length=1, max_length=255)], ...] = ()
    """Other host names that the page answers to (``room3.example.org``); all others are refused."""
    certificate: Annotated[str, Meta(max_length=400)] = ""
    """PEM file, the chain included; empty: plain HTTP, on the loopback only."""
    private_key: Annotated[str, Meta(max_length=400)] = ""
    """PEM file of the certificate's key."""
    key: Annotated[str, Meta(min_length=1, max_length=400)] = "keys/console.key"
    """Key file with which the page's server speaks to the daemon; it has the role service."""
    tokens: Annotated[str, Meta(min_length=1, max_length=400)] = "tokens"
    """The folder of persons who may log in, one file each (``tidetrack tokens``)."""
    login_hours: Annotated[float, Meta(ge=0.1, le=24)] = 12.0
    """The time after which a login ends: a working day."""
    most_pages: Annotated[int, Meta(ge=1, le=500)] = 100
    """The most pages open at once; a further one is refused."""
    patient_style: Literal["wave", "bar", "circle"] = "wave"
    """How the patient's screen shows the breathing."""
    patient_tone: bool = False
    """Whether the patient's screen sounds a tone when the breathing enters its window."""


LOCAL = r"^tcp://(\*|[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5}|\*)$"


class Service(Settings, frozen=True, kw_only=True):
    """Requests from other programs, and the state published to them."""

    enabled: bool = False
    """Whether the daemon accepts requests and publishes its state."""
    requests: Annotated[str, Meta(pattern=LOCAL, max_length=100)] = "tcp://127.0.0.1:15570"
    """Where requests are taken; on another address than the loopback, other hosts may ask."""
    publish: Annotated[str, Meta(pattern=LOCAL, max_length=100)] = "tcp://127.0.0.1:15571"
    """Where the state is published."""
    keys_folder: Annotated[str, Meta(min_length=1, max_length=400)] = "keys"
    """The server's key and the known keys; relative to where the daemon is started."""
    requests_per_s: Annotated[float, Meta(ge=0.5, le=100)] = 5.0
    """The sustained request rate of one key; hold and stop are counted apart."""
    requests_at_once: Annotated[int, Meta(ge=5, le=200)] = 20
    most_bytes: Annotated[int, Meta(ge=1024, le=65536)] = 4096
    """The largest size of a request; a client that sends more is disconnected."""
    publish_queue: Annotated[int, Meta(ge=10, le=1000)] = 100
    """Messages kept for a subscriber that is slow, about four seconds; it misses the rest."""


class Operation(Settings, frozen=True, kw_only=True):
    """All sections that the engine never reads, one field each."""

    records: SessionRecords = SessionRecords()
    self_test: SelfTest = SelfTest()
    monitor: Monitor = Monitor()
    service: Service = Service()
    console: ConsolePage = ConsolePage()
    report: ReportRules = ReportRules()
    qa: QaRules = QaRules()

"""The health of each device: its link, and rate, age, delay and loss of its last messages."""

from __future__ import annotations

from collections.abc import Callable

from hal.events import Event, LinkChanged
from hal.messages import BadSample, FiducialShot, Message
from tracker.api.schema import DeviceHealth
from tracker.core.settings import Controller
from tracker.core.surrogate.timebase import Timebase
from tracker.live.windows import Lengths, Rate
from tracker.wires import OTHER_SECTIONS, device_section

MOST_LOST = 50
"""A longer gap in a counter is a restart of the counter, not a loss."""


class OneDevice:
    """The link and the messages of one device."""

    def __init__(self, device: str, role: str, new_timebase: Callable[[], Timebase] | None) -> None:
        """``new_timebase`` makes the time base of a sensor that counts; ``None``: it has none."""
        self.device, self.role = device, role
        self.up = False
        self.detail = ""
        self.bad = 0
        self.came = Rate()
        self._lost = Rate()
        self._delays = Lengths()
        self._ticks: int | None = None
        self._new_timebase = new_timebase
        self._timebase: Timebase | None = None

    def note_link(self, changed: LinkChanged) -> None:
        """Note that the link went up or down."""
        self.up, self.detail = changed.up, changed.detail
        self.came.forget()
        self._lost.forget()
        self._ticks = self._timebase = None

    def note_sample(self, sample: Message) -> None:
        """Note that a message came: its rate, delay and lost messages before it."""
        now_ns = sample.t_ns
        self.came.add(now_ns)
        if isinstance(sample, FiducialShot):
            self._delays.add(now_ns, now_ns - sample.ticks)
        elif self._new_timebase is not None:
            ticks: object = getattr(sample, "ticks", None)
            if isinstance(ticks, int):
                self._note_count(ticks, now_ns, self._new_timebase)

    def _note_count(self, ticks: int, now_ns: int, new_timebase: Callable[[], Timebase]) -> None:
        """Note the counter of a surrogate source: what was lost before it, and its delay."""
        if self._ticks is not None:
            for _ in range(_missed(self._ticks, ticks)):
                self._lost.add(now_ns)
        begun_anew = self._ticks is not None and ticks <= self._ticks
        self._ticks = ticks
        if self._timebase is None or begun_anew:
            self._timebase = new_timebase()
        try:
            seen = self._timebase.stamp(ticks, now_ns)
        except ValueError:  # a counter that was set anew: its line begins again
            self._timebase = None
            return
        self._delays.add(now_ns, now_ns - seen.t_ns)

    def health(self, now_ns: int) -> DeviceHealth:
        """Return its health now."""
        rate_hz, lost_hz = self.came.per_s(now_ns), self._lost.per_s(now_ns)
        newest_ns = self.came.newest_ns
        (delay_ms,) = self._delays.quantiles_ms(now_ns, 0.5)
        return DeviceHealth(
            device=self.device,
            role=self.role,
            up=self.up,
            detail=self.detail,
            rate_hz=round(rate_hz, 2),
            age_ms=None if newest_ns is None else round((now_ns - newest_ns) / 1e6, 1),
            latency_ms=round(delay_ms, 2) if len(self._delays) else None,
            lost_share=round(lost_hz / (lost_hz + rate_hz), 4) if lost_hz else 0.0,
            bad=self.bad,
        )


class DeviceHealths:
    """The health of every device, by its name."""

    def __init__(self, controller: Controller, roles: dict[str, str]) -> None:
        """``roles`` holds the device's name by its section of the configuration."""
        self._by_name: dict[str, OneDevice] = {}
        self._breathing: list[OneDevice] = []
        for section, device in roles.items():
            new_timebase = None
            if section not in OTHER_SECTIONS:
                source = device_section(controller, section)
                new_timebase = _timebase_of(source.rate_hz, source.delay_ms)
            one = self._by_name[device] = OneDevice(device, section, new_timebase)
            if new_timebase is not None:
                self._breathing.append(one)
        self.samples = 0

    def sample(self, event: Event) -> None:
        """Note a message of a device that is known here."""
        if isinstance(event, Message):
            self.samples += 1
            device = self._by_name.get(event.device)
            if device is not None:
                device.note_sample(event)

    def bad(self, sample: BadSample) -> None:
        """Note that a device sent something that is no sample."""
        device = self._by_name.get(sample.device)
        if device is not None:
            device.bad += 1

    def link(self, changed: LinkChanged) -> None:
        """Note a link; one that belongs to no device (the monitor's) gets a row of its own."""
        device = self._by_name.get(changed.device)
        if device is None:
            device = self._by_name[changed.device] = OneDevice(changed.device, "", None)
        device.note_link(changed)

    @property
    def newest_breath_ns(self) -> int | None:
        """When the newest sample of any surrogate source came."""
        seen = [each.came.newest_ns for each in self._breathing if each.came.newest_ns is not None]
        return max(seen, default=None)

    @property
    def bad_total(self) -> int:
        """How much came that was no sample."""
        return sum(each.bad for each in self._by_name.values())

    @property
    def down(self) -> list[str]:
        """The devices that are not connected."""
        return [name for name, each in self._by_name.items() if not each.up]

    def all(self, now_ns: int) -> tuple[DeviceHealth, ...]:
        """Return the health of each device now."""
        return tuple(each.health(now_ns) for each in self._by_name.values())


def _timebase_of(rate_hz: float, delay_ms: float) -> Callable[[], Timebase]:
    """Return what makes a new time base for a sensor."""
    return lambda: Timebase(1e9 / rate_hz, round(delay_ms * 1e6))


def _missed(before: int, now: int) -> int:
    """Return how many numbers of a counter did not come."""
    gap = now - before - 1
    return gap if 0 < gap <= MOST_LOST else 0

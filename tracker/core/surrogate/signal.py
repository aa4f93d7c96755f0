"""The surrogate: camera frames and belt samples turned into one breathing state.

A frame is brought to its exposure time (`timebase`), into the patient's frame with the couch's own
motion removed (`frames`), judged (frozen, impossible, out of order), and given to the filter
(`fusion`) as each marker's displacement along its own breathing direction. Directions, relative
amplitudes and the belt's scale are learned once, from a few quiet breaths.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from hal.messages import BadSample, BeltSample, MarkerFrame, Triple, is_finite
from tracker.core.frames import (
    CameraPoint,
    CameraPose,
    FixedPoint,
    fixed_to_table,
    table_to_patient,
)
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.settings import Belt, Camera, Controller
from tracker.core.surrogate.breaths import Breaths
from tracker.core.surrogate.fusion import (
    BreathingRange,
    BreathingState,
    MotionModel,
    SurrogateFilter,
)
from tracker.core.surrogate.novelty import Novelty
from tracker.core.surrogate.report import Finding, SourceKind, SourceReport, SurrogateReport
from tracker.core.surrogate.timebase import Timebase

_AT_REST: Triple = (0.0, 0.0, 0.0)


class SurrogateSignal:
    """Everything between the sensors' messages and the breathing state, with what is wrong."""

    def __init__(self, settings: Controller) -> None:
        """Start knowing nothing of this patient."""
        self._settings = settings
        self._camera = settings.camera
        self._belt = settings.belt
        self._pose = CameraPose.of(settings.camera.position_mm, settings.camera.rotation_deg)
        self._camera_clock = _clock_of(settings.camera)
        self._belt_clock = _clock_of(settings.belt)
        self._filter: SurrogateFilter | None = None
        self._learned: tuple[tuple[Triple, Triple], ...] = ()
        self._amplitudes: tuple[float, ...] = ()
        self._learning: _Learning | None = None
        self._past: deque[BreathingState] = deque(maxlen=_KEEP)
        self._kept = 0
        self._span: BreathingRange | None = None
        self._last_frame: MarkerFrame | None = None
        self._last_belt: BeltSample | None = None
        self._last_positions: list[Triple | None] = []
        self._last_exposure_ns = 0
        self._frozen_frames = 0
        self._frozen_belt = 0
        self._bad: dict[str, Finding] = {}
        """The last impossible sample of each device."""
        self._jumped_ns: dict[str, int] = {}
        """When the clock of each device last jumped."""
        self._fast: Finding | None = None
        """When a marker last moved faster than breathing does."""
        self._misplaced = ""
        """Where markers seem to lie that cannot lie there; empty: all is well."""
        self.breaths = Breaths()
        self.novelty = Novelty()

    def forget(self) -> None:
        """Forget the patient (another modelling follows); clocks and the last samples stay."""
        self._filter = None
        self._learning = None
        self._learned = ()
        self._past.clear()
        self._span = None
        self._misplaced = ""
        self.breaths.forget()
        self.novelty.forget()

    def restarted(self, device: str) -> None:
        """A sensor was connected anew: its counter may begin anywhere; its clock is learned."""
        if device == self._camera.device:
            self._camera_clock = _clock_of(self._camera)
        elif device == self._belt.device:
            self._belt_clock = _clock_of(self._belt)

    def add_bad_sample(self, sample: BadSample) -> bool:
        """Note an unreadable message of a source; ``False``: the device is none of the sources."""
        device = sample.device
        if device != self._camera.device and not (
            self._belt.enabled and device == self._belt.device
        ):
            return False
        self._bad[device] = (sample.t_ns, f"{device}: {sample.what} {sample.value}".rstrip())
        return True

    def report(self, now_ns: int) -> SurrogateReport:
        """Say what is known of the breathing at ``now_ns``, and how each source does."""
        running = self._filter
        sources = (
            self._source_report(
                self._camera.device,
                "markers",
                self._frozen_frames,
                self._fast,
                -1 if running is None else running.newest_markers_ns,
            ),
        )
        if self._belt.enabled:
            newest_ns = -1 if running is None else running.newest_belt_ns
            sources += (
                self._source_report(self._belt.device, "belt", self._frozen_belt, None, newest_ns),
            )
        return SurrogateReport(
            running is not None,
            self.state_at(now_ns),
            self._span,
            sources,
            self.novelty.found,
            self._misplaced,
        )

    def _source_report(
        self, device: str, kind: SourceKind, frozen: int, fast: Finding | None, newest_ns: int
    ) -> SourceReport:
        jumped_ns, bad = self._jumped_ns.get(device, -1), self._bad.get(device)
        return SourceReport(device, kind, frozen, jumped_ns, fast, bad, newest_ns)

    def learn_from(self, t_ns: int) -> None:
        """Begin to learn directions and scales from what comes from now on."""
        self._learning = _Learning(t_ns)

    @property
    def ready(self) -> bool:
        """Whether directions are learned and the filter runs."""
        return self._filter is not None

    @property
    def filter(self) -> SurrogateFilter | None:
        """The filter, once it runs."""
        return self._filter

    def state_at(self, t_ns: int) -> BreathingState | None:
        """The breathing state at ``t_ns``, once it is known."""
        if self._filter is None:
            return None
        past = self._past
        if past and t_ns < past[-1].t_ns:
            return _between(past, t_ns)
        state = self._filter.state_at(t_ns)
        if state is None:
            return None
        scatter = self.novelty.scatter_mm2(state, self._amplitudes)
        if scatter == 0.0:
            return state
        return state._replace(amplitude_variance=state.amplitude_variance + scatter)

    @property
    def span(self) -> BreathingRange | None:
        """The range of the last breaths, once some have been seen."""
        return self._span

    def _range(self) -> BreathingRange | None:
        if len(self._past) < _FEWEST_FOR_SPAN:
            return None
        amplitudes = [state.amplitude_mm for state in self._past]
        low, high = min(amplitudes), max(amplitudes)
        half = max(0.5 * (high - low), 0.1)
        square = sum(state.velocity_mm_s**2 for state in self._past) / len(self._past)
        return BreathingRange(0.5 * (low + high), half, max(1.4 * math.sqrt(square), 0.2))

    def take_frame(self, frame: MarkerFrame, couch: ActuatorTrack | None) -> None:
        """Take one camera frame; what is wrong with it is kept in the counters."""
        last = self._last_frame
        if last is not None and last.markers_mm == frame.markers_mm and _any_seen(frame):
            self._frozen_frames += 1
        else:
            self._frozen_frames = 0
        self._last_frame = frame
        try:
            stamp = self._camera_clock.stamp(frame.ticks, frame.t_ns)
        except ValueError as error:
            self._bad[frame.device] = (frame.t_ns, f"{frame.device}: {error}")
            return
        if stamp.jumped:
            self._jumped_ns[frame.device] = frame.t_ns
        positions = self._in_patient(frame, stamp.t_ns, couch)
        if positions is None or self._frozen_frames >= _REPEATED:
            return
        if self._filter is not None:
            displacements = tuple(
                None if p is None else _along(p, rest, direction)
                for p, (rest, direction) in zip(positions, self._learned, strict=False)
            )
            if len(displacements) == self._filter.markers:
                self._filter.take_markers(stamp.t_ns, displacements)
        elif self._learning is not None:
            self._learning.frames.append((stamp.t_ns, positions))

    def take_belt(self, sample: BeltSample) -> None:
        """Take one belt sample."""
        if not self._belt.enabled:
            return
        last = self._last_belt
        self._frozen_belt = (
            self._frozen_belt + 1 if last is not None and last.value_au == sample.value_au else 0
        )
        self._last_belt = sample
        if not math.isfinite(sample.value_au):
            self._bad[sample.device] = (
                sample.t_ns,
                f"{sample.device}: value {sample.value_au} is no number",
            )
            return
        try:
            stamp = self._belt_clock.stamp(sample.ticks, sample.t_ns)
        except ValueError as error:
            self._bad[sample.device] = (sample.t_ns, f"{sample.device}: {error}")
            return
        if stamp.jumped:
            self._jumped_ns[sample.device] = sample.t_ns
        if self._filter is not None:
            if self._frozen_belt < _REPEATED:
                self._filter.take_belt(stamp.t_ns, sample.value_au)
        elif self._learning is not None:
            self._learning.belt.append((stamp.t_ns, sample.value_au))

    def _in_patient(
        self, frame: MarkerFrame, t_ns: int, couch: ActuatorTrack | None
    ) -> list[Triple | None] | None:
        """Bring markers into the patient's frame; None when the frame cannot be used."""
        offset = _AT_REST
        if couch is not None:
            at = couch.at(t_ns)
            if at is None:
                return None
            offset = at
        gating = self._settings.gating
        orientation = self._settings.session.orientation
        couch_at = FixedPoint(offset)
        learned, last = self._learned, self._last_positions
        positions: list[Triple | None] = []
        dt = (t_ns - self._last_exposure_ns) * 1e-9
        comparable = len(last) if 0.0 < dt < 0.1 else 0
        # Camera noise alone makes sqrt(6) sigma / dt; it is not breathing.
        noise = 4.0 * 2.45 * self._camera.noise_mm / dt if comparable else 0.0
        fastest, farthest = gating.speed_mm_s + noise, gating.envelope_mm
        for index, marker in enumerate(frame.markers_mm):
            if marker is None:
                positions.append(None)
                continue
            if not is_finite(marker):
                self._bad[frame.device] = (
                    frame.t_ns,
                    f"{frame.device}: marker {index + 1} is {marker}",
                )
                return None
            fixed = self._pose.to_fixed(CameraPoint(marker))
            position = table_to_patient(fixed_to_table(fixed, couch_at), orientation)
            if index < len(learned):
                distance = math.dist(position, learned[index][0])
                if distance > farthest:
                    self._bad[frame.device] = (
                        frame.t_ns,
                        f"{frame.device}: marker {index + 1} is {distance:.0f} mm from rest, "
                        f"limit {farthest:g} mm",
                    )
                    return None
            before = last[index] if index < comparable else None
            if before is not None:
                speed = math.dist(position, before) / dt
                if speed > fastest:
                    self._fast = (
                        frame.t_ns,
                        f"marker {index + 1} at {speed:.0f} mm/s, limit {gating.speed_mm_s:g} mm/s",
                    )
            positions.append(position)
        self._last_positions = positions
        self._last_exposure_ns = t_ns
        return positions

    def finish_learning(self, t_ns: int) -> str | None:
        """Learn from what was gathered; None when done, else why it must go on."""
        learning = self._learning
        if learning is None:
            return "not begun"
        missing_s = self._settings.fusion.learning_s - (t_ns - learning.since_ns) * 1e-9
        if missing_s > 0:
            return f"{missing_s:.0f} s of breathing still to watch"
        found = learning.conclude(self._settings)
        if isinstance(found, str):
            return found
        model, self._learned = found
        self._judge_places()
        self._amplitudes = model.amplitudes
        self._filter = SurrogateFilter(
            model, self._camera, self._belt, self._settings.fusion, learning.frames[0][0] - 1
        )
        for at, positions in learning.frames[-_REPLAY_FRAMES:]:
            self._filter.take_markers(
                at,
                tuple(
                    None if p is None else _along(p, rest, direction)
                    for p, (rest, direction) in zip(positions, self._learned, strict=True)
                ),
            )
        for at, value in learning.belt[-_REPLAY_FRAMES:]:
            self._filter.take_belt(at, value)
        self._learning = None
        return None

    def _judge_places(self) -> None:
        """See whether the markers lie where a patient can be (H05)."""
        limit = self._camera.reach_mm
        for number, (rest, _) in enumerate(self._learned, 1):
            away = math.hypot(*rest)
            if away > limit:
                self._misplaced = (
                    f"marker {number} lies {away:.0f} mm from the isocentre, limit {limit:g} mm"
                )

    def remember(self, now_ns: int, *, modelling: bool) -> None:
        """Keep a settled state now and then, for shots that arrive long after exposure."""
        settled_ns = now_ns - _SETTLED_NS
        past = self._past
        if self._filter is None or (past and settled_ns < past[-1].t_ns + _KEEP_EVERY_NS):
            return
        state = self._filter.state_at(settled_ns)
        if state is not None:
            past.append(state)
            self._kept += 1
            self.novelty.take(state, self._amplitudes, learning=modelling)
            if self._span is not None:
                self.breaths.take(state.t_ns, state.amplitude_mm, self._span)
            if self._kept % _RANGE_EVERY == 0:
                self._span = self._range()


def _clock_of(sensor: Camera | Belt) -> Timebase:
    return Timebase(1e9 / sensor.rate_hz, round(sensor.delay_ms * 1e6))


_SETTLED_NS = 100_000_000
_KEEP_EVERY_NS = 50_000_000
_KEEP = 200
"""Settled states kept: 10 seconds of them, longer than any imager takes to answer."""

_REPEATED = 3
"""Identical samples in a row from which on they are no longer believed."""
_RANGE_EVERY = 10
_FEWEST_FOR_SPAN = 80
"""Kept states that make 4 seconds: about one breath."""

_REPLAY_FRAMES = 30
"""Frames of the learning phase the new filter is started with."""


def _any_seen(frame: MarkerFrame) -> bool:
    return any(marker is not None for marker in frame.markers_mm)


def _between(past: deque[BreathingState], t_ns: int) -> BreathingState | None:
    """Interpolate kept states at ``t_ns`` by a cubic through amplitudes and velocities."""
    if t_ns < past[0].t_ns:
        return None
    index = len(past) - 1
    while past[index].t_ns > t_ns:
        index -= 1
    a, b = past[index], past[index + 1]
    h = (b.t_ns - a.t_ns) * 1e-9
    s = (t_ns - a.t_ns) * 1e-9 / h
    rise = b.amplitude_mm - a.amplitude_mm
    c = 3.0 * rise - h * (2.0 * a.velocity_mm_s + b.velocity_mm_s)
    d = h * (a.velocity_mm_s + b.velocity_mm_s) - 2.0 * rise
    return a._replace(
        t_ns=t_ns,
        amplitude_mm=a.amplitude_mm + s * (h * a.velocity_mm_s + s * (c + s * d)),
        velocity_mm_s=a.velocity_mm_s + s * (2.0 * c + 3.0 * s * d) / h,
        markers_mm=tuple(p + s * (q - p) for p, q in zip(a.markers_mm, b.markers_mm, strict=True)),
    )


def _along(position: Triple, rest: Triple, direction: Triple) -> float:
    return (
        (position[0] - rest[0]) * direction[0]
        + (position[1] - rest[1]) * direction[1]
        + (position[2] - rest[2]) * direction[2]
    )


class _Learning:
    """What is gathered while the patient's quiet breathing is watched."""

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.frames: list[tuple[int, list[Triple | None]]] = []
        self.belt: list[tuple[int, float]] = []

    def conclude(
        self, settings: Controller
    ) -> tuple[MotionModel, tuple[tuple[Triple, Triple], ...]] | str:
        """Find directions, amplitudes and belt scale; a sentence when the material is too thin."""
        counts = [len(positions) for _, positions in self.frames]
        if not counts:
            return "no camera frame came"
        markers = max(set(counts), key=counts.count)
        whole = [
            (t, p) for t, p in self.frames if len(p) == markers and all(q is not None for q in p)
        ]
        needed = round(0.5 * settings.fusion.learning_s * settings.camera.rate_hz)
        if markers == 0 or len(whole) < needed:
            return f"{len(whole)} frames with every marker seen, {needed} needed"
        times = np.array([t for t, _ in whole], dtype=np.float64)
        points = np.array([p for _, p in whole])  # (frames, markers, 3)
        rests = points.mean(axis=0)
        signals, directions = _principal(points - rests)
        spreads = signals.std(axis=0)
        if float(spreads.max()) < 3.0 * settings.camera.noise_mm / math.sqrt(10.0):
            return f"markers move only {float(spreads.max()):.2f} mm; no breathing seen"
        amplitudes = spreads / spreads.mean()
        weights = amplitudes / float(np.sum(amplitudes**2))
        y = signals @ weights
        gain, offset, gain_sigma, offset_sigma = self._belt_scale(times, y)
        model = MotionModel(
            tuple(amplitudes.tolist()),
            tuple(weights.tolist()),
            float(y.std()),
            gain,
            offset,
            gain_sigma,
            offset_sigma,
        )
        learned = tuple(
            (_triple(rest), _triple(direction))
            for rest, direction in zip(rests, directions, strict=True)
        )
        self.frames = [(t, list(p)) for t, p in whole]
        return model, learned

    def _belt_scale(
        self, times: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[float, float, float, float]:
        """Regress belt on amplitude; without a usable belt its gain is unknown and says so."""
        samples = [(t, v) for t, v in self.belt if times[0] <= t <= times[-1]]
        if len(samples) < 20:
            return 1.0, 0.0, 1e3, 1e6
        t = np.array([s[0] for s in samples], dtype=np.float64)
        values = np.array([s[1] for s in samples])
        design = np.stack([np.interp(t, times, y), np.ones(t.size)], axis=1)
        (gain, offset), *_ = np.linalg.lstsq(design, values, rcond=None)
        residual = values - design @ np.array([gain, offset])
        # Residuals of a belt are correlated over about a second, not independent.
        effective = max(4.0, t.size / 100.0)
        variance = float(np.mean(residual**2))
        spread = float(np.var(design[:, 0])) + 1e-9
        return (
            float(gain),
            float(offset),
            math.sqrt(variance / (spread * effective)) + 0.02 * abs(float(gain)),
            math.sqrt(variance / effective) + 1e-6,
        )


def _triple(vector: NDArray[np.float64]) -> Triple:
    x, y, z = vector.tolist()
    return (x, y, z)


def _principal(
    centred: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give each marker's signal (frames, markers) along its main direction (markers, 3).

    Signs: the strongest marker's direction points anterior (inhaling is positive); the others
    move with it.
    """
    markers = centred.shape[1]
    directions = np.empty((markers, 3))
    signals = np.empty(centred.shape[:2])
    for i in range(markers):
        _, vectors = np.linalg.eigh(centred[:, i].T @ centred[:, i])
        directions[i] = vectors[:, -1]
        signals[:, i] = centred[:, i] @ directions[i]
    strongest = int(np.argmax(signals.std(axis=0)))
    if directions[strongest, 2] < 0:
        directions[strongest] *= -1
        signals[:, strongest] *= -1
    for i in range(markers):
        if signals[:, i] @ signals[:, strongest] < 0:
            directions[i] *= -1
            signals[:, i] *= -1
    return signals, directions

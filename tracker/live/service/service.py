"""The service: it passes requests from known keys to the session and publishes the state.

It works in the loop of the daemon, at the end of each tick, for a bounded time: a few handshakes, a
few requests, and every 50 ms the state, encoded once for all subscribers. It never waits. An
exception in it is reported and does not end the run.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import msgspec

from hal.events import Event, Request, Tick
from tracker.api.admission import Admission, RequestLimits, refusal
from tracker.api.keys import KnownKey, server_key
from tracker.api.roles import END, STATUS
from tracker.api.schema import Answer, Ask, Health, Hello, Hop, Record, Welcome
from tracker.config import Configuration
from tracker.core.session import SessionTrigger
from tracker.core.types import Notice, Output
from tracker.live.recording_progress import RecordingProgress
from tracker.live.service.known_keys import KnownKeys
from tracker.live.service.published_state import PublishedState
from tracker.live.service.sockets import Asked, Sockets
from tracker.live.windows import Lengths, Rate

PERIOD_NS = 50_000_000
"""Period of the published states: 20 a second."""
MODEL_NS = 2_000_000_000
HEALTH_NS = 1_000_000_000
HANDSHAKES_A_TICK = 8
REQUESTS_A_TICK = 4
QUIET_NS = 1_000_000_000
"""Least time between two lines about refused messages of one key."""

_encode = msgspec.json.Encoder().encode


def new_run_id() -> str:
    """Return an identity that no other run has."""
    return secrets.token_hex(8)


class RequestService:
    """Serves clients; a context manager around the run.

    The daemon calls `observe` after each event and `on_tick_end` at the end of each tick.
    """

    def __init__(
        self,
        configuration: Configuration,
        run_id: str,
        roles: dict[str, str],
        clock: Callable[[], int],
        say: Callable[[str], None],
        program: str = "tidetrack",
    ) -> None:
        """``roles`` names the device of each section that has a wire."""
        settings = configuration.operation.service
        self._run_id, self._program = run_id, program
        self._clock, self._say = clock, say
        self._shown = PublishedState(configuration, run_id, roles)
        limits = RequestLimits(
            settings.requests_per_s, settings.requests_at_once, settings.most_bytes
        )
        self._admission = Admission(run_id, limits)
        folder = Path(settings.keys_folder)
        key = server_key(folder)
        records = Path(configuration.operation.records.folder)
        self._known = KnownKeys(folder, records if records.exists() else Path(), say)
        self._sockets: Sockets | None = Sockets(settings, key, self._admitted)
        self._request: Callable[[Request], None] = lambda request: None
        self._end: Callable[[], None] = lambda: None
        self._blocking: Callable[[SessionTrigger], tuple[str, ...]] = lambda trigger: ()
        self._disk: RecordingProgress | None = None
        self._asking: Request | None = None
        self._answered: Sequence[Output] | None = None
        self._tick_rate, self._late = Rate(), Lengths()
        self._hops = {"sample age": Lengths(), "tick": Lengths(), "service": Lengths()}
        self._ticks = self._skipped = self._published = 0
        self._due_ns: int | None = None
        self._tick_ns = round(1e9 / configuration.controller.timing.tick_hz)
        self._accepted: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._quiet_until_ns: dict[str, int] = {}
        self._health: Health | None = None
        self._state_ns = self._model_ns = self._health_ns = -1
        self._refits = 0
        self._requests_at = self._sockets.requests_at
        self._state_at = self._sockets.state_at
        say(f"service: requests at {self._requests_at}, state at {self._state_at}")
        if not len(self._known):
            say(f"service: no key is known in {folder}; make one with tidetrack keys new")

    def serve(
        self,
        request: Callable[[Request], None],
        end: Callable[[], None],
        blocking: Callable[[SessionTrigger], tuple[str, ...]],
        disk: RecordingProgress | None = None,
    ) -> None:
        """Connect the run: how to make a request, how to end it, which faults refuse a request."""
        self._request, self._end, self._blocking, self._disk = request, end, blocking, disk

    @property
    def requests_at(self) -> str:
        """The address requests are taken at."""
        return self._requests_at

    @property
    def state_at(self) -> str:
        """The address the state is published at."""
        return self._state_at

    def page_is_at(self, address: str) -> None:
        """Publish the address of the console page from now on; any thread may call this."""
        self._shown.page = address

    def __enter__(self) -> Self:
        self._known.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._known.__exit__()
        self._close()

    # The daemon's side ------------------------------------------------------------------------

    def observe(self, event: Event, outputs: Sequence[Output]) -> None:
        """Note an event and the outputs that followed from it; never raises."""
        if self._sockets is None:
            return
        try:
            if event is self._asking:
                self._answered = outputs
            if isinstance(event, Tick):
                self._note_tick(event)
            self._shown.observe(event, outputs)
        except Exception as error:
            self._report_defect(error)

    def on_tick_end(self, now_ns: int) -> None:
        """Serve clients at the end of the tick that began at ``now_ns``; never waits or raises."""
        if self._sockets is None:
            return
        try:
            began_ns = self._clock()
            self._hops["tick"].add(now_ns, began_ns - now_ns)
            self._sockets.let_in(HANDSHAKES_A_TICK)
            for _ in range(REQUESTS_A_TICK):
                asked = self._sockets.asked()
                if asked is None:
                    break
                self._hear(self._sockets, asked)
            self._show(self._sockets, now_ns)
            self._hops["service"].add(now_ns, self._clock() - began_ns)
        except Exception as error:  # a defect of the service must not end a run
            self._report_defect(error)

    def _note_tick(self, tick: Tick) -> None:
        if self._due_ns is not None:
            self._skipped += max(0, (tick.due_ns - self._due_ns) // self._tick_ns - 1)
        self._due_ns = tick.due_ns
        self._ticks += 1
        self._tick_rate.add(tick.t_ns)
        self._late.add(tick.t_ns, tick.t_ns - tick.due_ns)
        newest_ns = self._shown.devices.newest_breath_ns
        if newest_ns is not None:
            self._hops["sample age"].add(tick.t_ns, tick.t_ns - newest_ns)

    def _report_defect(self, error: Exception) -> None:
        """Report a defect of the service, at most once a second; the service goes on."""
        now_ns = self._clock()
        if now_ns >= self._quiet_until_ns.get("", -1):
            self._quiet_until_ns[""] = now_ns + QUIET_NS
            self._say(f"warning: service: {type(error).__name__}: {error}")

    def _close(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None

    # Requests ---------------------------------------------------------------------------------

    def _admitted(self, public: str, host: str) -> bool:
        if self._known.of(public) is not None:
            return True
        self._complain(public, f"key {public} from {host} is not known: not let in")
        return False

    def _hear(self, sockets: Sockets, asked: Asked) -> None:
        key = self._known.of(asked.public)
        state = self._shown.session
        judged = self._admission.judge(asked.data, key, state, self._clock())
        if isinstance(judged, Hello):
            assert key is not None
            welcome = Welcome(
                run_id=self._run_id,
                program=self._program,
                roles=key.roles,
                publish_port=int(self._state_at.rpartition(":")[2]),
            )
            sockets.answer(asked.sender, _encode(welcome))
            return
        if isinstance(judged, Ask):
            assert key is not None
            answer = self._obey(judged, key)
            self._count(answer, judged.role)
        else:
            answer = msgspec.structs.replace(judged, state=state.value)
            self._count(answer, None if key is None else key.roles[-1])
            name = "unknown" if key is None else key.name
            self._complain(asked.public, f"request refused, key {name}: {answer.reason}")
        sockets.answer(asked.sender, _encode(answer))

    def _obey(self, ask: Ask, key: KnownKey) -> Answer:
        """Pass an admitted request on; the engine's notice says why it was not obeyed."""
        if ask.name == STATUS:
            return self._yes(ask)
        who = f"{ask.who} ({ask.role}, key {key.name})"
        if ask.name == END:
            self._note("info", f"request: end by {who}")
            self._end()
            return self._yes(ask)
        request = Request(self._clock(), ask.name, who, ask.request_id)
        self._asking, self._answered = request, None
        try:
            self._request(request)
            outputs = self._answered
        finally:
            self._asking = self._answered = None
        said = "the controller failed" if outputs is None else _objection(outputs)
        self._say(f"request: {ask.name} by {who}: {said or 'accepted'}")
        if said:
            answer = refusal(ask.request_id, said)
            return msgspec.structs.replace(answer, state=self._shown.session.value)
        return self._yes(ask)

    def _yes(self, ask: Ask) -> Answer:
        state = self._shown.session.value
        return Answer(request_id=ask.request_id, accepted=True, state=state)

    def _count(self, answer: Answer, role: str | None) -> None:
        counts = self._accepted if answer.accepted else self._refused
        counts[role or "unknown"] += 1

    def _complain(self, who: str, text: str) -> None:
        """Report that something was refused, at most once a second for each key."""
        now_ns = self._clock()
        if now_ns < self._quiet_until_ns.get(who, -1):
            return
        if len(self._quiet_until_ns) > 1000:
            self._quiet_until_ns.clear()
        self._quiet_until_ns[who] = now_ns + QUIET_NS
        self._note("warning", text)

    def _note(self, level: str, text: str) -> None:
        self._say(text if level == "info" else f"{level}: {text}")
        self._shown.say(self._clock(), level, text)

    # State ------------------------------------------------------------------------------------

    def _show(self, sockets: Sockets, now_ns: int) -> None:
        shown = self._shown
        while shown.said:
            self._send(sockets, b"log", shown.said.popleft())
        if shown.refits != self._refits or now_ns - self._model_ns >= MODEL_NS:
            self._refits, self._model_ns = shown.refits, now_ns
            model = shown.model(now_ns)
            if model is not None:
                self._send(sockets, b"model", model)
        if now_ns // PERIOD_NS != self._state_ns // PERIOD_NS:
            self._state_ns = now_ns
            state = shown.state(now_ns, self._blocking, self._healthy(now_ns))
            self._send(sockets, b"state", state)

    def _send(self, sockets: Sockets, topic: bytes, record: Record) -> None:
        self._published += 1
        sockets.publish(topic, _encode(record))

    def _healthy(self, now_ns: int) -> Health:
        """Return the figures of the daemon; they are computed once a second."""
        if self._health is not None and now_ns - self._health_ns < HEALTH_NS:
            return self._health
        self._health_ns = now_ns
        p50, p99, most = self._late.quantiles_ms(now_ns, 0.5, 0.99, 1.0)
        recorder = None if self._disk is None else self._disk.recorder
        failed = self._disk is not None and bool(self._disk.failure)
        shown = self._shown
        self._health = Health(
            tick_hz=round(self._tick_rate.per_s(now_ns), 2),
            late_p50_ms=p50,
            late_p99_ms=p99,
            late_max_ms=most,
            skipped_ticks=self._skipped,
            recording=shown.recording and not failed,
            journal_queue=0 if recorder is None else recorder.sent - recorder.acknowledged,
            disk_free_bytes=self._known.disk_free_bytes,
            hops=tuple(_hop(name, seen, now_ns) for name, seen in self._hops.items()),
            ticks_total=self._ticks,
            holds_total=shown.holds,
            faults_total=shown.faults_seen,
            bad_samples_total=shown.devices.bad_total,
            samples_total=shown.devices.samples,
            accepted_total=dict(self._accepted),
            refused_total=dict(self._refused),
            published_total=self._published,
            resident_bytes=_resident_bytes(),
        )
        return self._health


def _hop(name: str, seen: Lengths, now_ns: int) -> Hop:
    p50, p99 = seen.quantiles_ms(now_ns, 0.5, 0.99)
    return Hop(name=name, p50_ms=p50, p99_ms=p99, count=len(seen))


def _objection(outputs: Sequence[Output]) -> str:
    """Return the engine's reason for not obeying; empty if it obeyed."""
    said = [o.text for o in outputs if isinstance(o, Notice) and o.level != "info"]
    return "; ".join(said)


def _resident_bytes() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")

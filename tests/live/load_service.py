"""A run that tracks, idle and then beset by clients: how late its ticks are, and what was held.

    python -m tests.live.load_service --seconds 60 --rounds 2

Room, run, page server and all clients share this machine. Spans without and with clients take
turns, so that what else the machine does meanwhile falls on both. Exits with 1 when anything was
disturbed, or a request was accepted that should not be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.live.machine_load import MachineLoad
from tests.live.processes import ROOT
from tests.live.undisturbed import Span, Undisturbed, read_run, replayed
from tests.live.web.stand import Stand, stand
from tracker.api.keys import new_key
from tracker.api.schema import Role, State
from tracker.client import Client, ClientError
from tracker.core import session

WINDOW_S = 5.0
"""What the run's own quantiles look back on."""
LIMIT_S = 180.0
SURE_MM = 15.0
"""So wide a tolerance that only trouble of the service holds the beam."""
CLIENTS_NICE = 5
"""Of the clients' processes: elsewhere they have a machine of their own."""


class Load(NamedTuple):
    """What was measured; two of each: without clients, and with them."""

    idle: Undisturbed
    beset: Undisturbed
    idle_hop_ms: tuple[float, float]
    """Tick to demand, p50 and p99: the median of the run's own figures, one for each 5 s."""
    beset_hop_ms: tuple[float, float]
    whole: Undisturbed
    exit_code: int | None
    """Of the run, told to stop."""
    replay: str
    clients: list[dict[str, Any]]
    accepted: dict[str, int]
    refused: dict[str, int]
    taken_ms: float
    """How long, in all, the machine kept a waiting program from a processor."""
    starved: bool
    """Whether it did for so long at once that the run may have had to hold."""

    @property
    def ratio(self) -> float:
        """Of the 99th percentiles of lateness."""
        return self.beset.quantile_ms(0.99) / self.idle.quantile_ms(0.99)

    def wrong(self) -> list[str]:
        """What should not be."""
        return [
            *(f"lease ran out at {at:.2f} s" for at in self.whole.lapses),
            *(f"held at {held}" for held in self.held_by_clients),
            *(["the gate says a lease lapsed"] * bool(self.whole.lapsed_at_gate)),
            *([f"the run ended with {self.exit_code}"] * (self.exit_code != 0)),
            *([f"replay: {self.replay}"] * (not self.replay.startswith("identical"))),
            *(
                f"accepted {count} of role {role}"
                for role, count in self.accepted.items()
                if (role, count) != ("observer", self.accepted_rightly)
            ),
        ]

    @property
    def held_by_clients(self) -> list[str]:
        """Holds that clients can have caused: those that no doubt about the target explains.

        The model is made from few shots, so that the session begins soon; it may be unsure.
        """
        unsure = {fault.split(" s: ")[0] for fault in self.whole.faults if "target unsure" in fault}
        return [held for held in self.whole.holds if held.split(" s: ")[0] not in unsure]

    @property
    def accepted_rightly(self) -> int:
        """One right request for each process of nuisances, before it is replayed."""
        return sum("replayed" in seen for seen in self.clients)

    def describe(self) -> str:
        """For people."""
        lines = [
            f"lateness, idle   {self.idle.describe()}",
            f"lateness, beset  {self.beset.describe()}",
            f"ratio of p99     {self.ratio:.2f}",
            "tick to demand, idle   p50 {:.2f}  p99 {:.2f} ms".format(*self.idle_hop_ms),
            "tick to demand, beset  p50 {:.2f}  p99 {:.2f} ms".format(*self.beset_hop_ms),
            f"beam permitted {self.whole.tracked_s:.0f} s, faults: {self.whole.faults or 'none'}",
            f"replay: {self.replay}",
            f"the machine kept a waiting program from a processor for {self.taken_ms:.0f} ms",
            *map(json.dumps, self.clients),
            f"accepted {self.accepted}, refused {self.refused}",
            *(f"WRONG: {each}" for each in self.wrong()),
        ]
        return "\n".join(lines)


class Watch:
    """One more subscriber, which keeps the newest state; a context manager."""

    def __init__(self, requests: str, key: Path) -> None:
        self._client = Client(requests, key)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self.newest: State | None = None

    def until(self, session_state: session.SessionState, permitted: bool) -> State:
        """Wait for a state of the session."""
        until_s = time.monotonic() + LIMIT_S
        while time.monotonic() < until_s:
            state = self.newest
            if state and state.session == session_state and state.beam.permitted >= permitted:
                return state
            time.sleep(0.05)
        raise AssertionError(f"no {session_state} but {self.newest}")

    def now(self) -> State:
        """The newest state."""
        assert self.newest is not None
        return self.newest

    def span(self, seconds: float) -> tuple[Span, list[tuple[float, float]]]:
        """So many seconds from now, and how long tick to demand took in each window of them."""
        since_ns = self.now().t_ns
        hops: list[tuple[float, float]] = []
        for _ in range(max(1, round(seconds / WINDOW_S))):
            time.sleep(min(WINDOW_S, seconds))
            (hop,) = (hop for hop in self.now().health.hops if hop.name == "tick")
            hops.append((hop.p50_ms, hop.p99_ms))
        return (since_ns, self.now().t_ns), hops

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10.0)
        self._client.close()

    def _look(self) -> None:
        with contextlib.suppress(ClientError):
            for state in self._client.states(silence_s=5.0):
                self.newest = state
                if self._ended.is_set():
                    return
                time.sleep(0.02)


@contextlib.contextmanager
def clients(seen: list[dict[str, Any]], *arguments: object) -> Iterator[None]:
    """A process of clients, for as long as the context lasts; what it saw is put into ``seen``."""
    command = [sys.executable, "-m", "tests.live.load_clients", *map(str, arguments)]
    process = subprocess.Popen(
        ["nice", "-n", str(CLIENTS_NICE), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"{arguments[0]}: not served"
            yield
            words, _ = process.communicate(timeout=LIMIT_S)
            seen.append({"kind": arguments[0], **json.loads(words)})
        finally:
            process.kill()


@contextlib.contextmanager
def everybody(
    at: Stand, key: Path, count: tuple[int, int], seen: list[dict[str, Any]]
) -> Iterator[None]:
    """Subscribers, pages and nuisances, until the context is left."""
    with (
        clients(seen, "subscribers", at.ready.requests, key, count[0]),
        clients(seen, "pages", at.ready.page, at.token, count[1]),
        clients(seen, "nuisances", at.ready.requests, key, at.ready.page, at.token),
    ):
        yield


def measure(
    folder: Path, seconds: float, rounds: int, count: tuple[int, int], options: Sequence[object]
) -> Load:
    """Track, idle and beset in turns."""
    changes = {"room": {"duration_s": 3600.0}, "gating": {"tolerance_mm": SURE_MM}}
    seen: list[dict[str, Any]] = []
    spans: tuple[list[Span], list[Span]] = ([], [])
    hops: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    key = new_key(folder / "keys", "many", [Role.OBSERVER])
    with MachineLoad() as load, stand(folder, changes, ("--operator", "auto", *options)) as at:
        with Watch(at.ready.requests, key) as watch:
            since_ns = watch.until(session.SessionState.TRACKING, permitted=True).t_ns
            began_ns = time.monotonic_ns()
            for _ in range(rounds):
                for which in (0, 1):
                    with everybody(at, key, count, seen) if which else contextlib.nullcontext():
                        time.sleep(WINDOW_S)  # what came before is not in the run's figures
                        span, of_tick = watch.span(seconds)
                    spans[which].append(span)
                    hops[which].extend(of_tick)
            last = watch.now()
            ended_ns = time.monotonic_ns()
        journal = at.journal
    return Load(
        idle=read_run(journal, spans[0]),
        beset=read_run(journal, spans[1]),
        idle_hop_ms=middle(hops[0]),
        beset_hop_ms=middle(hops[1]),
        whole=read_run(journal, [(since_ns, last.t_ns)]),
        exit_code=at.run.returncode,
        replay=replayed(journal),
        clients=seen,
        accepted=dict(last.health.accepted_total),
        refused=dict(last.health.refused_total),
        taken_ms=load.taken_ms(began_ns, ended_ns),
        starved=load.starved(began_ns, ended_ns),
    )


def middle(hops: list[tuple[float, float]]) -> tuple[float, float]:
    """The medians."""
    return (statistics.median(p50 for p50, _ in hops), statistics.median(p99 for _, p99 in hops))


def main(arguments: list[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of one span (default 60)")
    parser.add_argument("--rounds", type=int, default=2, help="spans of each kind (default 2)")
    parser.add_argument("--subscribers", type=int, default=200)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--priority", type=int, default=0, help="of the run, as for tidetrack run")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        count = (args.subscribers, args.pages)
        options = ("--priority", args.priority)
        load = measure(Path(folder), args.seconds, args.rounds, count, options)
    print(load.describe())
    within = load.ratio <= 2.0
    if not within:
        print("WRONG: ticks are more than twice as late as idle")
    return 0 if within and not load.wrong() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Requests of every wrong kind over the real sockets, judged by an oracle of its own.

    python -m tests.live.fuzz_requests --count 100000 --seed 1

Each message goes through ZeroMQ, admission, roles and the engine; what must come of it is worked
out beside them, with the standard library's JSON and sets of words. Exits with 1 when anything was
accepted that should not be, or refused that should not be, or answered with another state.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.live.service_stand import Raw, ServiceStand, ask
from tracker.core.session import SessionState

Words = dict[str, Any]
ROLE_OF = {"olga": "observer", "oscar": "operator", "petra": "physicist", "console": "service"}
WORKFLOW = {"model", "expose", "start", "hold", "resume", "stop"}
FOR = {
    "observer": {"status"},
    "operator": {"status"} | WORKFLOW,
    "physicist": {"status", "reset"} | WORKFLOW,
    "service": {"status", "end"},
}
LEADS_TO: dict[tuple[str, str], str] = {
    ("IDLE", "model"): "MODELLING", ("READY", "model"): "MODELLING",
    ("MODELLING", "expose"): "MODELLING", ("READY", "expose"): "READY",
    ("TRACKING", "expose"): "TRACKING", ("HOLDING", "expose"): "HOLDING",
    ("READY", "start"): "TRACKING", ("TRACKING", "hold"): "HOLDING",
    ("HOLDING", "hold"): "HOLDING", ("HOLDING", "resume"): "TRACKING",
    ("IDLE", "reset"): "IDLE", ("MODELLING", "reset"): "IDLE",
    ("READY", "reset"): "IDLE", ("STOPPED", "reset"): "IDLE",
    ("IDLE", "end"): "IDLE", ("STOPPED", "end"): "STOPPED",
    **{(state.value, "stop"): "STOPPED" for state in SessionState},
    **{(state.value, "status"): state.value for state in SessionState},
}  # fmt: skip
"""What obeying leads to; nothing else is obeyed."""
FIELDS = {"type", "version", "request_id", "nonce", "run_id", "name", "role", "who"}
NAMES = (*sorted(WORKFLOW), "status", "end", "reset", "connect", "fault: stop", "model ready", "")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, 2**63, 2**200, "", "x", "x" * 65, "x" * 3000, "é" * 40,
    "\ud83d\ude00", "\u202e", "a\nb", "\x00", [], [[]], {}, {"a": 1}, ["stop"], "physicist", "stop",
)  # fmt: skip
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Oracle:
    """Says what must come of a message, from words alone."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._used: dict[str, set[str]] = {name: set() for name in ROLE_OF}

    def expects(self, name: str, parts: tuple[bytes, ...], state: str) -> tuple[bool, str]:
        """Whether it is accepted from this key in this state, and the state after it."""
        words = self._words(parts)
        if words is None or words["run_id"] != self._run_id:
            return False, state
        if words["nonce"] in self._used[name]:
            return False, state
        self._used[name].add(words["nonce"])
        role = words["role"]
        if role != ROLE_OF[name] and ROLE_OF[name] != "service":
            return False, state
        after = LEADS_TO.get((state, words["name"]))
        if words["name"] not in FOR[role] or after is None:
            return False, state
        return True, after

    def _words(self, parts: tuple[bytes, ...]) -> Words | None:
        """The words of a request that is whole in form, version included."""
        if len(parts) != 1:
            return None
        try:
            words = json.loads(parts[0].decode("utf-8"), parse_constant=_no_number)
        except (ValueError, RecursionError):
            return None
        if not isinstance(words, dict) or words.get("type") != "Ask":
            return None
        words.setdefault("version", 1)
        if set(words) != FIELDS or type(words["version"]) is not int or words["version"] != 1:
            return None
        rest = [words[field] for field in FIELDS - {"version"}]
        if not all(isinstance(text, str) for text in rest):
            return None
        for field in ("request_id", "run_id", "who"):
            if not 1 <= len(words[field]) <= 64 or _CONTROL.search(words[field]):
                return None
        known = words["role"] in FOR and re.fullmatch("[a-z][a-z0-9_-]{0,63}", words["name"])
        return words if known and 16 <= len(words["nonce"]) <= 64 else None


def _no_number(text: str) -> None:
    raise ValueError(text)


class Mutations:
    """Ways to be wrong, and one to be right."""

    def __init__(self, chance: random.Random, run_id: str) -> None:
        self._chance = chance
        self._run_id = run_id
        self._sent: list[bytes] = []

    def next(self, name: str) -> tuple[str, tuple[bytes, ...]]:
        """A message for a key, and how it is wrong."""
        chance = self._chance
        role = ROLE_OF[name] if chance.random() < 0.7 else chance.choice(list(FOR))
        words = ask(self._run_id, chance.choice(NAMES), role)
        kind, make = chance.choice(KINDS)
        parts = make(self, words)
        if kind == "right":
            self._sent.append(parts[0])
            del self._sent[:-200]
        return kind, parts

    def right(self, words: Words) -> tuple[bytes, ...]:
        return (json.dumps(words).encode(),)

    def value(self, words: Words) -> tuple[bytes, ...]:
        words[self._chance.choice(sorted(FIELDS))] = self._chance.choice(VALUES)
        return self.right(words)

    def missing(self, words: Words) -> tuple[bytes, ...]:
        del words[self._chance.choice(sorted(FIELDS))]
        return self.right(words)

    def added(self, words: Words) -> tuple[bytes, ...]:
        words[self._chance.choice(("force", "Role", "roles", "", "who "))] = "physicist"
        return self.right(words)

    def flipped(self, words: Words) -> tuple[bytes, ...]:
        data = bytearray(self.right(words)[0])
        for _ in range(self._chance.randint(1, 4)):
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        return (bytes(data),)

    def cut(self, words: Words) -> tuple[bytes, ...]:
        data = self.right(words)[0]
        return (data[: self._chance.randrange(len(data))],)

    def glued(self, words: Words) -> tuple[bytes, ...]:
        data = self.right(words)[0]
        return (data + self._chance.choice((b"x", data, b"\x00", b" {}", b"]")),)

    def noise(self, words: Words) -> tuple[bytes, ...]:
        return (self._chance.randbytes(self._chance.randrange(400)),)

    def nested(self, words: Words) -> tuple[bytes, ...]:
        return (self._chance.choice((b"[", b'{"a":', b'{"type":"Ask","who":[')) * 150,)

    def again(self, words: Words) -> tuple[bytes, ...]:
        return (self._chance.choice(self._sent),) if self._sent else self.right(words)

    def other_run(self, words: Words) -> tuple[bytes, ...]:
        words["run_id"] = self._chance.choice((secrets.token_hex(8), self._run_id.upper() + "0"))
        return self.right(words)

    def several(self, words: Words) -> tuple[bytes, ...]:
        data = self.right(words)[0]
        return self._chance.choice(((data, data), (b"", data), (data, b""), (b"", b"", data)))

    def other_type(self, words: Words) -> tuple[bytes, ...]:
        words["type"] = self._chance.choice(("Hello ", "Answer", "State", "ask", "Welcome"))
        return self.right(words)


KINDS: tuple[tuple[str, Callable[[Mutations, Words], tuple[bytes, ...]]], ...] = (
    *(("right", Mutations.right) for _ in range(6)),
    ("value", Mutations.value),
    ("value", Mutations.value),
    ("missing", Mutations.missing),
    ("added", Mutations.added),
    ("flipped", Mutations.flipped),
    ("flipped", Mutations.flipped),
    ("cut", Mutations.cut),
    ("glued", Mutations.glued),
    ("noise", Mutations.noise),
    ("nested", Mutations.nested),
    ("again", Mutations.again),
    ("other run", Mutations.other_run),
    ("several", Mutations.several),
    ("other type", Mutations.other_type),
)


class Outcome:
    """What was found: how many of each kind, how many accepted, and every disagreement."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.wrong: list[str] = []


def fuzz(folder: Path, count: int, seed: int) -> Outcome:
    """Send so many messages, one after the other, and judge each answer."""
    chance = random.Random(seed)
    outcome = Outcome()
    # The clock hurries, so that the rate of a key is no limit here; it has tests of its own.
    with ServiceStand(folder, pause_s=0.0, hurry=100_000) as stand:
        clients = {name: Raw(stand, stand.keys[name]) for name in ROLE_OF}
        oracle, mutations = Oracle(stand.run_id), Mutations(chance, stand.run_id)
        state = "IDLE"
        try:
            for number in range(count):
                if number % 5 == 0:
                    state = chance.choice(list(SessionState)).value
                    stand.put(SessionState(state))
                name = chance.choice(list(ROLE_OF))
                kind, parts = mutations.next(name)
                expected, after = oracle.expects(name, parts, state)
                clients[name].send(*parts)
                answer = clients[name].answer(10.0)
                outcome.kinds[kind] += 1
                outcome.accepted[kind] += bool(answer and answer["accepted"])
                got = answer and (answer["accepted"], answer["state"] or state)
                if got != (expected, after) or stand.engine.state.value != after:
                    outcome.wrong.append(f"{kind} from {name} in {state}: {parts} -> {answer}")
                    state = stand.engine.state.value
                else:
                    state = after
        finally:
            for client in clients.values():
                client.context.destroy(linger=0)
    return outcome


def main(arguments: list[str]) -> int:
    """Fuzz and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = fuzz(Path(folder), args.count, args.seed)
    for kind, count in sorted(outcome.kinds.items()):
        print(f"{kind:<12} {count:7d} sent {outcome.accepted[kind]:7d} accepted")
    total = sum(outcome.accepted.values())
    print(f"{args.count} requests in {time.monotonic() - began:.0f} s, {total} accepted")
    print(f"{len(outcome.wrong)} otherwise than they should be", *outcome.wrong[:10], sep="\n")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

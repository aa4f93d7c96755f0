"""Decide whether a message from a client becomes a request, and say why when it does not.

There is no I/O and no clock here. A message that is not admitted gets an answer that says why. Hold
and stop are counted apart, so that other requests, however many, cannot keep them out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from tracker.api import roles
from tracker.api.keys import KnownKey
from tracker.api.schema import VERSION, Answer, Ask, Hello
from tracker.core import session
from tracker.core.session import SessionState, SessionTrigger

URGENT: Final = frozenset({SessionTrigger.HOLD.value, SessionTrigger.STOP.value})
"""Requests in the safe direction."""

_decoder = msgspec.json.Decoder(Ask | Hello, strict=True)


class RequestLimits(NamedTuple):
    """What one key may use up in one run."""

    per_s: float
    burst: int
    most_bytes: int
    most_nonces: int = 100_000


class _Bucket:
    """A number of tokens that refills at a steady rate."""

    __slots__ = ("_at_ns", "_tokens")

    def __init__(self, now_ns: int, burst: int) -> None:
        self._at_ns = now_ns
        self._tokens = float(burst)

    def spend(self, now_ns: int, limits: RequestLimits) -> bool:
        """Refill the bucket up to now and spend one token; return False when none is left."""
        passed_s = max(0, now_ns - self._at_ns) / 1e9
        self._tokens = min(float(limits.burst), self._tokens + passed_s * limits.per_s)
        self._at_ns = now_ns
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Admission:
    """Admits requests, and counts for one run what each key has used."""

    def __init__(self, run_id: str, limits: RequestLimits) -> None:
        self._run_id = run_id
        self._limits = limits
        self._buckets: dict[tuple[str, bool], _Bucket] = {}
        self._nonces: dict[str, set[str]] = {}

    def judge(
        self, data: bytes, key: KnownKey | None, state: SessionState, now_ns: int
    ) -> Ask | Hello | Answer:
        """Return the request if it is admitted, else an answer that says why it is not."""
        if key is None:
            return refusal("", "this key is not known here; tidetrack keys new makes a key known")
        if len(data) > self._limits.most_bytes:
            return refusal("", f"{len(data)} bytes; at most {self._limits.most_bytes} are read")
        try:
            message = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            message, problem = None, f"not a request of version {VERSION}: {error}"
        else:
            problem = ""
        urgent = isinstance(message, Ask) and message.name in URGENT
        if not self._has_token(key, urgent, now_ns):
            limit = f"{self._limits.per_s:g} a second, {self._limits.burst} at once"
            identity = message.request_id if isinstance(message, Ask) else ""
            return refusal(identity, f"too many requests with this key; the limit is {limit}; wait")
        if message is None:
            return refusal("", problem)
        if message.version != VERSION:
            identity = message.request_id if isinstance(message, Ask) else ""
            return refusal(
                identity, f"version {message.version}; this daemon speaks version {VERSION}"
            )
        if isinstance(message, Hello):
            return message
        reason = self._refused(message, key, state, urgent)
        return refusal(message.request_id, reason) if reason else message

    def _refused(self, ask: Ask, key: KnownKey, state: SessionState, urgent: bool) -> str:
        """Return why a well-formed request is not admitted; an empty text: it is."""
        if ask.run_id != self._run_id:
            return "made for another run of the daemon; look at the state, then ask again"
        if trouble := self._spent(ask.nonce, key, urgent):
            return trouble
        if not roles.may_act_as(key.roles, ask.role):
            has = ", ".join(key.roles)
            return f"key {key.name} may not act as {ask.role}; it may act as {has}"
        if not roles.may_ever(ask.role, ask.name):
            return f"the role {ask.role} may not ask for {ask.name}"
        if roles.may(ask.role, state, ask.name) or _session_refuses(state, ask.name):
            return ""
        return f"the role {ask.role} may not ask for {ask.name} while {state}"

    def _has_token(self, key: KnownKey, urgent: bool, now_ns: int) -> bool:
        which = (key.public, urgent)
        bucket = self._buckets.get(which)
        if bucket is None:
            bucket = self._buckets[which] = _Bucket(now_ns, self._limits.burst)
        return bucket.spend(now_ns, self._limits)

    def _spent(self, nonce: str, key: KnownKey, urgent: bool) -> str:
        used = self._nonces.setdefault(key.public, set())
        if nonce in used:
            return "nonce was used before; make a new request with a new nonce"
        if len(used) >= self._limits.most_nonces:
            if urgent:
                return ""  # a repeated hold or stop does no harm
            return f"key {key.name} has made {len(used)} requests of this run; use another key"
        used.add(nonce)
        return ""


def refusal(request_id: str, reason: str) -> Answer:
    """Return an answer that refuses a request."""
    return Answer(request_id=request_id, accepted=False, reason=reason)


def _session_refuses(state: SessionState, name: str) -> bool:
    """Return whether the engine itself refuses the request in this state and records that."""
    try:
        trigger = SessionTrigger(name)
    except ValueError:
        return False
    return trigger in session.REQUESTS and session.after(state, trigger) is session.REFUSED

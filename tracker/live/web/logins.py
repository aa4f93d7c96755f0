"""Who is logged in, and how often a wrong token may be tried.

Logins live in memory: a page server that starts anew knows nobody. The cookie is 256 random
bits, as is the login's own CSRF token, which every request that changes anything must carry.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tracker.api.schema import Role
from tracker.live.web.tokens import Person

MOST_LOGINS = 500
TRIES_S = 60.0
TRIES_OF_ONE = 5
TRIES_OF_ALL = 60


@dataclass(frozen=True, slots=True)
class Login:
    """One person at one browser."""

    who: str
    role: Role
    csrf: str
    sha256: str
    """Of the token it was opened with: another token, or none, ends it."""
    until_s: float
    closed: list[Callable[[], None]] = field(default_factory=list)
    """Called at its end: the open pages of this login."""


class Logins:
    """All of them, by cookie."""

    def __init__(self, hours: float) -> None:
        self._length_s = 3600.0 * hours
        self._by_cookie: dict[str, Login] = {}

    def open(self, person: Person, now_s: float) -> tuple[str, Login]:
        """Log a person in; returns the cookie. The oldest login gives way to too many."""
        while len(self._by_cookie) >= MOST_LOGINS:
            self.close(next(iter(self._by_cookie)))
        cookie = secrets.token_urlsafe(32)
        login = Login(
            person.name,
            person.role,
            secrets.token_urlsafe(32),
            person.sha256,
            now_s + self._length_s,
        )
        self._by_cookie[cookie] = login
        return cookie, login

    def find(self, cookie: str | None, now_s: float) -> Login | None:
        """The login of a cookie; ``None``: there is none, or it is over."""
        if cookie is None:
            return None
        login = self._by_cookie.get(cookie)
        if login is not None and now_s >= login.until_s:
            self.close(cookie)
            return None
        return login

    def close(self, cookie: str) -> None:
        """End a login and its pages."""
        login = self._by_cookie.pop(cookie, None)
        if login is not None:
            for each in tuple(login.closed):
                each()

    def sweep(self, known: Mapping[str, Person], now_s: float) -> None:
        """End what has expired, and the logins of tokens that are gone or another's."""
        for cookie, login in tuple(self._by_cookie.items()):
            person = known.get(login.who)
            now = (None, None) if person is None else (person.sha256, person.role)
            if now != (login.sha256, login.role) or now_s >= login.until_s:
                self.close(cookie)


class Throttle:
    """Counts failed tries of the last minute, of one address and of all."""

    def __init__(self) -> None:
        self._failed: deque[tuple[float, str]] = deque(maxlen=TRIES_OF_ALL)

    def wait_s(self, address: str, now_s: float) -> float:
        """How long this address must wait before it may try again; 0: not at all."""
        while self._failed and now_s - self._failed[0][0] >= TRIES_S:
            self._failed.popleft()
        if len(self._failed) >= TRIES_OF_ALL:
            return TRIES_S - (now_s - self._failed[0][0])
        own = [at_s for at_s, who in self._failed if who == address]
        return TRIES_S - (now_s - own[-TRIES_OF_ONE]) if len(own) >= TRIES_OF_ONE else 0.0

    def failed(self, address: str, now_s: float) -> None:
        """A token was wrong."""
        self._failed.append((now_s, address))

"""The logins, and the limit of wrong tokens.

Logins are kept in memory only: after a restart of the page server everybody must log in again. The
cookie has 256 random bits. So has the CSRF token of the login, which every request that changes
anything must carry.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tracker.api.schema import Role
from tracker.api.tokens import Person

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
    """Of the token used; the login ends when the person has another token, or none."""
    until_s: float
    closed: list[Callable[[], None]] = field(default_factory=list)
    """Called when the login ends: they close its open pages."""


class Logins:
    """The logins by cookie."""

    def __init__(self, hours: float) -> None:
        self._length_s = 3600.0 * hours
        self._by_cookie: dict[str, Login] = {}

    def open(self, person: Person, now_s: float) -> tuple[str, Login]:
        """Log a person in and return the cookie; ends the oldest login if there are too many."""
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
        """Return the login of a cookie; ``None`` if there is none or it has expired."""
        if cookie is None:
            return None
        login = self._by_cookie.get(cookie)
        if login is not None and now_s >= login.until_s:
            self.close(cookie)
            return None
        return login

    def close(self, cookie: str) -> None:
        """End a login and close its pages."""
        login = self._by_cookie.pop(cookie, None)
        if login is not None:
            for each in tuple(login.closed):
                each()

    def sweep(self, known: Mapping[str, Person], now_s: float) -> None:
        """End the logins that have expired or whose token was revoked or replaced."""
        for cookie, login in tuple(self._by_cookie.items()):
            person = known.get(login.who)
            now = (None, None) if person is None else (person.sha256, person.role)
            if now != (login.sha256, login.role) or now_s >= login.until_s:
                self.close(cookie)


class Throttle:
    """Counts the wrong tokens of the last minute, for each address and in all."""

    def __init__(self) -> None:
        self._failed: deque[tuple[float, str]] = deque(maxlen=TRIES_OF_ALL)

    def wait_s(self, address: str, now_s: float) -> float:
        """Return the seconds this address must wait before it may try again; 0: none."""
        while self._failed and now_s - self._failed[0][0] >= TRIES_S:
            self._failed.popleft()
        if len(self._failed) >= TRIES_OF_ALL:
            return TRIES_S - (now_s - self._failed[0][0])
        own = [at_s for at_s, who in self._failed if who == address]
        return TRIES_S - (now_s - own[-TRIES_OF_ONE]) if len(own) >= TRIES_OF_ONE else 0.0

    def failed(self, address: str, now_s: float) -> None:
        """Count a wrong token."""
        self._failed.append((now_s, address))

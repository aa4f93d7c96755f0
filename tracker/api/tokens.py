"""Who may log in: one file per person, with a role and the SHA-256 of a token that is shown once.

A token is ``NAME.SECRET``; the secret has 256 random bits, so a plain hash protects it. The folder
has mode 0700, a file 0600. Deleting a file logs its person out within seconds.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from tracker.api.keys import NOT_READABLE
from tracker.api.schema import Role

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
MOST_DAYS = 366
_NOBODY = "0" * 64


class TokenError(Exception):
    """The tokens cannot be used as they are; the message says what to do."""


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a file: name, role, hash of the token, and its dates (ISO 8601, UTC)."""

    name: str
    role: Role
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    made: datetime.datetime
    expires: datetime.datetime


class People(NamedTuple):
    """Everybody with a valid file, and one line for each file that is invalid."""

    by_name: dict[str, Person]
    problems: tuple[str, ...]


def new_token(
    folder: Path, name: str, role: Role, days: int, now: datetime.datetime | None = None
) -> str:
    """Make a token for a person and return it; it is stored nowhere. Raises `TokenError`."""
    if not NAME.fullmatch(name):
        raise TokenError(f"name {name!r}: write a small letter, then letters, digits, - or _")
    if not 1 <= days <= MOST_DAYS:
        raise TokenError(f"--days {days}: must be 1 to {MOST_DAYS}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_writable(folder)
    path = folder / f"{name}.json"
    secret = secrets.token_urlsafe(32)
    made = (now or datetime.datetime.now(datetime.UTC)).replace(microsecond=0)
    person = Person(
        name=name,
        role=role,
        sha256=_hash(secret),
        made=made,
        expires=made + datetime.timedelta(days=days),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise TokenError(
            f"{path}: {name} has a token; tidetrack tokens revoke {name}, then make a new one"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(person)) + b"\n")
    return f"{name}.{secret}"


def revoke_token(folder: Path, name: str) -> Path:
    """Delete a person's token; return the deleted file. Raises `TokenError`."""
    path = folder / f"{name}.json"
    if not NAME.fullmatch(name) or not path.exists():
        known = ", ".join(sorted(people(folder).by_name)) or "none"
        raise TokenError(f"{name}: has no token in {folder}; known are {known}")
    path.unlink()
    return path


def people(folder: Path) -> People:
    """Read who may log in. An invalid file lets nobody in and is named in the problems."""
    found: dict[str, Person] = {}
    problems: list[str] = []
    if not folder.is_dir():
        return People(found, (f"{folder}: no such folder; tidetrack tokens new NAME makes it",))
    for path in sorted(folder.glob("*.json")):
        try:
            _refuse_writable(path)
            person = msgspec.json.decode(path.read_bytes(), type=Person)
            if person.name != path.stem or not NAME.fullmatch(person.name):
                raise TokenError(f"{path}: is about {person.name!r}; name the file after it")
        except TokenError as error:
            problems.append(str(error))
        except NOT_READABLE as error:
            problems.append(f"{path}: {error}")
        else:
            found[person.name] = person
    return People(found, tuple(problems))


def whose(token: str, known: dict[str, Person], now: datetime.datetime) -> Person | None:
    """Return the person whose token this is; ``None`` if it is unknown or has expired.

    Takes as long for an unknown name as for a wrong secret.
    """
    name, _, secret = token.partition(".")
    person = known.get(name)
    right = hmac.compare_digest(_hash(secret), _NOBODY if person is None else person.sha256)
    if person is None or not right or now >= person.expires:
        return None
    return person


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _refuse_writable(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise TokenError(f"{path}: others may write there; chmod go-w {path}")

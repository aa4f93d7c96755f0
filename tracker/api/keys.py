"""Manage keys: which clients a daemon knows, and which roles they have.

A folder holds the server's own key (``server.key``, mode 0600) and one file for each known public
key with its roles (``known/NAME.json``). A client has one secret file of its own (``NAME.key``,
mode 0600) with all it needs. A key without a file in ``known`` is refused. Keys are Curve25519,
written in Z85 as ZeroMQ does (RFC 26, RFC 32).
"""

from __future__ import annotations

import datetime
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import zmq

from tracker.api.schema import KEY_ROLES, Role

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
SERVER = "server.key"
KNOWN = "known"
_SECRET_MODE = 0o600
NOT_READABLE = (OSError, ValueError, RecursionError)
"""What reading and decoding a file raises: bytes that are no text are a `ValueError`."""


class KeysError(Exception):
    """Keys cannot be used; the message says what to do."""


class ServerKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The daemon's own pair."""

    public: str
    secret: str


class KnownKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key the daemon knows, and the roles of the client that has its secret key."""

    name: str
    public: str
    roles: tuple[Role, ...]
    made: str
    """ISO 8601, UTC."""


class ClientKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client's own pair, and the public key of the daemon it was made for."""

    name: str
    public: str
    secret: str
    server: str
    roles: tuple[Role, ...]


class Known(NamedTuple):
    """The known keys by public key, and one line for each file that was ignored."""

    keys: dict[str, KnownKey]
    problems: tuple[str, ...]


Key = TypeVar("Key", ServerKey, ClientKey)


def server_key(folder: Path) -> ServerKey:
    """Return the server's key, which is made at first use; it admits no client by itself."""
    path = folder / SERVER
    _own_folder(folder)
    if not path.exists():
        public, secret = _pair()
        _write_secret(path, ServerKey(public=public, secret=secret))
    return _read_secret(path, ServerKey)


def new_key(folder: Path, name: str, roles: Sequence[Role], out: Path | None = None) -> Path:
    """Make a key and make it known; returns the client's secret file (default ``NAME.key``)."""
    if not NAME.fullmatch(name):
        raise KeysError(f"name {name!r}: write a small letter, then letters, digits, - or _")
    if not roles:
        raise KeysError(f"{name}: has no role; give one of {', '.join(KEY_ROLES)}")
    if Role.PATIENT in roles:
        raise KeysError(f"{name}: {Role.PATIENT} is a page; make a token: tidetrack tokens new")
    server = server_key(folder)
    path = out or folder / f"{name}.key"
    known = folder / KNOWN / f"{name}.json"
    for each in (known, path):
        if each.exists():
            raise KeysError(f"{each}: exists already; revoke {name} first, or choose another name")
    public, secret = _pair()
    ordered = tuple(role for role in Role if role in roles)
    key = ClientKey(name=name, public=public, secret=secret, server=server.public, roles=ordered)
    _write_secret(path, key)
    known.parent.mkdir(mode=0o755, exist_ok=True)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    entry = KnownKey(name=name, public=public, roles=ordered, made=made)
    partial = known.with_suffix(".new")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(entry)) + b"\n")
    partial.replace(known)
    return path


def revoke_key(folder: Path, name: str) -> Path:
    """Remove a known key; return the file that was deleted."""
    path = folder / KNOWN / f"{name}.json"
    if not NAME.fullmatch(name) or not path.exists():
        names = sorted(key.name for key in known_keys(folder).keys.values())
        raise KeysError(f"{name}: is not known in {folder}; known are {', '.join(names) or 'none'}")
    path.unlink()
    return path


def known_keys(folder: Path) -> Known:
    """Read the known keys; a faulty file admits nobody and is reported by name."""
    found: dict[str, KnownKey] = {}
    problems: list[str] = []
    for path in sorted((folder / KNOWN).glob("*.json")):
        try:
            _refuse_writable(path)
            key = msgspec.json.decode(path.read_bytes(), type=KnownKey)
            if key.name != path.stem or not NAME.fullmatch(key.name):
                raise KeysError(f"{path}: is about {key.name!r}; name the file after its key")
            if len(key.public) != 40 or key.public in found or not key.roles:
                raise KeysError(f"{path}: public key not whole, twice there, or without a role")
        except KeysError as error:
            problems.append(str(error))
        except NOT_READABLE as error:
            problems.append(f"{path}: {error}")
        else:
            found[key.public] = key
    return Known(found, tuple(problems))


def client_key(path: Path) -> ClientKey:
    """Read a client's secret file."""
    return _read_secret(path, ClientKey)


def _pair() -> tuple[str, str]:
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def _own_folder(folder: Path) -> None:
    """Make the folder if it is missing; refuse one in which other users may write."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = folder / KNOWN
    for each in (folder, known) if known.exists() else (folder,):
        _refuse_writable(each)


def _refuse_writable(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeysError(f"{path}: others may write there; chmod go-w {path}")


def _write_secret(path: Path, key: ServerKey | ClientKey) -> None:
    """Write a file that other users can never read, not even while it is written."""
    data = msgspec.json.format(msgspec.json.encode(key)) + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _SECRET_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _read_secret(path: Path, kind: type[Key]) -> Key:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeysError(f"{path}: others may read it; chmod 600 {path}, or make a new key")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        what = f"{path}: cannot be read ({error.strerror})"
        raise KeysError(f"{what}; make one with tidetrack keys new") from None
    except NOT_READABLE as error:
        raise KeysError(f"{path}: is no key file ({error})") from None

"""`tidetrack ctl`: ask a running daemon for something, for people and scripts at a terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from tracker.api.roles import TABLE
from tracker.api.schema import Role
from tracker.client import REQUESTS, Client
from tracker.config import ConfigurationError
from tracker.live.ready_file import read_ready


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Declare what every command needs that talks to a daemon."""
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="your key (tidetrack keys new)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--at", default=REQUESTS, metavar="ADDRESS", help=f"the daemon (default {REQUESTS})"
    )
    where.add_argument(
        "--ready-file", type=Path, metavar="FILE", help="the daemon whose ready file this is"
    )
    parser.add_argument("--json", action="store_true", help="write JSON")


def address_of(args: argparse.Namespace) -> str:
    """Return where the daemon takes requests, by the arguments of `add_connection`."""
    if args.ready_file is None:
        return args.at
    requests = read_ready(args.ready_file).requests
    if not requests:
        raise ConfigurationError(
            [f"{args.ready_file}: that program takes no requests; set service.enabled = true"]
        )
    return requests


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("request", choices=tuple(TABLE), metavar="REQUEST", help=", ".join(TABLE))
    parser.add_argument("--who", default="", help="the person, for the record (default: the key)")
    parser.add_argument(
        "--role",
        choices=[role.value for role in Role],
        help="act as (default: one of the key's that may ask)",
    )
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Make the request; return 0 if it was accepted, 1 if it was refused."""
    with Client(address_of(args), args.key) as client:
        role = None if args.role is None else Role(args.role)
        answer = client.ask(args.request, who=args.who, role=role)
    if args.json:
        print(msgspec.json.encode(answer).decode())
    else:
        said = "accepted" if answer.accepted else f"refused: {answer.reason}"
        print(f"{args.request}: {said} ({answer.state})")
    return 0 if answer.accepted else 1

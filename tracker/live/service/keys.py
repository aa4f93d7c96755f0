"""`tidetrack keys`: make a key known to a daemon, list who is known, revoke one."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker.api.keys import known_keys, new_key, revoke_key
from tracker.api.schema import KEY_ROLES, Role


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("action", choices=("new", "list", "revoke"), metavar="new|list|revoke")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="name of the key")
    parser.add_argument(
        "--role",
        action="append",
        choices=[role.value for role in KEY_ROLES],
        default=[],
        help="what the key is for; several times for several roles",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("keys"), help="the daemon's service.keys_folder"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="new: the client's file (default FOLDER/NAME.key)"
    )


def run(args: argparse.Namespace) -> int:
    """Make, revoke or list keys; a running daemon notices within a second."""
    match args.action:
        case "new":
            path = new_key(args.folder, args.name, [Role(role) for role in args.role], args.out)
            print(f"{args.name} is known; {path} is its key: give it to nobody else")
        case "revoke":
            print(f"{args.name} is known no more: {revoke_key(args.folder, args.name)} is gone")
        case _:
            return _list(args.folder)
    return 0


def _list(folder: Path) -> int:
    """Print the known keys; return 1 if a file in the folder is wrong."""
    known = known_keys(folder)
    table = Table("name", "roles", "made", "public key")
    for key in known.keys.values():
        table.add_row(*map(escape, (key.name, ", ".join(key.roles), key.made, key.public)))
    Console().print(table)
    for problem in known.problems:
        print(f"lets nobody in: {problem}")
    return 1 if known.problems else 0

"""`tidetrack tokens`: manage who may log in at the console page."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.api.schema import Role
from tracker.api.tokens import MOST_DAYS, new_token, people, revoke_token
from tracker.config import load_configuration
from tracker.daemon_settings import ConsolePage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, does in (
        ("new", "let a person in; the token is shown once and kept nowhere"),
        ("list", "who may log in, as what and until when"),
        ("revoke", "take a person's token away; an open page is logged out within seconds"),
    ):
        each = what.add_parser(name, help=does, description=does, allow_abbrev=False)
        if name != "list":
            each.add_argument("name", metavar="NAME", help="name of the person, as it is recorded")
        if name == "new":
            each.add_argument("--role", choices=[str(role) for role in Role], required=True)
            each.add_argument(
                "--days", type=int, default=90, help=f"valid for, 1 to {MOST_DAYS} (default 90)"
            )
        place = each.add_mutually_exclusive_group()
        place.add_argument("--folder", type=Path, metavar="DIR", help="default: tokens")
        place.add_argument(
            "--config", type=Path, metavar="CONFIG", help="use the folder in its [console] section"
        )


def run(args: argparse.Namespace) -> int:
    """Make, list or revoke tokens; raises `TokenError`."""
    console = (
        ConsolePage() if args.config is None else load_configuration(args.config).operation.console
    )
    folder = args.folder or Path(console.tokens)
    if args.what == "new":
        print(new_token(folder, args.name, Role(args.role), args.days))
    elif args.what == "revoke":
        print(f"{revoke_token(folder, args.name)}: gone")
    else:
        known = people(folder)
        for person in known.by_name.values():
            print(f"{person.name:<24}{person.role.value:<12}until {person.expires:%Y-%m-%d}")
        for problem in known.problems:
            print(problem)
        return 1 if known.problems else 0
    return 0

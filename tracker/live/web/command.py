"""`tidetrack console`: serve the console page of a daemon, in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from tracker.api.tokens import people
from tracker.config import load_configuration
from tracker.daemon_settings import Operation
from tracker.live.ready_file import ReadyFile, ReadyProgram, add_ready_file
from tracker.live.service.metrics import render
from tracker.live.web.context import ConsoleContext
from tracker.live.web.daemon_feed import DaemonFeed
from tracker.live.web.review import Review
from tracker.live.web.server import serving

GIVES_WAY = 5
PARENT_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config",
        type=Path,
        metavar="CONFIG",
        help="the daemon's configuration; [console] sets the page",
    )
    parser.add_argument(
        "--requests", metavar="ADDRESS", help="the daemon's address (default: as in [service])"
    )
    parser.add_argument(
        "--parent", type=int, default=0, metavar="PID", help="end when this process has ended"
    )
    add_ready_file(parser)
    parser.add_argument(
        "--ready-fd",
        type=int,
        metavar="N",
        help="write the same JSON to this open file descriptor and close it, as run does",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop; wait for the daemon if it does not run yet."""
    operation = load_configuration(args.config).operation
    with contextlib.suppress(OSError):
        os.nice(GIVES_WAY)  # many open pages must not delay a tick of the daemon
    requests = args.requests or operation.service.requests
    with ReadyFile(args.ready_file, "console", ("page",), _say) as ready:

        def reached_at(address: str) -> None:
            ready.add(page=address, requests=requests)
            if args.ready_fd is not None:
                told = ReadyProgram(program="console", pid=os.getpid(), page=address)
                os.write(args.ready_fd, msgspec.json.encode(told))
                os.close(args.ready_fd)

        asyncio.run(_serve(operation, requests, args.parent, reached_at))
    return 0


async def _serve(
    operation: Operation, requests: str, parent: int, reached_at: Callable[[str], None]
) -> None:
    settings = operation.console
    feed = DaemonFeed(requests, Path(settings.key), _say)
    review = Review(Path(operation.records.folder))
    context = ConsoleContext(settings, feed, review, lambda state: render([state]).decode())
    known = people(Path(settings.tokens))
    for problem in known.problems:
        _say(f"warning: {problem}")
    if not known.by_name:
        _say("warning: nobody may log in yet; tidetrack tokens new NAME --role operator")
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with serving(context) as address:
        _say(address)
        reached_at(address)
        while not ended.is_set() and parent in (0, os.getppid()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PARENT_S):
                    await ended.wait()


def _say(text: str) -> None:
    print(f"console: {text}", flush=True)

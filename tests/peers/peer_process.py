"""Runs a third-party program beside the event loop and gives back what it printed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).parent / "clients"


async def output_of(*arguments: str, within_s: float = 30.0) -> str:
    """Standard output of a program that must end well in time."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), within_s)
    except TimeoutError:
        process.kill()
        printed, _ = await process.communicate()
        raise AssertionError(f"{arguments[:2]} did not end: {printed.decode()[-2000:]}") from None
    text = printed.decode(errors="replace")
    assert process.returncode == 0, text[-3000:]
    return text


async def client(name: str, settings: dict[str, Any], within_s: float = 30.0) -> dict[str, Any]:
    """What the client script ``clients/<name>.py`` found out."""
    text = await output_of(
        sys.executable, str(CLIENTS / f"{name}.py"), json.dumps(settings), within_s=within_s
    )
    lines = [line for line in text.splitlines() if line.startswith("RESULT ")]
    assert lines, text[-3000:]
    return json.loads(lines[-1][len("RESULT ") :])

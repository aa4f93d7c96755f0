"""A device that runs in a process of its own, as a device of the loop.

A process that ends by itself is started again, with growing pauses; the device is down meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable

from hal.events import Command, LinkChanged
from hal.link_counts import LinkCounts
from tracker.live.devices.device import Device, DeviceFigures, HandOver
from tracker.live.devices.device_builder import build_device
from tracker.live.devices.device_plan import DevicePlan, encode_plan
from tracker.live.devices.process import (
    MOST_BYTES,
    Finish,
    decode_from,
    encode,
)
from tracker.live.own_process import process_environment
from tracker.live.scheduling import Elsewhere

FINISH_S = 3.0


class ProcessLink:
    """Starts the process, passes commands to it and hands over what comes back."""

    def __init__(
        self,
        plan: DevicePlan,
        clock: Callable[[], int],
        hand_over: HandOver,
        elsewhere: Elsewhere = contextlib.nullcontext,
    ) -> None:
        """``elsewhere`` is entered around each start of the process."""
        self.device = plan.device
        self.up = False
        self.counts = LinkCounts()
        self.pid: int | None = None
        self._plan = plan
        self._clock = clock
        self._hand_over = hand_over
        self._elsewhere = elsewhere
        self._pipe: socket.socket | None = None
        self._ended: asyncio.Future[None] | None = None
        self._figures: DeviceFigures | None = None

    async def run(self) -> None:
        """Keep the process going until cancelled, then have it finish."""
        pause_s = 0.2
        while True:
            was_up = await self._once()
            self._down(f"process of {self.device} ended")
            pause_s = 0.2 if was_up else min(2 * pause_s, 5.0)
            await asyncio.sleep(pause_s)

    def obey(self, command: Command) -> None:
        """Pass a command on at once; while the device is down it is dropped and counted."""
        pipe = self._pipe
        if pipe is None or not self.up:
            self.counts.refused_commands += 1
            return
        try:
            pipe.send(encode(command))
        except OSError:
            self.counts.refused_commands += 1

    def figures(self) -> DeviceFigures:
        """Return what the process counted; known once it has finished."""
        return self._figures or DeviceFigures(device=self.device, counts=self.counts)

    async def _once(self) -> bool:
        loop = asyncio.get_running_loop()
        pipe, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ended = loop.create_future()
        was_up = False
        with pipe:
            with theirs, self._elsewhere():
                process = self._start(theirs.fileno())
            self.pid = process.pid
            pipe.send(encode_plan(self._plan))
            pipe.setblocking(False)
            self._pipe = pipe
            loop.add_reader(pipe, self._readable)
            try:
                await asyncio.shield(self._ended)
            finally:
                was_up = self.up
                await self._finish(pipe, process)
        return was_up

    def _start(self, descriptor: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tracker.live.devices.process", str(descriptor)],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            env=process_environment(),
        )

    async def _finish(self, pipe: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """Ask the process to end and wait for it; kill it when it does not."""
        if self._ended is not None and not self._ended.done():
            with contextlib.suppress(OSError):
                pipe.send(encode(Finish()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FINISH_S):
                    await asyncio.shield(self._ended)
        asyncio.get_running_loop().remove_reader(pipe)
        self._pipe = None
        pipe.close()
        try:
            await asyncio.to_thread(process.wait, FINISH_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        self.pid = None

    def _readable(self) -> None:
        pipe = self._pipe
        with contextlib.suppress(BlockingIOError, InterruptedError):
            while pipe is not None and pipe is self._pipe:
                try:
                    data = pipe.recv(MOST_BYTES)
                except ConnectionError:
                    data = b""
                if not data:
                    if self._ended is not None and not self._ended.done():
                        self._ended.set_result(None)
                    asyncio.get_running_loop().remove_reader(pipe)
                    return
                self._receive(data)

    def _receive(self, data: bytes) -> None:
        message = decode_from(data)
        if isinstance(message, DeviceFigures):
            self._figures = message
            return
        if isinstance(message, LinkChanged):
            self.up = message.up
        self._hand_over(message)

    def _down(self, why: str) -> None:
        if self.up:
            self.up = False
            self._hand_over(LinkChanged(self.device, self._clock(), False, why))


def connected_device(
    plan: DevicePlan,
    clock: Callable[[], int],
    hand_over: HandOver,
    elsewhere: Elsewhere = contextlib.nullcontext,
) -> Device:
    """Make the device of a plan, in a process of its own where its driver needs one.

    Raises `DeviceError` for an address or file that is wrong, unless that is another process's.
    """
    if plan.driver.own_process:
        return ProcessLink(plan, clock, hand_over, elsewhere)
    return build_device(plan, clock, hand_over)

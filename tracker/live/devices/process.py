"""Run one device in a process of its own: ``python -m tracker.live.devices.process FD``.

The socket ``FD`` brings a `DevicePlan`, then commands. Samples, link changes and, when asked to
finish, the figures go back. Nothing else runs here, so that nothing delays a reply. The process
ends with its socket: a daemon that died leaves no conversation behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys

import msgspec

from hal.clock import HostClock
from hal.events import Command, LinkChanged
from hal.messages import Sample
from tracker.live.devices.device import DeviceFigures
from tracker.live.devices.device_builder import build_device
from tracker.live.devices.device_plan import DevicePlan, decode_plan
from tracker.live.scheduling import give_way, prefer

MOST_BYTES = 1 << 16


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Send the figures and end."""


ToDevice = Command | Finish
FromDevice = Sample | LinkChanged | DeviceFigures
encode = msgspec.msgpack.Encoder().encode
decode_to = msgspec.msgpack.Decoder(ToDevice).decode
decode_from = msgspec.msgpack.Decoder(FromDevice).decode


def main() -> int:
    """Serve one device until the socket closes."""
    pipe = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the daemon ends us, once the motion is stopped
    plan = decode_plan(pipe.recv(MOST_BYTES))
    pipe.setblocking(False)
    scheduling = plan.driver.scheduling(plan.settings)
    prefer(scheduling.realtime_priority)
    if scheduling.gives_way:
        give_way()
    gc.collect()
    gc.freeze()
    with pipe:
        asyncio.run(_serve(pipe, plan))
    return 0


async def _serve(pipe: socket.socket, plan: DevicePlan) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def give(message: FromDevice) -> None:
        try:
            pipe.send(encode(message))
        except (BlockingIOError, InterruptedError):
            return  # the daemon stalls: its samples are old before they are read
        except OSError:
            end()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    device = build_device(plan, HostClock(plan.start_ns), give)

    def readable() -> None:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            while not ended.done():
                try:
                    data = pipe.recv(MOST_BYTES)
                except ConnectionError:
                    data = b""
                if not data:
                    end()
                    return
                message = decode_to(data)
                if isinstance(message, Finish):
                    give(device.figures())
                    end()
                else:
                    device.obey(message)

    loop.add_reader(pipe, readable)
    try:
        talk = asyncio.create_task(device.run())
        await asyncio.wait([talk, ended], return_when=asyncio.FIRST_COMPLETED)
        talk.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await talk
    finally:
        loop.remove_reader(pipe)


if __name__ == "__main__":
    sys.exit(main())

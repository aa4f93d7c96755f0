"""Serve a `Publication` to any number of OpenIGTLink clients; no client can delay the program.

    async with serve(publication, "127.0.0.1", 18944) as outlet:
        outlet.send(publication.position("Target", t_ns, position_mm))

What clients send is read and ignored. A client that does not read is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from hal.openigtlink.publication import Publication

UNREAD_AT_MOST = 256 * 1024
"""Bytes a client may leave unread; two seconds and more of everything we publish."""


class IgtlOutlet:
    """The connected clients."""

    def __init__(self, publication: Publication) -> None:
        self._publication = publication
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.dropped = 0

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._writers)

    def send(self, data: bytes) -> None:
        """Give every client the bytes; never waits."""
        if not data:
            return
        for writer in list(self._writers):
            if writer.transport.get_write_buffer_size() > UNREAD_AT_MOST:
                self.dropped += 1
                self._writers.discard(writer)
                writer.transport.abort()
            else:
                writer.write(data)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Add a client: send it the newest message of every name, then all that follow."""
        self._writers.add(writer)
        writer.write(self._publication.latest)
        task = asyncio.get_running_loop().create_task(self._listen(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Disconnect every client."""
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read until the client goes."""
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        self._writers.discard(writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def serve(publication: Publication, host: str, port: int) -> AsyncGenerator[IgtlOutlet, None]:
    """Listen for clients as long as the context lasts; port 0: any free one."""
    outlet = IgtlOutlet(publication)
    server = await asyncio.start_server(outlet.connected, host, port)
    outlet.port = server.sockets[0].getsockname()[1]
    try:
        yield outlet
    finally:
        server.close()
        await outlet.close()
        await server.wait_closed()

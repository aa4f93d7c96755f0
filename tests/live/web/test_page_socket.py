"""The socket of a page: what a page may send, what it gets, and that no page delays another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.live.machine_load import MachineLoad
from tests.live.web.feeder import published
from tests.live.web.served_pages import served, until
from tracker.api.schema import Role
from tracker.live.web.context import LINK_S, SILENT_S
from tracker.live.web.routes import FAST

pytestmark = pytest.mark.realtime


@pytest.mark.asyncio
@pytest.mark.parametrize("message", ["x", "-1", "9" * 300, '{"name":"start"}', b"\x00"])
async def test_a_page_sends_pings_only(tmp_path: Path, message: str | bytes) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        async with browser.live() as socket_, asyncio.timeout(60.0):
            if isinstance(message, bytes):
                await socket_.send_bytes(message)
            else:
                await socket_.send_str(message)
            async for _ in socket_:
                pass
            assert socket_.close_code in (1008, 1009)
        assert at.feeder.asked == []


@pytest.mark.asyncio
async def test_a_page_that_floods_is_closed(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as at,
        at.browser(Role.OPERATOR) as browser,
        browser.live() as socket_,
        asyncio.timeout(60.0),
    ):
        for number in range(3 * FAST):
            with contextlib.suppress(ConnectionError):
                await socket_.send_str(str(number))
        async for _ in socket_:
            pass
        assert socket_.close_code == 1008


@pytest.mark.asyncio
async def test_pings_are_answered_and_silence_of_the_daemon_is_told(tmp_path: Path) -> None:
    with MachineLoad() as load:
        await _silence_is_told(tmp_path, load)


async def _silence_is_told(folder: Path, load: MachineLoad) -> None:
    async with (
        served(folder) as at,
        at.browser(Role.OPERATOR) as browser,
        browser.live() as socket_,
        asyncio.timeout(60.0),
    ):
        await socket_.send_str("7")
        while (await socket_.receive_json()) != {"type": "Pong", "ping": 7}:
            pass
        while (await socket_.receive_json())["type"] != "State":
            pass
        at.feeder.silent = True
        while True:
            told = await socket_.receive_json()
            if told["type"] == "Link" and not told["up"]:
                break
        # A message comes every LINK_S, so the first one comes soon after the loss.
        late_s = told["silent_s"] - SILENT_S
        assert 0.0 <= late_s < 2 * LINK_S + load.taken_ms(0, time.monotonic_ns()) / 1e3


@pytest.mark.asyncio
async def test_fifty_pages_get_20_states_a_second_and_nothing_piles_up(tmp_path: Path) -> None:
    seconds = 3.0
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        counts = [0] * 50

        async def follow(number: int) -> None:
            async with browser.live() as page:
                async for message in page:
                    counts[number] += '"State"' in message.data

        tasks = [asyncio.create_task(follow(number)) for number in range(len(counts))]
        await until(lambda: min(counts) > 0)
        before, said = list(counts), at.feeder.said
        while at.feeder.said - said < 20 * seconds:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        got = [now - then for now, then in zip(counts, before, strict=True)]
        wanted = at.feeder.said - said
        assert min(got) >= 0.9 * wanted - 2
        assert max(page.waiting for page in at.context.hub.pages) <= 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_page_that_takes_nothing_is_closed_and_delays_nobody(tmp_path: Path) -> None:
    async with served(tmp_path) as at, at.browser(Role.OPERATOR) as browser:
        (cookie,) = [c for c in browser.session.cookie_jar if c.key == "tidetrack"]
        host, port = at.address.removeprefix("http://").split(":")
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.connect((host, int(port)))
            lines = [
                "GET /api/live HTTP/1.1",
                f"Host: {host}:{port}",
                f"Origin: {at.address}",
                f"Cookie: tidetrack={cookie.value}",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ]
            idle.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            async with browser.live() as page, asyncio.timeout(60.0):
                seen = 0
                await until(lambda: len(at.context.hub) == 2)
                at.context.hub.publish('{"type":"Padding","text":"' + "x" * 3_000_000 + '"}')
                while len(at.context.hub) > 1:
                    message = await page.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    seen += '"State"' in message.data
                assert seen >= 20


@pytest.mark.asyncio
async def test_more_pages_than_allowed_are_refused(tmp_path: Path) -> None:
    async with (
        served(tmp_path, most_pages=2) as at,
        at.browser(Role.OPERATOR) as browser,
        browser.live(),
        browser.live(),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await browser.live()
        assert refused.value.status == 503


def test_the_socket_carries_the_published_schema() -> None:
    for record in published()[:50]:
        assert json.loads(msgspec.json.encode(record))["type"] in ("State", "Model", "Said")

"""The page server: the web application with its routes and tasks, and its address."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator

from aiohttp import web

from tracker.daemon_settings import ConsolePage
from tracker.live.web.access import is_loopback
from tracker.live.web.context import CONTEXT, ConsoleContext, ConsoleError
from tracker.live.web.routes import ROUTES, static_routes

MOST_BODY_BYTES = 4096


def application(context: ConsoleContext) -> web.Application:
    """Return the application; its tasks run as long as it does."""
    app = web.Application(
        middlewares=[context.gatekeeper.__call__], client_max_size=MOST_BODY_BYTES
    )
    app[CONTEXT] = context
    for method, path, handler in (*ROUTES, *static_routes()):
        app.router.add_route(method, path, handler)
    app.cleanup_ctx.append(_tasks)
    return app


async def _tasks(app: web.Application) -> AsyncGenerator[None, None]:
    context = app[CONTEXT]
    tasks = [
        asyncio.create_task(each, name=name)
        for name, each in (
            ("feed", context.feed.listen(context.receive)),
            ("link", context.report_link()),
            ("people", context.sweep_logins()),
        )
    ]
    yield
    for page in context.hub.pages:
        page.end()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await context.review.close()


@contextlib.asynccontextmanager
async def serving(context: ConsoleContext) -> AsyncGenerator[str, None]:
    """Serve while the context lasts; yields the address to open. Raises `ConsoleError`."""
    settings = context.settings
    if not is_loopback(settings.host) and not settings.certificate:
        raise ConsoleError(
            f"console.host {settings.host}: reachable from outside and no certificate; set"
            " console.certificate and console.private_key, or listen on 127.0.0.1"
        )
    encryption = _encryption(settings)
    runner = web.AppRunner(
        application(context),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        keepalive_timeout=15.0,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=encryption)
        try:
            await site.start()
        except OSError as error:
            raise ConsoleError(
                f"console.host {settings.host}, port {settings.port}: {error.strerror};"
                " choose another port, or see who listens there"
            ) from error
        address = runner.addresses[0]
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        yield f"{context.scheme}://{host}:{address[1]}"
    finally:
        await runner.cleanup()


def _encryption(settings: ConsolePage) -> ssl.SSLContext | None:
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.private_key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConsoleError(
            f"console.certificate {settings.certificate}: cannot be used ({error}); name PEM files"
        ) from error
    return context

"""Refuses requests that our pages do not send, and sets the headers of every answer.

Refused are: a host name that is not the server's (DNS rebinding), an origin that is not its own (a
foreign page in the same browser), and a change without the CSRF token of the login. The content
policy lets a page load only what this server serves, and run no inline script.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from tracker.live.web.logins import Login

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CSRF_HEADER: Final = "X-CSRF-Token"
CHANGES_NOTHING: Final = frozenset({"GET", "HEAD"})

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
REPORT_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
"""A report contains its script; the sandbox gives it no origin, so it has no login."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    "Server": "tidetrack",
}
LONG_HTTPS: Final = "max-age=31536000"

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Tell whether an address or name reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Gatekeeper:
    """Judges requests by their host name, origin and method."""

    def __init__(self, names: frozenset[str], scheme: str) -> None:
        """``names``: the host names of this server, without port."""
        self._names = names
        self._scheme = scheme

    def refused(self, request: web.Request, *, strictly: bool = False) -> str:
        """Return why a request is refused, or an empty text; ``strictly``: it needs an origin."""
        name = request.host.rpartition(":")[0] if _has_port(request.host) else request.host
        if name.lower() not in self._names:
            return "this server does not go by that name; add it to console.names"
        origin = request.headers.get("Origin")
        if origin is None:
            if strictly or request.method not in CHANGES_NOTHING:
                return "the request has no Origin; use a browser"
            return ""
        # A form without script on a page with a strict referrer policy says "null".
        if origin.lower() != f"{self._scheme}://{request.host}".lower():
            return "the request comes from another site's page"
        return ""

    @web.middleware
    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse a request or pass it on, and set the headers of the answer."""
        reason = self.refused(request)
        if reason:
            response: web.StreamResponse = web.json_response({"reason": reason}, status=403)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = error
        if not response.prepared:
            for header, value in HEADERS.items():
                if header not in response.headers or header == "Server":
                    response.headers[header] = value
            if self._scheme == "https":
                response.headers["Strict-Transport-Security"] = LONG_HTTPS
        if isinstance(response, web.HTTPException):
            raise response
        return response


def has_csrf(request: web.Request, login: Login) -> bool:
    """Tell whether a request carries the CSRF token of its login."""
    return hmac.compare_digest(
        request.headers.get(CSRF_HEADER, "").encode("utf-8", "replace"), login.csrf.encode()
    )


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]

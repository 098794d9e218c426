"""What stands before every route: whom it was addressed to, where it came from, who asks.

- Host allow-list: a page in a browser cannot reach the server under a name of its own (rebinding).
- Origin and content type: a page of another site cannot make a browser send anything that changes
  state. There are no CORS headers, so that it can read nothing either.
- Framing: a request whose end two readers could see in different places is refused.
- The key: HTTP Basic (any user name) or Bearer. Pages are also shown with the login cookie, which
  opens nothing but GET and the pages' own forms, each of which carries a token of that login.
"""

from __future__ import annotations

import base64
import ipaddress
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from tracker.errors import RequestError
from tracker.http.signing import Signer

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN = frozenset({"/healthz", "/login"})  # /login proves itself by a one-time token
TOKEN_PREFIX = "/storage/"  # addresses that carry their own proof
FORM_PREFIX = "/-/do/"  # where the forms of pages lead
STATIC_PREFIX = "/-/static/"  # the pages' styles and scripts, which tell nothing
API = (
    "/graphql",
    "/files/",
    "/storage/",
    "/artifacts/",
    "/artifactsV2/",
    "/sdk/",
)  # the key only, and never a page in answer
LET_IN = "tracker.let_in"  # in the scope of a request that has proved itself
SESSION = "tracker.session"  # in the scope of one that did so by its cookie: the cookie
FORM_TYPE = "application/x-www-form-urlencoded"
TELEMETRY_PREFIX = "/sdk/otel/"  # the client reports any answer but 404 to its user
SESSION_SECONDS = 30 * 24 * 3600
HARDENING = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Gate:
    """ASGI middleware. `refuse` makes the answer for a request that is not let through."""

    def __init__(
        self,
        app: App,
        signer: Signer,
        hosts: frozenset[str],
        refuse: Callable[[int, str, bool], App],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.app, self.signer, self.hosts, self.refuse, self.now = app, signer, hosts, refuse, now

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # a WebSocket that is not accepted is closed
        app = self.app
        try:
            self.check(scope)
        except RequestError as error:
            is_page = scope["method"] == "GET" and not scope["path"].startswith(API)
            app = self.refuse(error.status, str(error), is_page)
        await app(scope, receive, harden(send))

    def check(self, scope: Scope) -> None:
        headers = read_headers(scope)
        check_framing(scope, headers)
        check_host(scope, headers, self.hosts)
        method, path = scope["method"], scope["path"]
        if method not in ("GET", "HEAD"):
            check_origin(scope, headers)
            if path.startswith(TELEMETRY_PREFIX):
                raise RequestError("telemetry is not collected", status=404)
            wanted = FORM_TYPE if path.startswith(FORM_PREFIX) else "application/json"
            if method == "POST" and content_type(headers) != wanted:
                raise RequestError(f"send {wanted}", status=415)
        if path in OPEN or path.startswith((TOKEN_PREFIX, STATIC_PREFIX)):
            return
        by_cookie = method in ("GET", "HEAD") or (method == "POST" and path.startswith(FORM_PREFIX))
        if not self.has_key(headers) and not (by_cookie and self.session(scope, headers)):
            raise RequestError("the key is missing or wrong", status=401)
        vouch(scope)

    def has_key(self, headers: dict[str, list[str]]) -> bool:
        scheme, _, value = (headers.get("authorization") or [""])[0].partition(" ")
        value = value.strip()
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode().partition(":")[2]
            except ValueError:  # no base64, no ASCII, no UTF-8
                return False
        elif scheme.lower() != "bearer":
            return False
        return self.signer.accepts_key(value)

    def session(self, scope: Scope, headers: dict[str, list[str]]) -> str:
        """The login cookie that a request carries; "" where it has none that is valid."""
        for header in headers.get("cookie", []):
            try:
                morsel = SimpleCookie(header).get(cookie_name(scope))
            except CookieError:
                continue
            if morsel:
                try:
                    self.signer.open_token("session", morsel.value, self.now())
                except RequestError:
                    continue
                scope[SESSION] = morsel.value
                return morsel.value
        return ""


def vouch(scope: Scope) -> None:
    """Says that a request has proved itself: its connection is not closed to make room."""
    scope[LET_IN] = True


def read_headers(scope: Scope) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def cookie_name(scope: Scope) -> str:
    """Browsers share cookies between the ports of a host, so the port is in the name."""
    return f"tracker_session_{scope['server'][1]}"


def content_type(headers: dict[str, list[str]]) -> str:
    return (headers.get("content-type") or [""])[0].partition(";")[0].strip().lower()


def split_host(value: str) -> str:
    """The name in a Host header or an authority, in lower case, without the port; "" if none."""
    value = value.strip().lower()
    if value.startswith("["):
        name, bracket, rest = value[1:].partition("]")
        if not bracket or (rest and not (rest.startswith(":") and rest[1:].isdigit())):
            return ""
        try:
            return str(ipaddress.IPv6Address(name))
        except ValueError:
            return ""
    name, colon, port = value.partition(":")
    return name if not colon or port.isdigit() else ""


def check_framing(scope: Scope, headers: dict[str, list[str]]) -> None:
    """What stands before this server may take the other header for the length (request smuggling).
    h11 has refused lengths that differ or are no numbers.
    """
    if "transfer-encoding" in headers and (
        "content-length" in headers or scope.get("http_version") == "1.0"
    ):
        raise RequestError("Transfer-Encoding together with Content-Length or in HTTP/1.0")


def check_host(scope: Scope, headers: dict[str, list[str]], hosts: frozenset[str]) -> None:
    given = headers.get("host", [])
    name = split_host(given[0]) if len(given) == 1 else ""
    if not name or name not in LOOPBACK | hosts | {scope["server"][0]}:
        raise RequestError(
            "this Host is not served (start with --allow-host to add a name)", status=421
        )


def check_origin(scope: Scope, headers: dict[str, list[str]]) -> None:
    """A browser says where a request comes from; the wandb client says nothing."""
    host = (headers.get("host") or [""])[0].strip().lower()
    for origin in headers.get("origin", []):
        if origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise RequestError("cross-origin requests are refused", status=403)
    site = (headers.get("sec-fetch-site") or ["none"])[0].lower()
    if site not in ("none", "same-origin"):
        raise RequestError("cross-site requests are refused", status=403)


def harden(send: Send) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", [])}
            extra = [(name, value) for name, value in HARDENING if name not in names]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return wrapped

"""What every request must pass before the page's server looks at it.

A page on another site can make a browser send requests here, under any name that resolves to this machine. So: the
Host header must be a name of this server (else a foreign name could be pointed at it), an Origin header must be this
server's own, a random token must come along, and a body is read only up to a limit, within a time. What fails is
answered here with 400 to 415 and reaches nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import http.cookies
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY = 4 << 20
"""Most bytes of a request's body: a colour image of 256 x 256 as JSON takes three million."""
DRAINED = 10
"""A body up to this many times too long is read to its end and thrown away, so that its sender hears why it is refused:
one whose connection is closed while it still sends may hear nothing at all."""
PATIENCE = 10.0
"""Seconds that a request's body may take to arrive."""
OPEN = {"/favicon.ico"}
"""What is answered without a token: browsers ask for it unasked."""

HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
CLOSED = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of every answer that states none of its own."""


@dataclass(frozen=True)
class Allowed:
    """Under which names the server answers.

    port: where it listens. hosts: names and addresses, lower case. literals: any address written as a number as well,
    for a server that is open to the network and cannot know all of its own; no foreign name can stand behind one.
    """

    port: int
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    literals: bool = False

    def host(self, value: str) -> bool:
        """Whether a Host header names this server."""
        name, colon, port = value.rpartition(":")
        if not colon or name.count("[") != name.count("]"):  # no port, or the colon is one inside [::1]
            name, port = value, "80"
        if port != str(self.port):
            return False
        return name.lower() in self.hosts or (self.literals and _is_address(name))

    def origin(self, value: str, host: str) -> bool:
        """Whether an Origin header is this server's own, as the request addressed it."""
        return value.lower() == f"http://{host}".lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


@dataclass
class Refused(Exception):
    """A request that is not answered otherwise: status and a line of text."""

    status: int
    text: str


@dataclass
class Guard:
    """ASGI middleware around `app`; token: what `?token=`, the cookie, or `Authorization: Bearer` must hold."""

    app: App
    token: str
    allowed: Allowed
    body: int = BODY
    patience: float = PATIENCE
    cookie: str = field(init=False)

    def __post_init__(self) -> None:
        self.cookie = f"aae-{self.allowed.port}"  # browsers share cookies between the ports of a host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # there are no sockets here: whoever opens one is turned away
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        answer = _Answer(send)
        try:
            headers = _headers(scope)
            self._check(scope, headers)
            body = await self._read(headers, receive)
            if _token(scope):
                answer.cookie = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
            await self.app(scope, _replay(body, receive), answer)
        except Refused as refused:
            await answer.refuse(refused)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        if not self.allowed.host(host):
            raise Refused(403, "this server does not answer to that Host")
        if "origin" in headers and not self.allowed.origin(headers["origin"], host):
            raise Refused(403, "this server does not answer pages of another Origin")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and scope["path"] != "/":
            raise Refused(403, "this server does not answer pages of another site")
        if scope["path"] not in OPEN and not self._knows(scope, headers):
            raise Refused(403, "no token, or not this server's: open the address that aae printed")
        if scope["method"] == "POST" and headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise Refused(415, "expected Content-Type: application/json")

    def _knows(self, scope: Scope, headers: dict[str, str]) -> bool:
        bearer = headers.get("authorization", "").partition("Bearer ")[2]
        tried = (_token(scope), bearer, _cookie(headers.get("cookie", ""), self.cookie))
        return any(hmac.compare_digest(one.encode(), self.token.encode()) for one in tried)

    async def _read(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The whole body, or Refused with 400, 408 or 413."""
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise Refused(400, "Content-Length is no number")
        if int(length) > self.body * DRAINED:
            raise Refused(413, f"the body may hold at most {self.body} bytes")
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.patience):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(413 if size > self.body else 400, "the body ended early")
                    part = message.get("body", b"")
                    size += len(part)
                    more = message.get("more_body") and size <= self.body * DRAINED
                    if size <= self.body:
                        parts.append(part)
                    elif not more:
                        raise Refused(413, f"the body may hold at most {self.body} bytes")
                    if not more:
                        return b"".join(parts)
        except TimeoutError:
            raise Refused(408, f"the body took more than {self.patience:g} seconds") from None


def _headers(scope: Scope) -> dict[str, str]:
    """Names and values; Refused where one that decides about access stands there twice."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in found and name in ("host", "origin", "content-length", "authorization"):
            raise Refused(400, f"the header {name} stands there twice")
        found[name] = f"{found[name]}; {value.decode('latin-1')}" if name in found else value.decode("latin-1")
    return found


def _token(scope: Scope) -> str:
    values = parse_qs(scope["query_string"].decode("latin-1"), errors="replace").get("token", [""])
    return values[0] if scope["path"] == "/" else ""


def _cookie(text: str, name: str) -> str:
    try:
        found = http.cookies.SimpleCookie(text).get(name)
    except http.cookies.CookieError:
        return ""
    return "" if found is None else found.value


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that has been read, once more for the application."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


class _Answer:
    """`send`, with the headers that every answer carries."""

    def __init__(self, send: Send) -> None:
        self.send, self.cookie = send, ""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
            if not any(name == b"content-security-policy" for name, _ in message["headers"]):
                headers.append((b"content-security-policy", CLOSED.encode()))
            if self.cookie:
                headers.append((b"set-cookie", self.cookie.encode()))
            message["headers"] = [*message["headers"], *headers]
        await self.send(message)

    async def refuse(self, refused: Refused) -> None:
        body = json.dumps({"error": refused.text}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(b"connection", b"close")]  # what is left of the body is not waited for
        await self({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

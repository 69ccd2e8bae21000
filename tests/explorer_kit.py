"""A served explorer to ask, and a browser to look with."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from aae.explorer.live import Live
from aae.explorer.pack import MAGIC
from aae.explorer.scene import Scene
from aae.explorer.server import Server, Site


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return unpack(self.body)


@dataclass
class Asking:
    """Requests to one server; `headers` of a request win over those that a page would send, None leaves one out."""

    server: Server
    own: dict[str, str] = field(default_factory=dict)

    def __call__(self, path: str, body: Any = None, method: str | None = None, **headers: str | None) -> Answer:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent: dict[str, str | None] = {"host": f"127.0.0.1:{self.server.port}"}
        sent["authorization"] = f"Bearer {self.server.token}"
        if data is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(data))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        with contextlib.closing(connection):
            connection.putrequest(method or ("GET" if body is None else "POST"), path, True, True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def head(self, *lines: str, method: str = "POST", path: str = "/api/decode") -> str:
        """The start of a request with its token, to be sent by `raw`; the empty line is left to the caller."""
        own = (f"Host: 127.0.0.1:{self.server.port}", f"Authorization: Bearer {self.server.token}")
        return "\r\n".join((f"{method} {path} HTTP/1.1", *own, "Content-Type: application/json", *lines)) + "\r\n"

    def raw(self, data: bytes) -> bytes:
        """What comes back for bytes that need not be a request."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as link:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            parts = []
            while part := link.recv(65536):
                parts.append(part)
            return b"".join(parts)


@contextlib.contextmanager
def serving(scene: Scene, live: Live | None = None) -> Iterator[Asking]:
    """The explorer on a port of its own."""
    server = Server()
    server.start(Site(scene, live))
    try:
        yield Asking(server)
    finally:
        server.close()


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of `aae.explorer.pack.pack`, read by hand."""
    assert data[:4] == MAGIC
    length = int.from_bytes(data[4:8], "little")
    start, found = 8 + length, {}
    for name, (kind, shape, offset) in json.loads(data[8:start]).items():
        assert (start + offset) % 8 == 0, "a browser could not read it without copying"
        count = int(np.prod(shape))
        found[name] = np.frombuffer(data, f"<{kind}", count, start + offset).reshape(shape).copy()
    return found


def open_browser(width: int = 1280, height: int = 860) -> Any:
    """Chromium without a window; the test is skipped where there is none."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("chromium-browser")
    if driver is None or chromium is None:
        pytest.skip("needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    quiet = ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking")
    for argument in (*quiet, "disable-component-update", "disable-sync", f"window-size={width},{height}"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))

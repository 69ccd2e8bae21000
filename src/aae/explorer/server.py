"""The page's server: thin routes over a `Scene`. It reads no file that a request names, and changes no run."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aae.errors import AAEError, ConfigError, StorageError
from aae.explorer.assemble import assemble, plain
from aae.explorer.guard import Allowed, App, Guard
from aae.explorer.live import Live
from aae.explorer.pack import pack
from aae.explorer.scene import Scene, figures_of
from aae.explorer.schema import CODES, ROWS, openapi

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
AT_ONCE = 2
"""Requests that may wait for the model together; the others queue without holding a thread."""


class Invalid(Exception):
    """A request that can be read and makes no sense: 422, with what was expected."""


class Site:
    """The routes. Model calls run in threads, a few at a time, so that one slow answer holds up no other request."""

    def __init__(self, scene: Scene, live: Live | None = None) -> None:
        self.scene, self.live = scene, live
        self.limiter: anyio.CapacityLimiter | None = None
        self.columns: dict[int, np.ndarray] = {}
        self.page, self.policy = assemble(scene.meta()["title"])

    def app(self) -> Starlette:
        routes = [
            Route("/", self.index),
            Route("/favicon.ico", _nothing),
            Route("/report", self.report),
            Route("/api/openapi.json", self.schema),
            Route("/api/meta", self.meta),
            Route("/api/points", self.points),
            Route("/api/columns/{index:int}", self.column),
            Route("/api/figures/{index:int}", self.figure),
            Route("/api/decode", self.decode, methods=["POST"]),
            Route("/api/encode", self.encode, methods=["POST"]),
            Route("/api/rows", self.rows, methods=["POST"]),
            Route("/api/live", self.state),
            Route("/api/live/command", self.command, methods=["POST"]),
        ]
        handlers = {Invalid: _invalid, AAEError: _invalid}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def _thread(self, call: Callable[[], Any]) -> Any:
        if self.limiter is None:  # made here, because it belongs to the loop that serves
            self.limiter = anyio.CapacityLimiter(AT_ONCE)
        return await anyio.to_thread.run_sync(call, limiter=self.limiter)

    async def index(self, request: Request) -> Response:
        return Response(
            self.page, media_type="text/html; charset=utf-8", headers={"content-security-policy": self.policy}
        )

    async def report(self, request: Request) -> Response:
        """The report page; its own style is inline, and it has no script."""
        path = self.scene.run.path / "report.html"
        try:
            data = await self._thread(path.read_bytes)
        except OSError:
            return JSONResponse({"error": "this run has no report yet; make one with aae report"}, 404)
        policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
        return Response(data, media_type="text/html; charset=utf-8", headers={"content-security-policy": policy})

    async def schema(self, request: Request) -> Response:
        scene = self.scene
        return JSONResponse(openapi(scene.run.latent, scene.width, scene.beside, bool(scene.run.spec.columns)))

    async def meta(self, request: Request) -> Response:
        found = await self._thread(self.scene.meta)
        figures = await self._thread(partial(figures_of, self.scene.run.path))
        found |= {"figures": [title for title, _ in figures], "live": self.live is not None}
        found["report"] = (self.scene.run.path / "report.html").is_file()
        return JSONResponse(plain(found))

    async def points(self, request: Request) -> Response:
        if self.scene.codes is None:
            return self._wait()
        return _binary(await self._thread(lambda: pack(self.scene.points())))

    def _wait(self) -> Response:
        return JSONResponse({"done": self.scene.done, "total": len(self.scene.rows)}, 202)

    async def column(self, request: Request) -> Response:
        index = request.path_params["index"]
        if self.scene.codes is None:
            return self._wait()
        if index >= len(self.scene.columns()):
            return JSONResponse({"error": f"there is no column {index}"}, 404)
        return _binary(pack({"values": await self._thread(partial(self.scene.column, index))}))

    async def figure(self, request: Request) -> Response:
        figures = await self._thread(partial(figures_of, self.scene.run.path))
        index = request.path_params["index"]
        if index >= len(figures):
            return JSONResponse({"error": f"there is no figure {index}"}, 404)
        path = figures[index][1]
        try:
            data = await self._thread(path.read_bytes)
        except OSError:  # the report is being drawn again
            return JSONResponse({"error": f"figure {index} cannot be read"}, 404)
        return Response(data, media_type="image/gif" if path.suffix == ".gif" else "image/png")

    async def decode(self, request: Request) -> Response:
        body = await _body(request, {"codes"}, {"labels"})
        codes = _matrix(body["codes"], "codes", self.scene.run.latent, CODES)
        labels = _whole(body["labels"], "labels", CODES) if "labels" in body else None
        return _binary(pack({"rows": await self._thread(partial(self.scene.decode, codes, labels))}))

    async def encode(self, request: Request) -> Response:
        body = await _body(request, {"rows"})
        rows = _matrix(body["rows"], "rows", self.scene.width, ROWS, gaps=bool(self.scene.run.spec.columns))
        return _binary(pack(await self._thread(partial(self.scene.encode, rows))))

    async def rows(self, request: Request) -> Response:
        """The originals of points, by their place in the scatter."""
        body = await _body(request, {"points"})
        points = _whole(body["points"], "points", CODES)
        if points.min() < 0 or points.max() >= len(self.scene.rows):
            raise Invalid(f"points must be from 0 to {len(self.scene.rows) - 1}")
        return _binary(pack({"rows": await self._thread(partial(self.scene.originals, points))}))

    async def state(self, request: Request) -> Response:
        if self.live is None:
            return JSONResponse({"error": "this run is not training"}, 404)
        return JSONResponse(plain(await self._thread(self.live.state)))

    async def command(self, request: Request) -> Response:
        if self.live is None:
            return JSONResponse({"error": "this run is not training"}, 404)
        body = await _body(request, {"command"}, {"phase", "learning_rate"})
        self.live.command(body)
        return JSONResponse({"taken": True}, 202)


async def _nothing(request: Request) -> Response:
    return Response(status_code=204)


async def _invalid(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


def _binary(data: bytes) -> Response:
    return Response(data, media_type="application/octet-stream")


async def _body(request: Request, needed: set[str], optional: set[str] | None = None) -> dict[str, Any]:
    """The request's JSON object with these keys. Invalid for anything else, NaN and infinity among it."""

    def refuse(constant: str) -> None:
        raise Invalid(f"the body holds {constant}, which is not JSON")

    try:
        found = json.loads(await request.body(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict) or not needed <= set(found) or set(found) - needed - (optional or set()):
        expected = ", ".join(sorted(needed | (optional or set())))
        raise Invalid(f"the body must be an object with {expected}")
    return found


def _whole(value: Any, name: str, most: int) -> np.ndarray:
    """A list of 1 to `most` whole numbers that 32 bits hold, as int64. Invalid otherwise."""
    if isinstance(value, list) and 0 < len(value) <= most and all(type(x) is int and abs(x) < 2**31 for x in value):
        return np.array(value, np.int64)
    raise Invalid(f"{name} must be a list of 1 to {most} whole numbers")


def _matrix(value: Any, name: str, width: int, most: int, gaps: bool = False) -> np.ndarray:
    """A list of 1 to `most` lists of `width` numbers as float64, finite in 32-bit arithmetic. Invalid otherwise.

    gaps: null may stand for a value that is missing, and becomes NaN.
    """
    kinds = (int, float, type(None)) if gaps else (int, float)
    wanted = f"{name} must be a list of 1 to {most} lists of {width} numbers{', null where missing' if gaps else ''}"
    if not (isinstance(value, list) and 0 < len(value) <= most):
        raise Invalid(wanted)
    for row in value:
        if not (isinstance(row, list) and len(row) == width and all(type(x) in kinds for x in row)):
            raise Invalid(wanted)
    try:
        array = np.array(value, dtype=np.float64)
    except OverflowError:
        raise Invalid(f"{name} must be finite") from None
    if (np.abs(array) > 1e30).any() or not (gaps or np.isfinite(array).all()):
        raise Invalid(f"{name} must be finite and at most 1e30 in magnitude")
    return array


@dataclass
class Server:
    """A port to serve a site on.

    host: where it listens; beyond this machine only with `remote`. port: 0 takes one that is free.
    Raises ConfigError for a host beyond this machine without `remote`, StorageError where the port is taken.
    """

    host: str = "127.0.0.1"
    port: int = 0
    remote: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not self.remote:
            raise ConfigError(
                f"--host {self.host} would let other machines in: whoever has the token sees this run's data, and "
                "the connection is not encrypted. Add --allow-remote if that is what you want; better, keep "
                "127.0.0.1 and forward the port with ssh -L."
            )
        self.socket = self._listen()
        self.port = self.socket.getsockname()[1]
        self.server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def _uvicorn(self, site: Site) -> uvicorn.Server:
        app: App = site.app()
        settings = uvicorn.Config(
            Guard(app, self.token, self._allowed()),
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        return uvicorn.Server(settings)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # Named in full: asyncio sends at once, without waiting for more to send, on sockets that say they are TCP.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.host, self.port))
            listening.listen(128)  # from here on a browser may knock; it is let in once there is something to show
        except OSError as error:
            listening.close()
            raise StorageError(f"--host {self.host} --port {self.port}: {error.strerror}; choose another") from None
        return listening

    def _allowed(self) -> Allowed:
        if not self.remote:
            return Allowed(self.port)
        name = f"[{self.host}]" if ":" in self.host else self.host.lower()
        return Allowed(self.port, Allowed(0).hosts | {name, socket.gethostname().lower()}, literals=True)

    @property
    def address(self) -> str:
        """What to open, token included."""
        host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}"

    def run(self, site: Site) -> None:
        """Serve until Ctrl-C or `close`."""
        self.server = self._uvicorn(site)
        self.server.run(sockets=[self.socket])

    def start(self, site: Site) -> None:
        """Serve from a thread that ends with the process, or at `close`."""
        self._thread = threading.Thread(target=self.run, args=(site,), name="aae-explorer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End serving, and give the port back."""
        if self.server is not None:
            self.server.should_exit = True
        if self._thread is not None:
            self._thread.join(10)
        self.socket.close()

"""The latent explorer: a run to look into, from a server on this machine or as one file. See docs/explorer.md."""

from __future__ import annotations

import importlib.util
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from aae.data import Dataset
from aae.errors import ConfigError
from aae.explorer.live import Live
from aae.explorer.single_file import export
from aae.inference import Run

__all__ = ["Live", "explore", "export", "live"]


def _require_server() -> None:
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the explorer's server needs {' and '.join(missing)}; install them with "
            "pip install 'adversarial-autoencoder[explore]'"
        )


def explore(
    run: Run,
    data: Dataset,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    remote: bool = False,
    browser: bool = True,
    points: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the explorer of a run until Ctrl-C; `say` is given the address to open, with its token.

    Raises ConfigError where the server is not installed, or for a host beyond this machine without `remote`.
    """
    _require_server()
    from aae.explorer.scene import POINTS, Scene
    from aae.explorer.server import Server, Site

    if points is not None and points < 1:
        raise ConfigError(f"--points must be 1 or more, got {points}")
    server = Server(host, port, remote)
    scene = Scene(run, data, most=POINTS if points is None else points)
    threading.Thread(target=scene.refresh, name="aae-encode", daemon=True).start()
    say(f"explorer: {server.address}")
    if browser:
        threading.Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
    server.run(Site(scene))


def live(path: Path, data: Dataset, *, port: int = 0, say: Callable[[str], None] = print) -> Live:
    """A page for a run that is about to train at `path`: give its `steer` to `aae.train`; see `Live`."""
    _require_server()
    from aae.explorer.server import Server, Site

    server = Server(port=port)
    say(f"live: {server.address}")

    def opened(link: Live) -> None:
        assert link.scene is not None
        server.start(Site(link.scene, link))

    return Live(path, data, opened, server.close)

"""Training that a page looks at and steers.

`steer` runs in the thread that trains, between two steps: it takes the commands that came in, copies the weights for
the page, and waits while the run is paused. Everything else runs in threads of the server and works on that copy, so
nothing here can touch the model that is being trained. Nobody looking, nothing is copied.

A changed learning rate becomes part of the run's state and is saved at once (`Game.change_rate`), so that `aae resume`
goes on with it, whatever happens next.
"""

from __future__ import annotations

import math
import queue
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aae.data import Dataset
from aae.errors import ConfigError
from aae.explorer.scene import Scene, verdict_of
from aae.game import Game
from aae.inference import Run
from aae.training import Stop

POINTS = 2000
"""Rows that drift over the page while training: each is encoded anew for every picture."""
EVERY = 1.0
"""Seconds between two copies of the weights, and between two looks at the losses."""
WATCHED = 4.0
"""Seconds after a page's last request during which somebody is taken to look."""
COMMANDS = ("pause", "resume", "save", "stop", "learning_rate")


class Live:
    """The link between a run that trains and its page.

    opened: called with this, once, after the first step, when there is something to look at. closed: called by `close`.
    """

    def __init__(
        self,
        path: Path,
        data: Dataset,
        opened: Callable[[Live], None],
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.path, self.data, self.opened, self.close = path, data, opened, closed
        self.commands: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=100)
        self.phases: tuple[str, ...] = ()
        self.paused = self.finished = False
        self.stopping = ""
        self.scene: Scene | None = None
        self._seen = self._copied = -math.inf
        self._copied_at = -1
        self._state: dict[str, Any] = {}
        self._saving, self._saved = False, 0
        self._weights: queue.Queue[dict[str, torch.Tensor]] = queue.Queue(maxsize=1)

    # In the thread that trains

    def steer(self, game: Game, stop: Stop) -> bool:
        """See `aae.training.Steer`."""
        if self.scene is None:
            self._open(game)
        if self._saving:
            self._saving, self._saved = False, game.step
        while True:
            save = self._take(game, stop)
            if save or time.monotonic() - self._copied >= EVERY or self.paused:
                self._tell(game)
            if save or stop.signal or not self.paused:
                self._saving = save
                return save
            time.sleep(0.1)

    def _open(self, game: Game) -> None:
        self.phases = tuple(game.optimizers)
        self.scene = Scene(Run.load(self.path, device="cpu"), self.data, most=POINTS)
        self._tell(game)
        threading.Thread(target=self._refresh, name="aae-live", daemon=True).start()
        self.opened(self)

    def _take(self, game: Game, stop: Stop) -> bool:
        """Carry out what came in; whether the run has to be saved."""
        save = False
        while True:
            try:
                body = self.commands.get_nowait()
            except queue.Empty:
                return save
            command = body["command"]
            if command in ("pause", "resume"):
                self.paused = command == "pause"
            elif command == "stop":
                self.paused, self.stopping = False, "stopped from the page; everything is saved"
                stop.signal = signal.SIGINT  # as Ctrl-C does
            elif command == "learning_rate":
                game.change_rate(body["phase"], body["learning_rate"])
                save = True
            else:
                save = True

    def _tell(self, game: Game) -> None:
        """Leave numbers and weights for the page, if there is one."""
        if not self._watched and self._state:
            return
        mid = game.step % game.steps_per_epoch
        self._state = {
            "step": game.step,
            "steps": game.steps,
            "epoch": min(game.step // game.steps_per_epoch + 1, game.config.epochs),
            "epochs": game.config.epochs,
            "losses": game.mean_losses() if mid and game.sums else {},
            "history": list(game.history),
            "changes": list(game.changes),
            "phases": [{"name": name, "learning_rate": game.learning_rate(name)} for name in game.optimizers],
            "saved": self._saved,
            "verdict": verdict_of(game.history, game.config),
        }
        moved = game.step != self._copied_at  # while the run is paused, nothing has
        if moved and time.monotonic() - self._copied >= EVERY and self._weights.empty():
            weights = {k: v.detach().to("cpu", copy=True) for k, v in game.model.state_dict().items()}
            self._weights.put(weights)
            self._copied, self._copied_at = time.monotonic(), game.step

    # In threads of the server

    @property
    def _watched(self) -> bool:
        return time.monotonic() - self._seen < WATCHED

    def _refresh(self) -> None:
        """Bring the page's copy of the model, and its codes, up to date whenever weights arrive."""
        assert self.scene is not None
        self.scene.refresh()
        while True:
            weights = self._weights.get()
            with self.scene.lock:
                self.scene.run.take_weights(weights)
            self.scene.refresh()

    def state(self) -> dict[str, Any]:
        """What the page asks for about once a second."""
        self._seen = time.monotonic()
        assert self.scene is not None
        now = {"paused": self.paused, "finished": self.finished, "said": self.stopping, "points": self.scene.version}
        return self._state | now

    def command(self, body: dict[str, Any]) -> None:
        """Take a command for the next step. ConfigError for one that cannot be carried out."""
        command, rate = body["command"], body.get("learning_rate")
        if not isinstance(command, str) or command not in COMMANDS:
            raise ConfigError(f"command must be one of {', '.join(COMMANDS)}")
        if command == "learning_rate":
            if not isinstance(body.get("phase"), str) or body["phase"] not in self.phases:
                raise ConfigError(f"phase must be one of {', '.join(self.phases)}")
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 10:
                raise ConfigError("learning_rate must be a number above 0 and at most 10")
        elif "phase" in body or "learning_rate" in body:
            raise ConfigError(f"{command} takes neither phase nor learning_rate")
        try:
            self.commands.put_nowait(body)
        except queue.Full:
            raise ConfigError("too many commands are waiting for the next step") from None

    # When training has ended

    def finish(self, run: Run) -> None:
        """Show the finished run, and leave the page open for as long as somebody looks."""
        if self.scene is None:
            return
        with self.scene.lock:
            self.scene.run = run
        self.scene.refresh()
        self.finished, self.paused = True, False

    def linger(self) -> None:
        """Return when nobody has looked for a while."""
        while self.scene is not None and self._watched:
            time.sleep(0.5)

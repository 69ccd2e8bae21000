"""Training that a page looks at: it follows, it obeys, and a run that was watched is the run that was not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny
from explorer_kit import Asking, open_browser
from test_training import digest

import aae
from aae.checkpoint import RunDirectory
from aae.data import Dataset
from aae.errors import Interrupted
from aae.explorer import live as make_link
from aae.explorer.live import Live


class Training:
    """A run that trains in a thread, with its page."""

    def __init__(self, path: Path, data: Dataset, **changes: object) -> None:
        self.path, self.data, self.said, self.error = path, data, list[str](), list[BaseException]()
        self.link: Live = make_link(path, data, say=self.said.append)
        self.run: aae.Run | None = None
        self.thread = threading.Thread(target=self._train, args=(tiny(**changes),))
        self.thread.start()

    def _train(self, config: aae.Config) -> None:
        try:
            self.run = aae.train(config, self.path, data=self.data, steer=self.link.steer)
            self.link.finish(self.run)
        except BaseException as error:  # handed to the test
            self.error.append(error)

    @property
    def address(self) -> str:
        return self.said[0].removeprefix("live: ")

    def ask(self) -> Asking:
        return Asking(self.link.close.__self__)  # type: ignore[attr-defined]  # the server's own method

    def until(self, what: str, wanted: Any) -> dict[str, Any]:
        """The state, once `what` in it has become what is wanted."""
        ask, end = self.ask(), time.monotonic() + 30
        while time.monotonic() < end:
            state: dict[str, Any] = ask("/api/live").json
            if wanted(state[what]) if callable(wanted) else state[what] == wanted:
                return state
            time.sleep(0.05)
        raise AssertionError(f"{what} is {state[what]}")


@pytest.fixture
def training(tmp_path: Path, digits: Dataset) -> Iterator[Training]:
    """A run far too long to end by itself."""
    found = Training(tmp_path / "run", digits, epochs=100_000)
    yield found
    found.link.commands.put({"command": "stop"})
    found.thread.join(30)
    assert not found.thread.is_alive()
    found.link.close()


def test_a_run_that_is_watched_ends_with_the_same_bytes(tmp_path: Path, digits: Dataset) -> None:
    """Watched, paused, saved by hand and gone on; nothing else is asked of it."""
    plain = aae.train(tiny(epochs=4), tmp_path / "plain", data=digits)
    watched = Training(tmp_path / "watched", digits, epochs=4)
    for command in ("pause", "save", "resume", "save"):
        watched.link.commands.put({"command": command})
    state = watched.until("finished", True)
    watched.thread.join(30)
    assert not watched.error
    assert digest(plain.path) == digest(watched.path)
    assert state["points"] >= 1
    assert watched.run is not None
    assert watched.run.changes == []
    watched.link.close()


def test_pause_holds_a_step_and_save_writes_it(training: Training) -> None:
    training.until("step", lambda step: step > 3)
    ask = training.ask()
    assert ask("/api/live/command", {"command": "pause"}).status == 202
    step = training.until("paused", True)["step"]
    training.until("points", lambda points: points > 0)
    time.sleep(1.3)  # time for one more picture, if one were made
    points = training.until("paused", True)["points"]
    time.sleep(1.3)
    state = training.until("paused", True)
    assert (state["step"], state["points"]) == (step, points)
    ask("/api/live/command", {"command": "save"})
    training.until("saved", step)
    assert RunDirectory.open(training.path).steps()[-1] == step
    ask("/api/live/command", {"command": "resume"})
    training.until("step", lambda now: now > step)


def test_a_rate_that_is_changed_is_saved_before_it_is_felt(training: Training) -> None:
    ask = training.ask()
    training.until("step", lambda step: step > 1)
    body = {"command": "learning_rate", "phase": "generator", "learning_rate": 0.002}
    assert ask("/api/live/command", body).status == 202
    state = training.until("changes", lambda changes: len(changes) == 1)
    step = state["changes"][0]["step"]
    training.until("saved", step)
    assert {"name": "generator", "learning_rate": 0.002} in state["phases"]
    ask("/api/live/command", {"command": "stop"})
    training.thread.join(30)
    assert isinstance(training.error[0], Interrupted)
    found = RunDirectory.open(training.path).load()
    assert found.state["changes"] == [{"step": step, "phase": "generator", "learning_rate": 0.002}]
    assert training.until("said", lambda said: "stopped" in said)


@pytest.mark.parametrize(
    "body",
    [
        {"command": "format"},
        {"command": "pause", "phase": "generator"},
        {"command": "learning_rate"},
        {"command": "learning_rate", "phase": "decoder", "learning_rate": 0.1},
        {"command": "learning_rate", "phase": "generator", "learning_rate": 0},
        {"command": "learning_rate", "phase": "generator", "learning_rate": True},
        {"command": "learning_rate", "phase": "generator", "learning_rate": 1e9},
        {"command": ["pause"]},
        {"command": "learning_rate", "phase": [], "learning_rate": 0.1},
    ],
)
def test_commands_that_cannot_be_are_refused(body: dict[str, Any], tmp_path: Path, digits: Dataset) -> None:
    link = Live(tmp_path / "none", digits, lambda live: None)
    link.phases = ("generator",)
    with pytest.raises(aae.errors.ConfigError):
        link.command(body)
    assert link.commands.empty()


def test_the_page_follows_and_steers(training: Training) -> None:
    """In a browser: points move, losses are drawn, the buttons and the rates work, and the run can be resumed."""
    browser = open_browser()
    try:
        browser.get(training.address)

        def wait(script: str) -> Any:
            end = time.monotonic() + 30
            while not (found := browser.execute_script(script)):
                assert time.monotonic() < end, f"never true: {script}"
                time.sleep(0.1)
            return found

        wait("return typeof aaeExplorer === 'object'")
        before = browser.execute_script("return Array.from(aaeExplorer.codes.slice(0, 40))")
        wait(f"return aaeExplorer.codes[0] !== {before[0]!r}")
        browser.execute_script("aaeExplorer.open(0); aaeExplorer.colour('code 1')")
        was = browser.execute_script("return aaeExplorer.codes[0]")
        wait(f"return aaeExplorer.codes[0] !== {was!r} && aaeExplorer.code[0] === aaeExplorer.codes[0]")
        assert browser.execute_script("return aaeExplorer.item") == 0  # it stays open, and its code is followed
        assert browser.execute_script("return aaeExplorer.values[5] === aaeExplorer.codeOf(5)[0]")
        browser.find_element("id", "tab-training").click()
        wait("return document.querySelectorAll('#curves path').length >= 3")
        browser.find_element("id", "pause").click()
        training.until("paused", True)
        wait("return document.getElementById('pause').textContent === 'Go on'")
        field = browser.find_element("id", "rate-generator")
        field.clear()
        field.send_keys("0.003")
        browser.execute_script("document.getElementById('rate-generator').nextElementSibling.click()")
        training.until("changes", lambda changes: len(changes) == 1)
        browser.find_element("id", "pause").click()
        training.until("paused", False)
        browser.find_element("css selector", "[data-command=stop]").click()
        training.thread.join(30)
        assert isinstance(training.error[0], Interrupted)
        wait("return document.querySelector('#controls p').textContent.startsWith('Stopped')")
    finally:
        browser.quit()
    assert RunDirectory.open(training.path).load().state["changes"][0]["learning_rate"] == 0.003

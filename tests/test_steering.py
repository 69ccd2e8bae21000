"""Steering a run while it trains: it may wait, save, stop or learn at another rate, and resuming stays exact."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from conftest import tiny
from test_training import digest, stop_at

import aae
from aae import page
from aae.checkpoint import RunDirectory
from aae.data import Dataset
from aae.errors import ConfigError, Interrupted
from aae.game import Game
from aae.training import Steer, Stop


class Once:
    """True the first time that it is asked about something true."""

    done = False

    def __call__(self, asked: bool) -> bool:
        asked, self.done = asked and not self.done, self.done or asked
        return asked


def changing(at: int, phase: str = "generator", rate: float = 5e-3) -> Steer:
    once = Once()

    def steer(game: Game, stop: Stop) -> bool:
        if game.step == at and not once.done:
            game.change_rate(phase, rate)
        return once(game.step == at)

    return steer


def test_steering_that_changes_nothing_changes_nothing(tmp_path: Path, digits: Dataset) -> None:
    """Saves in the middle of an epoch as well: how often a run is saved does not matter."""
    once = Once()
    plain = aae.train(tiny(), tmp_path / "plain", data=digits)
    watched = aae.train(tiny(), tmp_path / "watched", data=digits, steer=lambda game, stop: once(game.step == 5))
    assert digest(plain.path) == digest(watched.path)
    assert plain.changes == watched.changes == []


def test_a_changed_learning_rate_is_recorded_and_survives_an_interruption(tmp_path: Path, digits: Dataset) -> None:
    plain = aae.train(tiny(), tmp_path / "plain", data=digits)
    whole = aae.train(tiny(), tmp_path / "whole", data=digits, steer=changing(4))
    assert digest(whole.path) != digest(plain.path)
    with pytest.raises(Interrupted):
        aae.train(tiny(), tmp_path / "broken", data=digits, listener=stop_at(7), steer=changing(4))
    assert RunDirectory.open(tmp_path / "broken").load().state["changes"] == whole.changes
    again = aae.resume(tmp_path / "broken", data=digits)
    assert digest(again.path) == digest(whole.path)
    assert again.changes == [{"step": 4, "phase": "generator", "learning_rate": 5e-3}]
    assert "From step 4 on, the generator phase learnt at 0.005" in page._settings(again)
    assert "by hand" not in page._settings(plain)


@pytest.mark.parametrize(("phase", "rate"), [("decoder", 1e-3), ("generator", 0.0), ("generator", float("nan"))])
def test_a_phase_or_rate_that_cannot_be_is_refused(phase: str, rate: float, tmp_path: Path, digits: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"no phase 'decoder'|above 0 and at most 1000"):
        aae.train(tiny(), tmp_path / "run", data=digits, steer=changing(1, phase, rate))


def test_a_stop_that_was_asked_for_saves_at_that_step(tmp_path: Path, digits: Dataset) -> None:
    def steer(game: Game, stop: Stop) -> bool:
        stop.signal = signal.SIGINT if game.step == 3 else stop.signal
        return False

    with pytest.raises(Interrupted, match="at step 3"):
        aae.train(tiny(), tmp_path / "run", data=digits, steer=steer)
    assert RunDirectory.open(tmp_path / "run").steps()[-1] == 3


def test_waiting_is_no_time_spent_training(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on in pauses alone."""
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def steer(game: Game, stop: Stop) -> bool:
        clock[0] += 100
        return False

    run = aae.train(tiny(epochs=1), tmp_path / "run", data=digits, steer=steer)
    assert sum(row["seconds"] for row in run.history) == 0

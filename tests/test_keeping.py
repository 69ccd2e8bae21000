"""Which weights a run ends with: averaged, best, or last; and that none of it depends on interruptions."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae.data import Dataset
from aae.diagnosis import score
from aae.errors import Interrupted
from aae.game import Game
from aae.keeping import Average, best_epoch, out_of_patience
from aae.training import train_in_memory

FASTER = {"optimizer__reconstruction__learning_rate": 1e-2, "adversarial__phases": "joint"}
VARIANTS = {
    "average": tiny(epochs=4, average=0.9),
    "best": tiny(epochs=4, select="best", **FASTER),
    "patience": tiny(epochs=30, patience=2, **FASTER, optimizer__discriminator__learning_rate=0.05),
    "all": tiny(epochs=6, average=0.95, select="best", patience=3, **FASTER),
}
ENDS_AFTER = {"average": 4, "best": 4, "patience": 4, "all": 5}
"""Epochs of each variant with these scores, of which the second is the best."""


def scored(row: dict[str, float]) -> float:
    return {1: 0.2, 2: 0.5, 3: 0.4}.get(int(row["epoch"]), 0.1)


def stop_at(step: int):  # type: ignore[no-untyped-def]
    def steer(game: Game, stop: object) -> bool:
        if game.step == step:
            stop.signal = 2  # type: ignore[attr-defined]
        return False

    return steer


def digest(run: aae.Run) -> str:
    return hashlib.sha256((run.path / "weights.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", VARIANTS)
def test_an_interrupted_run_ends_with_the_same_bytes(
    name: str, tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aae.game.score", scored)  # so few epochs of so small networks all score next to nothing
    whole = aae.train(VARIANTS[name], tmp_path / "whole", data=digits)
    assert whole.history[-1]["step"] > 27
    for step in (13, 27):  # before the best epoch has ended, and after it, when its weights are in the checkpoint alone
        go_on = partial(aae.train, VARIANTS[name]) if step == 13 else aae.resume
        with pytest.raises(Interrupted):
            go_on(tmp_path / "parts", data=digits, steer=stop_at(step))
    parts = aae.resume(tmp_path / "parts", data=digits)
    assert digest(whole) == digest(parts)
    assert parts.finished
    assert len(whole.history) == len(parts.history) == ENDS_AFTER[name]
    assert best_epoch(parts.history) == 1
    assert aae.resume(tmp_path / "parts", data=digits).finished


def test_an_average_is_what_is_used_and_saved(tmp_path: Path, digits: Dataset) -> None:
    """Training goes on with the weights as they are: the discriminator ends the same with and without an average."""
    plain = aae.train(tiny(epochs=4), tmp_path / "a", data=digits)
    averaged = aae.train(VARIANTS["average"], tmp_path / "b", data=digits)
    a, b = plain.model.state_dict(), averaged.model.state_dict()
    assert all(torch.equal(a[k], b[k]) == k.startswith("discriminator") for k in a)
    x = digits.x[:50].numpy()
    assert not np.allclose(plain.encode(x), averaged.encode(x))
    assert plain.history[0]["reconstruction_train"] == averaged.history[0]["reconstruction_train"]
    assert plain.history[0]["reconstruction_validation"] != averaged.history[0]["reconstruction_validation"]


def test_an_average_follows_its_formula(digits: Dataset) -> None:
    game = Game.new(tiny(), digits, torch.device("cpu"))
    average = Average(game.model, 0.5)
    name = "encoder.body.0.weight"
    assert set(average.weights) == {k for k in game.model.state_dict() if k.startswith(("encoder.", "decoder."))}
    expected = average.live()[name].clone()
    for step in range(1, 15):
        average.live()[name].add_(0.1 * step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * average.live()[name]
        average.update(step)
    torch.testing.assert_close(average.weights[name], expected)
    own = {k: v.clone() for k, v in game.model.state_dict().items()}
    with average.used():
        assert torch.equal(game.model.state_dict()[name], average.weights[name])
    assert all(torch.equal(v, own[k]) for k, v in game.model.state_dict().items())


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finished run has the weights that it had after its best epoch, here the second."""
    monkeypatch.setattr("aae.game.score", lambda row: {1: 0.2, 2: 0.5, 3: 0.4, 4: 0.1}[row["epoch"]])
    seen: list[dict[str, torch.Tensor]] = []

    def steer(game: Game, stop: object) -> bool:
        if game.step % game.steps_per_epoch == 0:
            seen.append({k: v.clone() for k, v in game.model.state_dict().items()})
        return False

    run = aae.train(tiny(epochs=4, select="best"), tmp_path / "run", data=digits, steer=steer)
    assert len(run.history) == 4
    assert all(torch.equal(v, seen[1][k]) for k, v in run.model.state_dict().items())
    last = aae.train(tiny(epochs=4), tmp_path / "last", data=digits)
    assert all(torch.equal(v, seen[3][k]) for k, v in last.model.state_dict().items())


def test_the_score_of_each_epoch_is_in_the_history(trained: aae.Run) -> None:
    assert [row["score"] for row in trained.history] == [score(row) for row in trained.history]


def test_an_epoch_that_was_not_measured_has_no_score(digits: Dataset) -> None:
    run = train_in_memory(tiny(epochs=3), digits, measured=1)
    assert [row.get("score") for row in run.history] == [None, None, score(run.history[-1])]
    assert best_epoch([{"epoch": 1}, {"epoch": 2, "score": 0.0, "r2": -1.0}, {"epoch": 3}]) == 1


def test_patience_counts_epochs_without_a_better_one() -> None:
    history = [{"score": s} for s in (0.1, 0.3, 0.3, 0.2)]
    assert best_epoch(history) == 1
    assert [out_of_patience(history[:n], 2) for n in range(5)] == [False, False, False, False, True]
    assert not out_of_patience(history, 0)
    assert not out_of_patience([], 1)


def test_a_run_out_of_patience_is_finished(tmp_path: Path, digits: Dataset) -> None:
    run = aae.train(VARIANTS["patience"], tmp_path / "run", data=digits)
    assert run.finished
    assert len(run.history) < 30
    assert len(run.history) - 1 - best_epoch(run.history) == 2


@pytest.mark.parametrize(("rows", "batch", "epochs"), [(90, 32, 400), (1293, 32, 100), (54_000, 128, 10)])
def test_the_recipe_for_any_data_fits_its_size(rows: int, batch: int, epochs: int, digits: Dataset) -> None:
    import dataclasses

    from aae.pace import sized

    splits = dataclasses.replace(digits.splits, train=np.arange(rows))
    config = sized(aae.recipes.auto(), dataclasses.replace(digits, splits=splits))
    assert (config.batch_size, config.epochs) == (batch, epochs)
    assert sized(config, digits).epochs == epochs  # what is set stays


def test_before_any_code_matches_reconstruction_says_which_epoch_is_better() -> None:
    """Codes that are always told from the prior score 0, for many epochs at the start of some runs."""
    history = [{"score": 0.0, "r2": r2} for r2 in (-1.0, 0.1, 0.2, 0.15)]
    assert best_epoch(history) == 2
    assert not out_of_patience(history[:3], 1)
    assert out_of_patience(history, 1)

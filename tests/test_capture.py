"""A recorded step is the plain step: here with recordings that simply run the body again, so that no GPU is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from capture_kit import HostWatch, standing
from conftest import tiny

from aae.capture import WARM_UP, Body, Recorded, stepper
from aae.config import Config, replace
from aae.data import Dataset, load
from aae.game import Game
from aae.hardware import device_of
from aae.phases import Batch

CPU = torch.device("cpu")
JOINT = tiny(
    adversarial__phases="joint", adversarial__final_weight=1.0, adversarial__input_noise=0.1, schedule="linear"
)
CONFIGS = {
    "separate": tiny(),
    "joint": JOINT,
    "balanced": replace(JOINT, {"adversarial.balance": "gradients"}),
    "sgd": tiny(optimizer__generator__kind="sgd"),
    "semi-supervised": tiny(model__kind="semi-supervised", prior__kind="gaussian", labelled_batch_size=32),
    "held still": tiny(model__kind="clustering", model__clusters=4, consistency__kind="both", consistency__bend=1.0),
}


def again(body: Body, generator: torch.Generator) -> Body:
    return body


def games(config: Config, data: Dataset) -> tuple[Game, Game]:
    return Game.new(config, data, CPU), Game.new(config, data, CPU)


def train(take: Callable[[torch.Tensor], None], game: Game, steps: int) -> None:
    size = game.config.batch_size
    for step in range(steps):
        epoch, i = divmod(step, game.steps_per_epoch)
        take(game.feed.order(epoch)[i * size : (i + 1) * size])


@pytest.mark.parametrize("name", CONFIGS)
def test_recorded_steps_train_as_plain_ones_do(name: str, digits: Dataset) -> None:
    """Rows, progress, learning rates and noise reach a recording through what stays in place."""
    plain, recorded = games(CONFIGS[name], digits)
    take = Recorded(recorded, torch.float32, again)
    train(stepper(plain, torch.float32), plain, 21)
    train(take, recorded, 21)
    assert set(take.replays) == ({False, True} if name == "balanced" else {False}), "every tenth step measures"
    assert recorded.step == plain.step == 21
    for name, value in plain.model.state_dict().items():
        torch.testing.assert_close(recorded.model.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    for name, value in plain.sums.items():
        torch.testing.assert_close(recorded.sums[name], value, rtol=1e-5, atol=1e-6)
    assert torch.equal(plain.generator.get_state(), recorded.generator.get_state())


WATCHED = {
    **CONFIGS,
    "supervised": tiny(model__kind="supervised"),
    "dimension reduction": tiny(model__kind="dimension-reduction", labelled_batch_size=32),
    "vae": tiny(model__kind="vae", prior__kind="gaussian"),
    "vae, mixture": tiny(model__kind="vae", prior__kind="mixture"),
    "vae, swiss roll": tiny(model__kind="vae", prior__kind="swiss-roll"),
    "vae, covariance": tiny(model__kind="vae", prior__kind="gaussian", prior__covariance=(2.0, 0.5, 0.5, 1.0)),
    "wae": tiny(model__kind="wae-mmd", prior__kind="gaussian"),
    "autoencoder": tiny(model__kind="autoencoder"),
    "labels in the prior": tiny(prior__kind="mixture", prior__labels=True, data__labelled=100),
    "checkerboard": tiny(prior__kind="checkerboard"),
    "swiss roll": tiny(prior__kind="swiss-roll"),
    "penalty": tiny(adversarial__gradient_penalty=0.1, adversarial__penalty="one"),
    "wasserstein": tiny(
        adversarial__objective="wasserstein", adversarial__spectral_norm=True, adversarial__discriminator_steps=3
    ),
    "convolutions": tiny(model__network="conv", model__normalization="batch", corruption__dropout=0.2),
    "noise": tiny(model__posterior="noise", corruption__noise=0.1, average=0.9),
}


@pytest.mark.parametrize("name", WATCHED)
def test_the_host_neither_looks_at_a_step_nor_brings_it_anything(name: str, digits: Dataset) -> None:
    """What a CUDA graph asks of a step, held on the processor to the operations that a step is made of."""
    game = Game.new(WATCHED[name], digits, CPU)
    take = Recorded(game, torch.float32, again)
    train(take, game, WARM_UP + 2)
    with HostWatch(standing(take)) as watch:
        take._body()
        game.step = 10  # in which a balanced game measures
        take._body()
    assert watch.found == []


def test_a_step_on_a_table_with_gaps_and_conditions_is_left_alone_too(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = ["age,town,size,colour"]
    for row in range(400):
        age = "" if row % 7 == 0 else f"{random.normal():.3f}"
        lines.append(f"{age},{'AB'[row % 2]},{random.random():.3f},{('red', '', 'blue')[row % 3]}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    told = {"data__source": str(tmp_path / "t.csv"), "data__condition": ("town",), "data__hide": 0.2}
    config = tiny(model__kind="supervised", batch_size=32, **told)
    game = Game.new(config, load(config.data), CPU)
    take = Recorded(game, torch.float32, again)
    train(take, game, WARM_UP + 2)
    with HostWatch(standing(take)) as watch:
        take._body()
    assert watch.found == []


def test_a_look_and_a_tensor_from_the_host_are_seen() -> None:
    here, there = torch.ones(3), torch.zeros(3)
    with HostWatch([here]) as watch:
        sum_ = (here + torch.ones(3)).sum()
        assert watch.found == []
        here * there
        bool(sum_ > 2)
        torch.tensor([1.0, 2.0])
        here[here > 0]
        torch.equal(here, here)
    assert [found.partition(".default")[0] for found in watch.found] == [
        "aten.mul.Tensor",
        "aten._local_scalar_dense",
        "aten.lift_fresh",
        "aten.index.Tensor",
        "aten.equal",
    ]


def test_sums_start_again_in_place_when_an_epoch_ends(digits: Dataset) -> None:
    game = Game.new(tiny(), digits, CPU)
    train(stepper(game, torch.float32), game, game.steps_per_epoch)
    before = {name: value.data_ptr() for name, value in game.sums.items()}
    game.end_epoch(torch.float32)
    assert {name: value.data_ptr() for name, value in game.sums.items()} == before
    assert all(value == 0 for value in game.sums.values())


def spoiled(body: Body, generator: torch.Generator) -> Body:
    """A recording that draws once too often."""

    def replay() -> None:
        torch.rand(1, generator=generator)
        body()

    return replay


def impossible(body: Body, generator: torch.Generator) -> Body:
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


@pytest.mark.parametrize("record", [spoiled, impossible])
def test_a_recording_that_fails_or_differs_is_given_up_and_training_goes_on(
    record: Callable[[Body, torch.Generator], Body], digits: Dataset
) -> None:
    plain, recorded = games(tiny(), digits)
    train(stepper(plain, torch.float32), plain, 7)
    with pytest.warns(UserWarning, match="training without CUDA graphs"):
        train(Recorded(recorded, torch.float32, record), recorded, 7)
    assert all(torch.equal(a, b) for a, b in zip(plain.model.parameters(), recorded.model.parameters(), strict=True))


def test_on_a_processor_nothing_is_recorded(digits: Dataset) -> None:
    assert not isinstance(stepper(Game.new(tiny(), digits, CPU), torch.float32), Recorded)


def test_a_step_before_the_recording_is_plain(digits: Dataset) -> None:
    game, seen = Game.new(tiny(), digits, CPU), []

    def record(body: Body, generator: torch.Generator) -> Body:
        seen.append(game.step)
        return body

    train(Recorded(game, torch.float32, record), game, WARM_UP + 2)
    assert seen == [WARM_UP]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", WATCHED)
def test_cuda_graphs_train_as_the_plain_step_does(name: str, digits: Dataset) -> None:
    config = replace(WATCHED[name], {"precision": "fp32"})
    device = device_of("cuda")  # with its number, as training has it
    graphs, plain = Game.new(config, digits, device), Game.new(replace(config, {"cuda_graphs": False}), digits, device)
    take = stepper(graphs, torch.float32)
    train(take, graphs, 21)
    train(stepper(plain, torch.float32), plain, 21)
    assert isinstance(take, Recorded)
    assert set(take.replays) == ({False, True} if name == "balanced" else {False})
    for a, b in zip(graphs.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_step_that_looks_at_a_result_is_not_recorded_and_goes_on(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = device_of("cuda")
    graphs, plain = (Game.new(tiny(precision="fp32"), digits, device) for _ in range(2))
    run = Game.run

    def looking(game: Game, batch: Batch, precision: torch.dtype) -> None:
        run(game, batch, precision)
        batch.x.sum().item()

    monkeypatch.setattr(Game, "run", looking)
    take = stepper(graphs, torch.float32)
    with pytest.warns(UserWarning, match="training without CUDA graphs"):
        train(take, graphs, 9)
    for i in range(9):
        plain.take_step(plain.feed.order(0)[i * 128 : (i + 1) * 128], torch.float32)
    for a, b in zip(graphs.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)

"""A recorded step is the plain step: here with recordings that simply run the body again, so that no GPU is needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from capture_kit import HostWatch, standing
from conftest import tiny

from aae.capture import WARM_UP, Body, Recorded, stepper
from aae.config import Config, replace
from aae.data import Dataset
from aae.game import Game

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
    train(stepper(plain, torch.float32), plain, 11)
    train(take, recorded, 11)
    assert set(take.replays) == ({False, True} if name == "balanced" else {False}), "the eleventh step measures"
    assert recorded.step == plain.step == 11
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


def test_a_look_and_a_tensor_from_the_host_are_seen() -> None:
    here, there = torch.ones(3), torch.zeros(3)
    with HostWatch([here]) as watch:
        sum_ = (here + torch.ones(3)).sum()
        assert watch.found == []
        here * there
        bool(sum_ > 2)
        torch.tensor([1.0, 2.0])
    assert [found.partition(".default")[0] for found in watch.found] == [
        "aten.mul.Tensor",
        "aten._local_scalar_dense",
        "aten.lift_fresh",
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
    device = torch.device("cuda")
    graphs, plain = Game.new(config, digits, device), Game.new(replace(config, {"cuda_graphs": False}), digits, device)
    take = stepper(graphs, torch.float32)
    train(take, graphs, 9)
    train(stepper(plain, torch.float32), plain, 9)
    assert isinstance(take, Recorded)
    assert take.replays
    for a, b in zip(graphs.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)

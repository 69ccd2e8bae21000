"""Batch normalisation: what it computes, which phases gather its statistics, and that a run in use has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny
from torch import nn

import aae
from aae.convolution import ConvolutionalEncoder
from aae.data import Dataset
from aae.errors import ConfigError
from aae.explorer.networks import write
from aae.game import Game
from aae.networks import MLP
from aae.normalization import BatchNorm, gathering

NORMALIZED = {"model__normalization": "batch", "precision": "fp32"}


@pytest.mark.parametrize("shape", [(40, 5), (8, 5, 4, 3)])
def test_it_is_pytorchs_own(shape: tuple[int, ...]) -> None:
    """Values, gradients and running statistics, in training and in use."""
    ours = BatchNorm(5)
    theirs = nn.BatchNorm1d(5) if len(shape) == 2 else nn.BatchNorm2d(5)
    with torch.no_grad():
        for layer in (ours, theirs):
            for p in layer.parameters():
                p.copy_(torch.arange(1.0, 6.0))
    for seed in range(3):
        x = 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 2
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        with gathering(ours.parameters()):
            mine = ours(a)
        mine.square().sum().backward()
        theirs(b).square().sum().backward()
        torch.testing.assert_close(a.grad, b.grad)
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_statistics_are_gathered_where_they_are_asked_for_alone() -> None:
    one, other = BatchNorm(3), BatchNorm(3)
    x = torch.randn(20, 3) + 5
    with gathering(one.parameters()):
        one(x), other(x)
        one.eval()(x)
        with gathering(()):
            one.train()(x)
    one(x)
    torch.testing.assert_close(one.mean, 0.1 * x.mean(0))
    assert torch.equal(other.mean, torch.zeros(3))


def gathered(body: MLP | ConvolutionalEncoder, wide: int) -> nn.Module:
    """`body` in use, with statistics of its own."""
    with gathering(body.parameters()):
        for seed in range(20):
            body(torch.randn(30, wide, generator=torch.Generator().manual_seed(seed)) * 2 + 1)
    return body.eval().requires_grad_(False)


BODIES = {
    "dense": lambda: MLP((16, 12, 7), normalized=True),
    "convolutional": lambda: ConvolutionalEncoder((1, 4, 4), (3, 5), (9,), 7, normalized=True),
}


@pytest.mark.parametrize("name", BODIES)
def test_every_layer_of_an_encoder_is_normalized_its_last_one_too(name: str) -> None:
    torch.manual_seed(0)
    body = BODIES[name]()
    out = body(torch.randn(64, 16) * 3 + 1)
    torch.testing.assert_close(out.mean(0), torch.zeros(7), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(0, unbiased=False), torch.ones(7), atol=1e-2, rtol=0)
    layers = [m for m in body.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert len(layers) == sum(isinstance(m, BatchNorm) for m in body.modules())
    assert all(layer.bias is None for layer in layers)


@pytest.mark.parametrize("name", BODIES)
def test_an_exported_page_folds_it_into_the_weights(name: str) -> None:
    torch.manual_seed(0)
    body = gathered(BODIES[name](), 16)
    write("encoder", body, body, 16, sigmoid=False)  # refuses layers that do not come to the network


def test_bf16_is_close_to_fp32_in_wide_layers() -> None:
    torch.manual_seed(0)
    body, x = MLP((200, 128, 128, 3), normalized=True), torch.randn(100, 200)
    exact = body(x)
    with torch.autocast("cpu", torch.bfloat16):
        rough = body(x)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.02


def test_a_run_in_use_has_the_statistics_that_were_gathered(tmp_path: Path, digits: Dataset) -> None:
    """Codes of rows that are encoded together and alone are the same, and close to standard in their spread."""
    run = aae.train(tiny(epochs=6, **NORMALIZED), tmp_path / "run", data=digits)
    x = digits.x[:300].numpy().reshape(300, 8, 8)
    z = run.encode(x)
    assert np.array_equal(z[:1], run.encode(x[:1]))
    last = run.model.get_submodule("encoder.body")[-1]
    gain, shift = last.gain.numpy(), last.shift.numpy()
    assert np.abs((z - shift) / gain).std(0) == pytest.approx(np.ones(2), abs=0.5)


def test_measuring_gathers_nothing(digits: Dataset) -> None:
    game = Game.new(tiny(**NORMALIZED), digits, torch.device("cpu"))
    game.take_step(game.feed.order(0)[:128], torch.float32)
    before = {k: v.clone() for k, v in game.model.state_dict().items()}
    game.keep_frame(0)
    game.end_epoch(torch.float32)
    assert all(torch.equal(v, before[k]) for k, v in game.model.state_dict().items())


def test_an_average_of_weights_averages_statistics_too(digits: Dataset) -> None:
    game = Game.new(tiny(average=0.5, **NORMALIZED), digits, torch.device("cpu"))
    for i in range(3):
        game.take_step(game.feed.order(0)[i * 128 : (i + 1) * 128], torch.float32)
    weights, live = game.weights(), game.model.state_dict()
    names = [name for name in weights if name.startswith("encoder.") and name.endswith((".mean", ".variance"))]
    assert len(names) == 4
    assert all(not torch.equal(weights[name], live[name]) for name in names)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"batch_size": 1}, "batch_size"),
        ({"model__kind": "semi-supervised", "labelled_batch_size": 1}, "labelled_batch_size"),
    ],
)
def test_a_batch_of_one_row_is_refused(changes: dict[str, object], named: str, digits: Dataset) -> None:
    with pytest.raises(ConfigError, match=f"{named} of 2 rows or more, got 1"):
        Game.new(tiny(**NORMALIZED, **changes), digits, torch.device("cpu"))

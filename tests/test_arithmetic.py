"""Dense layers as one function are held to PyTorch's own, layer by layer: values, gradients, fresh copies."""

from __future__ import annotations

import itertools
import threading

import pytest
import torch
from conftest import tiny
from torch import Tensor
from torch.nn import functional as F

from aae.arithmetic import CODE_WIDTH, dense, gradients_for, in_half, moved, twice
from aae.config import replace
from aae.data import Dataset
from aae.errors import TrainingError
from aae.game import Game
from aae.networks import MLP
from aae.objectives import gradient_penalty

HALF = 2.0**-8
"""The relative rounding of bfloat16."""
STACKS = {
    "one layer": (80, 96),
    "wide": (80, 96, 70),
    "to a code": (80, 96, 100, 2),
    "from a code": (2, 100, 96, 80),
    "narrow": (3, 5, 2),
}


def half(enabled: bool = True) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def stack(widths: tuple[int, ...], rows: int = 33) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    make = torch.Generator().manual_seed(0)
    x = torch.randn(rows, widths[0], generator=make, requires_grad=True)
    weights = [
        (torch.randn(b, a, generator=make) * (2 / a) ** 0.5).requires_grad_() for a, b in itertools.pairwise(widths)
    ]
    return x, weights, [torch.randn(len(w), generator=make, requires_grad=True) for w in weights]


def by_hand(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = F.linear(x if i == 0 else x.relu(), weight, bias)
    return x


def difference(a: Tensor, b: Tensor) -> float:
    """Relative, in the Euclidean norm."""
    a, b = a.detach().double(), b.detach().double()
    return float((a - b).norm() / b.norm())


def found(y: Tensor, everything: list[Tensor]) -> list[Tensor]:
    """The values, and the gradients of the sum of their squares."""
    return [y, *torch.autograd.grad(y.float().square().sum(), everything)]


@pytest.mark.parametrize("rows", [1, 33, 128])
@pytest.mark.parametrize("name", STACKS)
def test_in_float32_it_is_the_layers_by_hand(name: str, rows: int) -> None:
    x, weights, biases = stack(STACKS[name], rows)
    everything = [x, *weights, *biases]
    expected = found(by_hand(x, weights, biases), everything)
    for a, b in zip(found(dense(x, weights, biases), everything), expected, strict=True):
        assert difference(a, b) < 1e-6


@pytest.mark.parametrize("rows", [0, 1, 64, 128])
def test_gradients_of_views_are_those_of_their_copies(rows: int) -> None:
    """A sum's gradient is one number seen everywhere; rows may be every other one of a wider array."""
    _, weights, biases = stack((80, 96, 70))
    around = torch.randn(2 * rows, 100, generator=torch.Generator().manual_seed(1))
    pairs = []
    for layers in (dense, by_hand):
        x = around[::2, 10:90].requires_grad_()
        pairs.append(torch.autograd.grad(layers(x, weights, biases).sum(), [x, *weights, *biases]))
    for a, b in zip(*pairs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("enabled", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("rows", [1, 128])
@pytest.mark.parametrize("where", ["x", "weight"])
def test_what_is_not_a_number_comes_out_as_none(enabled: bool, rows: int, where: str) -> None:
    """ReLU must not hide it: a broken network would look healthy."""
    x, weights, biases = stack((80, 96, 100, 70), rows)
    with torch.no_grad():
        (x if where == "x" else weights[0]).fill_(torch.nan)
        with half(enabled):
            assert dense(x, weights, biases).isnan().all()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("changes", [{}, {"model.latent": 100}, {"model.network": "conv"}])
def test_a_weight_that_is_not_a_number_ends_training(
    changes: dict[str, object], precision: torch.dtype, digits: Dataset
) -> None:
    wide = dict.fromkeys(("model.encoder", "model.decoder", "model.discriminator"), (128, 128))
    game = Game.new(replace(tiny(), {**wide, **changes}), digits, torch.device("cpu"))
    with torch.no_grad():
        next(game.model.get_submodule("encoder").parameters()).view(-1)[0] = torch.nan
    game.take_step(torch.arange(128), precision)
    with pytest.raises(TrainingError, match="no longer finite"):
        game.check_finite()


@pytest.mark.parametrize("name", STACKS)
def test_in_bfloat16_it_is_as_close_to_float32_as_autocast_is(name: str) -> None:
    """An input near the corner of a ReLU falls on its other side when rounded, so the bound is autocast's own error."""
    x, weights, biases = stack(STACKS[name])
    everything = [x, *weights, *biases]
    with half():
        fast, slow = dense(x, weights, biases), by_hand(x, weights, biases)
    exact = found(by_hand(x, weights, biases), everything)
    for a, b, c in zip(found(fast, everything), found(slow, everything), exact, strict=True):
        assert a.dtype == torch.float32 or a is fast
        assert difference(a, c) < 2 * difference(b, c) + HALF / 4


def test_codes_are_never_rounded_to_bfloat16() -> None:
    x, weights, biases = stack(STACKS["to a code"])
    with half():
        codes = dense(x, weights, biases)
    assert codes.dtype == torch.float32
    assert not torch.equal(codes, codes.bfloat16().float())


@pytest.mark.parametrize("changes", [{}, {"model.normalization": "batch"}, {"model.network": "conv"}])
def test_codes_of_many_dimensions_are_not_rounded_either(changes: dict[str, str], digits: Dataset) -> None:
    """Neither where the encoder gives them nor where decoder and discriminator take them."""
    wide = {"model.latent": CODE_WIDTH + 36, "model.encoder": (128,), "model.decoder": (128,)}
    config = replace(tiny(), {**wide, "model.discriminator": (128, 128), **changes})
    model = Game.new(config, digits, torch.device("cpu")).model
    x = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    with half(), torch.no_grad():
        codes = model.encode(x)
        assert codes.dtype == torch.float32
        assert not torch.equal(codes, codes.bfloat16().float())
        for network in (model.get_submodule("decoder"), model.get_submodule("discriminator")):
            assert not torch.equal(network(codes), network(codes.bfloat16().float()))


def test_float64_stays_float64() -> None:
    x, weights, biases = stack(STACKS["wide"])
    wide = [[t.detach().double() for t in ts] for ts in (weights, biases)]
    assert torch.equal(dense(x.double(), *wide), by_hand(x.double(), *wide))


def test_a_penalty_on_slopes_reaches_the_weights_in_bfloat16() -> None:
    """The second derivative: how the discriminator's slope at its input changes with its weights."""
    torch.manual_seed(0)
    network = MLP((2, 128, 128, 1))
    z = torch.randn(64, 2)

    def slopes(enabled: bool) -> list[Tensor]:
        shown = z.clone().requires_grad_()
        with half(enabled), twice():
            penalty = gradient_penalty(network(shown).squeeze(1), shown)
        return list(torch.autograd.grad(penalty, [p for p in network.parameters() if p.ndim == 2]))

    for a, b in zip(slopes(True), slopes(False), strict=True):
        assert difference(a, b) < 5 * HALF


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_copy_is_made_again_once_a_fused_optimizer_has_moved_the_weight(
    optimizer: type[torch.optim.Optimizer],
) -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4))
    before = in_half(weight)
    assert in_half(weight) is before
    weight.grad = torch.ones(4, 4)
    optimizer([weight], lr=0.5, fused=True).step()  # type: ignore[call-arg]
    moved([weight])
    assert torch.equal(in_half(weight), weight.detach().bfloat16())
    assert not torch.equal(in_half(weight), before)


def test_a_copy_is_made_again_after_any_write_that_pytorch_counts() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4))
    in_half(weight)
    with torch.no_grad():
        weight.mul_(3)
    assert in_half(weight).eq(3).all()
    weight.data = torch.full((4, 4), 5.0)
    assert in_half(weight).eq(5).all()


@pytest.mark.parametrize("enabled", [False, True], ids=["fp32", "bf16"])
def test_only_what_is_asked_for_is_computed(enabled: bool) -> None:
    """The generator phase goes through the discriminator's layers and needs no gradient of theirs."""
    x, weights, biases = stack(STACKS["to a code"])
    with half(enabled):
        y = dense(x, weights, biases)
    (whole,) = torch.autograd.grad(y.float().sum(), x, retain_graph=True)
    with gradients_for([]):
        y.float().sum().backward(inputs=[x], retain_graph=True)
    assert torch.equal(x.grad, whole)  # type: ignore[arg-type]
    with gradients_for([biases[2]]), pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(y.float().sum(), weights[0])


def test_a_weight_made_from_another_one_passes_its_gradient_on() -> None:
    torch.manual_seed(0)
    layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(80, 96))
    original = layer.parametrizations.weight.original
    y = dense(torch.randn(4, 80), [layer.weight], [layer.bias])
    with gradients_for([original]):
        y.sum().backward(inputs=[original])
    assert original.grad.abs().sum() > 0  # type: ignore[union-attr]


def test_threads_do_not_mix_up_what_is_asked_for() -> None:
    x, weights, biases = stack(STACKS["wide"])
    y = dense(x, weights, biases)
    with gradients_for([]):
        worker = threading.Thread(target=lambda: y.sum().backward(inputs=weights))
        worker.start()
        worker.join()
    assert all(weight.grad is not None for weight in weights)

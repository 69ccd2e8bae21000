"""Linear layers in bfloat16 are held to the plain float32 layer: values, first and second derivatives, fresh copies."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from aae.arithmetic import gradients_for, in_half, linear, moved
from aae.networks import MLP
from aae.objectives import gradient_penalty

HALF = 2.0**-8
"""The relative rounding of bfloat16."""


def half(enabled: bool = True) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def layer(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    make = torch.Generator().manual_seed(seed)
    x = torch.randn(33, 80, generator=make, requires_grad=True)
    weight = (torch.randn(96, 80, generator=make) / 9).requires_grad_()
    return x, weight, torch.randn(96, generator=make, requires_grad=True)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative, in the Euclidean norm."""
    a, b = a.detach().float(), b.detach().float()
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("relu", [False, True])
def test_without_autocast_it_is_pytorchs_layer_to_the_last_bit(relu: bool) -> None:
    x, weight, bias = layer()
    expected = F.linear(x, weight, bias)
    expected = expected.relu() if relu else expected
    assert torch.equal(linear(x, weight, bias, relu), expected)
    given = torch.autograd.grad(linear(x, weight, bias, relu).square().sum(), (x, weight, bias))
    for a, b in zip(given, torch.autograd.grad(expected.square().sum(), (x, weight, bias)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("relu", [False, True])
def test_values_and_gradients_in_bfloat16_are_those_of_float32_within_its_rounding(relu: bool) -> None:
    tensors = layer()
    with half():
        y = linear(*tensors, relu)
    assert y.dtype == torch.bfloat16
    expected = linear(*tensors, relu)
    assert difference(y, expected) < HALF
    given = torch.autograd.grad(y.float().square().sum(), tensors)
    for a, b in zip(given, torch.autograd.grad(expected.square().sum(), tensors), strict=True):
        assert a.dtype == torch.float32
        assert difference(a, b) < 3 * HALF


def test_a_penalty_on_slopes_reaches_the_weights_through_bfloat16() -> None:
    """The second derivative: how the discriminator's slope at its input changes with its weights."""
    torch.manual_seed(0)
    network = MLP((2, 128, 128, 1))
    z = torch.randn(64, 2)

    def slopes(enabled: bool) -> list[torch.Tensor]:
        shown = z.clone().requires_grad_()
        with half(enabled):
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


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    x, weight, bias = layer()
    with half():
        y = linear(x, weight, bias)
    with gradients_for([bias]):
        y.float().sum().backward(inputs=[bias])
    assert bias.grad is not None
    assert weight.grad is None
    with half():
        y = linear(x, weight, bias)
    with gradients_for([bias]), pytest.raises(RuntimeError):  # its gradient was not computed, so there is none to give
        torch.autograd.grad(y.float().sum(), weight)

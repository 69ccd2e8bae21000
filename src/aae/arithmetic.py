"""Matrix products at the machine's rate: the linear layers of every network, forwards and backwards.

`linear` computes relu(x W^T + b) in one call. Under bfloat16 autocast on a processor it keeps a bfloat16 copy of each
weight until the weight moves, and gives weight gradients as whole float32 matrices: autocast itself casts a weight
anew in every phase and turns its gradient around, which costs more than the products do. Weights, biases and what is
added up stay float32. Everywhere else it is PyTorch's own layer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def linear(x: Tensor, weight: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
    """relu(x weight^T + bias), or without the relu: x [batch, in], weight [out, in], bias [out] -> [batch, out].

    The result is bfloat16 under bfloat16 autocast, else of the type of `x`. It can be differentiated twice.
    """
    if (
        x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    ):
        return _HalfLinear.apply(x, weight, bias, relu)
    y = F.linear(x, weight, bias)
    return y.relu_() if relu else y  # in place: the layer's own result is what relu's gradient needs


_wanted: frozenset[int] | None = None
"""Identities of the parameters whose gradients are asked for; None: all."""


@contextlib.contextmanager
def gradients_for(parameters: Iterable[Tensor]) -> Iterator[None]:
    """While gradients are computed: these parameters alone need one.

    `backward(inputs=...)` keeps autograd from adding up other gradients, but does not tell a function written in
    Python, which would compute them for nothing.
    """
    global _wanted
    before, _wanted = _wanted, frozenset(map(id, parameters))
    try:
        yield
    finally:
        _wanted = before


def _asked(parameter: Tensor) -> bool:
    return parameter.requires_grad and (_wanted is None or id(parameter) in _wanted)


def in_half(weight: Tensor) -> Tensor:
    """A bfloat16 copy of `weight`, made again when the weight has been written to, or has `moved`, since."""
    now = (weight._version, weight.data_ptr())
    kept: tuple[tuple[int, int], Tensor] | None = getattr(weight, "_aae_half", None)
    if kept is None or kept[0] != now:
        kept = (now, weight.detach().to(torch.bfloat16))
        weight._aae_half = kept  # type: ignore[attr-defined]
    return kept[1]


def moved(parameters: Iterable[Tensor]) -> None:
    """Forget the bfloat16 copies of parameters that an optimizer has just updated.

    PyTorch counts the writes to a tensor, but its fused optimizers write without being counted.
    """
    for parameter in parameters:
        if hasattr(parameter, "_aae_half"):
            del parameter._aae_half


class _HalfLinear(torch.autograd.Function):
    """relu(x W^T + b) in bfloat16 with float32 weights; float32 gradients for W and b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, relu: bool) -> Tensor:
        half = x.to(torch.bfloat16)
        with torch.autocast("cpu", enabled=False):
            y = torch.addmm(bias.to(torch.bfloat16), half, in_half(weight).t())
        if relu:
            y.relu_()
        ctx.save_for_backward(half, weight, bias, y if relu else None)
        ctx.relu, ctx.dtype = relu, x.dtype
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, y = ctx.saved_tensors
        g = gradient.to(torch.bfloat16)
        if ctx.relu:
            g = torch.ops.aten.threshold_backward(g, y, 0)
        return (
            _HalfProduct.apply(g, weight).to(ctx.dtype) if ctx.needs_input_grad[0] else None,
            (g.t() @ x).float() if _asked(weight) else None,
            g.sum(0, dtype=torch.float32) if _asked(bias) else None,
            None,
        )


class _HalfProduct(torch.autograd.Function):
    """g W in bfloat16: the gradient of a layer at its input, as a function that can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(g, weight)
        return g @ in_half(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        g, weight = ctx.saved_tensors
        h = gradient.to(torch.bfloat16)
        return (
            h @ in_half(weight).t() if ctx.needs_input_grad[0] else None,
            (g.t() @ h).float() if _asked(weight) else None,
        )

"""Dense layers at the rate of the processor's matrix products, forwards and backwards.

`dense` runs a whole stack of linear layers with ReLU between them as one function of autograd. Under bfloat16 autocast
it keeps a bfloat16 copy of each weight until the weight moves, passes bfloat16 from layer to layer, and gives float32
gradients; autocast itself casts a weight anew in every phase and turns its gradient around, which costs as much as the
products do. In float32 it takes oneDNN's products, which are the faster ones on many processors.

Weights, what an optimizer adds up, and codes stay float32: see `CODE_WIDTH`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

CODE_WIDTH = 64
"""A layer with at most this many inputs or outputs works in float32 under bfloat16 arithmetic.

bfloat16 keeps eight bits, so a code in (-2, 2) would fall on steps of up to 0.008, coarser than the differences the
game is about. These layers are narrow, so float32 costs little. Wider layers that touch a code are named as `exact`.
"""


def dense(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], exact: Collection[int] = ()) -> Tensor:
    """x [batch, in] through linear layers with ReLU between them and none at the end: [batch, out].

    weights: [out, in] of each layer. exact: the numbers of layers that work in float32 even if they are wide. Float32
    comes out of a layer that is narrow or exact; of another last one, bfloat16 under bfloat16 autocast. Inside `twice`
    and off the processor it is PyTorch's own layers, one by one.
    """
    fast = x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16) and not _now.twice
    if not fast or weights[0].dtype != torch.float32:
        return _layer_by_layer(x, weights, biases, exact)
    half = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    with torch.autocast("cpu", enabled=False):
        return _Dense.apply(x, half, frozenset(exact), *weights, *biases)


def _layer_by_layer(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], exact: Collection[int]) -> Tensor:
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if i in exact or _narrow(weight):
            with torch.autocast(x.device.type, enabled=False):
                x = F.linear(x.to(weight.dtype), weight, bias)
        else:
            x = F.linear(x, weight, bias)
        if i < len(weights) - 1:
            x = x.relu_()  # in place: the layer's own result is what relu's gradient needs
    return x


def _narrow(weight: Tensor) -> bool:
    return min(weight.shape) <= CODE_WIDTH


class _Dense(torch.autograd.Function):
    """The stack as one function. `half`: wide products in bfloat16; else everything in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, half: bool, exact: frozenset[int], *parameters: Tensor) -> Tensor:
        layers = len(parameters) // 2
        inputs = []
        for i, (weight, bias) in enumerate(zip(parameters[:layers], parameters[layers:], strict=True)):
            last = i == layers - 1
            if half and i not in exact and not _narrow(weight):
                x = x.to(torch.bfloat16)
                inputs.append(x)
                x = torch.addmm(bias.to(torch.bfloat16), x, in_half(weight).t())
            else:
                inputs.append(x)
                x = F.linear(x.float(), weight, bias) if _narrow(weight) else product(x.float(), weight, bias)
                x = x if last or not half else x.to(torch.bfloat16)
            if not last:
                x.relu_()  # not by oneDNN, whose own ReLU makes 0 of NaN
        ctx.save_for_backward(*inputs, *parameters)
        ctx.half, ctx.layers, ctx.exact = half, layers, exact
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        n, saved = ctx.layers, ctx.saved_tensors
        inputs, weights, biases = saved[:n], saved[n : 2 * n], saved[2 * n :]
        kind = torch.bfloat16 if ctx.half else torch.float32
        g: Tensor = gradient.to(kind)
        for_weights: list[Tensor | None] = [None] * n
        for_biases: list[Tensor | None] = [None] * n
        for_x = None
        for i in range(n - 1, -1, -1):
            weight, x = weights[i], inputs[i]
            if _asked(weight):
                for_weights[i] = _to_weight(g, x.to(kind), weight)
            if _asked(biases[i]):
                for_biases[i] = g.sum(0, dtype=torch.float32)
            if i > 0:
                g = torch.ops.aten.threshold_backward(_to_input(g, weight), x, 0)
            elif ctx.needs_input_grad[0]:
                codes = i in ctx.exact or weight.shape[1] <= CODE_WIDTH
                for_x = (g.float() @ weight if codes else _to_input(g, weight)).to(x.dtype)
            if i > 0 and not ctx.needs_input_grad[0] and not any(map(_asked, (*weights[:i], *biases[:i]))):
                break  # nobody below asks for anything
        return (for_x, None, None, *for_weights, *for_biases)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b in float32 on a processor, by oneDNN where this build of PyTorch has it.

    x: [rows, in]; weight: [out, in]; bias: [out].
    """
    if _onednn is None or not x.numel():
        return F.linear(x, weight, bias)
    return _onednn(x, weight, bias, "none", [], "")


def _to_input(g: Tensor, weight: Tensor) -> Tensor:
    """g W: the gradient at the input of a layer."""
    if g.dtype == torch.bfloat16:
        return g @ in_half(weight)
    return g @ weight if _narrow(weight) else product(g, weight.t())


def _to_weight(g: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """g^T x in float32: the gradient of a layer's weight."""
    if g.dtype == torch.bfloat16:
        return (g.t() @ x).float()
    return g.t() @ x if _narrow(weight) else product(g.t(), x.t())


_onednn: Any = None
with contextlib.suppress(AttributeError, RuntimeError):
    _onednn = torch.ops.mkldnn._linear_pointwise if torch.backends.mkldnn.is_available() else None


class _Asked(threading.local):
    """What is asked for in this thread; the gradients of what runs on a processor are computed in the thread itself."""

    wanted: frozenset[int] | None = None
    """Identities of the parameters whose gradients are asked for; None: all."""
    twice: bool = False


_now = _Asked()


@contextlib.contextmanager
def gradients_for(parameters: Iterable[Tensor]) -> Iterator[None]:
    """While gradients are computed: these parameters alone need one.

    `backward(inputs=...)` keeps autograd from adding up other gradients, but does not tell a function written in
    Python, which would compute them for nothing.
    """
    before, _now.wanted = _now.wanted, frozenset(map(id, parameters))
    try:
        yield
    finally:
        _now.wanted = before


@contextlib.contextmanager
def twice() -> Iterator[None]:
    """While a network runs whose gradient will itself be differentiated, as a gradient penalty does."""
    before, _now.twice = _now.twice, True
    try:
        yield
    finally:
        _now.twice = before


def _asked(weight: Tensor) -> bool:
    """Whether the gradient is asked for. A weight made from others, as under spectral normalisation, passes it on."""
    return weight.requires_grad and (not weight.is_leaf or _now.wanted is None or id(weight) in _now.wanted)


def in_half(weight: Tensor) -> Tensor:
    """A bfloat16 copy of `weight`, made again when the weight has been written to, or has `moved`, since.

    After a step of a fused optimizer outside `phases.step`, or a write through `weight.data`, call `moved`.
    """
    if weight.is_inference():
        return weight.to(torch.bfloat16)
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

"""The matrix products of a step and nothing else: how fast the machine could do it."""

from __future__ import annotations

import torch

from aae.arithmetic import product
from aae.bench.plain import Steps
from aae.hardware import precision_of


def multiply(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x W^T by the fastest way to do it that PyTorch has here: float32 on a processor goes through oneDNN."""
    if x.dtype == torch.float32 and x.device.type == "cpu":
        return product(x, weight)
    return x @ weight.t()


def dense_products(batch: int, device: torch.device, features: int = 784, hidden: int = 1000) -> Steps:
    """Every wide product of one three-phase step on the post's networks, each with matrices of its own.

    In the order of the step: x W^T forwards, g W backwards to the input, g^T x to the weights. The matrices are in the
    type of the fast path (`precision = auto`), and as many as a step has, so that they come from memory as its do.
    """
    kind = precision_of("auto", device)
    encoder, decoder = [(features, hidden), (hidden, hidden)], [(hidden, hidden), (hidden, features)]
    judge = [(hidden, hidden)]
    forwards = [(batch, w) for w in (*encoder, *decoder)] + [(batch, w) for w in encoder]
    forwards += [(2 * batch, w) for w in judge] + [(batch, w) for w in judge]
    to_inputs = [(batch, w) for w in (encoder[1], *decoder)] + [(2 * batch, judge[0])]
    to_inputs += [(batch, judge[0]), (batch, encoder[1])]
    to_weights = [(batch, w) for w in (*encoder, *decoder)] + [(2 * batch, judge[0])] + [(batch, w) for w in encoder]

    def matrix(a: int, b: int) -> torch.Tensor:
        return torch.randn(a, b, device=device).to(kind)

    work = [(matrix(n, a), matrix(b, a).t()) for n, (a, b) in forwards]
    work += [(matrix(n, b), matrix(b, a)) for n, (a, b) in to_inputs]
    work += [(matrix(n, b).t(), matrix(n, a)) for n, (a, b) in to_weights]

    def steps(n: int) -> None:
        for _ in range(n):
            for left, right in work:
                multiply(left, right.t())

    steps.flops = sum(2 * a.shape[0] * a.shape[1] * b.shape[1] for a, b in work)  # type: ignore[attr-defined]
    return steps

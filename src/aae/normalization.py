"""Batch normalisation whose running statistics move only where training says so.

A step runs an encoder in several phases, some of which train it and some of which do not. The statistics that stand in
for a batch's own once a model is used are gathered, like gradients, by the phases that train the layer, so a phase
changes what it declares and nothing else. Outside a step nothing is gathered.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM, EPSILON = 0.1, 1e-5


class BatchNorm(nn.Module):
    """y = gain * (x - mean) / sqrt(variance + 1e-5) + shift, for each of `width` units or channels.

    x: [batch, width] or [batch, width, height, width of the image]. In training, mean and variance are those of the
    batch (and of all places of an image); in use, running ones: r <- 0.9 r + 0.1 (the batch's), the variance without
    bias (Ioffe & Szegedy 2015, "Batch Normalization").
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and id(self.gain) not in _now.gathering:
            return F.batch_norm(x, None, None, self.gain, self.shift, True, MOMENTUM, EPSILON)
        return F.batch_norm(x, self.mean, self.variance, self.gain, self.shift, self.training, MOMENTUM, EPSILON)

    def folded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Weight [width, ...] and bias of the one linear layer that does what `weight` and this layer do in use."""
        factor = self.gain / torch.sqrt(self.variance + EPSILON)
        return weight * factor.reshape(-1, *(1,) * (weight.ndim - 1)), self.shift - self.mean * factor


class _Gathering(threading.local):
    gathering: frozenset[int] = frozenset()
    """Identities of the parameters of the layers that gather in this thread."""


_now = _Gathering()


@contextlib.contextmanager
def gathering(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Meanwhile the layers that have these parameters, and no others, gather statistics from the batches they see."""
    before, _now.gathering = _now.gathering, frozenset(map(id, parameters))
    try:
        yield
    finally:
        _now.gathering = before

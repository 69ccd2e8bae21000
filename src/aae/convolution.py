"""Convolutional bodies for encoders and decoders of images of any size: plain modules from [batch, in] to [batch, out].

A stage halves an image (rounding up) with 3 x 3 kernels at stride 2, or doubles it with 4 x 4 transposed kernels at
stride 2, whose every output is reached by the same number of weights, so that no chequered pattern arises (Odena et
al. 2016, "Deconvolution and Checkerboard Artifacts"). A last row or column too many is cut off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aae.networks import MLP
from aae.normalization import BatchNorm

Shape = tuple[int, int, int]


def sizes(height: int, width: int, stages: int) -> list[tuple[int, int]]:
    """Height and width of an image before each of the stages and after the last."""
    found = [(height, width)]
    for _ in range(stages):
        height, width = (height + 1) // 2, (width + 1) // 2
        found.append((height, width))
    return found


class ConvolutionalEncoder(nn.Module):
    """Images, flat as rows, through halving stages and then dense layers.

    shape: (channels, height, width) of an image. channels: of each stage's output. hidden: widths of the dense layers
    before the last one. extra: values that stand behind the pixels of a row and join at the first dense layer.
    normalized: stages and dense layers are followed by batch normalisation.
    """

    def __init__(
        self,
        shape: Shape,
        channels: Sequence[int],
        hidden: Sequence[int],
        wide_out: int,
        extra: int = 0,
        init: Literal["glorot", "normal"] = "glorot",
        init_std: float = 0.01,
        normalized: bool = False,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.stages = nn.ModuleList(
            _started(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=not normalized), init, init_std)
            for a, b in itertools.pairwise((shape[0], *channels))
        )
        self.norms = nn.ModuleList(BatchNorm(width) for width in channels if normalized)
        flat = channels[-1] * math.prod(sizes(*shape[1:], len(channels))[-1])
        self.dense = MLP((flat + extra, *hidden, wide_out), init, init_std, normalized, "last")

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels * height * width + extra] -> [batch, out]."""
        pixels = math.prod(self.shape)
        image = x[:, :pixels].unflatten(1, self.shape).contiguous(memory_format=torch.channels_last)
        for i, stage in enumerate(self.stages):
            image = stage(image)
            image = (self.norms[i](image) if self.norms else image).relu_()
        features = image.flatten(1)
        return self.dense(features if x.shape[1] == pixels else torch.cat([features, x[:, pixels:]], dim=1))


class ConvolutionalDecoder(nn.Module):
    """Codes through dense layers and then doubling stages to images, flat as rows; the encoder the other way round."""

    def __init__(
        self,
        wide_in: int,
        hidden: Sequence[int],
        channels: Sequence[int],
        shape: Shape,
        init: Literal["glorot", "normal"] = "glorot",
        init_std: float = 0.01,
    ) -> None:
        super().__init__()
        self.sizes = sizes(*shape[1:], len(channels))[::-1]
        self.start = (channels[0], *self.sizes[0])
        self.dense = MLP((wide_in, *hidden, math.prod(self.start)), init, init_std, code="first")
        self.stages = nn.ModuleList(
            _started(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1), init, init_std)
            for a, b in itertools.pairwise((*channels, shape[0]))
        )

    def forward(self, z: Tensor) -> Tensor:
        """[batch, in] -> [batch, channels * height * width]."""
        image = self.dense(z).unflatten(1, self.start).contiguous(memory_format=torch.channels_last)
        for stage, (height, width) in zip(self.stages, self.sizes[1:], strict=True):
            image = stage(image.relu())[:, :, :height, :width]
        return image.flatten(1)


def _started(layer: nn.Conv2d | nn.ConvTranspose2d, init: Literal["glorot", "normal"], std: float) -> nn.Module:
    """The layer with its first weights: Glorot-uniform with the gain for ReLU, or N(0, std^2); biases at zero."""
    if init == "glorot":
        nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(2))
    else:
        nn.init.normal_(layer.weight, std=std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer

"""Encoders, decoders and discriminators: plain modules from [batch, in] to [batch, out]."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from aae.arithmetic import dense
from aae.heads import Heads
from aae.normalization import BatchNorm
from aae.objectives import wide


class MLP(nn.Sequential):
    """Linear layers with ReLU between them and none at the end.

    Layer i maps widths[i] to widths[i + 1]. Weights start Glorot-uniform (Glorot & Bengio 2010) or N(0, std^2), biases
    at zero, drawn from torch's global generator, which the caller seeds. normalized: each layer, the last one too, is
    followed by batch normalisation, whose shift takes the place of the bias. code: which layer takes or gives a code,
    and so works in float32 whatever its width.
    """

    def __init__(
        self,
        widths: Sequence[int],
        init: Literal["glorot", "normal"] = "glorot",
        init_std: float = 0.01,
        normalized: bool = False,
        code: Literal["first", "last", "none"] = "none",
    ) -> None:
        layers: list[nn.Module] = []
        for i, (wide_in, wide_out) in enumerate(itertools.pairwise(widths)):
            layer = nn.Linear(wide_in, wide_out, bias=not normalized)
            if init == "glorot":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.normal_(layer.weight, std=init_std)
            if not normalized:
                nn.init.zeros_(layer.bias)
            layers += [layer] if i == 0 else [nn.ReLU(), layer]
            layers += [BatchNorm(wide_out)] if normalized else []
        super().__init__(*layers)
        self.normalized = normalized
        self.exact = {"first": {0}, "last": {len(widths) - 2}, "none": set[int]()}[code]

    def forward(self, x: Tensor) -> Tensor:
        """[batch, in] -> [batch, out]; narrow layers, too, work in float32 (see `aae.arithmetic.CODE_WIDTH`)."""
        if self.normalized:
            return self._one_by_one(x)
        layers = [layer for layer in self if isinstance(layer, nn.Linear)]
        return dense(x, [layer.weight for layer in layers], [layer.bias for layer in layers], self.exact)

    def _one_by_one(self, x: Tensor) -> Tensor:
        done = 0
        for layer in self:
            if isinstance(layer, nn.Linear):
                exact = (0,) if done in self.exact else ()
                x = dense(x, [layer.weight], [layer.weight.new_zeros(layer.out_features)], exact)
                done += 1
            else:
                x = x.relu_() if isinstance(layer, nn.ReLU) else layer(x)
        return x

    def linear(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of each layer as it is used, with its normalisation folded in."""
        found: list[tuple[Tensor, Tensor]] = []
        for layer in self:
            if isinstance(layer, nn.Linear):
                found.append((layer.weight, layer.bias))
            elif isinstance(layer, BatchNorm):
                found[-1] = layer.folded(found[-1][0])
        return found


class Encoder(nn.Module):
    """Rows to what a posterior needs: a code, or a mean and a log-variance.

    `extra` noise values are appended to each row for the noise-fed posterior; `heads` codes come out side by side.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """x [batch, features], noise [batch, extra] -> [batch, heads * latent]."""
        return self.body(x if noise is None else torch.cat([x, noise], dim=1))


class Decoder(nn.Module):
    """Codes to rows. The forward pass gives the values before the last sigmoid, which the losses prefer."""

    def __init__(self, body: nn.Module, sigmoid: bool, learns_std: bool = False, heads: Heads | None = None) -> None:
        super().__init__()
        self.body, self.sigmoid, self.heads = body, sigmoid, heads
        if learns_std:
            self.log_std = nn.Parameter(torch.zeros(() if heads is None else len(heads.numbers)))

    def forward(self, z: Tensor) -> Tensor:
        """z [batch, latent] -> [batch, features], before the sigmoid if there is one."""
        return self.body(z)

    def mean(self, output: Tensor) -> Tensor:
        """The decoded rows in scaled units that `output` of the forward pass stands for."""
        if self.heads is not None:
            return self.heads.mean(output)
        return wide(output).sigmoid() if self.sigmoid else wide(output)


class Discriminator(nn.Module):
    """Codes to one logit each: positive says "from the prior"."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, z: Tensor) -> Tensor:
        """z [batch, latent] -> logits [batch]."""
        return self.body(z).squeeze(1)


class ClusterHeads(nn.Module):
    """A point of the latent space for each class, W [classes, latent]."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(start)

    def forward(self, y: Tensor) -> Tensor:
        """Class probabilities [batch, classes] -> the mean of the heads that they weight, [batch, latent]."""
        with torch.autocast(y.device.type, enabled=False):  # a code is never rounded to half precision
            return wide(y) @ self.weight

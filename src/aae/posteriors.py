"""The three encoders of the paper (section 2.1): how a row becomes a code.

Each posterior offers `sample` (one draw of each row's code, with gradients), and `centre` (the code that a row gets
every time it is asked for).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from aae.config import Model as ModelConfig
from aae.networks import Encoder
from aae.phases import Batch

LOG_VARIANCE = (-12.0, 6.0)
"""Bounds on a posterior's log-variance: an unbounded one overflows before anybody sees why."""


class Posterior(Protocol):
    @property
    def stochastic(self) -> bool:
        """Whether `sample` draws at random."""

    @property
    def extra(self) -> int:
        """Noise values that the encoder takes beside a row."""

    @property
    def heads(self) -> int:
        """Codes that the encoder gives side by side."""

    def sample(self, encoder: Encoder, batch: Batch) -> Tensor: ...
    def centre(self, encoder: Encoder, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Deterministic:
    """z = encoder(x): the one behind every result in the paper."""

    stochastic: bool = False
    extra: int = 0
    heads: int = 1

    def sample(self, encoder: Encoder, batch: Batch) -> Tensor:
        return encoder(batch.x)

    def centre(self, encoder: Encoder, x: Tensor) -> Tensor:
        return encoder(x)


@dataclass(frozen=True)
class Gaussian:
    """z ~ N(mean(x), variance(x)), drawn as mean + deviation * noise (Kingma & Welling 2014, section 2.4)."""

    stochastic: bool = True
    extra: int = 0
    heads: int = 2

    def parameters_of(self, encoder: Encoder, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of each row's code, both [batch, latent]."""
        mean, log_variance = encoder(x).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE)

    def draw(self, mean: Tensor, log_variance: Tensor, batch: Batch) -> Tensor:
        return mean + torch.exp(0.5 * log_variance) * batch.normal(*mean.shape)

    def sample(self, encoder: Encoder, batch: Batch) -> Tensor:
        return self.draw(*self.parameters_of(encoder, batch.x), batch)

    def centre(self, encoder: Encoder, x: Tensor) -> Tensor:
        """The posterior's mean."""
        return self.parameters_of(encoder, x)[0]


@dataclass(frozen=True)
class NoiseFed:
    """z = encoder(x, noise): the paper's universal approximator, whose posterior may have any shape.

    `centre` feeds zeros, the middle of the noise: the posterior's mean has no closed form, and an average over draws
    would make a row's code depend on how many were taken.
    """

    extra: int
    stochastic: bool = True
    heads: int = 1

    def sample(self, encoder: Encoder, batch: Batch) -> Tensor:
        return encoder(batch.x, batch.normal(len(batch.x), self.extra))

    def centre(self, encoder: Encoder, x: Tensor) -> Tensor:
        return encoder(x, x.new_zeros(x.shape[0], self.extra))


def build(config: ModelConfig) -> Posterior:
    """The posterior that the settings ask for."""
    if config.posterior == "noise":
        return NoiseFed(config.posterior_noise)
    return Gaussian() if config.posterior == "gaussian" else Deterministic()

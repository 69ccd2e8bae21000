"""What a latent space should look like.

A prior gives samples, its density, whether a code lies inside it, and the map to and from the unit cube that the
manifold figure and the cell counts use. All tensors are [n, latent]; lengths are in code units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from aae.config import Prior as PriorConfig


class Prior(Protocol):
    """What every prior offers."""

    @property
    def latent(self) -> int:
        """Dimensions of a code."""

    @property
    def std(self) -> float:
        """Standard deviation along each axis."""

    @property
    def inside_mass(self) -> float:
        """Share of the prior's own mass that `contains` accepts: 1, or 0.99 where the support is unbounded."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor: ...
    def log_prob(self, z: Tensor) -> Tensor: ...
    def contains(self, z: Tensor) -> Tensor: ...
    def cdf(self, z: Tensor) -> Tensor: ...
    def icdf(self, u: Tensor) -> Tensor: ...
    def outline(self) -> np.ndarray: ...
    def describe(self) -> str: ...


@dataclass(frozen=True)
class Uniform:
    """Uniform on the box (-half_width, half_width)^latent: the prior of the post."""

    latent: int
    half_width: float
    inside_mass: float = 1.0

    @property
    def std(self) -> float:
        return self.half_width / math.sqrt(3)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n independent draws on the generator's device."""
        u = torch.rand(n, self.latent, generator=generator, device=generator.device)
        return (2 * u - 1) * self.half_width

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density [n] in nats; -inf outside the box."""
        inside = torch.full((len(z),), -self.latent * math.log(2 * self.half_width), dtype=z.dtype, device=z.device)
        return inside.masked_fill(~self.contains(z), -math.inf)

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the box (edges included): bool [n]."""
        return (z.abs() <= self.half_width).all(1)

    def cdf(self, z: Tensor) -> Tensor:
        """Each coordinate's quantile; below 0 or above 1 for a code outside the box, so that it stays visible."""
        return (z / self.half_width + 1) / 2

    def icdf(self, u: Tensor) -> Tensor:
        """The codes at the quantiles `u` in [0, 1]."""
        return (2 * u - 1) * self.half_width

    def outline(self) -> np.ndarray:
        """The closed border of the first two dimensions, [5, 2]."""
        return self.half_width * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=np.float64)

    def describe(self) -> str:
        return f"uniform on (-{self.half_width:g}, {self.half_width:g})^{self.latent}"


@dataclass(frozen=True)
class Gaussian:
    """Isotropic Gaussian N(0, std^2 I)."""

    latent: int
    std: float
    inside_mass: float = 0.99

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n independent draws on the generator's device."""
        return self.std * torch.randn(n, self.latent, generator=generator, device=generator.device)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density [n] in nats."""
        constant = self.latent * math.log(self.std * math.sqrt(2 * math.pi))
        return -0.5 * (z / self.std).square().sum(1) - constant

    def radius(self, dimensions: int | None = None) -> float:
        """Radius of the ball about 0 that holds 99 % of the mass of this many of the dimensions."""
        from scipy.stats import chi2  # here, so that training does not wait for SciPy

        return self.std * math.sqrt(chi2.ppf(self.inside_mass, self.latent if dimensions is None else dimensions))

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the ball that holds 99 % of the prior: bool [n]."""
        return z.norm(dim=1) <= self.radius()

    def cdf(self, z: Tensor) -> Tensor:
        """Each coordinate's quantile in (0, 1)."""
        return torch.special.ndtr(z / self.std)

    def icdf(self, u: Tensor) -> Tensor:
        """The codes at the quantiles `u` in (0, 1)."""
        return self.std * torch.special.ndtri(u)

    def outline(self) -> np.ndarray:
        """The circle that holds 99 % of the first two dimensions, [129, 2]."""
        turn = np.linspace(0, 2 * np.pi, 129)
        return self.radius(min(self.latent, 2)) * np.stack([np.cos(turn), np.sin(turn)], 1)

    def describe(self) -> str:
        return f"Gaussian with deviation {self.std:g} in {self.latent} dimensions"


def build(config: PriorConfig, latent: int) -> Prior:
    """The prior that the settings describe."""
    return Uniform(latent, config.scale) if config.kind == "uniform" else Gaussian(latent, config.scale)


def quantile_grid(n: int, axes: int) -> np.ndarray:
    """Centres of n^axes cells of equal probability, [n] * axes + [axes]; through `icdf` they are the grid of codes.

    Cell centres (i + 1/2) / n rather than edges: the edges of an unbounded prior lie at infinity.
    """
    centres = (np.arange(n) + 0.5) / n
    return np.stack(np.meshgrid(*[centres] * axes, indexing="ij"), axis=-1)

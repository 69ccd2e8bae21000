"""One shape around each of several centres: where codes lie that are a cluster's head plus a style."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aae.priors.base import Prior
from aae.priors.gaussians import Gaussian, Mixture


def around(prior: Prior, centres: ArrayLike) -> Prior:
    """`prior` moved to each of `centres` [k, latent], which are equally likely and are its classes 0, 1, ..."""
    points = np.asarray(centres, dtype=np.float64)
    name = f"{prior.describe()}, around each of {len(points)} heads"
    if isinstance(prior, Gaussian):  # a mixture knows more of itself than samples and a density
        return Mixture(points, (prior.root @ prior.root.T).numpy(), name=name)
    return Around(prior, points, name)


class Around(Prior):
    """A prior of any shape, moved to each of `centres` [k, latent] with equal probability."""

    def __init__(self, prior: Prior, centres: ArrayLike, name: str) -> None:
        self.prior, self.name = prior, name
        self.centres = torch.from_numpy(np.array(centres, dtype=np.float64))
        self.classes, self.latent = self.centres.shape
        self.inside_mass = prior.inside_mass

    @property
    def mean(self) -> Tensor:
        return self.prior.mean + self.centres.mean(0)

    @property
    def std(self) -> Tensor:
        return (self.prior.std.square() + self.centres.var(0, unbiased=False)).sqrt()

    @property
    def has_density(self) -> bool:
        return self.prior.has_density

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        generator = self._generator(generator)
        k = len(self.centres)
        chosen = (self._position(n, y, generator) * k).long().clamp(max=k - 1)
        centres = self._there("centres", generator.device, torch.float32)
        return self.prior.sample(n, generator=generator) + centres[chosen]

    def contains(self, z: Tensor) -> Tensor:
        """Whether a code lies inside the shape around some centre: bool [n]."""
        return torch.stack([self.prior.contains(z - centre.to(z)) for centre in self.centres]).any(0)

    def field(self, z: Tensor) -> Tensor:
        return torch.stack([self.prior.field(z - centre.to(z)) for centre in self.centres]).amax(0)

    def log_prob(self, z: Tensor) -> Tensor:
        return self._logs(z).logsumexp(1) - math.log(len(self.centres))

    def class_of(self, z: Tensor) -> Tensor:
        return (self._logs(z) if self.has_density else -torch.cdist(z, self.centres.to(z))).argmax(1)

    def _logs(self, z: Tensor) -> Tensor:
        return torch.stack([self.prior.log_prob(z - centre.to(z)) for centre in self.centres], 1)

    def bounds(self) -> Tensor:
        low, high = self.prior.bounds()
        return torch.stack([(low + self.centres).amin(0), (high + self.centres).amax(0)])

    def describe(self) -> str:
        return self.name

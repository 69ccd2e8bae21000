"""Priors whose shape follows the axes: the uniform box, Laplace, and Student's t."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from aae.priors.base import MASS, Array, Prior, circle, counted


class Uniform(Prior):
    """Uniform on the box (-half_width, half_width)^latent: the prior of the post."""

    separable = True

    def __init__(self, latent: int, half_width: float) -> None:
        self.latent, self.half_width = latent, half_width

    @property
    def mean(self) -> Tensor:
        return torch.zeros(self.latent, dtype=torch.float64)

    @property
    def std(self) -> Tensor:
        return torch.full((self.latent,), self.half_width / math.sqrt(3), dtype=torch.float64)

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        u = torch.rand(n, self.latent, generator=generator, device=generator.device)
        return (2 * u - 1) * self.half_width

    def log_prob(self, z: Tensor) -> Tensor:
        inside = torch.full((len(z),), -self.latent * math.log(2 * self.half_width), dtype=z.dtype, device=z.device)
        return inside.masked_fill(~self.contains(z), -math.inf)

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the box (edges included): bool [n]."""
        return (z.abs() <= self.half_width).all(1)

    def cdf(self, z: Tensor) -> Tensor:
        """Each coordinate's quantile; below 0 or above 1 for a code outside the box, so that it stays visible."""
        return (z / self.half_width + 1) / 2

    def icdf(self, u: Tensor) -> Tensor:
        return (2 * u - 1) * self.half_width

    def bounds(self) -> Tensor:
        high = torch.full((self.latent,), self.half_width, dtype=torch.float64)
        return torch.stack([-high, high])

    def outline(self) -> list[Array]:
        if self.latent == 1:
            return [self.half_width * np.array([-1.0, 1.0])]
        return [self.half_width * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=np.float64)]

    def describe(self) -> str:
        return f"uniform on (-{self.half_width:g}, {self.half_width:g})^{self.latent}"


class Laplace(Prior):
    """Independent double exponentials, density exp(-|z| / scale) / (2 scale) along each axis."""

    separable, inside_mass = True, MASS

    def __init__(self, latent: int, scale: float) -> None:
        self.latent, self.scale = latent, scale

    @property
    def mean(self) -> Tensor:
        return torch.zeros(self.latent, dtype=torch.float64)

    @property
    def std(self) -> Tensor:
        return torch.full((self.latent,), self.scale * math.sqrt(2), dtype=torch.float64)

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        # In float64, where 0, whose logarithm is infinite, is drawn once in 2^53 rather than in 2^24.
        u = torch.rand(n, self.latent, generator=generator, device=generator.device, dtype=torch.float64)
        return self.icdf(u.clamp(2**-54, 1 - 2**-53)).float()

    def log_prob(self, z: Tensor) -> Tensor:
        return -z.abs().sum(1) / self.scale - self.latent * math.log(2 * self.scale)

    def radius(self, dimensions: int | None = None) -> float:
        """The sum of |z| within which 99 % lie, in this many of the dimensions."""
        from scipy.special import gammaincinv  # here, so that training does not wait for SciPy

        return self.scale * float(gammaincinv(self.latent if dimensions is None else dimensions, MASS))

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the region of highest density that holds 99 %, a diamond: bool [n]."""
        return z.abs().sum(1) <= self.radius()

    def cdf(self, z: Tensor) -> Tensor:
        tail = 0.5 * torch.exp(-z.abs() / self.scale)
        return torch.where(z < 0, tail, 1 - tail)

    def icdf(self, u: Tensor) -> Tensor:
        centred = u - 0.5
        return -self.scale * centred.sign() * torch.log1p(-2 * centred.abs())

    def bounds(self) -> Tensor:
        high = torch.full((self.latent,), self.radius(), dtype=torch.float64)
        return torch.stack([-high, high])

    def outline(self) -> list[Array]:
        radius = self.radius(min(self.latent, 2))
        if self.latent == 1:
            return [radius * np.array([-1.0, 1.0])]
        return [radius * np.array([[-1, 0], [0, -1], [1, 0], [0, 1], [-1, 0]], dtype=np.float64)]

    def describe(self) -> str:
        return f"Laplace of scale {self.scale:g} in {counted(self.latent, 'dimension')}"


class StudentT(Prior):
    """The multivariate t distribution about 0 with scale matrix scale^2 I: heavy tails, round level sets.

    degrees: of freedom, above 2, so that the deviation exists. A draw is a Gaussian one over the root of a
    chi-squared one over its degrees, so the axes are uncorrelated but not independent.
    """

    inside_mass = MASS

    def __init__(self, latent: int, scale: float, degrees: float) -> None:
        self.latent, self.scale, self.degrees = latent, scale, degrees

    @property
    def mean(self) -> Tensor:
        return torch.zeros(self.latent, dtype=torch.float64)

    @property
    def std(self) -> Tensor:
        one = self.scale * math.sqrt(self.degrees / (self.degrees - 2))
        return torch.full((self.latent,), one, dtype=torch.float64)

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        noise = torch.randn(n, self.latent, generator=generator, device=generator.device)
        shape = torch.full((n, 1), self.degrees / 2, device=generator.device)
        chi2 = 2 * torch._standard_gamma(shape, generator=generator)
        return self.scale * noise * (self.degrees / chi2).sqrt()

    def log_prob(self, z: Tensor) -> Tensor:
        v, d = self.degrees, self.latent
        constant = math.lgamma((v + d) / 2) - math.lgamma(v / 2) - 0.5 * d * math.log(v * math.pi * self.scale**2)
        return constant - 0.5 * (v + d) * torch.log1p((z / self.scale).square().sum(1) / v)

    def radius(self, dimensions: int | None = None) -> float:
        """Radius of the ball about 0 that holds 99 % of the mass of this many of the dimensions."""
        from scipy.stats import f  # here, so that training does not wait for SciPy

        d = self.latent if dimensions is None else dimensions
        return self.scale * math.sqrt(d * f.ppf(MASS, d, self.degrees))

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the ball that holds 99 % of the prior: bool [n]."""
        return z.norm(dim=1) <= self.radius()

    def unit(self, z: Tensor) -> Tensor:
        from scipy.stats import t

        x = (z / self.scale).double().cpu().numpy()
        before = np.cumsum(x**2, axis=1) - x**2  # [n, latent], squares of the coordinates before each
        degrees = self.degrees + np.arange(self.latent)
        given = np.sqrt((self.degrees + before) / degrees)  # the scale of each coordinate, given those before
        return torch.from_numpy(t.cdf(x / given, degrees)).to(z)

    def bounds(self) -> Tensor:
        high = torch.full((self.latent,), self.radius(), dtype=torch.float64)
        return torch.stack([-high, high])

    def outline(self) -> list[Array]:
        radius = self.radius(min(self.latent, 2))
        return [radius * np.array([-1.0, 1.0])] if self.latent == 1 else [circle(radius)]

    def describe(self) -> str:
        freedom = f"{self.degrees:g} degrees of freedom"
        return f"Student's t with {freedom} and scale {self.scale:g} in {counted(self.latent, 'dimension')}"

"""The Gaussian, of any covariance, and mixtures of Gaussians."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aae.errors import ConfigError
from aae.priors.base import MASS, Array, Prior, circle, counted, density_level, in_chunks


def root_of(covariance: ArrayLike | Tensor, where: str = "the covariance") -> Tensor:
    """The lower triangular root of a covariance matrix, float64 [d, d]; ConfigError unless it is one."""
    matrix = torch.as_tensor(np.asarray(covariance, dtype=np.float64))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ConfigError(f"{where} must be a square matrix, got shape {list(matrix.shape)}")
    if not torch.isfinite(matrix).all() or not torch.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12):
        raise ConfigError(f"{where} must be finite and symmetric, got {matrix.tolist()}")
    root, failed = torch.linalg.cholesky_ex(matrix)
    if failed:
        least = torch.linalg.eigvalsh(matrix)[0].item()
        raise ConfigError(f"{where} must be positive definite; its smallest eigenvalue is {least:.3g}")
    return root


class Gaussian(Prior):
    """N(0, std^2 I), or N(0, covariance) where a matrix [latent, latent] is given."""

    inside_mass = MASS

    def __init__(self, latent: int, std: float = 1.0, covariance: ArrayLike | None = None) -> None:
        self.latent = latent
        self.isotropic = covariance is None
        self.root = std * torch.eye(latent, dtype=torch.float64) if covariance is None else root_of(covariance)
        if len(self.root) != latent:
            raise ConfigError(f"the covariance must be [{latent}, {latent}], got {list(self.root.shape)}")
        self.separable = bool((self.root == self.root.diag().diag()).all())
        self._std = std

    @cached_property
    def _log_volume(self) -> float:
        return self.root.diag().log().sum().item()

    @property
    def mean(self) -> Tensor:
        return torch.zeros(self.latent, dtype=torch.float64)

    @property
    def std(self) -> Tensor:
        return self.root.square().sum(dim=1).sqrt()

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        noise = torch.randn(n, self.latent, generator=generator, device=generator.device)
        return self._std * noise if self.isotropic else noise @ self._like("root", noise).T

    def whitened(self, z: Tensor) -> Tensor:
        """Codes in independent coordinates of deviation 1, each given the ones before it."""
        if self.isotropic:
            return z / self._std
        return torch.linalg.solve_triangular(self._like("root", z), z.T, upper=False).T

    def log_prob(self, z: Tensor) -> Tensor:
        constant = 0.5 * self.latent * math.log(2 * math.pi) + self._log_volume
        return -0.5 * self.whitened(z).square().sum(1) - constant

    def quantile(self, dimensions: int) -> float:
        """How many deviations from the centre 99 % of so many dimensions lie."""
        from scipy.stats import chi2  # here, so that training does not wait for SciPy

        return math.sqrt(chi2.ppf(MASS, dimensions))

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the ellipsoid that holds 99 % of the prior: bool [n]."""
        return self.whitened(z).norm(dim=1) <= self.quantile(self.latent)

    def cdf(self, z: Tensor) -> Tensor:
        return torch.special.ndtr(self.whitened(z)) if self.separable else super().cdf(z)

    def icdf(self, u: Tensor) -> Tensor:
        return torch.special.ndtri(u) * self.root.diag().to(u) if self.separable else super().icdf(u)

    def unit(self, z: Tensor) -> Tensor:
        return torch.special.ndtr(self.whitened(z))

    def bounds(self) -> Tensor:
        high = self.quantile(self.latent) * self.std
        return torch.stack([-high, high])

    def outline(self) -> list[Array]:
        """The ellipse that holds 99 % of the first two dimensions."""
        root, reach = self.root[:2, :2].numpy(), self.quantile(min(self.latent, 2))
        return [reach * root[0] * np.array([-1.0, 1.0])] if self.latent == 1 else [circle(reach) @ root.T]

    def describe(self) -> str:
        if self.isotropic:
            return f"Gaussian with deviation {self._std:g} in {counted(self.latent, 'dimension')}"
        around = f"{self.std.min():.3g} to {self.std.max():.3g}"
        return f"Gaussian with a full covariance, deviations {around}, in {counted(self.latent, 'dimension')}"


class Mixture(Prior):
    """A mixture of Gaussians with means [k, d], covariances [k, d, d] (or one [d, d] for all) and weights [k].

    Each component is a class of its own, in order, unless `labels` [k] gives classes 0, 1, ... to them.
    """

    inside_mass = MASS

    def __init__(
        self,
        means: ArrayLike,
        covariances: ArrayLike,
        weights: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        name: str = "",
    ) -> None:
        self.means, given = _matrix(means), np.asarray(covariances, dtype=np.float64)
        k, self.latent = self.means.shape
        shape = (self.latent, self.latent)
        if given.shape not in (shape, (k, *shape)):
            raise ConfigError(
                f"the covariances must be {list(shape)} or {[k, *shape]} for means [{k}, {self.latent}], "
                f"got {list(given.shape)}"
            )
        one = given.ndim == 2
        roots = [root_of(given)] if one else [root_of(each, f"covariance {i}") for i, each in enumerate(given)]
        self.roots = torch.stack(roots).expand(k, *shape)
        self.one_root = roots[0] if len(roots) == 1 else None
        self.weights = _weights(weights, k)
        self.labels = torch.arange(k) if labels is None else torch.as_tensor(np.asarray(labels, dtype=np.int64))
        present = sorted(set(self.labels.tolist()))
        if len(self.labels) != k or present != list(range(len(present))):
            raise ConfigError(f"labels must give one of the classes 0, 1, ... to each of the {k} components")
        self.classes = len(present)
        order = torch.argsort(self.labels, stable=True)  # so that a class is a part of the line of weights
        self.means, self.roots = self.means[order], self.roots[order]
        self.weights, self.labels = self.weights[order], self.labels[order]
        ends = [0.0, *self.weights.cumsum(0).tolist()]
        last = torch.bincount(self.labels).cumsum(0).tolist()
        self.edges = [0.0, *(ends[i] for i in last)]
        self.below = self.weights.cumsum(0)
        self.name = name

    @property
    def mean(self) -> Tensor:
        return self.weights @ self.means

    @property
    def std(self) -> Tensor:
        second = self.means.square() + self.roots.square().sum(2)
        return (self.weights @ second - self.mean.square()).sqrt()

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        generator = self._generator(generator)
        device = generator.device
        u = self._position(n, y, generator)
        line = self._there("below", device)
        chosen = torch.searchsorted(line, u, right=True).clamp(max=len(line) - 1)
        noise = torch.randn(n, self.latent, 1, generator=generator, device=device)
        means, roots = (self._there(name, device, torch.float32) for name in ("means", "roots"))
        return means[chosen] + (roots[chosen] @ noise)[:, :, 0]

    def log_prob(self, z: Tensor) -> Tensor:
        return in_chunks(lambda part: self._logs(part).logsumexp(1), z, len(self.weights) * self.latent)

    def unit(self, z: Tensor) -> Tensor:
        return in_chunks(lambda part: self._by_component(part)[1], z, len(self.weights) * self.latent)

    def _logs(self, z: Tensor) -> Tensor:
        """Log of weight times density of each component, [n, k]."""
        if self.one_root is None:
            return self._by_component(z)[0]
        root = self._like("one_root", z)  # with one covariance the distances in its units will do, many times faster
        white, means = (torch.linalg.solve_triangular(root, x.T, upper=False).T for x in (z, self._like("means", z)))
        squares = torch.cdist(white, means, compute_mode="donot_use_mm_for_euclid_dist").square()
        constant = 0.5 * self.latent * math.log(2 * math.pi) + root.diag().log().sum()
        return self._like("weights", z).log() - 0.5 * squares - constant

    def _by_component(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Log of weight times density of each component, [n, k]; and the quantiles of each code, [n, d].

        A coordinate's quantile is given the ones before it: the mean of the components' own conditional quantiles,
        weighted by how probable each component is by then.
        """
        means, roots = self._like("means", z), self._like("roots", z)
        logs = self._like("weights", z).log().expand(len(z), -1)
        steps: list[Tensor] = []
        quantiles = []
        for i in range(self.latent):
            shift = means[:, i] + sum((roots[:, i, j] * step for j, step in enumerate(steps)), z.new_zeros(()))
            step = (z[:, i : i + 1] - shift) / roots[:, i, i]  # [n, k]
            quantiles.append((logs.softmax(1) * torch.special.ndtr(step)).sum(1))
            logs = logs - 0.5 * step.square() - 0.5 * math.log(2 * math.pi) - roots[:, i, i].log()
            steps.append(step)
        return logs, torch.stack(quantiles, 1)

    @cached_property
    def level(self) -> float:
        return density_level(self)

    def field(self, z: Tensor) -> Tensor:
        return self.log_prob(z) - self.level

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the region of highest density that holds 99 %: bool [n]."""
        return self.log_prob(z) >= self.level

    def class_of(self, z: Tensor) -> Tensor:
        def best(part: Tensor) -> Tensor:
            logs = self._logs(part)
            return torch.stack([logs[:, self.labels == c].logsumexp(1) for c in range(self.classes or 0)], 1).argmax(1)

        return in_chunks(best, z, len(self.weights) * self.latent)

    def bounds(self) -> Tensor:
        reach = math.sqrt(2 * math.log(100)) + 0.5  # about 3.5 deviations beyond the outermost means
        around = reach * self.roots.square().sum(2).sqrt()
        return torch.stack([(self.means - around).amin(0), (self.means + around).amax(0)])

    def describe(self) -> str:
        return (
            self.name or f"mixture of {counted(len(self.weights), 'Gaussian')} in {counted(self.latent, 'dimension')}"
        )


def petals(components: int, radius: float, width: float) -> Mixture:
    """The paper's mixture of 2-D Gaussians (section 2.3): petals that point outwards from the centre.

    Component c lies at the angle 2 pi c / components, its mean at half of `radius`, with a deviation of radius / 6
    along the ray, so that it reaches from the centre to `radius`, and `width` across. The paper gives no numbers; the
    proportions are those of its figure 4.
    """
    turn = 2 * math.pi * np.arange(components) / components
    rays = np.stack([np.cos(turn), np.sin(turn)], 1)  # [k, 2]
    across = rays[:, ::-1] * [-1, 1]
    covariances = (radius / 6) ** 2 * rays[:, :, None] * rays[:, None, :]
    covariances = covariances + width**2 * across[:, :, None] * across[:, None, :]
    name = f"{counted(components, 'Gaussian petal')} of radius {radius:g}"
    return Mixture(0.5 * radius * rays, covariances, name=name)


def lattice(side: int, half_width: float, width: float) -> Mixture:
    """side x side round Gaussians of deviation `width` on a grid whose outermost means are `half_width` from 0."""
    line = np.linspace(-half_width, half_width, side) if side > 1 else np.zeros(1)
    means = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    name = f"grid of {side} x {side} Gaussians on (-{half_width:g}, {half_width:g})^2"
    return Mixture(means, width**2 * np.eye(2), name=name)


def _matrix(means: ArrayLike) -> Tensor:
    array = np.asarray(means, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape or not np.isfinite(array).all():
        raise ConfigError(f"the means must be finite numbers [components, latent], got shape {list(array.shape)}")
    return torch.from_numpy(array.copy())


def _weights(weights: ArrayLike | None, k: int) -> Tensor:
    array = np.full(k, 1.0) if weights is None else np.asarray(weights, dtype=np.float64)
    if array.shape != (k,) or not np.isfinite(array).all() or (array <= 0).any():
        raise ConfigError(f"the weights must be {k} numbers above 0, got {array.tolist()}")
    return torch.from_numpy(array / array.sum())

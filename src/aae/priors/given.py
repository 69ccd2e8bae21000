"""Priors from anything: a cloud of points, any torch distribution, any function that draws."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aae.errors import ConfigError, DataError
from aae.priors.base import MASS, SEED, Array, Prior, density_level, draws, in_chunks

REFERENCE = 10_000
"""Draws that stand for a prior of which nothing else is known."""

Draw = Callable[[int, torch.Generator], "Tensor | Array"]


class Points(Prior):
    """Points [m, latent] drawn with equal chances, each blurred by a round Gaussian of deviation `width`.

    labels [m] gives classes 0, 1, ... to the points, -1 to none. With a width the density is that of the kernel
    estimate; without one there is none.
    """

    def __init__(
        self, points: ArrayLike, width: float = 0.0, labels: ArrayLike | None = None, name: str = "points"
    ) -> None:
        array = np.asarray(points, dtype=np.float64)
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or len(array) < 2 or not array.shape[1]:
            raise DataError(f"{name}: expected two or more points [points, latent], got shape {list(array.shape)}")
        if not np.isfinite(array).all():
            row, column = np.argwhere(~np.isfinite(array))[0]
            raise DataError(f"{name}: must be finite; row {row}, column {column} is {array[row, column]}")
        given = np.full(len(array), -1) if labels is None else np.asarray(labels)
        if given.shape != (len(array),) or given.dtype.kind not in "iu" or given.min() < -1:
            raise DataError(f"{name}: labels must be {len(array)} whole numbers, 0, 1, ... or -1 for none")
        present = sorted(set(given.tolist()) - {-1})
        if present != list(range(len(present))):
            raise DataError(f"{name}: labels must number the classes 0, 1, ... without a gap; got {present[:20]}")
        order = np.argsort(np.where(given < 0, len(array), given), kind="stable")
        self.points, self.labels = torch.from_numpy(array[order]), torch.from_numpy(given[order].astype(np.int64))
        self.width, self.name, self.latent = width, name, array.shape[1]
        self.classes = len(present) or None
        ends = np.searchsorted(np.where(given < 0, len(array), given)[order], np.arange(len(present) + 1))
        self.edges = (ends / len(array)).tolist() if present else [0.0, 1.0]

    @property
    def mean(self) -> Tensor:
        return self.points.mean(0)

    @property
    def std(self) -> Tensor:
        return (self.points.var(0, correction=0) + self.width**2).sqrt()

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        if self.classes is None:
            self._refuse_classes(y)
        generator = self._generator(generator)
        u = self._position(n, y, generator, self.edges)
        # A hair more, because an edge such as 1/3 times 3 may fall just short of the first point of its class.
        chosen = (u * len(self.points) + 1e-9).long().clamp(max=len(self.points) - 1)
        z = self.points.to(generator.device, torch.float32)[chosen]
        if self.width:
            z = z + self.width * torch.randn(n, self.latent, generator=generator, device=generator.device)
        return z

    @property
    def has_density(self) -> bool:
        return self.width > 0

    def _no_density(self) -> str:
        return "points alone have no density; set prior.width to blur them"

    def log_prob(self, z: Tensor) -> Tensor:
        if not self.has_density:
            return super().log_prob(z)
        points = self.points.to(z)
        constant = math.log(len(points)) + self.latent * math.log(self.width * math.sqrt(2 * math.pi))

        def kernels(part: Tensor) -> Tensor:
            return (-0.5 * (torch.cdist(part, points) / self.width).square()).logsumexp(1) - constant

        return in_chunks(kernels, z, len(points))

    @cached_property
    def near(self) -> Neighbours:
        return Neighbours(self.points.numpy(), self.width)

    @cached_property
    def inside_mass(self) -> float:  # type: ignore[override]
        """1 for points alone, and the share of 20,000 draws where they are blurred."""
        return 1.0 if self.width == 0 else self.contains(draws(self, 20_000)).double().mean().item()

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies as near to a point as 99 % of the points do to one another (and of their blur)."""
        return self.near.contains(z)

    def field(self, z: Tensor) -> Tensor:
        return self.near.field(z)

    def class_of(self, z: Tensor) -> Tensor:
        """The class of the nearest point that has one."""
        if self.classes is None:
            return super().class_of(z)
        known = self.labels >= 0
        points, labels = self.points[known].to(z), self.labels[known].to(z.device)
        return in_chunks(lambda part: labels[torch.cdist(part, points).argmin(1)], z, len(points))

    def bounds(self) -> Tensor:
        return self.near.bounds()

    def describe(self) -> str:
        blur = f", blurred by {self.width:g}" if self.width else ""
        return f"{len(self.points):,} points of {self.name} in {self.latent} dimensions{blur}"


class Drawn(Prior):
    """Whatever a function draws: `draw(n, generator)` gives [n, latent], finite, and the same for the same generator.

    Nothing else is known of it, so moments and the region that holds it are estimated from 10,000 draws.
    """

    def __init__(self, draw: Draw, name: str = "a function") -> None:
        self.draw, self.name = draw, name
        self.latent = self._rows(2, torch.Generator().manual_seed(SEED)).shape[1]

    def _rows(self, n: int, generator: torch.Generator) -> Tensor:
        found = torch.as_tensor(self.draw(n, generator))
        if found.ndim != 2 or len(found) != n or not torch.isfinite(found).all():
            raise ConfigError(
                f"{self.name} must return {n} finite rows [n, latent] when it is called with n = {n} and a "
                f"torch.Generator; got shape {list(found.shape)}"
            )
        return found.to(generator.device, torch.float32)

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        return self._rows(n, self._generator(generator))

    @cached_property
    def reference(self) -> Tensor:
        return draws(self, REFERENCE)

    @cached_property
    def near(self) -> Neighbours:
        return Neighbours(self.reference.numpy(), 0.0)

    @property
    def mean(self) -> Tensor:
        return self.reference.mean(0)

    @property
    def std(self) -> Tensor:
        return self.reference.std(0)

    @cached_property
    def inside_mass(self) -> float:  # type: ignore[override]
        fresh = self.sample(REFERENCE, generator=torch.Generator().manual_seed(SEED + 1)).double()
        return self.contains(fresh).double().mean().item()

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies as near to one of 10,000 draws as 99 % of these do to one another: bool [n]."""
        return self.near.contains(z)

    def field(self, z: Tensor) -> Tensor:
        return self.near.field(z)

    def bounds(self) -> Tensor:
        return self.near.bounds()

    def describe(self) -> str:
        return f"what {self.name} draws in {self.latent} dimensions"


class Distribution(Prior):
    """Any `torch.distributions.Distribution` over codes: an event or a batch of shape [latent], or a single number."""

    inside_mass = MASS

    def __init__(self, distribution: torch.distributions.Distribution) -> None:
        shape = (*distribution.batch_shape, *distribution.event_shape)
        if len(shape) > 1:
            raise ConfigError(f"expected a distribution over codes [latent], got batch and event shape {list(shape)}")
        self.distribution, self.latent = distribution, shape[0] if shape else 1

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        self._refuse_classes(y)
        generator = self._generator(generator)
        # Distributions know no generator: the global one is seeded by the generator's next number and put back.
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            z = self.distribution.sample(torch.Size([n]))
        return z.reshape(n, self.latent).to(generator.device, torch.float32)

    def log_prob(self, z: Tensor) -> Tensor:
        """The distribution's own log-density, -inf outside its support."""
        return in_chunks(self._log_prob, z, self.latent)

    def _log_prob(self, z: Tensor) -> Tensor:
        shaped = z if self.distribution.batch_shape or self.distribution.event_shape else z[:, 0]
        inside: Any = True
        with contextlib.suppress(NotImplementedError):  # a distribution that does not know its support
            inside = torch.as_tensor(self.distribution.support.check(shaped))  # type: ignore[union-attr]
            if inside.ndim > 1:
                inside = inside.all(1)
        try:
            filled = shaped if inside is True else torch.where(_like(inside, shaped), shaped, self._some(shaped))
            value = self.distribution.log_prob(filled)
        except (NotImplementedError, AttributeError):
            raise ConfigError(f"{self.describe()} has no density") from None
        value = value.sum(1) if value.ndim > 1 else value
        return value if inside is True else value.masked_fill(~inside, -math.inf)

    def _some(self, z: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(SEED)
            return self.distribution.sample().to(z).expand_as(z)

    @cached_property
    def reference(self) -> Tensor:
        return draws(self, 10 * REFERENCE)

    @property
    def mean(self) -> Tensor:
        return self._moment("mean", lambda: self.reference.mean(0))

    @property
    def std(self) -> Tensor:
        return self._moment("stddev", lambda: self.reference.std(0))

    def _moment(self, name: str, estimate: Callable[[], Tensor]) -> Tensor:
        try:
            found = torch.as_tensor(getattr(self.distribution, name)).detach().double().reshape(self.latent)
        except NotImplementedError:
            return estimate()
        return found if torch.isfinite(found).all() else estimate()

    @cached_property
    def level(self) -> float:
        return density_level(self)

    def field(self, z: Tensor) -> Tensor:
        return self.log_prob(z) - self.level

    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the region of highest density that holds 99 %: bool [n]."""
        return self.log_prob(z) >= self.level

    @cached_property
    def _bounds(self) -> Tensor:
        inside = self.reference[self.contains(self.reference)]
        return torch.stack([inside.amin(0), inside.amax(0)])

    def bounds(self) -> Tensor:
        return self._bounds

    def describe(self) -> str:
        return f"{type(self.distribution).__name__} of torch.distributions in {self.latent} dimensions"


class Neighbours:
    """The region within `reach` of any of some points: 99 % of them lie that near to another one, blurred or not."""

    def __init__(self, points: Array, width: float) -> None:
        from scipy.spatial import KDTree  # here, so that training does not wait for SciPy
        from scipy.stats import chi2

        self.points, self.tree = points, KDTree(points)
        apart = self.tree.query(points, 2)[0][:, 1]
        blur = width * math.sqrt(chi2.ppf(MASS, points.shape[1]))
        self.reach = max(float(np.quantile(apart, MASS)), blur, 1e-9)

    def distance(self, z: Tensor) -> Tensor:
        rows = z.detach().double().cpu().numpy()
        finite = np.isfinite(rows).all(1)
        found = np.full(len(rows), np.inf)
        found[finite] = self.tree.query(rows[finite])[0]
        return torch.from_numpy(found).to(z.device)

    def contains(self, z: Tensor) -> Tensor:
        return self.distance(z) <= self.reach

    def field(self, z: Tensor) -> Tensor:
        return self.reach - self.distance(z)

    def bounds(self) -> Tensor:
        corners = np.stack([self.points.min(0) - self.reach, self.points.max(0) + self.reach])
        return torch.from_numpy(corners)


def _like(inside: Tensor, z: Tensor) -> Tensor:
    return inside if z.ndim == 1 else inside[:, None].expand_as(z)

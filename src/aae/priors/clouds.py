"""A cloud of points as a prior: as they are, or blurred; and the region that lies near points."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aae.errors import ConfigError, DataError
from aae.priors.base import MASS, Array, Prior, counted, draws, in_chunks
from aae.priors.checked import numbers, real
from aae.priors.reach import LARGEST

NAMELESS = "points"
"""What a cloud is called in errors where nobody has named it."""
FLOAT32 = float(np.finfo(np.float32).max)
"""The largest number that a sample can hold."""


class Points(Prior):
    """Points [m, latent] drawn with equal chances, each blurred by a round Gaussian of deviation `width`.

    labels [m] gives classes 0, 1, ... to the points, -1 to none. With a width the density is that of the kernel
    estimate; without one there is none. DataError, with `name`, for what is no cloud of points; ConfigError for a width
    below 0.
    """

    def __init__(
        self, points: ArrayLike, width: float = 0.0, labels: ArrayLike | None = None, name: str = NAMELESS
    ) -> None:
        array, given = cloud(points, labels, name, most=FLOAT32)
        if not 0 <= real(width) < math.inf:
            raise ConfigError(f"width, the deviation of the blur, must be 0 or more and finite, got {width!r}")
        present = sorted(set(given.tolist()) - {-1})
        order = np.argsort(np.where(given < 0, len(array), given), kind="stable")
        self.points, self.labels = torch.from_numpy(array[order]), torch.from_numpy(given[order].astype(np.int64))
        self.width, self.name, self.latent = real(width), name, array.shape[1]
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
        u = self._position(n, y, generator)
        # A hair more, because an edge such as 1/3 times 3 may fall just short of the first point of its class.
        chosen = (u * len(self.points) + 1e-9).long().clamp(max=len(self.points) - 1)
        z = self._there("points", generator.device, torch.float32)[chosen]
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
        points = self._like("points", z)
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
        where = "" if self.name == NAMELESS else f" of {self.name}"
        return f"{counted(len(self.points), 'point')}{where} in {counted(self.latent, 'dimension')}{blur}"


def cloud(
    points: ArrayLike,
    labels: ArrayLike | None,
    name: str,
    where: Callable[[int, int], str] = "row {}, column {} (counted from 0)".format,
    *,
    most: float = LARGEST,
) -> tuple[Array, Array]:
    """Points as float64 [m, latent], and their labels as int64 [m], -1 where there are none.

    DataError, with `name` and, in the words of `where`, the place that is wrong, unless they are two or more finite
    points no farther than `most` from 0, and labels 0, 1, ... without a gap.
    """
    array = numbers(points, name).astype(np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) < 2 or not array.shape[1]:
        raise DataError(f"{name}: expected two or more points [points, latent], got shape {list(array.shape)}")
    for fine, wanted in (
        (np.isfinite(array), "finite"),
        (np.abs(array) <= most, f"no more than {most:g} from 0"),
    ):
        if not fine.all():
            i, column = np.argwhere(~fine)[0].tolist()
            raise DataError(
                f"{name}: points must be {wanted}, for networks to learn them; {where(i, column)} is "
                f"{array[i, column]:g}"
            )
    given = np.full(len(array), -1) if labels is None else numbers(labels, f"{name}: labels")
    if given.shape != (len(array),) or given.dtype.kind not in "iu" or given.min() < -1:
        raise DataError(f"{name}: labels must be {len(array)} whole numbers, 0, 1, ... or -1 for none")
    present = sorted(set(given.tolist()) - {-1})
    if present != list(range(len(present))):
        raise DataError(f"{name}: labels must number the classes 0, 1, ... without a gap; got {present[:20]}")
    return array, given.astype(np.int64)


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

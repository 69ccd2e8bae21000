"""What every prior offers, and what they share: classes along a line, a region that holds their mass, its outline.

All tensors of codes are [n, latent]; lengths are in code units.
"""

from __future__ import annotations

import abc
import inspect
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aae.errors import ConfigError
from aae.priors.checked import OF_CODES, of_codes, of_draws

Array = np.ndarray
MASS = 0.99
"""Share of an unbounded prior that `contains` accepts."""
SEED = 20_151_117
"""Seed of the draws from which a region or a moment is estimated, where no formula gives it."""
CELLS = 300
"""Cells along each axis of the picture from which an outline is traced."""


class Prior(abc.ABC):
    """A shape for the codes.

    latent: dimensions of a code. classes: how many classes `sample` can be asked for, None for none.
    inside_mass: share of the prior's own mass that `contains` accepts; 1 for a bounded support.
    separable: whether the axes are independent, each with its own quantiles: `cdf` and `icdf` exist then.

    Methods that take codes take tensors or arrays of numbers [n, latent], and raise DataError for any other shape.
    """

    latent: int
    classes: int | None = None
    inside_mass: float = 1.0
    separable: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, check in [("sample", of_draws), *((name, of_codes) for name in OF_CODES)]:
            if inspect.isfunction(vars(cls).get(name)):  # a static method, say, takes what it likes
                setattr(cls, name, check(vars(cls)[name]))

    @abc.abstractmethod
    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """n independent draws, float32 [n, latent], on the generator's device (None: torch's own generator).

        y: [n] whole numbers, the class of each draw, -1 for one from the whole prior. ConfigError where there are no
        classes, and for a number of draws below 0.
        """

    @abc.abstractmethod
    def contains(self, z: Tensor) -> Tensor:
        """Whether each code lies in the support, or where that is unbounded, in the region of 99 %: bool [n]."""

    @property
    @abc.abstractmethod
    def mean(self) -> Tensor:
        """Mean along each axis, float64 [latent]."""

    @property
    @abc.abstractmethod
    def std(self) -> Tensor:
        """Standard deviation along each axis, float64 [latent]."""

    @abc.abstractmethod
    def bounds(self) -> Tensor:
        """The lower and upper corner of a box around what `contains` accepts, float64 [2, latent]."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What it is, in a few words."""

    @property
    def support(self) -> Tensor:
        """The lower and upper end of each axis, float64 [2, latent]: `bounds`, or infinite where there is no end."""
        if self.inside_mass == 1:
            return self.bounds()
        return torch.tensor([[-math.inf], [math.inf]], dtype=torch.float64).expand(2, self.latent)

    @cached_property
    def spread(self) -> float:
        """One deviation for all axes: the root of their mean variance."""
        return self.std.square().mean().sqrt().item()

    @property
    def blocks(self) -> dict[str, slice]:
        """The named parts of a code."""
        return {"code": slice(0, self.latent)}

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density [n] in nats, -inf outside the support. ConfigError for a prior that has none."""
        raise ConfigError(f"{self.describe()} has no density: {self._no_density()}")

    def _no_density(self) -> str:
        return "it can be sampled, and that is all that is known of it"

    @property
    def has_density(self) -> bool:
        """Whether `log_prob` exists."""
        return type(self).log_prob is not Prior.log_prob

    def unit(self, z: Tensor) -> Tensor | None:
        """Codes to the unit cube, [n, k], which samples of this prior fill evenly; None where no such map is known.

        Coordinate by coordinate, each given the ones before it (Rosenblatt 1952, "Remarks on a multivariate
        transformation"); polar coordinates for round shapes. Codes off the support may fall outside [0, 1].
        """
        return self.cdf(z) if self.separable else None

    def cdf(self, z: Tensor) -> Tensor:
        """Each coordinate's quantile. ConfigError unless the axes are independent."""
        raise ConfigError(f"{self.describe()} has no quantiles along each axis; its axes are not independent")

    def icdf(self, u: Tensor) -> Tensor:
        """The codes at the quantiles `u`, [n, latent] in [0, 1]. ConfigError unless the axes are independent."""
        raise ConfigError(f"{self.describe()} has no quantiles along each axis; its axes are not independent")

    def class_of(self, z: Tensor) -> Tensor:
        """The class that each code most probably belongs to, int64 [n]. ConfigError where there are no classes."""
        raise ConfigError(f"{self.describe()} has no classes")

    def centre(self) -> Tensor:
        """The code whose coordinates stand for all others where only some are varied, float64 [latent]."""
        return self.mean

    def grid(self, n: int) -> Tensor:
        """Codes for the manifold figure, float64 [n, n, latent], or [n, latent] for one dimension.

        The first two coordinates vary, the first along the first axis; the others stay at the `centre`. Each code is
        the centre of a cell of equal probability where the axes are independent, else of a cell of an even grid over
        `bounds`. Codes of an even grid may lie where the prior is not, such as in the middle of a ring: `contains`
        tells which, and the manifold figure fades them.
        """
        axes = min(self.latent, 2)
        unit = torch.from_numpy(quantile_grid(n, axes)).reshape(-1, axes)
        codes = self.centre().repeat(len(unit), 1)
        if self.separable:
            whole = torch.full((len(unit), self.latent), 0.5, dtype=torch.float64)
            whole[:, :axes] = unit
            codes[:, :axes] = self.icdf(whole)[:, :axes]
        else:
            low, high = self.bounds()[:, :axes]
            codes[:, :axes] = low + unit * (high - low)
        return codes.reshape(*[n] * axes, self.latent)

    def outline(self) -> list[Array]:
        """The border of what `contains` accepts: closed curves [m, 2] in the plane of the first two dimensions.

        For one-dimensional codes intervals [2]. With more than two dimensions, the region of the plane that holds 99 %.
        """
        return self._border

    def field(self, z: Tensor) -> Tensor:
        """Positive inside what `contains` accepts and negative outside, [n]; the smoother, the finer the outline."""
        return self.contains(z).double() - 0.5

    # For the classes below.

    @cached_property
    def _border(self) -> list[Array]:
        if self.latent == 1:
            return intervals(self)
        return contours(self) if self.latent == 2 else shadow(self)

    def _generator(self, generator: torch.Generator | None) -> torch.Generator:
        return torch.default_generator if generator is None else generator

    def _refuse_classes(self, y: Tensor | None) -> None:
        if y is not None:
            raise ConfigError(f"{self.describe()} has no classes, so it cannot be sampled by class; leave y out")

    @cached_property
    def edges(self) -> Sequence[float]:
        """The parts of [0, 1] that belong to the classes: class c's lies between the ends c and c + 1."""
        return [i / self.classes for i in range(self.classes + 1)] if self.classes else [0.0, 1.0]

    @cached_property
    def _line(self) -> Tensor:
        return torch.tensor(self.edges, dtype=torch.float64)

    def _like(self, name: str, z: Tensor) -> Tensor:
        """`_there`, on the device and in the type of codes."""
        return self._there(name, z.device, z.dtype)

    def _there(self, name: str, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
        """The tensor of this name on a device, copied there once: a recorded step takes no copy from the host.

        It must not be written to.
        """
        copies: dict[tuple[str, str, torch.dtype | None], Tensor] = self.__dict__.setdefault("_copies", {})
        key = name, str(device), dtype
        if key in copies:
            return copies[key]
        with torch.inference_mode(False):  # a copy made for one who needs no gradient serves one who does
            made: Tensor = getattr(self, name).to(device, dtype)
        if type(made) is Tensor:  # and not one that stands for a tensor while a program is traced
            copies[key] = made
        return made

    def _position(self, n: int, y: Tensor | None, generator: torch.Generator) -> Tensor:
        """n numbers in [0, 1): evenly, or for a row of a class within its `edges`, float64."""
        u = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64)
        if y is None:
            return u
        if y.shape != (n,):
            raise ConfigError(f"y must hold the classes of the {n} draws, got shape {list(y.shape)}")
        if y.device.type == "cpu" and n and not -1 <= int(y.min()) <= int(y.max()) < len(self.edges) - 1:
            raise ConfigError(
                f"{self.describe()} has {len(self.edges) - 1} classes; y must lie in -1 to {len(self.edges) - 2}, got "
                f"{int(y.min())} to {int(y.max())}"
            )
        line = self._there("_line", generator.device)
        y = y.to(generator.device)
        low, high = line[y.clamp(min=0)], line[y.clamp(min=0) + 1]
        return torch.where(y < 0, u, low + u * (high - low))


def counted(n: float, one: str) -> str:
    """`counted(1, "dimension")` is "1 dimension"; of any other number there are dimensions."""
    number = f"{n:,}" if isinstance(n, int) else f"{n:g}"
    return f"{number} {one}" if n == 1 else f"{number} {one}s"


def quantile_grid(n: int, axes: int) -> Array:
    """Centres of n^axes cells of equal probability, [n] * axes + [axes]; through `icdf` they are the grid of codes.

    Cell centres (i + 1/2) / n rather than edges: the edges of an unbounded prior lie at infinity.
    """
    centres = (np.arange(n) + 0.5) / n
    return np.stack(np.meshgrid(*[centres] * axes, indexing="ij"), axis=-1)


def draws(prior: Prior, n: int) -> Tensor:
    """n samples that are the same every time, float64 [n, latent]."""
    return prior.sample(n, generator=torch.Generator().manual_seed(SEED)).double()


def density_level(prior: Prior) -> float:
    """The log-density that 99 % of the prior exceed: the border of its region of highest density, by 50,000 draws."""
    return torch.quantile(prior.log_prob(draws(prior, 50_000)), 1 - MASS).item()


def in_chunks(function: Callable[[Tensor], Tensor], z: Tensor, width: int) -> Tensor:
    """`function` over rows in pieces, for a function that needs `width` numbers for each row."""
    if len(z) == 0:
        return function(z)
    return torch.cat([function(part) for part in z.split(max(1, 4_000_000 // width))])


def circle(radius: float) -> Array:
    """A closed circle about 0, [129, 2]."""
    turn = np.linspace(0, 2 * np.pi, 129)
    return radius * np.stack([np.cos(turn), np.sin(turn)], 1)


def intervals(prior: Prior) -> list[Array]:
    """The intervals of a one-dimensional prior, from a fine grid."""
    low, high = prior.bounds()[:, 0].tolist()
    line = torch.linspace(low - 0.05 * (high - low), high + 0.05 * (high - low), 20 * CELLS, dtype=torch.float64)
    inside = np.concatenate([[0], prior.contains(line[:, None]).numpy().astype(int), [0]])
    ends = np.flatnonzero(np.diff(inside))
    return [line.numpy()[[first, last - 1]] for first, last in ends.reshape(-1, 2)]


def plane_of(bounds: Tensor, n: int, margin: float = 0.05) -> tuple[Array, Array]:
    """The coordinates of an n x n grid over the first two axes of a box, with a margin: x [n] and y [n]."""
    low, high = bounds[:, :2].numpy()
    more = margin * (high - low).max()
    return tuple(np.linspace(low[i] - more, high[i] + more, n) for i in range(2))  # type: ignore[return-value]


def contours(prior: Prior) -> list[Array]:
    """The closed curves along which a two-dimensional prior's `field` changes its sign."""
    x, y = plane_of(prior.bounds(), CELLS)
    points = torch.from_numpy(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    return _traced(x, y, prior.field(points).numpy().reshape(CELLS, CELLS), 0.0)


def shadow(prior: Prior) -> list[Array]:
    """The outline of the region of highest density that holds 99 % of the first two dimensions, by 200,000 draws."""
    from scipy.ndimage import gaussian_filter  # here, so that training does not wait for SciPy

    z = draws(prior, 200_000)[:, :2].numpy()
    low, high = np.quantile(z, [0.001, 0.999], axis=0)
    x, y = plane_of(torch.from_numpy(np.stack([low, high])), 100, margin=0.15)
    half = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    edges = np.append(x - half[0], x[-1] + half[0]), np.append(y - half[1], y[-1] + half[1])
    counts = gaussian_filter(np.histogram2d(z[:, 0], z[:, 1], edges)[0].T, 1.0)
    ordered = np.sort(counts.ravel())[::-1]
    level = ordered[np.searchsorted(ordered.cumsum(), MASS * ordered.sum())]
    return _traced(x, y, counts, max(float(level), 1e-9))


def _traced(x: Array, y: Array, values: Array, level: float) -> list[Array]:
    from contourpy import contour_generator

    values = values.copy()
    values[[0, -1], :] = values[:, [0, -1]] = min(level - 1e-6, values.min())  # so that every curve closes
    lines = contour_generator(x=x, y=y, z=np.nan_to_num(values, neginf=-1e6)).lines(level)
    return [np.asarray(line) for line in lines if len(line) > 3]

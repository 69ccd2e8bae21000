"""Priors made of parts: one-hot categories, and products over named blocks of the code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import torch
from torch import Tensor

from aae.errors import ConfigError
from aae.priors.base import Array, Prior, circle, shadow

NEAR_CORNER = 0.1
"""How far each coordinate may be from 0 or 1 for a code to count as a category."""


class OneHot(Prior):
    """One of `latent` categories, all equally probable, as a one-hot code; each category is a class of its own."""

    def __init__(self, latent: int) -> None:
        if latent < 2:
            raise ConfigError(f"a one-hot code needs 2 dimensions or more, one for each category; got {latent}")
        self.latent = self.classes = latent

    @property
    def mean(self) -> Tensor:
        return torch.full((self.latent,), 1 / self.latent, dtype=torch.float64)

    @property
    def std(self) -> Tensor:
        share = 1 / self.latent
        return torch.full((self.latent,), math.sqrt(share * (1 - share)), dtype=torch.float64)

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        generator = self._generator(generator)
        u = self._position(n, y, generator)
        # A hair more, because an edge such as 1/3 times 3 may fall just short of the category that begins there.
        chosen = (u * self.latent + 1e-9).long().clamp(max=self.latent - 1)
        return torch.nn.functional.one_hot(chosen, self.latent).float()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log of the *probability* of each code, a mass and not a density: -log latent; -inf unless it is one-hot."""
        exact = ((z == 0) | (z == 1)).all(1) & (z.sum(1) == 1)
        return torch.full((len(z),), -math.log(self.latent), dtype=z.dtype, device=z.device).masked_fill(
            ~exact, -math.inf
        )

    def contains(self, z: Tensor) -> Tensor:
        """Whether each coordinate lies within 0.1 of a category's: bool [n]."""
        corner = torch.nn.functional.one_hot(z.argmax(1), self.latent)
        return ((z - corner).abs() <= NEAR_CORNER).all(1)

    def class_of(self, z: Tensor) -> Tensor:
        return z.argmax(1)

    def centre(self) -> Tensor:
        """The first category: the mean is no category at all."""
        return torch.nn.functional.one_hot(torch.tensor(0), self.latent).double()

    def grid(self, n: int) -> Tensor:
        """Every column of the grid is a category; they are spread evenly over the columns."""
        chosen = (torch.arange(n) * self.latent) // n
        codes = torch.nn.functional.one_hot(chosen, self.latent).double()
        return codes[:, None].repeat(1, n, 1)

    def bounds(self) -> Tensor:
        ends = torch.tensor([-NEAR_CORNER, 1 + NEAR_CORNER], dtype=torch.float64)
        return ends[:, None].repeat(1, self.latent)

    def outline(self) -> list[Array]:
        """A small circle about each corner that the plane of the first two dimensions shows."""
        corners = [(1, 0), (0, 1)] + ([(0, 0)] if self.latent > 2 else [])
        return [circle(NEAR_CORNER) + np.array(corner) for corner in corners]

    def describe(self) -> str:
        return f"one of {self.latent} categories, one-hot"


class Product(Prior):
    """Independent priors, each over a named block of the code: Product({"style": Gaussian(8), "digit": OneHot(10)}).

    A class goes to every block that has classes; these must have equally many.
    """

    def __init__(self, blocks: Mapping[str, Prior]) -> None:
        if not blocks:
            raise ConfigError("a product needs one block or more")
        self.parts = dict(blocks)
        self.latent = sum(part.latent for part in blocks.values())
        counts = {part.classes for part in blocks.values()} - {None}
        self.classes = counts.pop() if len(counts) == 1 else None
        self.separable = all(part.separable for part in blocks.values())
        self.inside_mass = math.prod(part.inside_mass for part in blocks.values())

    @property
    def blocks(self) -> dict[str, slice]:
        found, start = {}, 0
        for name, part in self.parts.items():
            found[name] = slice(start, start + part.latent)
            start += part.latent
        return found

    def _each(self, z: Tensor) -> list[tuple[Prior, Tensor]]:
        return list(zip(self.parts.values(), z.split([part.latent for part in self.parts.values()], 1), strict=True))

    def _joined(self, of: Callable[[Prior], Tensor]) -> Tensor:
        return torch.cat([of(part) for part in self.parts.values()], -1)

    @property
    def mean(self) -> Tensor:
        return self._joined(lambda part: part.mean)

    @property
    def std(self) -> Tensor:
        return self._joined(lambda part: part.std)

    def centre(self) -> Tensor:
        return self._joined(lambda part: part.centre())

    def bounds(self) -> Tensor:
        return self._joined(lambda part: part.bounds())

    @property
    def support(self) -> Tensor:
        return self._joined(lambda part: part.support)

    def sample(self, n: int, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        if self.classes is None:
            self._refuse_classes(y)
        generator = self._generator(generator)
        return self._joined(lambda part: part.sample(n, y if part.classes else None, generator))

    @property
    def has_density(self) -> bool:
        return all(part.has_density for part in self.parts.values())

    def log_prob(self, z: Tensor) -> Tensor:
        """The sum over the blocks; a block of categories adds the log of a probability."""
        return torch.stack([part.log_prob(block) for part, block in self._each(z)]).sum(0)

    def contains(self, z: Tensor) -> Tensor:
        return torch.stack([part.contains(block) for part, block in self._each(z)]).all(0)

    def unit(self, z: Tensor) -> Tensor | None:
        """The blocks' own maps side by side; blocks that have none are left out."""
        found = [unit for part, block in self._each(z) if (unit := part.unit(block)) is not None]
        return torch.cat(found, 1) if found else None

    def cdf(self, z: Tensor) -> Tensor:
        return torch.cat([part.cdf(block) for part, block in self._each(z)], 1)

    def icdf(self, u: Tensor) -> Tensor:
        return torch.cat([part.icdf(block) for part, block in self._each(u)], 1)

    def class_of(self, z: Tensor) -> Tensor:
        """By the first block that has classes."""
        for part, block in self._each(z):
            if self.classes and part.classes:
                return part.class_of(block)
        return super().class_of(z)

    def grid(self, n: int) -> Tensor:
        """The grid of the first block, or of the first two dimensions where it has but one; the rest at its centre."""
        first = next(iter(self.parts.values()))
        if first.latent == 1 < self.latent:
            return super().grid(n)
        codes = self.centre().repeat(*[n] * min(first.latent, 2), 1)
        codes[..., : first.latent] = first.grid(n)
        return codes

    def outline(self) -> list[Array]:
        first, *rest = self.parts.values()
        if first.latent > 1 or not rest:
            return first.outline()
        if rest[0].latent > 1:
            return shadow(self)
        return [_box(across, up) for across, up in product(first.outline(), rest[0].outline())]

    def describe(self) -> str:
        return "; ".join(f"{name}: {part.describe()}" for name, part in self.parts.items())


def _box(across: Array, up: Array) -> Array:
    """The closed rectangle over two intervals, [5, 2]."""
    (left, right), (bottom, top) = across, up
    return np.array([[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]])

"""Do the codes follow the prior? A prior as a yardstick: codes in, numbers out, each with what the prior itself scores.

Only samples of the prior are needed, and whether a code lies inside it. A prior whose axes are independent is divided
by its quantiles into cells of exactly equal probability; for any other prior the cells are cut from a large sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aae import metrics
from aae.metrics import Partition
from aae.priors import Prior

Array = npt.NDArray[Any]
Numbers = dict[str, float | int]

FLOOR_SEED = 20_151_118
"""Seed of the prior samples that measures compare with; not one that training or sampling uses by default."""
CUT_FROM = 100_000
"""Samples of the prior that cells are cut from, where it has no map to the unit cube."""
FLOORS = 5
"""Samples of the prior whose mean is the floor of a cheap measure: a single one can be lucky."""
EPOCH_ROWS = 1000
"""Rows of the energy distance after each epoch."""


def bins_for(n: int) -> int:
    """Cells along an axis: 20, or 10 when fewer than 2,000 codes would leave too many of 400 cells empty by chance."""
    return 20 if n >= 2000 else 10


@dataclass(frozen=True)
class Cells:
    """Cells of a prior in one plane: the axes, codes in each cell, and each cell's probability."""

    axes: tuple[int, ...]
    counts: Array
    probability: Array


class Yardstick:
    """A prior and samples of it with `n` codes each, made once: `fresh` to compare with, `others` to score as floor."""

    def __init__(self, prior: Prior, n: int) -> None:
        self.prior, self.n, self.bins = prior, n, bins_for(n)
        generator = torch.Generator().manual_seed(FLOOR_SEED)
        self.fresh, *self.others = (prior.sample(n, generator=generator).double().numpy() for _ in range(1 + FLOORS))
        self.latent = self.fresh.shape[1]
        self.spread = float(np.sqrt(self.fresh.var(0).mean())) or 1.0  # root mean square over the axes
        self.by_map = unit_map(prior) is not None

    @cached_property
    def large(self) -> Array:
        """A large sample, for a prior without a map."""
        generator = torch.Generator().manual_seed(FLOOR_SEED + 1)
        return self.prior.sample(CUT_FROM, generator=generator).double().numpy()

    @cached_property
    def partitions(self) -> list[tuple[tuple[int, ...], Partition]]:
        number = self.bins ** min(self.latent, 2)
        return [(axes, Partition.cut(self.large[:, axes], number)) for axes in metrics.planes(self.latent)]

    def cells(self, codes: Array) -> list[Cells]:
        """Codes in the cells of each plane that is looked at (`metrics.planes`)."""
        if not self.by_map:
            return [Cells(axes, part.counts(codes[:, axes]), part.probability) for axes, part in self.partitions]
        unit, found = self.unit(codes), []
        for axes in metrics.planes(self.latent):
            counts = metrics.cells(unit[:, axes], self.bins).ravel()
            found.append(Cells(axes, counts, np.full(counts.shape, 1 / counts.size)))
        return found

    def unit(self, codes: Array) -> Array:
        """Codes in the unit cube, [n, latent]; only where the prior has a map."""
        to_unit = unit_map(self.prior)
        assert to_unit is not None
        return to_unit(torch.from_numpy(codes).double()).numpy()

    def max_ks(self, codes: Array) -> float:
        """Largest Kolmogorov-Smirnov distance over the axes, from the exact prior if it has a map."""
        if self.by_map:
            return metrics.max_ks(self.unit(codes))
        return float(metrics.ks_distances(codes, self.large).max())

    def cheap(self, codes: Array) -> Numbers:
        """The measures that cost next to nothing; codes float64 [n, latent]. See `evaluation.evaluate` for each."""
        n, cells = len(codes), self.cells(codes)
        return {
            "inside": float(self.prior.contains(torch.from_numpy(codes)).double().mean()),
            "empty_cells": float(np.mean([metrics.hole_share(c.counts, c.probability) for c in cells])),
            "crowding": float(np.max([metrics.crowding(c.counts, n, c.probability) for c in cells])),
            "misplaced": float(np.mean([metrics.misplaced(c.counts, n, c.probability) for c in cells])),
            "max_ks": self.max_ks(codes),
            "sliced_wasserstein": metrics.sliced_wasserstein(codes, self.fresh) / self.spread,
        }

    def full(self, codes: Array) -> dict[str, Any]:
        """Every measure of prior match, each with its floor, tests with their p-values."""
        found: dict[str, Any] = dict(self.cheap(codes))
        floors = [self.cheap(other) for other in self.others]
        found |= {f"{name}_floor": float(np.mean([floor[name] for floor in floors])) for name in floors[0]}
        found |= {"bins": self.bins, "cells": "the prior's map" if self.by_map else f"{CUT_FROM} samples"}
        if self.by_map:  # whose cells have a floor in closed form
            axes = min(self.latent, 2)
            found["empty_cells_floor"] = metrics.empty_share_floor(len(codes), self.bins, axes)
            found["inside_floor"] = self.prior.inside_mass
        by_axis, found["max_ks_p"] = (
            metrics.ks_of_uniform(self.unit(codes)) if self.by_map else metrics.ks_by_axis(codes, self.large)
        )
        found["ks_by_axis"] = [float(d) for d in by_axis]
        if len(codes) >= metrics.C2ST_LEAST_ROWS:  # fewer leave a classifier nothing to learn from
            told = metrics.c2st(codes, self.fresh)
            found |= {"c2st": told.accuracy, "c2st_p": told.p_value}
            found["c2st_floor"] = metrics.c2st(self.others[0], self.fresh).accuracy
        if len(codes) >= 2:
            for name, test in (("mmd", metrics.mmd), ("energy", metrics.energy)):
                seen, best = test(codes, self.fresh), test(self.others[0], self.fresh, permutations=0)
                found |= {name: seen.distance, f"{name}_p": seen.p_value, f"{name}_floor": best.distance}
        return found


def after_epoch(yardstick: Yardstick, codes: Tensor) -> Numbers:
    """What `history.csv` says of held-out codes [n, latent] after an epoch: the cheap measures and the energy distance.

    A function of the codes and the prior alone: no generator of the training is touched.
    """
    z = codes.detach().double().cpu().numpy()
    found = yardstick.cheap(z)
    if len(z) >= 2:
        found["energy"] = metrics.energy(z, yardstick.fresh, permutations=0, most_rows=EPOCH_ROWS).distance
    return found


def unit_map(prior: Prior) -> Callable[[Tensor], Tensor] | None:
    """The prior's map from codes to the unit cube, if it has one with an inverse: its quantiles, axis by axis."""
    return prior.cdf if prior.separable else None

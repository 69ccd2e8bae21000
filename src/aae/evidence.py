"""Do the codes follow the prior? A prior as a yardstick: codes in, numbers out, each with what the prior itself scores.

Only samples of the prior are needed, and whether a code lies inside it. A prior whose axes are independent is divided
by its quantiles into cells of exactly equal probability; for any other prior the cells are cut from a large sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
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
UNIT_EDGE = 2e-3
"""How far from the ends of the unit interval cells are drawn: those of an unbounded prior reach to infinity."""
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


@dataclass(frozen=True)
class CellMap:
    """Cells of the prior in the plane of the first two axes, to be drawn.

    polygons: the border of each, [m, 2]; ratio: codes in each by its fair share, 0 for a hole. chance: the share of
    holes and the largest ratio that a sample of the prior has. at: the cell of points [n, 2], -1 for those in none.
    """

    polygons: list[Array]
    ratio: Array
    chance: tuple[float, float]
    at: Callable[[Array], Array]

    def ratio_at(self, points: Array) -> Array:
        """The ratio of the cell that each point [n, 2] lies in; nan for those in none."""
        cell = self.at(points)
        return np.where(cell >= 0, self.ratio[cell], np.nan)


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

    def cell_map(self, codes: Array) -> CellMap:
        """Where codes [n, latent] leave holes and where they crowd, in the plane of the first two axes.

        The cells are those that `cells` counts in; a prior with a map of more than two axes is cut by samples here,
        because the border of a cell of two of its axes may depend on the others.
        """
        axes = tuple(range(min(self.latent, 2)))
        if self.by_map and self.latent <= 2:
            polygons = self._mapped_borders()
            at: Callable[[Array], Array] = self._mapped_cell
            probability = np.full(len(polygons), 1 / len(polygons))
        else:
            part = Partition.cut(self.large[:, axes], self.bins ** len(axes))
            polygons = [_box(low, high) for low, high in zip(*part.borders(), strict=True)]
            at, probability = part.locate, part.probability

        def ratio(z: Array) -> Array:
            cell = at(z[:, axes])
            return np.bincount(cell[cell >= 0], minlength=len(polygons)) / len(z) / probability

        by_chance = [ratio(other) for other in self.others]
        holes = float(np.mean([probability[r == 0].sum() for r in by_chance]))
        return CellMap(polygons, ratio(codes), (holes, float(np.mean([r.max() for r in by_chance]))), at)

    def _mapped_cell(self, points: Array) -> Array:
        unit = self.unit(points)
        inside = np.all((unit >= 0) & (unit <= 1), axis=1)
        index = np.clip(unit * self.bins, 0, self.bins - 1).astype(np.int64)  # codes far away have no such number
        flat = np.ravel_multi_index(tuple(index.T), (self.bins,) * unit.shape[1])
        return np.where(inside, flat, -1)

    def _mapped_borders(self) -> list[Array]:
        """The cells of the unit square under the inverse map, in the order of `_mapped_cell`."""
        edges = np.linspace(0, 1, self.bins + 1)
        along = np.linspace(0, 1, 9)[:-1]  # a straight side may become a curve
        side = [(along, 0 * along), (1 + 0 * along, along), (1 - along, 1 + 0 * along), (0 * along, 1 - along)]
        square = np.stack([np.concatenate([s[i] for s in side]) for i in (0, 1)], 1) / self.bins  # [32, 2]
        if self.latent == 1:
            ends = self._from_unit(np.clip(edges, UNIT_EDGE, 1 - UNIT_EDGE)[:, None])[:, 0]
            return [_box(np.array([a]), np.array([b])) for a, b in pairwise(ends)]
        corners = np.stack(np.meshgrid(edges[:-1], edges[:-1], indexing="ij"), -1).reshape(-1, 1, 2)
        unit = np.clip(corners + square, UNIT_EDGE, 1 - UNIT_EDGE)
        return list(self._from_unit(unit.reshape(-1, 2)).reshape(len(corners), -1, 2))

    def _from_unit(self, unit: Array) -> Array:
        return self.prior.icdf(torch.from_numpy(unit)).double().numpy()

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


def _box(low: Array, high: Array) -> Array:
    """The border of a box as a polygon [4, 2]; of an interval, as a band around the line."""
    (x0, x1), (y0, y1) = ((low[0], high[0]), (low[1], high[1]) if len(low) > 1 else (-0.45, 0.45))
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


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

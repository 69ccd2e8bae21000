"""Holes and crowds: how codes fill cells of known probability, for any prior that can be sampled."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import Floats, rows

Counts = npt.NDArray[np.int64]

MARGIN = 0.05
"""By how much of its width, to each side, a cell reaches beyond the sample that it was cut from."""
MOST_PLANES = 28
"""Pairs of axes that are looked at: all of them up to eight dimensions."""


@dataclass(frozen=True)
class Partition:
    """Cells of about equal probability under a distribution, cut from a large sample of it.

    low, high: [cells, d], the box around the sample's rows in each cell, a little widened. probability: [cells], the
    share of the sample in each; equal but for rounding, unless the distribution puts much of its mass on one point.
    """

    low: Floats
    high: Floats
    probability: Floats
    _nodes: tuple[tuple[int, float, int, int], ...]
    """Axis, threshold and the two children of each cut; a child below 0 is the cell -1 - child."""

    @classmethod
    def cut(cls, sample: npt.ArrayLike, number: int) -> Partition:
        """Cut the rows of `sample` [n, d] into `number` cells: halve by count, across the widest axis, again and again.

        Fewer cells come out where rows coincide. The sample should be much larger than the number of cells, since
        a cell's probability is known to about the square root of the rows in it. Raises DataError for fewer rows than
        cells.
        """
        x = rows(sample, "sample")
        if not 1 <= number <= len(x):
            raise DataError(f"number must lie in 1 to {len(x)}, the rows of the sample; got {number}")
        nodes: list[tuple[int, float, int, int]] = []
        boxes: list[Floats] = []
        shares: list[float] = []
        least = 0.02 * x.std(0)  # so that a cell of equal rows has an inside

        def divide(part: Floats, cells: int) -> int:
            found = _halves(part, cells)
            if found is None:
                low, high = part.min(0), part.max(0)
                margin = np.maximum(MARGIN * (high - low), least)
                boxes.append(np.stack([low - margin, high + margin]))
                shares.append(len(part) / len(x))
                return -len(boxes)
            axis, threshold, cells_below = found
            nodes.append((axis, threshold, 0, 0))
            at, below = len(nodes) - 1, part[:, axis] <= threshold
            left, right = divide(part[below], cells_below), divide(part[~below], cells - cells_below)
            nodes[at] = (axis, threshold, left, right)
            return at

        divide(x, number)
        limits = np.array(boxes)
        return cls(limits[:, 0], limits[:, 1], np.array(shares), tuple(nodes))

    def __len__(self) -> int:
        return len(self.probability)

    def borders(self) -> tuple[Floats, Floats]:
        """The lower and upper corner [cells, d] of each cell as `locate` has it: its box, cut where others begin."""
        low, high = self.low.copy(), self.high.copy()

        def cut(at: int, lower: Floats, upper: Floats) -> None:
            if at < 0:
                cell = -1 - at
                low[cell], high[cell] = np.maximum(low[cell], lower), np.minimum(high[cell], upper)
                return
            axis, threshold, left, right = self._nodes[at]
            here = np.arange(len(lower)) == axis
            cut(left, lower, np.where(here, threshold, upper))
            cut(right, np.where(here, threshold, lower), upper)

        cut(0 if self._nodes else -1, np.full(low.shape[1], -np.inf), np.full(low.shape[1], np.inf))
        return low, high

    def locate(self, codes: npt.ArrayLike) -> Counts:
        """The cell [n] of each code [n, d]; -1 for a code outside every cell."""
        z = rows(codes, "codes")
        if z.shape[1] != self.low.shape[1]:
            raise DataError(f"codes have {z.shape[1]} dimensions, the cells {self.low.shape[1]}; expected the same")
        cell = np.zeros(len(z), dtype=np.int64)
        if self._nodes:
            axis, threshold, left, right = (np.array(column) for column in zip(*self._nodes, strict=True))
            at, walking = np.zeros(len(z), dtype=np.int64), np.arange(len(z))
            while walking.size:
                node = at[walking]
                below = z[walking, axis[node]] <= threshold[node]
                at[walking] = np.where(below, left[node], right[node])
                walking = walking[at[walking] >= 0]
            cell = -1 - at
        inside = np.all((z >= self.low[cell]) & (z <= self.high[cell]), axis=1)
        return np.where(inside, cell, -1)

    def counts(self, codes: npt.ArrayLike) -> Counts:
        """Codes in each cell, [cells]; those outside every cell are counted nowhere."""
        cell = self.locate(codes)
        return np.bincount(cell[cell >= 0], minlength=len(self)).astype(np.int64)


def _halves(part: Floats, cells: int) -> tuple[int, float, int] | None:
    """Axis and threshold that cut the rows in two by count, and the cells below; None for what stays whole."""
    if cells < 2:
        return None
    for axis in np.argsort(-part.std(0), kind="stable"):
        values = np.sort(part[:, axis])
        steps = np.flatnonzero(values[1:] > values[:-1])  # a cut after one of these parts the rows
        if steps.size:
            wanted = len(part) * (cells // 2) / cells
            after = int(steps[np.argmin(np.abs(steps + 1 - wanted))])
            below = min(max(round(cells * (after + 1) / len(part)), 1), cells - 1)
            middle = values[after] + (values[after + 1] - values[after]) / 2
            return int(axis), float(middle if middle < values[after + 1] else values[after]), below
    return None


def planes(d: int) -> list[tuple[int, ...]]:
    """The axes whose cells are looked at: one axis, two, or pairs of them, at most `MOST_PLANES`, evenly spread."""
    every = list(combinations(range(d), min(d, 2)))
    return [
        every[i] for i in np.unique(np.linspace(0, len(every) - 1, min(len(every), MOST_PLANES)).round().astype(int))
    ]


def hole_share(counts: npt.ArrayLike, probability: npt.ArrayLike | None = None) -> float:
    """Probability of the cells that no code reaches: sum of p over cells with count 0. 0 to 1.

    counts: codes in each cell, any shape; probability: of each cell, the same shape, equal if None. Exact samples
    leave cells empty too, the share sum p (1 - p)^n.
    """
    c, p = _cells(counts, probability)
    return float(p[c == 0].sum())


def crowding(counts: npt.ArrayLike, n: int, probability: npt.ArrayLike | None = None) -> float:
    """How overcrowded the fullest cell is: the largest of (count / n) / p, 1 if every cell has its fair share.

    n: all codes, those outside every cell included. Exact samples exceed 1 by chance, the more the fewer codes there
    are to a cell: hold it against the same measure of a sample.
    """
    c, p = _cells(counts, probability, n)
    return float(np.max(c / n / p))


def misplaced(counts: npt.ArrayLike, n: int, probability: npt.ArrayLike | None = None) -> float:
    """Share of codes that would have to move for every cell to have its fair share. 0 to 1.

    The total variation distance 1/2 (sum |count / n - p| + share of codes outside every cell). With n codes in m
    cells exact samples score about sqrt(m / (2 pi n)).
    """
    c, p = _cells(counts, probability, n)
    return float((np.abs(c / n - p).sum() + 1 - c.sum() / n) / 2)


def _cells(counts: npt.ArrayLike, probability: npt.ArrayLike | None, n: int | None = None) -> tuple[Floats, Floats]:
    c: npt.NDArray[Any] = np.asarray(counts)
    if c.size == 0 or not np.issubdtype(c.dtype, np.integer) or c.min() < 0:
        raise DataError(f"counts must be whole numbers of 0 or more, one for each cell, got {c.dtype} {list(c.shape)}")
    if n is not None and n < max(1, c.sum()):
        raise DataError(f"n is {n}, but the cells hold {c.sum()} codes; give the number of all codes, 1 or more")
    p = np.full(c.shape, 1 / c.size) if probability is None else np.asarray(probability, dtype=np.float64)
    if p.shape != c.shape or not (p > 0).all() or abs(p.sum() - 1) > 1e-6:
        raise DataError(
            f"probability must be above 0, sum to 1 and have the shape {list(c.shape)}, got {list(p.shape)}"
        )
    return c.astype(np.float64), p

"""The likelihood of rows under a Gaussian Parzen window: a kernel on each sample of a model (the paper, section 3).

It says less than it seems to: it grows with the number of samples, and centroids of k-means can score above real rows
(Theis et al. 2016, "A note on the evaluation of generative models"). Read it beside such controls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from aae.errors import DataError
from aae.metrics.checks import Floats, rows

BLOCK = 2000
"""Rows on either side of a block of distances: 32 MB in float64."""
COARSE = tuple(float(width) for width in np.geomspace(0.02, 2.0, 25))
"""Widths that `choose_width` tries first, for values in 0 to 1."""
FINER = 9
"""Widths tried between the neighbours of the best one, twice over."""

Number = TypeVar("Number", bound=np.floating[Any])


@dataclass(frozen=True)
class Parzen:
    """A likelihood. mean: over the rows, in nats; error: its standard error; width: the kernel's deviation."""

    mean: float
    error: float
    width: float
    samples: int
    n: int


def parzen_likelihood(samples: npt.ArrayLike, validation: npt.ArrayLike, test: npt.ArrayLike) -> Parzen:
    """Mean log-likelihood of `test` under the window on `samples`, its width chosen on `validation`; all [., d].

    The standard error is the deviation over the rows (n - 1) by the root of their number: it says nothing of how the
    figure moves with the seed of the model. Raises DataError as `parzen_log_density`.
    """
    held = rows(test, "test", 2)
    width = choose_width(samples, validation)
    found = parzen_log_density(samples, held, (width,))[0]
    error = float(found.std(ddof=1) / math.sqrt(len(found)))
    return Parzen(float(found.mean()), error, width, len(np.asarray(samples)), len(found))


def choose_width(samples: npt.ArrayLike, validation: npt.ArrayLike, widths: Sequence[float] = COARSE) -> float:
    """The width under which `validation` rows are likeliest, to about 1 %: a coarse grid, then finer ones around it.

    DataError if the best width stands at an end of `widths`: the grid is then no grid around it.
    """
    tried = sorted(widths)
    for step in range(3):
        mean = parzen_log_density(samples, validation, tried).mean(1)
        best = int(mean.argmax())
        if step == 0 and best in (0, len(tried) - 1):
            raise DataError(
                f"the best width lies at {tried[best]:g} or beyond; give widths on both sides of it, or scale the rows"
            )
        low, high = tried[max(best - 1, 0)], tried[min(best + 1, len(tried) - 1)]
        if step < 2:
            tried = sorted({*np.geomspace(low, high, FINER).tolist(), tried[best]})
    return float(tried[best])


def parzen_log_density(samples: npt.ArrayLike, at: npt.ArrayLike, widths: Sequence[float]) -> Floats:
    """log (1 / N sum_i N(x; s_i, w^2 I)) for each width w and each row x of `at`, in nats: [widths, n].

    samples: [N, d]; at: [n, d]. In float64, block by block, with the largest term taken out of every sum, so that no
    term underflows and no matrix of all distances is kept. Raises DataError for other shapes, NaN, widths of 0 or less.
    """
    points, held = _float_rows(samples, "samples"), rows(at, "at")
    if points.shape[1] != held.shape[1]:
        raise DataError(f"samples have {points.shape[1]} columns, at {held.shape[1]}; expected the same")
    w = np.asarray(widths, dtype=np.float64)
    if w.ndim != 1 or not len(w) or not (w > 0).all():
        raise DataError(f"widths must be numbers above 0, got {w.tolist()}")
    found = [_summed(points, block, w) for block in _blocks(held)]
    d = held.shape[1]
    return np.concatenate(found, 1) - math.log(len(points)) - 0.5 * d * math.log(2 * math.pi) - d * np.log(w)[:, None]


def _summed(points: npt.NDArray[np.floating[Any]], block: Floats, widths: Floats) -> Floats:
    """logsumexp over all points of -|x - s|^2 / (2 w^2): [widths, rows of the block]."""
    factor = -0.5 / np.square(widths)
    total = np.full((len(widths), len(block)), -np.inf)
    norms = np.square(block).sum(1)[:, None]
    for part in _blocks(points):
        some = part.astype(np.float64, copy=False)
        squared = np.maximum(norms + np.square(some).sum(1) - 2 * (block @ some.T), 0)  # [rows, points]
        nearest = squared.min(1)
        for i, f in enumerate(factor):
            # The nearest point has the largest term: exp of what is left lies in 0 to 1.
            terms = np.exp(f * (squared - nearest[:, None])).sum(1)
            total[i] = np.logaddexp(total[i], f * nearest + np.log(terms))
    return total


def _float_rows(values: npt.ArrayLike, name: str) -> npt.NDArray[np.floating[Any]]:
    """Like `rows`, but float32 stays float32 until its block is used: a million samples are large enough."""
    array = np.asarray(values)
    if array.dtype != np.float32 or array.ndim != 2 or not len(array) or not np.isfinite(array).all():
        return rows(values, name)
    return array


def _blocks(array: npt.NDArray[Number]) -> Iterable[npt.NDArray[Number]]:
    return (array[start : start + BLOCK] for start in range(0, len(array), BLOCK))

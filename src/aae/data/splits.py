"""Which rows train, which ones choose, and which ones are kept for the final test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aae.config import Data
from aae.errors import ConfigError, DataError

FEWEST_ROWS = 10


@dataclass(frozen=True, eq=False)
class Splits:
    """Row numbers of each part: disjoint, together all rows, each in shuffled order."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split(n: int, own_test: int, config: Data, where: str | None = None) -> Splits:
    """Split `n` rows; the last `own_test` of them, if any, are the data set's own test rows and stay so.

    `config.test` is a share of all rows, `config.validation` one of the rows left for training. The order
    depends on `config.split_seed`, `n` and `own_test` alone. The test rows are shuffled too: those of MNIST are
    sorted by difficulty, so that its first rows are no sample. DataError below 10 rows; ConfigError if `test`
    is given for a set with its own test rows.
    """
    if n < FEWEST_ROWS:
        where = f"--data {config.source}" if where is None else where
        raise DataError(f"{where}: has {n} row{'s' * (n != 1)}; at least {FEWEST_ROWS} are needed")
    if own_test and config.test is not None:
        raise ConfigError(
            f"--data.test {config.test} cannot be used with --data {config.source}, which comes with "
            f"{own_test} test rows of its own; leave it out"
        )
    random = np.random.Generator(np.random.PCG64(config.split_seed))
    if own_test:
        rest, test = random.permutation(n - own_test), n - own_test + random.permutation(own_test)
    else:
        share = 0.2 if config.test is None else config.test
        held = max(1, round(share * n))
        order = random.permutation(n)
        test, rest = order[:held], order[held:]
    held = max(1, round(config.validation * len(rest))) if config.validation else 0
    validation, train = rest[:held], rest[held:]
    return Splits(*(part.astype(np.int64) for part in (train, validation, test)))


def given(n: int, splits: Splits | Literal["all"], where: str) -> Splits:
    """Splits that the caller chose: all `n` rows for training, or row numbers, checked. DataError for wrong ones."""
    if splits == "all":
        nothing = np.empty(0, np.int64)
        return Splits(np.arange(n, dtype=np.int64), nothing, nothing)
    if not isinstance(splits, Splits):
        raise ConfigError(f'splits must be "random", "all", or aae.data.Splits; got {splits!r}')
    parts = [np.asarray(part) for part in (splits.train, splits.validation, splits.test)]
    if any(part.ndim != 1 or (len(part) and part.dtype.kind not in "iu") for part in parts):
        raise DataError(f"{where}: each part of the splits must be a list of row numbers")
    rows = np.concatenate([part.astype(np.int64) for part in parts])
    if len(parts[0]) == 0:
        raise DataError(f"{where}: the splits leave no training rows")
    if len(rows) and (rows.min() < 0 or rows.max() >= n):
        wrong = rows[(rows < 0) | (rows >= n)][0]
        raise DataError(f"{where}: the splits name row {wrong}; there are rows 0 to {n - 1}")
    if len(np.unique(rows)) < len(rows):
        raise DataError(f"{where}: a row stands twice in the splits; each may be in one part only")
    return Splits(*(part.astype(np.int64) for part in parts))

"""Which rows train, which ones choose, and which ones are kept for the final test."""

from __future__ import annotations

from dataclasses import dataclass

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


def split(n: int, own_test: int, config: Data) -> Splits:
    """Split `n` rows; the last `own_test` of them, if any, are the data set's own test rows and stay so.

    `config.test` is a share of all rows, `config.validation` one of the rows left for training. The order
    depends on `config.split_seed`, `n` and `own_test` alone. The test rows are shuffled too: those of MNIST are
    sorted by difficulty, so that its first rows are no sample. DataError below 10 rows; ConfigError if `test`
    is given for a set with its own test rows.
    """
    if n < FEWEST_ROWS:
        raise DataError(f"--data {config.source}: has {n} rows; at least {FEWEST_ROWS} are needed")
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

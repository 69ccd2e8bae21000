"""Which training rows a model may learn the labels of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aae.config import Data
from aae.errors import ConfigError


def choose_labelled(
    y: NDArray[np.int64] | None, classes: tuple[str, ...] | None, train: NDArray[np.int64], config: Data
) -> NDArray[np.int64]:
    """Numbers of the training rows whose labels are learnt from, in ascending order.

    Every labelled training row, or `config.labelled` of them: the same number for each class, drawn by
    `config.label_seed` alone from rows that the split has put into training. Never a validation or test row.

    ConfigError where there are no labels, where the classes cannot have equally many, or where one has too few.
    """
    rows = np.sort(train)
    known = rows[:0] if y is None else rows[y[rows] >= 0]
    if config.labelled is None:
        return known
    asked = f"--data.labelled {config.labelled}"
    if y is None or classes is None or not len(known):
        raise ConfigError(f"{asked} needs labels, and --data {config.source} has none in its training rows")
    each, left = divmod(config.labelled, len(classes))
    if left:
        fewest = min(int((y[known] == k).sum()) for k in range(len(classes)))
        near = max(1, min(each, fewest)) * len(classes)
        mend = f"set it to a multiple, such as {near}" if fewest else "and one has no training rows: leave it out"
        raise ConfigError(f"{asked} cannot be shared out equally among {len(classes)} classes; {mend}")
    random = np.random.Generator(np.random.PCG64(config.label_seed))
    chosen = []
    for k, name in enumerate(classes):
        members = known[y[known] == k]
        if len(members) < each:
            raise ConfigError(
                f"{asked} asks for {each} rows of each class, and class {name} has {len(members)} in the training "
                "rows; ask for fewer, or leave it out to use every label"
            )
        chosen.append(random.choice(members, each, replace=False))
    return np.sort(np.concatenate(chosen))

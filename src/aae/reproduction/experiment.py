"""What an experiment of the paper is: its cases, what is measured on each run, and the pictures drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aae.config import Config
from aae.data import Dataset
from aae.inference import Run

Budget = Literal["quick", "full"]
Numbers = dict[str, float]
Found = dict[str, list[Run]]
"""The finished runs of each case that was asked for, by its key, in the order of the seeds."""


@dataclass(frozen=True)
class Case:
    """One row of a table. key: its folder. paper, best: what the paper and the best public result report, as text.

    settings: the configuration for a seed and a budget.
    """

    key: str
    name: str
    paper: str
    best: str
    settings: Callable[[int, Budget], Config]


@dataclass(frozen=True)
class Measure:
    """One number of a run. key: its name in the run's metrics.json, or among what the experiment measures itself.

    factor, digits: what it is multiplied by in the table, 100 for a share in percent, and how it is rounded.
    """

    key: str
    name: str
    factor: float = 100.0
    digits: int = 2
    otherwise: str = ""
    """Its name for a run that has no `key`."""

    def of(self, numbers: Numbers) -> float | None:
        """The number of a run as it stands in the table; None where the run has none."""
        found = numbers.get(self.key, numbers.get(self.otherwise))
        return None if found is None else self.factor * found


@dataclass(frozen=True)
class Control:
    """A row of a table that no model is trained for. paper, best: as in `Case`."""

    name: str
    paper: str
    best: str
    numbers: Numbers


@dataclass(frozen=True)
class Picture:
    """A figure in the folder of a reproduction, and what it shows."""

    file: str
    caption: str


@dataclass(frozen=True)
class Experiment:
    """A table or a figure of the paper.

    measures: the first is what the paper and the best public result report; the others stand beside it, where there
    are such numbers. legend: a sentence that says in which units. evaluates: whether `aae.evaluation.evaluate` gives
    some of them. draw: this experiment, finished runs and the folder to pictures in it. also: a run, its data and
    the budget to numbers that `aae.evaluation.evaluate` does not give; taken once, and kept in the run's folder.
    controls: data and budget to further rows, likewise kept.
    """

    title: str
    measures: tuple[Measure, ...]
    cases: tuple[Case, ...]
    draw: Callable[[Experiment, Found, Path], list[Picture]]
    legend: str
    notes: tuple[str, ...] = ()
    also: Callable[[Run, Dataset, Budget], Numbers] | None = None
    evaluates: bool = True
    controls: Callable[[Dataset, Budget], list[Control]] | None = None

    def name_of(self, key: str) -> str:
        return next(case.name for case in self.cases if case.key == key)


SPLIT = "50,000 training and 10,000 validation rows"
"""Of MNIST, with `data.validation` = 1/6."""
RECALLED = "[1] Recalled, not checked against the publication."
NONE_FOUND = "none found"
NEIGHBOURS = (
    "5 neighbours, the best that we know of for two dimensions: 96.1 (Parametric UMAP, in its authors' notebooks)."
)
TEST_ONCE = "The test rows are read once, after the last epoch; nothing was chosen by them."

"""One trial: train, stop early what is hopeless, measure on validation rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aae import metrics
from aae.config import Config, Prior
from aae.data import Dataset
from aae.errors import DataError
from aae.evaluation import known_classes, measure_reconstruction, numeric, rows_of
from aae.evidence import Yardstick
from aae.pace import sized
from aae.inference import Run
from aae.priors import build
from aae.training import Listener, Progress, train_in_memory

QUARTERS = (1, 2, 3)
"""Of the epochs, after which a trial is held against the others."""
FEWEST_PEERS = 5
"""Trials that must have come as far before another is held against them."""

Figures = tuple[float, float]
Peers = Callable[[int], Sequence[Figures]]
Reached = Callable[[int, Figures], None]


class Hopeless(Exception):
    """A trial that is worse than half of the others in both objectives."""


class Watch:
    """Listens to a training run, notes its figures after each quarter, and stops it where it is hopeless.

    Optuna's own pruners know one objective. Here a trial is stopped after a quarter, a half or three quarters of its
    epochs if it is worse than the median of the trials that have come as far in *both* objectives: the energy distance
    of held-out codes from the prior, and 1 - R2 of held-out rows. That is the median rule (Golovin et al. 2017,
    "Google Vizier", section 3.2.2), asked twice: a trial that is good at either goes on, since it may end on the front.

    peers: quarter -> figures of the other trials there. reached: is told this trial's own. judged: False: never stop.
    """

    def __init__(self, epochs: int, peers: Peers, reached: Reached, judged: bool, beside: Listener | None) -> None:
        self.at = {max(1, round(epochs * q / 4)): q for q in reversed(QUARTERS)}  # of equal epochs the first quarter
        self.at = {epoch: q for epoch, q in self.at.items() if epoch < epochs}
        self.peers, self.reached, self.judged, self.beside = peers, reached, judged, beside

    def __call__(self, moment: Progress) -> None:
        if self.beside is not None:
            self.beside(moment)
        quarter = self.at.get(moment.epoch)
        if moment.row is None or quarter is None:
            return
        mine = (_finite(moment.row.get("energy")), _finite(1 - moment.row.get("r2", math.nan)))
        self.reached(quarter, mine)
        others = self.peers(quarter)
        if not self.judged or len(others) < FEWEST_PEERS:
            return
        match, error = np.median(np.array(others), axis=0)
        if mine[0] > match and mine[1] > error:
            raise Hopeless(
                f"after {moment.epoch} of {moment.epochs} epochs the distance from the prior was {mine[0]:.3g} (half "
                f"of the others: below {match:.3g}), the unexplained share {mine[1]:.3g} (below {error:.3g})"
            )


def _finite(value: float | None) -> float:
    """A figure that is missing or not finite is worse than any other: a number that JSON holds."""
    return float(value) if value is not None and math.isfinite(value) else 1e300


def train(config: Config, data: Dataset, watch: Watch) -> Run:
    """Train in memory, measured after each quarter and at the end."""
    return train_in_memory(config, data, listener=watch, measured=frozenset({*watch.at, *_last(config, data)}))


def _last(config: Config, data: Dataset) -> range:
    epochs = sized(config, data).epochs
    return range(max(1, epochs - 2), epochs + 1)


def objectives(run: Run, data: Dataset) -> dict[str, float]:
    """A trained run on its validation rows: `match` and `error`, the two objectives, both better when lower.

    match: accuracy of a freshly trained classifier that tells codes (one draw each) from samples of the prior, at
    least 1/2; with fewer than 50 rows the energy distance. error: `mse` per feature in scaled units; of a table the
    mean over its columns of that, or for words and truth values of the share that comes back changed. floor: what
    samples of the prior score for `match`. score: 2 (1 - match) R2, both cut off at 0 and 1; see `diagnosis.score`.
    """
    held, train = rows_of(data, "validation"), rows_of(data, "train")
    drawn = np.asarray(run.encode(held.x, sample=True), dtype=np.float64)
    yardstick, floor = _measure(run.config.prior, run.latent, len(drawn))
    found = {"floor": floor}
    if len(drawn) >= metrics.C2ST_LEAST_ROWS:
        found["match"] = max(0.5, metrics.c2st(drawn, yardstick.fresh).accuracy)
        factor = 2 * (1 - found["match"])
    else:
        found["match"] = max(0.0, metrics.energy(drawn, yardstick.fresh, permutations=0).distance)
        factor = 1 - found["match"]
    decoded = run.reconstruct(held.x, known_classes(run, held))
    seen = measure_reconstruction(data, train, held, decoded)
    found["error"], explained = seen.get("mse", math.nan), seen.get("r2", 0.0)
    if data.spec.columns:
        columns, numbers = len(data.spec.columns), len(numeric(data.spec))
        wrong = 1 - seen.get("category_accuracy", 1.0)
        found["error"] = (numbers * seen.get("mse", 0.0) + (columns - numbers) * wrong) / columns
        explained = (numbers * explained + (columns - numbers) * (1 - wrong)) / columns
    found["score"] = min(max(factor, 0.0), 1.0) * min(max(explained, 0.0), 1.0)
    if not all(map(math.isfinite, found.values())):
        raise DataError(f"the objectives are not finite: {found}")
    return found


@functools.lru_cache(maxsize=4)
def _measure(prior: Prior, latent: int, rows: int) -> tuple[Yardstick, float]:
    """What codes are measured with, and what samples of the prior score: the same for trials of one prior."""
    yardstick = Yardstick(build(prior, latent), rows)
    if rows < metrics.C2ST_LEAST_ROWS:
        return yardstick, 0.0
    return yardstick, max(0.5, metrics.c2st(yardstick.others[0], yardstick.fresh).accuracy)


def names(rows: int) -> tuple[str, str]:
    """What the two objectives are, in a few words."""
    match = (
        "C2ST accuracy, codes against prior" if rows >= metrics.C2ST_LEAST_ROWS else "energy distance from the prior"
    )
    return match, "reconstruction error"


def labels_of(run: Run) -> dict[str, Any]:
    """What the doctor says of a trial, kept beside its objectives."""
    return {"doctor": run.doctor().code}

"""A run and its data to numbers: does the model reconstruct, do the codes follow the prior, do they keep the classes?

Every figure of prior match stands beside its floor: the same measure with a second sample of the prior in place of
the codes. A number that has reached its floor cannot get better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aae import metrics
from aae.config import replace
from aae.data import Dataset, Scaling, load, original
from aae.errors import ConfigError, DataError
from aae.inference import Run
from aae.priors import Prior
from aae.storage import write_json
from aae.training import check_same_data

Array = np.ndarray
SPLITS = ("train", "validation", "test")
NEIGHBOURS = 5
FLOOR_SEED = 20_151_118
"""Seed of the prior samples that measures compare with; not one that training or sampling uses by default."""


@dataclass(frozen=True)
class Rows:
    """One split, ready to measure: x in original units [n, *shape], y [n] or None."""

    x: Array
    y: Array | None

    def __len__(self) -> int:
        return len(self.x)


def rows_of(data: Dataset, split: str) -> Rows:
    """The rows of `train`, `validation` or `test`. ConfigError for another name, DataError if the split is empty."""
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}; got {split}")
    chosen = getattr(data.splits, split)
    if len(chosen) == 0:
        raise DataError(f"the {split} split of {data.spec.name} is empty; choose another, or set data.{split} above 0")
    x = original(data.x[chosen].float(), data.spec)
    return Rows(x, None if data.y is None else data.y[chosen].numpy())


def data_of(run: Run, source: str | None = None, directory: str | None = None) -> Dataset:
    """The data that the run was trained on, read again and checked to be the same; `directory` as in --data-dir."""
    changes = {"data.directory": directory} if directory else {}
    data = load(replace(run.config, changes | ({"data.source": source} if source else {})).data)
    check_same_data(run.directory, data)
    return data


def evaluate(run: Run, *, split: str = "test", data: Dataset | None = None) -> dict[str, Any]:
    """Measure a run on one split and write RUN/metrics.json.

    Prior match (one draw of each row's code against fresh prior samples): `inside`, share of codes in the prior's
    support; `empty_cells`, share of the prior's equal-probability cells that no code reaches; `c2st`, accuracy of a
    freshly trained classifier that tells codes from prior, 0.5 at best; `max_ks`, largest distance between the
    quantiles of an axis. Reconstruction: `mse` per feature in scaled units, `r2` against the mean row. Codes:
    `knn_accuracy` of 5 neighbours, fitted on training codes. Each measure of prior match has its `_floor`.

    Raises ConfigError for an unknown split, RunError if the data is not what the run was trained on.
    """
    data = data_of(run) if data is None else data
    train, held = rows_of(data, "train"), rows_of(data, split)
    prior = None if run.config.model.kind == "autoencoder" else run.prior
    found: dict[str, Any] = {"split": split, "rows": len(held), "seed": run.config.seed, "epochs": len(run.history)}
    found["training_seconds"] = sum(row["seconds"] for row in run.history)
    drawn = run.encode(held.x, sample=True)
    found |= measure(data, train, held, run.encode(train.x), run.encode(held.x), run.reconstruct(held.x), drawn, prior)
    write_json(run.path / "metrics.json", found)
    return found


def measure(
    data: Dataset,
    train: Rows,
    held: Rows,
    train_codes: Array,
    codes: Array,
    decoded: Array,
    drawn: Array | None = None,
    prior: Prior | None = None,
) -> dict[str, float | int]:
    """Every number that can be had from codes [n, latent] and decoded rows; `drawn` are codes to match the prior."""
    scaling = Scaling(data.spec)

    def scaled(x: Array) -> Array:
        flat = torch.from_numpy(np.ascontiguousarray(x)).reshape(len(x), -1)
        return scaling.apply(flat).numpy()

    truth, guess = scaled(held.x), scaled(decoded)
    found: dict[str, float | int] = {
        "mse": metrics.pixel_mse(truth, guess),
        "r2": metrics.r2_against_mean(truth, guess, scaled(train.x).mean(0)),
    }
    if held.y is not None and train.y is not None and (held.y >= 0).any():
        found["knn_accuracy"] = metrics.knn_accuracy(train_codes, train.y, codes, held.y, k=NEIGHBOURS)
    if prior is not None:
        found |= prior_match(prior, codes if drawn is None else drawn)
    return found


def bins_for(n: int) -> int:
    """Cells along an axis: 20, or 10 when fewer than 2,000 codes would leave too many of 400 cells empty by chance."""
    return 20 if n >= 2000 else 10


def prior_match(prior: Prior, codes: Array) -> dict[str, float | int]:
    """How well codes [n, latent] follow the prior, each number with what the prior itself would score."""
    generator = torch.Generator().manual_seed(FLOOR_SEED)
    fresh, other = (prior.sample(len(codes), generator).numpy() for _ in range(2))
    unit, bins = prior.cdf(torch.from_numpy(codes).double()).numpy(), bins_for(len(codes))
    axes = min(prior.latent, 2)
    found: dict[str, float | int] = {
        "inside": float(prior.contains(torch.from_numpy(codes)).double().mean()),
        "inside_floor": prior.inside_mass,
        "empty_cells": metrics.empty_share(unit, bins),
        "empty_cells_floor": metrics.empty_share_floor(len(codes), bins, axes),
        "bins": bins,
        "max_ks": metrics.max_ks(unit),
        "max_ks_floor": metrics.max_ks(prior.cdf(torch.from_numpy(fresh).double()).numpy()),
    }
    if len(codes) >= metrics.C2ST_LEAST_ROWS:  # fewer leave a classifier nothing to learn from
        found["c2st"] = metrics.c2st(codes, fresh).accuracy
        found["c2st_floor"] = metrics.c2st(other, fresh).accuracy
    return found

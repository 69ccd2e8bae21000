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
from aae.columns import Places
from aae.conditions import condition_block
from aae.config import DataSpec, replace
from aae.data import Dataset, Scaling, load, original, rows
from aae.errors import ConfigError, DataError
from aae.evidence import FLOOR_SEED, Yardstick
from aae.inference import Run
from aae.priors import Prior
from aae.quality import LEAST_ROWS, MOST_ROWS, sample_quality
from aae.storage import write_json
from aae.training import check_same_data

Array = np.ndarray
SPLITS = ("train", "validation", "test")
MEASURED_BYTES = 64 << 20
"""Most bytes of rows, in float32, that are measured of each split of a file that is mapped."""
NEIGHBOURS, NEIGHBOURHOOD = 5, 12
"""Neighbours that vote on a class, and those that trustworthiness and continuity look at."""


@dataclass(frozen=True)
class Rows:
    """One split, ready to measure: x in original units [n, *shape], y [n] or None."""

    x: Array
    y: Array | None
    conditions: Array | None = None
    """[n, columns], as in `Dataset.conditions`."""

    def __len__(self) -> int:
        return len(self.x)


def rows_of(data: Dataset, split: str) -> Rows:
    """The rows of `train`, `validation` or `test`. ConfigError for another name, DataError if the split is empty."""
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}; got {split}")
    chosen = getattr(data.splits, split)
    if len(chosen) == 0:
        raise DataError(f"the {split} split of {data.spec.name} is empty; choose another, or set data.{split} above 0")
    if data.file is not None:  # shuffled, so the first ones will do
        chosen = chosen[: max(1000, MEASURED_BYTES // (4 * data.spec.features))]
    x = original(data.take(chosen), data.spec)
    told = None if data.conditions is None else data.conditions[chosen].numpy()
    return Rows(x, None if data.y is None else data.y[chosen].numpy(), told)


def data_of(run: Run, source: str | None = None, directory: str | None = None) -> Dataset:
    """The data that the run was trained on, read again and checked to be the same; `directory` as in --data-dir."""
    changes = {"data.directory": directory} if directory else {}
    data = load(replace(run.config, changes | ({"data.source": source} if source else {})).data)
    check_same_data(run.directory, data)
    return data


def evaluate(run: Run, *, split: str = "test", data: Dataset | None = None, full: bool = False) -> dict[str, Any]:
    """Measure a run on one split and write RUN/metrics.json.

    Prior match (one draw of each row's code against fresh prior samples): `inside`, share of codes in the prior's
    support; `empty_cells`, share of the prior's equal-probability cells that no code reaches; `crowding`, codes in the
    fullest cell by its fair share; `misplaced`, share of codes that would have to change cells; `c2st`, accuracy of a
    freshly trained classifier that tells codes from prior, 0.5 at best; `mmd`, `energy` and `sliced_wasserstein`,
    distances, the last by the prior's deviation; `max_ks`, largest distance between the quantiles of an axis. Each has
    its `_floor`, and a test its `_p`. Reconstruction: `mse` per feature in scaled units, `r2` against the mean row,
    `ssim` of images. Codes: `knn_accuracy` of 5 neighbours, fitted on training codes; `trustworthiness` and
    `continuity` of 12 neighbours on at most 2,000 rows. Classes and clusters: see `classification`. Of dimension
    reduction the style is held against the prior, everything else is of the codes, and `head_distance` is the smallest
    distance between two cluster heads (code units).

    full: also hold decoded samples against held-out rows, with floors and bad controls, which takes minutes on large
    data; see `aae.quality.sample_quality`.

    The run is measured in the precision that `Run.load` gives it when none is asked for.
    Raises ConfigError for an unknown split, RunError if the data is not what the run was trained on.
    """
    run, data = run.exact, data_of(run) if data is None else data
    train, held = rows_of(data, "train"), rows_of(data, split)
    prior = None if run.config.model.kind == "autoencoder" else run.matched_prior
    found: dict[str, Any] = {"split": split, "rows": len(held), "seed": run.config.seed, "epochs": len(run.history)}
    found["training_seconds"] = sum(row["seconds"] for row in run.history)
    drawn = run.held_to_prior(held.x)
    decoded = run.reconstruct(held.x, known_classes(run, held))
    found |= measure(data, train, held, run.encode(train.x), run.encode(held.x), decoded, drawn, prior)
    found |= classification(run, data, held)
    if run.heads is not None and len(run.heads) > 1:
        found["head_distance"] = metrics.least_distance(run.heads)
    if full and prior is not None:
        found |= quality(run, data, train, held)
    if run.spec.columns and prior is not None:
        found |= table_match(run, train, held)
    write_json(run.path / "metrics.json", found)
    return found


def quality(run: Run, data: Dataset, train: Rows, held: Rows) -> dict[str, Any]:
    """Decoded samples of the prior against held-out rows; see `aae.quality.sample_quality`."""
    new = run.sample(min(max(len(held), LEAST_ROWS), MOST_ROWS))
    if data.spec.is_image:
        return sample_quality(*(pictures(x, data) for x in (new, held.x, train.x)))
    scaling = Scaling(data.spec)
    return sample_quality(*(scaling.apply(rows(x, data.spec)).numpy() for x in (new, held.x, train.x)))


def measure(
    data: Dataset,
    train: Rows,
    held: Rows,
    train_codes: Array,
    codes: Array,
    decoded: Array,
    drawn: Array | None = None,
    prior: Prior | None = None,
) -> dict[str, Any]:
    """Every number that can be had from codes [n, latent] and decoded rows; `drawn` are codes to match the prior."""
    found: dict[str, Any] = dict(measure_reconstruction(data, train, held, decoded))
    labelled = train.y is not None and (train.y >= 0).sum() >= NEIGHBOURS
    if held.y is not None and train.y is not None and labelled and (held.y >= 0).any():
        found["knn_accuracy"] = metrics.knn_accuracy(train_codes, train.y, codes, held.y, k=NEIGHBOURS)
    if data.spec.is_image and min(data.spec.shape[-2:]) >= 3:
        found["ssim"] = metrics.ssim(pictures(held.x, data), pictures(decoded, data))
    if len(held) > 2 * NEIGHBOURHOOD:
        near = metrics.neighbourhoods(_scaled(data, held.x), codes, k=NEIGHBOURHOOD)
        found |= {"trustworthiness": near.trustworthiness, "continuity": near.continuity, "neighbourhood_rows": near.n}
    if prior is not None:
        z = np.asarray(codes if drawn is None else drawn, dtype=np.float64)
        found |= Yardstick(prior, len(z)).full(z)
    return found


def measure_reconstruction(data: Dataset, train: Rows, held: Rows, decoded: Array) -> dict[str, float]:
    """`mse` per feature in scaled units and `r2` against the mean training row; of a table see `table_reconstruction`.

    decoded: the reconstruction of `held`, in original units.
    """
    if data.spec.columns:
        return _table_reconstruction(data.spec, train.x, held.x, decoded)
    truth, guess, mean = _scaled(data, held.x), _scaled(data, decoded), _scaled(data, train.x).mean(0)
    found = {"mse": metrics.pixel_mse(truth, guess)}
    if (truth != mean).any():
        found["r2"] = metrics.r2_against_mean(truth, guess, mean)
    return found


def _scaled(data: Dataset, x: Array) -> Array:
    """Rows as the networks see them, flat."""
    return Scaling(data.spec).apply(torch.from_numpy(np.ascontiguousarray(x)).reshape(len(x), -1)).numpy()


def known_classes(run: Run, held: Rows) -> Array | None:
    """The block to decode rows with, where the model has to be told: zeros for a row of unknown class.

    Behind the class stand the rows' conditions, as the networks see them, for a model that is told any.
    """
    if not run.model.beside or run.model.classifies:
        return None
    block = np.zeros((len(held), run.model.beside), np.float32)
    if held.y is not None and run.classes_told:
        known = held.y >= 0
        block[known, held.y[known]] = 1
    if run.spec.conditions is not None:
        block[:, run.classes_told :] = condition_block(held.conditions, len(held), run.spec.conditions).numpy()
    return block


def classification(run: Run, data: Dataset, held: Rows) -> dict[str, float]:
    """How far the classes or clusters that the model finds agree with the labels; nothing where there are none.

    With labels: `error`. Clusters: their labels come from validation rows, `error_head` by the paper's rule and
    `error_majority` by vote; `hungarian_accuracy` (one cluster to a class, matched on the rows measured), `nmi`, `ari`.
    """
    if not run.model.classifies or held.y is None or not (held.y >= 0).any():
        return {}
    q = run.predict_proba(held.x)
    if run.model.learns_labels:
        return {"error": metrics.error_rate(q, held.y)}
    nmi, ari = metrics.agreement(q, held.y)
    found = {"hungarian_accuracy": metrics.hungarian_accuracy(q, held.y), "nmi": nmi, "ari": ari}
    if len(data.splits.validation):
        chosen = rows_of(data, "validation")
        if chosen.y is not None and (chosen.y >= 0).any():
            odds = metrics.log_odds(run.class_logits(chosen.x))
            for name, rule in (("head", metrics.by_head), ("majority", metrics.by_majority)):
                found[f"error_{name}"] = metrics.cluster_error(q, held.y, rule(odds, chosen.y))
    return found


def numeric(spec: DataSpec) -> tuple[int, ...]:
    """The columns of a table whose values are numbers, not categories or truth values."""
    return Places.of(spec.columns).numbers


def _table_reconstruction(spec: DataSpec, train: Array, truth: Array, decoded: Array) -> dict[str, float]:
    """See `metrics.table_reconstruction`; numbers in scaled units, against the mean of the known training values."""
    columns, places = numeric(spec), Places.of(spec.columns)
    offset, scale = np.zeros(truth.shape[1]), np.ones(truth.shape[1])
    for i in columns:
        offset[i], scale[i] = spec.offset[places.first[i]], spec.scale[places.first[i]]
    known = ~np.isnan(train)
    mean = np.where(known, (train - offset) / scale, 0).sum(0) / known.sum(0).clip(1)
    return metrics.table_reconstruction((truth - offset) / scale, (decoded - offset) / scale, mean, columns)


def table_match(run: Run, train: Rows, held: Rows) -> dict[str, float]:
    """Are generated rows of a table like held-out ones? The same for training rows is the floor.

    `column_distance`: mean over the columns of `metrics.column_distance`; `correlation_difference`: see there, between
    the features that networks see.
    """
    columns, scaling, n = numeric(run.spec), Scaling(run.spec), len(held)
    new = run.sample(n, seed=FLOOR_SEED)

    def features(x: Array) -> Array:
        return scaling.apply(torch.from_numpy(x)).numpy()[:, : Places.of(run.spec.columns).flags]

    found = {}
    for suffix, other in (("", new), ("_floor", train.x[:n])):
        found[f"column_distance{suffix}"] = float(metrics.column_distance(held.x, other, columns).mean())
        found[f"correlation_difference{suffix}"] = metrics.correlation_difference(features(held.x), features(other))
    return found


def pictures(x: Array, data: Dataset) -> Array:
    """Images in original units, [n, *shape], with channels first and the least and largest possible value at 0 and 1.

    Where the data has no such bounds, those of its rows are taken, and what lies beyond is cut off.
    """
    low, high = data.spec.minimum, data.spec.maximum
    if low is None or high is None:
        least, most = data.extremes()
        low, high = least if low is None else low, most if high is None else high
    flat = np.clip((rows(x, data.spec).numpy() - low) / (high - low if high > low else 1.0), 0, 1)
    return flat.reshape(len(flat), *data.spec.shape)

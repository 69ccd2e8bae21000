"""What the page shows of a run: its points, its prior, and the way in and out of its model.

The server and the single file both take everything from here. Rows are flat, [n, width], channels first, in original
units; of a table the values of its columns, categories as numbers, NaN where missing. Model calls take turns behind
one lock, so that any number of requests costs no more than one at a time.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aae import __version__
from aae.columns import Column
from aae.config import Config, flatten, to_dict
from aae.data import Dataset, Scaling
from aae.diagnosis import diagnose
from aae.errors import DataError
from aae.inference import Run
from aae.page import KINDS, MEASURES
from aae.palette import UNLABELLED, shaded
from aae.storage import reading

Array = np.ndarray

POINTS = 200_000
"""Most rows that are shown. More would be more dots than a screen has pixels for."""
PRIOR = 20_000
"""Samples of the prior that holes and crowded cells are measured against."""
CHUNK = 512
"""Rows encoded before others may use the model."""
FARTHEST = 1e6
"""Largest magnitude of a coordinate that is decoded; beyond it 32-bit networks have nothing to say."""
MOST_COLUMNS = 64
"""Columns of a table that a point can be coloured by, and most columns of a row to fill in by hand."""
ALIKE = ("uniform", "gaussian", "laplace", "student-t", "ball", "sphere")
"""Priors whose outline is the same in any two coordinates, not in the first two alone."""
SPLITS = ("train", "validation", "test")


FIGURES = {
    "latent.png": "Latent space",
    "manifold.png": "Manifold",
    "holes.png": "Holes and crowds",
    "losses.png": "Losses",
    "health.png": "The doctor",
    "reconstructions.png": "Reconstructions",
    "samples.png": "Random samples",
    "columns.png": "Columns",
    "correlations.png": "Correlations",
    "styles.png": "Style and class",
    "clusters.png": "Clusters",
    "training.gif": "The latent space through training",
    "comparison.png": "Side by side",
}
"""The figures of a report, by their file's name in RUN/figures."""


def figures_of(path: Path) -> list[tuple[str, Path]]:
    """(title, file) of each figure that a run's report has drawn."""
    folder = path / "figures"
    with reading(folder):
        return [(title, folder / name) for name, title in FIGURES.items() if (folder / name).is_file()]


class Scene:
    """A run and its data, ready to look at.

    rows: the row of the data set behind each point [n], shuffled, so that the first few are a fair sample of all.
    split: 0 train, 1 validation, 2 test [n]. labels: class of each point, -1 unlabelled [n].
    beside: how many classes the decoder takes beside a code, 0 for most models. assigned: the class that each point is
    decoded with: the one the model finds, else its own, -1 for none [n].
    codes: [n, latent] once `refresh` has run, one draw for each row where the posterior is random; `version` counts.
    """

    def __init__(self, run: Run, data: Dataset, most: int = POINTS) -> None:
        self.run, self.data = run, data
        self.lock = threading.Lock()
        self.scaling, self.width = Scaling(run.spec, run.device), math.prod(run.spec.shape)
        splits = [getattr(data.splits, name) for name in SPLITS]
        rows = np.concatenate(splits)
        split = np.concatenate([np.full(len(part), i, np.uint8) for i, part in enumerate(splits)])
        order = np.random.default_rng(0).permutation(len(rows))[:most]
        self.total, self.rows, self.split = len(rows), rows[order].astype(np.uint32), split[order]
        labels = None if data.y is None else data.y[torch.from_numpy(self.rows.astype(np.int64))].numpy()
        self.labels = np.full(len(order), -1, np.int32) if labels is None else labels.astype(np.int32)
        self.beside = run.classes_told
        self.finds: bool = getattr(run.model, "classifies", False)
        self.assigned = self.labels.copy()
        self.codes: Array | None = None
        self.done = self.version = 0
        self.prior = self._prior()

    def _prior(self) -> Array:
        if self.run.config.model.kind == "autoencoder":
            return np.zeros((0, self.run.latent), np.float32)
        return self.run.sample_prior(PRIOR, seed=20_151_118)

    def refresh(self) -> None:
        """Encode every point with the model as it is now."""
        self.done = 0
        found = []
        if self.run.heads is not None:  # the prior lies around them, and they are learnt
            self.prior = self._prior()
        for points in self._chunks():
            x = self.originals(points)
            with self.lock:
                found.append(self.run.encode(x, sample=True, seed=int(points[0])))
                if self.finds:
                    run: Any = self.run
                    self.assigned[points] = run.predict(x)
            self.done += len(x)
        self.codes = np.concatenate(found).astype(np.float32)
        self.version += 1

    def originals(self, points: Array) -> Array:
        """The rows behind these points [n, width] in original units: float32, of a table float64."""
        found = self.data.take(self.rows[points].astype(np.int64))
        return (found if self.run.spec.columns else found.float()).numpy()

    def decode(self, codes: Array, labels: Array | None = None) -> Array:
        """Codes [n, latent] -> float32 [n, width] in original units.

        labels: [n] the class of each, -1 for none, where the decoder takes one beside the code.

        Without the padding that makes `Run.decode` exact to the last digit whatever stands beside a row: that costs a
        hundred times what one code needs. DataError for codes that no network can take.
        """
        if codes.ndim != 2 or codes.shape[1] != self.run.latent:
            raise DataError(f"codes must have shape [n, {self.run.latent}], got {list(codes.shape)}")
        if not (np.abs(codes) <= FARTHEST).all():
            raise DataError(f"codes must be finite and at most {FARTHEST:g} in magnitude")
        with self.lock, torch.no_grad():
            z = torch.as_tensor(self._with_class(codes, labels), dtype=torch.float32, device=self.run.device)
            rows = self.scaling.invert(self.run.model.decode(z)).float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise DataError("the decoder has no finite answer to these codes")
        return rows

    def _with_class(self, codes: Array, labels: Array | None) -> Array:
        """Codes as the decoder takes them: with a one-hot class behind, where it takes one."""
        if labels is None:
            labels = np.full(len(codes), -1)
        if len(labels) != len(codes) or labels.min(initial=-1) < -1 or labels.max(initial=-1) >= self.beside:
            expected = f"from 0 to {self.beside - 1}, or -1" if self.beside else "left out: this decoder takes none"
            raise DataError(f"there must be one label for each of the {len(codes)} codes, {expected}")
        told = np.zeros((len(codes), self.run.model.beside - self.beside))  # conditions at their mean
        return np.concatenate([codes, np.arange(self.beside) == labels[:, None], told], axis=1)

    def encode(self, rows: Array) -> dict[str, Array]:
        """Rows [n, width] in original units -> codes [n, latent] and, of a model that finds classes, assigned [n].

        DataError for rows that do not fit.
        """
        with self.lock:
            rows = rows if self.run.spec.columns else rows.astype(np.float32)
            found = {"codes": self.run.encode(rows).astype(np.float32)}
            if self.finds:
                found["assigned"] = self.run.predict(rows).astype(np.int32)
            return found

    def columns(self) -> list[dict[str, Any]]:
        """What points can be coloured by, beside class, split and code: the error, and a table's columns, by `of`."""
        named: list[dict[str, Any]] = [{"name": "reconstruction error", "of": None}]
        if self._is_table:
            named += [{"name": name, "of": i} for i, name in enumerate(self._column_names)]
        return named

    def column(self, index: int) -> Array:
        """The values of column `index` for every point, float32 [n]. IndexError if there is none."""
        if not 0 <= index < len(self.columns()):
            raise IndexError(index)
        if index > 0:
            return self.originals(np.arange(len(self.rows)))[:, index - 1]
        return np.concatenate([self._errors(chunk) for chunk in self._chunks()])

    def _chunks(self) -> Iterator[Array]:
        for start in range(0, len(self.rows), CHUNK):
            yield np.arange(start, min(start + CHUNK, len(self.rows)))

    def _errors(self, points: Array) -> Array:
        """Root of the mean squared error per feature, in scaled units, of each point decoded from its code."""
        pair = [torch.from_numpy(x) for x in (self.originals(points), self._again(points))]
        scaled = [self.scaling.apply(x.to(self.run.device)) for x in pair]
        known = self.scaling.known(pair[0].to(self.run.device))
        squares = (scaled[0] - scaled[1]).square()
        squares = squares if known is None else squares.masked_fill(known == 0, torch.nan)
        return squares.nanmean(1).sqrt().cpu().numpy().astype(np.float32)

    def _again(self, points: Array) -> Array:
        """Points decoded from their codes."""
        assert self.codes is not None
        return self.decode(self.codes[points], self.assigned[points] if self.beside else None)

    @property
    def _is_table(self) -> bool:
        spec = self.run.spec
        return not spec.is_image and self.width <= MOST_COLUMNS

    @property
    def _column_names(self) -> list[str]:
        columns = self.run.spec.columns
        return [column.name for column in columns] if columns else [f"column {i}" for i in range(self.width)]

    def points(self) -> dict[str, Array]:
        """The arrays of the scatter, ready to pack."""
        assert self.codes is not None
        return {
            "codes": self.codes,
            "labels": self.labels,
            "assigned": self.assigned,
            "split": self.split,
            "row": self.rows,
            "prior": self.prior.astype(np.float32),
        }

    def meta(self) -> dict[str, Any]:
        """What the page needs beside arrays: plain values, ready for JSON."""
        run, spec = self.run, self.run.spec
        has_prior = run.config.model.kind != "autoencoder"
        return {
            "title": f"{KINDS[run.config.model.kind]} on {spec.name}",
            "run": str(run.path),
            "version": __version__,
            "latent": run.latent,
            "stochastic": run.model.stochastic,
            "image": spec.is_image,
            "shape": list(spec.shape),
            "features": self.width,
            "categories": [_words(c) for c in spec.columns] if spec.columns else None,
            "kinds": [_kind(c) for c in spec.columns] if spec.columns else None,
            "gaps": [c.missing for c in spec.columns] if spec.columns else None,
            "limits": [spec.minimum, spec.maximum],
            "names": self._column_names if self._is_table else None,
            "classes": None if spec.classes is None else list(spec.classes),
            "beside": self._beside_names(),
            "finds": self.finds,
            "found": list(run.class_names) if self.finds and run.class_names else None,
            "verdict": verdict_of(run.history, run.config),
            "palette": [*shaded(), UNLABELLED],
            "splits": list(SPLITS),
            "total": self.total,
            "shown": len(self.rows),
            "prior": self._prior_meta() if has_prior else None,
            "axes": self._axes(),
            "columns": self.columns(),
            "finished": run.finished,
            "history": run.history,
            "changes": run.changes,
            "numbers": self._numbers(),
            "settings": _settings(run),
            "phases": _phases(run),
        }

    def _beside_names(self) -> list[str] | None:
        """Names of the classes, or numbers of the clusters, that the decoder takes; None where it takes none."""
        classes = self.run.spec.classes
        named = classes is not None and len(classes) == self.beside
        return (list(classes or ()) if named else [f"{i}" for i in range(self.beside)]) if self.beside else None

    def _prior_meta(self) -> dict[str, Any]:
        prior, chosen = self.run.prior, self.run.config.prior
        return {
            "text": prior.describe(),
            "outline": [curve.round(6).tolist() for curve in prior.outline()] if self.run.latent > 1 else [],
            "same": chosen.kind in ALIKE and not chosen.covariance,
        }

    def _axes(self) -> dict[str, Any] | None:
        """Mean and principal axes of the codes, largest spread first: columns of `basis` [latent, latent]."""
        if self.codes is None or self.run.latent < 3 or self.run.latent > 256:
            return None
        mean = self.codes.mean(0, dtype=np.float64)
        spread, basis = np.linalg.eigh(np.cov(self.codes.astype(np.float64), rowvar=False))
        return {
            "mean": mean.tolist(),
            "basis": basis[:, ::-1].tolist(),
            "share": (spread[::-1] / max(spread.sum(), 1e-30)).tolist(),
        }

    def _numbers(self) -> list[dict[str, str]]:
        """The measures of the last evaluation, if there is one, as text."""
        path = self.run.path / "metrics.json"
        with reading(path):
            if not path.is_file():
                return []
            try:
                found = json.loads(path.read_bytes())
            except ValueError:  # made anew by `aae evaluate`; not worth a page without it
                return []
        return [
            {
                "name": m.name,
                "meaning": m.meaning,
                "value": m.text(found[m.key]),
                "floor": m.text(found[f"{m.key}_floor"]) if f"{m.key}_floor" in found else "",
            }
            for m in MEASURES
            if m.key in found
        ]


def verdict_of(history: Sequence[dict[str, Any]], config: Config) -> str:
    """What the doctor says of a history, in a line; empty where no game was measured."""
    found = diagnose(history, joint=config.adversarial.phases == "joint")
    if found.code == "not-measured":
        return ""
    return f"{found.code}: {found.sentence}" + (f" Change {found.setting} first." if found.setting else "")


def _words(column: Column) -> list[str] | None:
    """What stands for 0, 1, ... of a column; None for a column of numbers."""
    if column.categories:
        return list(column.categories)
    return ["false", "true"] if column.kind == "boolean" else None


def _kind(column: Column) -> str:
    """The kind of a column, with `day` for a time that knows no hours."""
    return "day" if column.dtype == "datetime64[D]" else column.kind


def _settings(run: Run) -> dict[str, Any]:
    used = flatten_plain(to_dict(run.config))
    known = flatten(run.config)
    return {name: value for name, value in used.items() if name in known}


def flatten_plain(nested: dict[str, Any], before: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        found |= flatten_plain(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def _phases(run: Run) -> list[dict[str, Any]]:
    """The phases and the rates they learn at, before the schedule."""
    rates = {phase.name: run.config.optimizer.of(phase.name).learning_rate for phase in run.model.phases}
    rates |= {change["phase"]: change["learning_rate"] for change in run.changes}
    return [{"name": name, "learning_rate": rate} for name, rate in rates.items()]

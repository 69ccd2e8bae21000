"""What every estimator does: fit, go on fitting, save and load."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from aae.anomaly import residuals
from aae.config import Config, Prior, replace
from aae.config import Data as DataConfig
from aae.data import Dataset, Splits, dataset
from aae.data.dataset import fingerprint
from aae.diagnosis import LASTING
from aae.errors import ConfigError
from aae.estimators.inputs import checked
from aae.estimators.settings import configure, number, parameter_names, settings_of
from aae.estimators.stored import read_estimator, write_estimator
from aae.inference import Run
from aae.progress import Console
from aae.training import train_in_memory

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class Estimator(BaseEstimator):
    """Parameters in, a trained `Run` in `run_`. A class says which model it trains, and what its parameters are.

    The estimators are dataclasses for the sake of their constructors, which store parameters and do nothing else, as
    scikit-learn asks: here are those of all of them, and a class adds its own, or other defaults.
    """

    _kind: ClassVar[str]
    _fewest_to_hold_out: ClassVar[int] = 50
    """With fewer rows than this all of them train: a handful of held-out rows measures little, and costs much."""

    _longer = 1
    """Times the passes that `sizes` gives by the number of rows."""

    _: KW_ONLY
    hidden: Any = "auto"
    epochs: Any = "auto"
    batch_size: Any = "auto"
    learning_rate: float = 2e-3
    settings: Mapping[str, Any] | None = None
    validation_fraction: float = 0.1
    warm_start: bool = False
    random_state: Any = None
    device: str = "auto"
    verbose: bool = False

    run_: Run = field(init=False)
    history_: list[dict[str, Any]] = field(init=False)
    n_iter_: int = field(init=False)
    n_features_in_: int = field(init=False)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on the rows of X, [n, features] or images [n, h, w], channels first or last; y is not used.

        With `warm_start` the networks, and the units they learnt in, are those of the last fit.

        Raises ValueError that names the row and column of what cannot be used, or the parameter.
        """
        return self._train(checked(self, X, reset=True, fewest=2))

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One pass over the rows of X. The first call learns the scaling, which stays, from its rows (2 or more)."""
        first = not hasattr(self, "run_")
        return self._train(checked(self, X, reset=first, fewest=2 if first else 1), passes=1)

    def reconstruct(self, X: Any) -> Array:
        """Rows encoded and decoded again, float32, in original units and in the shape of the rows of `fit`."""
        run, x = self._ready(X)
        return run.reconstruct(x)

    def score_samples(self, X: Any) -> Array:
        """How well each row is reconstructed, float64 [n]: minus the mean over its features of the squared error.

        Errors are in the units that the networks learn in (`run_.spec.scale`), so that no feature counts for its unit.
        0 is perfect; rows unlike those of `fit` lie lower.
        """
        run, x = self._ready(X)
        return -np.square(residuals(run, x)).mean(axis=1)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`: higher is better, 0 is perfect."""
        check_is_fitted(self)
        return float(self.score_samples(X).mean())

    def save(self, path: str | Path) -> Path:
        """Write a run directory, with what this estimator adds in estimator.json and estimator.npz; no pickle.

        `load` reads it, and so do `Run.load` and the commands. Raises RunError for a folder in use, ConfigError for a
        parameter that no file can hold.
        """
        check_is_fitted(self)
        return write_estimator(self, path)

    @classmethod
    def load(cls, path: str | Path, device: str | None = None) -> Self:
        """The estimator that `save` wrote. RunError for a directory that is missing, damaged, or of another class."""
        return read_estimator(cls, path, device)

    def _ready(self, X: Any) -> tuple[Run, Array]:
        """The run, and rows to send through it."""
        check_is_fitted(self)
        return self.run_, checked(self, X, reset=False)

    def _resolved(self, features: int) -> dict[str, Any]:
        """The parameters, with what a class chooses by the number of features."""
        return self.get_params(deep=False)

    def _prior(self) -> Prior | None:
        """The prior's settings; None for a model without one."""
        return None

    def _more(self, data: Dataset) -> Mapping[str, Any]:
        """Groups of settings beyond those that every estimator sets; `data` is what it is fitted to."""
        return {}

    def _times(self, data: Dataset) -> float:
        """Times the passes that `sizes` gives by the number of rows."""
        return self._longer

    def _held_out(self, rows: int) -> int:
        """How many rows are held out for the losses that are not trained on."""
        given = self.get_params(deep=False)["validation_fraction"]
        share = number(given)
        if share is None or not 0 <= share <= 0.5:
            raise ConfigError(f"validation_fraction must lie in 0 to 0.5, got {given!r}")
        return round(share * rows) if rows >= self._fewest_to_hold_out else 0

    def _splits(self, rows: int, seed: int) -> Splits:
        held = self._held_out(rows)
        order = np.random.Generator(np.random.PCG64(seed)).permutation(rows).astype(np.int64)
        return Splits(order[held:], order[:held], order[:0])

    @parameter_names()
    def _train(
        self,
        x: Array,
        y: Array | None = None,
        *,
        classes: Sequence[str] = (),
        passes: int | None = None,
        start: Run | None = None,
    ) -> Self:
        """Train on checked rows, and the numbers of their classes or None.

        With `passes`, go on from where the run stands, for so many. start: a run whose networks are the first ones.
        """
        parameters = self._resolved(math.prod(x.shape[1:]))
        seed = int(check_random_state(parameters["random_state"]).randint(2**31 - 1))
        own = getattr(self, "run_", None) if passes or parameters["warm_start"] else None
        start, done = own or start, self.n_iter_ if own else 0
        splits: Any = "all" if passes else self._splits(len(x), seed)
        data = _dataset(x, y, classes, splits, start, settings_of(parameters["settings"]))
        config = configure(
            parameters,
            self._kind,
            len(data.splits.train),
            data.spec,
            (seed + done) % 2**31,
            self._prior(),
            self._more(data),
            self._times(data),
        )
        if start is not None:
            config = _same_networks(config, parameters, start)
        if passes:
            last = (
                {"adversarial.weight": config.adversarial.final_weight} if config.adversarial.phases == "joint" else {}
            )
            config = replace(config, {"epochs": passes, "schedule": "constant", **last})
        with Console(quiet=not parameters["verbose"]).training() as listener:
            self.run_ = train_in_memory(config, data, start=start, listener=listener, measured=0 if passes else LASTING)
        earlier = self.history_ if own else []
        self.history_ = [*earlier, *({**row, "epoch": row["epoch"] + done} for row in self.run_.history)]
        self.n_iter_ = done + config.epochs
        self._n_features_out = config.model.latent
        return self


def _dataset(
    x: Array, y: Array | None, classes: Sequence[str], splits: Any, start: Run | None, settings: Mapping[str, Any]
) -> Dataset:
    """The rows as training takes them; on top of a run, in the units of that run."""
    layout: Any = settings.get("data.layout", "vectors" if x.ndim == 2 else "auto")
    scaling: Any = settings.get("data.scaling", "auto")
    if layout == "table":
        raise ConfigError("settings['data.layout'] = 'table' is for gaps and categories: use aae.train with a frame")
    data = dataset(x, None, DataConfig(layout=layout, scaling=scaling), splits=splits, name="X")
    if y is not None:
        train = data.splits.train
        data = dataclasses.replace(
            data,
            spec=dataclasses.replace(data.spec, classes=tuple(classes)),
            y=torch.from_numpy(y),
            labelled=np.sort(train[y[train] >= 0]),
            fingerprint=fingerprint(data.x, torch.from_numpy(y)),
        )
    if start is None:
        return data
    if data.spec.shape != start.spec.shape:
        raise ConfigError(
            f"X has rows of shape {data.spec.shape}, and the model of the last fit takes {start.spec.shape}; "
            "fit a new estimator, or set warm_start to False"
        )
    if start.config.model.kind == "semi-supervised" and y is not None and start.spec.classes != data.spec.classes:
        raise ConfigError(
            f"y has the classes {data.spec.classes}, and the model of the last fit knows {start.spec.classes}; "
            "fit a new estimator, or set warm_start to False"
        )
    return dataclasses.replace(data, spec=dataclasses.replace(start.spec, classes=data.spec.classes))


def _same_networks(config: Config, parameters: Mapping[str, Any], start: Run) -> Config:
    """`config` with the networks of `start` where their sizes are automatic; ConfigError if the others differ."""
    had = dataclasses.replace(start.config.model, kind=config.model.kind, clusters=config.model.clusters)
    if parameters["hidden"] == "auto":
        config = replace(config, {"model.encoder": had.encoder, "model.decoder": had.decoder})
    config = replace(config, {"model.discriminator": had.discriminator})
    if config.model != had:
        changed = [f.name for f in dataclasses.fields(had) if getattr(had, f.name) != getattr(config.model, f.name)]
        raise ConfigError(
            f"the networks changed since the last fit (model.{', model.'.join(changed)}), so training cannot go on "
            "from it; set these back, or set warm_start to False"
        )
    return config

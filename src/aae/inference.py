"""A trained model to use: arrays in, arrays out, in the units of the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from aae import data as data_module
from aae.checkpoint import RunDirectory
from aae.classes import class_numbers
from aae.conditions import condition_values
from aae.config import Config, DataSpec, from_dict
from aae.data import Dataset, Table
from aae.data.frames import from_frame, is_frame, with_columns
from aae.data.layout import GIVEN
from aae.data.spool import held
from aae.data.streaming import pieces
from aae.data.tables import untyped
from aae.diagnosis import Verdict, diagnose
from aae.errors import ConfigError, DataError, RunError
from aae.hardware import arithmetic_of, device_of
from aae.memory import MemoryRun
from aae.models import AAE, build
from aae.passage import Passage
from aae.phases import Batch, Model
from aae.plugins import belongs
from aae.priors import Prior, around
from aae.priors import build as build_prior

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

JUDGES = ("discriminator", "style_discriminator")
"""What the discriminator of codes is called in a model."""


class Run:
    """A trained run, in a directory or in memory, with its model loaded.

    path: the directory. config, spec: what was trained, on what. history: one dict per epoch. changes: learning rates
    that were changed by hand while it trained, each with the `step` from which it held.
    """

    def __init__(self, directory: RunDirectory | MemoryRun, device: str = "auto", precision: str | None = None) -> None:
        checkpoint = directory.load()
        self.directory, self._asked = directory, (device, precision)
        self.config = from_dict(Config, directory.config)
        self.spec = from_dict(DataSpec, directory.data["spec"])
        self.history: list[dict[str, Any]] = checkpoint.history
        self.finished: bool = checkpoint.state["finished"]
        self.changes: list[dict[str, Any]] = checkpoint.state.get("changes", [])
        self.frames = {int(k.removeprefix("epoch.")): v.numpy() for k, v in checkpoint.tensors["frames"].items()}
        self.device = device_of(device)
        with torch.random.fork_rng(devices=[]):
            self.model: Model = build(self.config, self.spec)
        try:
            self.model.load_state_dict(checkpoint.tensors["weights"])
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(
                f"the weights of {self.where} do not fit its networks: {reason}. A run that was trained with networks "
                "of your own is loaded within the same aae.models.own_networks"
            ) from None
        self.model.to(self.device).eval().requires_grad_(False)
        products = arithmetic_of(precision, self.config.precision, self.device)
        self._passage = Passage(self.model, self.config, self.spec, self.device, self.where, products)

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str = "auto",
        plugin: str | Path | None = None,
        precision: str | None = None,
    ) -> Run:
        """The run in a directory; no code is run and no pickle read.

        precision: arithmetic of the products in the networks, `auto`, `fp32`, `tf32` or `bf16`, as in training. None:
        float32, or TF32 where the run was trained so. bfloat16 is faster where the processor or GPU has it natively
        (`auto` asks) and less exact (docs/precision.md): for many rows, not for what is measured, reported or
        exported, which goes by `exact`. Codes are float32 in any case, and dense layers of at most 64 units are
        multiplied so.
        plugin: the Python file of a run that was trained with one (docs/extending.md), which is run: name it only if
        you trust it. A copy is plugin.py in the directory.

        Raises RunError for a directory that is missing, no run, or damaged: the message names the file. ConfigError
        for a device or a precision that is unknown or that this machine has not.
        """
        directory = RunDirectory.open(path)
        if plugin is not None:
            belongs(plugin, from_dict(Config, directory.config), str(path))
        return cls(directory, device, precision)

    @property
    def path(self) -> Path:
        """The run's directory. RunError for a run that is kept in memory only."""
        return self.directory.path

    @property
    def where(self) -> str:
        """The run's directory, or that it has none, in words."""
        return "this run" if isinstance(self.directory, MemoryRun) else str(self.path)

    def save(self, path: str | Path) -> Run:
        """Write the run to a directory of its own, which must not exist or be empty, and return the run there.

        Raises RunError for a folder in use, StorageError where nothing can be written.
        """
        return Run(MemoryRun.of(self.directory).write(path), *self._asked)

    @property
    def exact(self) -> Run:
        """The run with the products that it is measured with: itself, or loaded again if it was loaded for others."""
        usual = arithmetic_of(None, self.config.precision, self.device)
        return self if self._passage.products == usual else Run(self.directory, self._asked[0])

    def in_memory(self) -> Run:
        """The same run without its directory, which may then be moved or deleted."""
        return Run(MemoryRun.of(self.directory), *self._asked)

    def flat(self, x: ArrayLike | Tensor) -> np.ndarray:
        """Rows in original units, checked, as float64 [n, features], channels first."""
        return data_module.rows(x, self.spec).numpy().astype(np.float64)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, copied, or sent to another process, a run takes its weights along as bytes, never as a path."""
        return Run, (MemoryRun.of(self.directory), *self._asked)

    @property
    def latent(self) -> int:
        """Number of dimensions of a code."""
        return self.config.model.latent

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes that the model knows; None for clusters, which have none, and without classes."""
        knows = self.classes_told or self.model.classifies or self.config.prior.labels
        return self.spec.classes if knows and not self.config.model.clusters else None

    @property
    def classes_to_sample(self) -> int:
        """How many classes `sample` can be asked for: of the decoder, or of a prior with a part for each."""
        by_prior = self.model.centres is not None or self.config.prior.labels
        return self.classes_told or ((self.prior.classes or 0) if by_prior else 0)

    @property
    def classes_told(self) -> int:
        """How many classes the decoder is told, the first values beside a code; 0: none."""
        return self._passage.classes_told

    @property
    def heads(self) -> np.ndarray | None:
        """The cluster heads of dimension reduction, float32 [classes, latent]; None for any other model."""
        centres = self.model.centres
        return None if centres is None else centres.float().cpu().numpy()

    def take_weights(self, weights: dict[str, Tensor]) -> None:
        """Go on with other weights of the same networks."""
        self.model.load_state_dict(weights)
        self.__dict__.pop("prior", None)  # which may lie around learnt heads

    @cached_property
    def prior(self) -> Prior:
        """The shape that the codes should have. ConfigError for a plain autoencoder, which has none.

        It is `matched_prior`, or for codes that are a cluster's head plus a style that shape around each head.
        """
        found = self.matched_prior
        return found if self.heads is None else around(found, self.heads)

    @cached_property
    def matched_prior(self) -> Prior:
        """The prior that training holds the codes to, or of dimension reduction their style; see `held_to_prior`."""
        if self.config.model.kind == "autoencoder":
            raise ConfigError(
                f"{self.where} holds a plain autoencoder, which has no prior to sample from; "
                "train with --model.kind aae or vae"
            )
        return build_prior(self.config.prior, self.latent)

    def encode(self, x: ArrayLike | Tensor, *, sample: bool = False, seed: int = 0) -> np.ndarray:
        """Rows in original units, [n, *shape], to codes, float32 [n, latent].

        A row's code does not depend on the rows beside it. With `sample` each code is one draw from the row's
        posterior, seeded, where the posterior is random.

        Raises DataError, naming row and column, for rows of the wrong shape or with values that are not finite.
        """
        if not (sample and self.model.stochastic):
            return self._passage.over(self.model.encode, x)
        generator = torch.Generator(self.device).manual_seed(seed)
        return self._passage.over(lambda block: self.model.sample_codes(Batch(block, generator)), x)

    def held_to_prior(self, x: ArrayLike | Tensor, *, seed: int = 0) -> np.ndarray:
        """What training holds to `matched_prior`, float32 [n, latent]: one draw of each code, or its style alone.

        Prior match is measured on this. Arguments and errors as `encode`.
        """
        if self.model.centres is None:
            return self.encode(x, sample=True, seed=seed)
        generator = torch.Generator(self.device).manual_seed(seed)
        return self._passage.over(lambda block: self.model.held_to_prior(Batch(block, generator)), x)

    def decode(self, z: ArrayLike | Tensor, y: ArrayLike | None = None, condition: Any = None) -> np.ndarray:
        """Codes [n, latent] to rows in original units, float32 [n, *shape] in the layout of the data.

        Of a table float64 [n, columns]: the likeliest value of each column; `table` gives them their types and words.
        From 256 MiB on the rows lie in a mapped file without a name, which goes when they do (`aae.data.spool.held`).
        y: for a model whose decoder takes a class, one class for all rows or one for each, by number or by name, or
        shares of each class [n, classes]. ConfigError where it is missing, or where the model has no use for it.
        condition: for a model whose decoder is told conditions, in original units: a mapping from names to one value or
        one for each row, an array [columns] or [n, columns], or a table or frame that has the columns.
        """
        return self._passage.decoded(self._passage.told(z, y, condition))

    def discriminate(self, z: ArrayLike | Tensor) -> np.ndarray:
        """What the discriminator says of codes [n, latent]: logits, float32 [n]; positive is "from the prior".

        One that is told the class of a code is told that it is unknown. ConfigError for a model that has none.
        """
        if not self.judges_codes:
            raise ConfigError(f"{self.where} has no discriminator of codes; train with --model.kind aae")
        return self._passage.blocks(judge(self.model), self._passage.codes(z))

    @property
    def judges_codes(self) -> bool:
        """Whether the model has a discriminator of codes."""
        return any(name in dict(self.model.named_children()) for name in JUDGES)

    def reconstruct(self, x: ArrayLike | Tensor, y: ArrayLike | None = None, condition: Any = None) -> np.ndarray:
        """Rows in original units, encoded and decoded again: float32 [n, *shape].

        y, condition: of the rows, as in `decode`. A model that finds classes itself needs none; both are taken from `x`
        where it is a table or a frame that has their columns, whose labels are matched by name: in a column of numbers
        1 is the class called 1, while a `y` of 1 is the second class.
        """
        x, y, condition = self._told(x, y, condition)
        return self.decode(self.encode(x), y, condition)

    def _told(self, x: Any, y: Any, condition: Any) -> tuple[Any, Any, Any]:
        """Rows with the classes and conditions that the decoder is told of them: as given, or as found or brought."""
        x = from_frame(x, GIVEN) if self.spec.columns and is_frame(x) else x  # once, for all that is taken from it
        if y is None:
            finds = self.model.classifies and self.model.beside
            y = self.predict_proba(x) if finds else self._passage.labels(x)
        whole = y is not None and np.ndim(y) == 2 and np.shape(y)[1] != self.classes_told  # conditions are in y
        return x, y, condition if whole else self._passage.conditions(x, condition)

    def reconstructed_features(self, x: ArrayLike | Tensor) -> np.ndarray:
        """As `reconstruct`, but as the networks see it: scaled features, float32 [n, features].

        Of a table means, and the probabilities of truth and of each category; see `aae.columns` for their places.
        """
        x, y, condition = self._told(x, None, None)
        return self.decoded_features(self.encode(x), y, condition)

    def decoded_features(self, z: ArrayLike | Tensor, y: ArrayLike | None = None, condition: Any = None) -> np.ndarray:
        """As `decode`, but as the networks see it: scaled features, float32 [n, features]."""
        return self._passage.blocks(self.model.decode, self._passage.told(z, y, condition))

    def predict_proba(self, x: ArrayLike | Tensor) -> np.ndarray:
        """The probability of each class or cluster for rows in original units, float32 [n, classes]."""
        return self._classified(self.model.class_probabilities, x)

    def class_logits(self, x: ArrayLike | Tensor) -> np.ndarray:
        """Their logits, float32 [n, classes]: these tell rows apart whose probabilities round to 1."""
        return self._classified(self.model.class_logits, x)

    def _classified(self, function: Callable[[Tensor], Tensor], x: ArrayLike | Tensor) -> np.ndarray:
        if not self.model.classifies:
            raise ConfigError(
                f"{self.where} holds a model of kind {self.config.model.kind}, which does not classify; train with "
                "--model.kind semi-supervised or clustering"
            )
        return self._passage.over(function, x)

    def predict(self, x: ArrayLike | Tensor) -> np.ndarray:
        """The most probable class or cluster of rows in original units, by number, int64 [n]."""
        return self.predict_proba(x).argmax(1)

    def sample(self, n: int, *, seed: int = 0, y: ArrayLike | None = None, condition: Any = None) -> np.ndarray:
        """n new rows in original units: decoded samples of the prior, float32 [n, *shape].

        Of a table each value is a draw from the likelihood of its column: a category by its probability, a number
        under the deviation that `reconstruction.loss = gaussian` has learnt, within the range of the training rows.
        y: the classes to sample, as in `decode`; None: each class is as likely as any other. Also for a prior that has
        a part for each class: one class for all rows, or one for each.
        condition: the conditions to sample under, as in `decode`; None: each row's are those of some training row.
        """
        by_prior = self.classes_to_sample if not self.model.beside else 0
        codes = self.sample_prior(n, seed=seed, y=y if by_prior else None)
        y = None if by_prior else y
        random = np.random.Generator(np.random.PCG64(seed))
        if y is None and self.classes_told:
            y = random.integers(self.classes_told, size=n)
        if condition is None and self.spec.conditions is not None:
            kept = self.directory.splits["conditions"]
            condition = kept[random.integers(len(kept), size=n)]
        if not self.spec.columns:
            return self.decode(codes, y, condition)
        return self._passage.drawn(self._passage.told(codes, y, condition), seed)

    def impute(self, x: Any, y: ArrayLike | None = None) -> Any:
        """The rows of a table with every missing value filled by its reconstruction; all else stays as it is.

        Of a frame a frame of the same library; of a Table a Table; columns that the model does not know are kept. Of an
        array [n, columns] of values an array. y: as in `reconstruct`.
        Raises ConfigError for a run whose data is no table.
        """
        if not self.spec.columns:
            raise ConfigError(
                f"{self.where} was trained on {self.spec.name}, which has no columns that may be missing; "
                "train on a table, or on an array with --data.layout table"
            )
        table = from_frame(x, GIVEN) if is_frame(x) else x
        stored = self._passage.mapped(table)
        given = data_module.rows(table, self.spec).numpy() if stored is None else stored
        y = self._passage.labels(table) if y is None else y  # which `given` has no more
        found = self.reconstruct(given, y, self._passage.conditions(table, None))

        def filled_up(part: slice) -> np.ndarray:
            rows = data_module.rows(given[part], self.spec, part.start).numpy()
            return np.where(np.isnan(rows), found[part], rows)

        filled = held(filled_up(part) for part in pieces(given))
        if not isinstance(table, Table):
            return filled
        full = table.filled(self.table(filled))
        return with_columns(x, full) if is_frame(x) else table.replaced(full)

    def table(self, rows: ArrayLike) -> Table:
        """Rows of decode, sample or reconstruct with their names, types and words; see `aae.data.frames`."""
        if not self.spec.columns:
            raise ConfigError(f"{self.where} was trained on {self.spec.name}, which is not a table")
        return untyped(data_module.rows(rows, self.spec).numpy(), self.spec.columns)

    def sample_prior(self, n: int, *, seed: int = 0, y: ArrayLike | None = None) -> np.ndarray:
        """n codes from the prior, float32 [n, latent].

        y: for a prior with a part for each class, one class for all codes or one for each, by number or by name.
        """
        if n < 1:
            raise ConfigError(f"n must be 1 or more, got {n}")
        chosen = None
        if y is not None:
            if self.model.beside or not self.classes_to_sample:
                raise ConfigError(f"the prior of {self.where} has no part for each class; leave y out")
            chosen = torch.from_numpy(class_numbers(y, n, self.classes_to_sample, self.class_names))
        return self.prior.sample(n, chosen, torch.Generator().manual_seed(seed)).numpy()

    def traverse(self, n: int = 20, y: ArrayLike | None = None, condition: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """The manifold: rows decoded at the n x n codes of `prior.grid` in the first two dimensions of the code.

        They lie at quantiles of the prior where its axes are independent, else on an even grid around it; the other
        dimensions stay at the prior's centre. Returns the codes' values along each of the two axes, [2, n], which rise,
        and rows [n, n, *shape] as a picture is drawn, the first axis going down from the highest second coordinate:
        `rows[0]` belongs to the last value of the second axis. With a one-dimensional code the values are [1, n] and
        the rows [1, n, *shape]. y, condition: one for all, where the decoder takes any.
        """
        codes = self.grid(n)
        rows = self.decode(codes.reshape(-1, self.latent), y, condition)
        values = np.stack([codes[0, :, 0], codes[::-1, 0, 1]]) if self.latent > 1 else codes[..., 0]
        return values, rows.reshape(*codes.shape[:2], *rows.shape[1:])

    def grid(self, n: int = 20) -> np.ndarray:
        """The codes of `traverse` where its rows stand, [n, n, latent]; with a one-dimensional code [1, n, latent]."""
        if not isinstance(n, int) or n < 1:
            raise ConfigError(f"n must be a whole number of 1 or more, got {n!r}")
        codes = self.prior.grid(n).numpy()  # [n, n, latent], the first coordinate along the first axis; or [n, latent]
        return codes[None] if self.latent == 1 else np.ascontiguousarray(codes.swapaxes(0, 1)[::-1])

    def restyle(self, x: ArrayLike | Tensor, condition: Any = None) -> np.ndarray:
        """Each row's style in every class: float32 [n, classes, *shape]. The paper, section 4 (figure 7).

        condition: of the rows, as in `decode`, where the decoder is told any; None: taken from `x`, a table or frame.
        ConfigError for a model whose decoder takes no class.
        """
        self._passage.takes_classes("decode the codes as they are")
        codes, classes, condition = self.encode(x), self.classes_told, self._passage.conditions(x, condition)
        if condition is not None and self.spec.conditions is not None:
            condition = condition_values(condition, len(codes), self.spec.conditions).repeat_interleave(classes, 0)
        rows = self.decode(codes.repeat(classes, axis=0), np.tile(np.arange(classes), len(codes)), condition)
        return rows.reshape(len(codes), classes, *rows.shape[1:])

    def interpolate(
        self, start: ArrayLike, end: ArrayLike, steps: int = 10, y: ArrayLike | None = None, condition: Any = None
    ) -> np.ndarray:
        """Rows decoded along the straight line between two codes [latent], both ends included: [steps, *shape].

        y, condition: one for all of them, for a decoder that takes any.
        """
        share = np.linspace(0, 1, steps)[:, None]
        return self.decode((1 - share) * np.asarray(start) + share * np.asarray(end), y, condition)

    def evaluate(self, split: str = "test", *, data: Dataset | None = None) -> dict[str, Any]:
        """Measure the run on a split of its data and write metrics.json; see `aae.evaluation.evaluate`."""
        from aae.evaluation import evaluate

        return evaluate(self, split=split, data=data)

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """Upload the run with a model card to the Hugging Face Hub and return the address; see `aae.hub.push`."""
        from aae.hub import push

        return push(self, repo, **options)

    @classmethod
    def from_hub(cls, repo: str, folder: str | Path | None = None, **options: Any) -> Run:
        """The run in a repository of the Hugging Face Hub; see `aae.hub.pull`."""
        from aae.hub import pull

        return pull(repo, folder, **options)

    def doctor(self) -> Verdict:
        """What the figures of the history say about the adversarial game; see `aae.diagnosis`."""
        return diagnose(self.history, joint=self.config.adversarial.phases == "joint")

    def report(self, *, compare: bool = True, data: Dataset | None = None) -> Path:
        """Write the figures and report.html and return the page's path; see `aae.report.write`."""
        from aae.report import write

        return write(self, compare=compare, data=data)

    def __repr__(self) -> str:
        return f"Run({self.where!r}, {self.config.model.kind}, {self.latent}-D codes of {self.spec.name})"


def judge(model: Model) -> Callable[[Tensor], Tensor]:
    """The discriminator of codes as a function from codes [batch, latent] to logits [batch].

    One that is told classes (`prior.labels`) is told that they are unknown; with one for each block of the code, it is
    that of the style.
    """
    children = dict(model.named_children())
    network = next(children[name] for name in JUDGES if name in children)
    classes = getattr(model, "classes", 0) if isinstance(model, AAE) else 0
    if not classes:
        return network
    return lambda z: network(torch.cat([z, F.one_hot(z.new_full((z.shape[0],), classes).long(), classes + 1).to(z)], 1))


def same_kind(run: Run, spec: DataSpec) -> None:
    """DataError unless rows of `spec` can go through the run's model."""
    if spec.shape != run.spec.shape:
        raise DataError(f"{spec.name} has rows of shape {spec.shape}; {run.where} was trained on {run.spec.shape}")


__all__ = ["Run", "judge", "same_kind"]

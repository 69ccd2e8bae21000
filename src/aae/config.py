"""What a run is: every setting in one frozen `Config`, and what was learnt about the data in one `DataSpec`.

The same dataclasses are the Python API, the TOML file, the JSON in the run directory and the command line, so a
setting has one name everywhere. A key that is unknown, or that the chosen model would ignore, is refused.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import tyro

from aae.columns import Column, Places
from aae.errors import ConfigError

T = TypeVar("T")
Pairs = dict[str, Any]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class Data:
    """Which data, and how it is split."""

    source: Annotated[str, tyro.conf.arg(aliases=["--data"], metavar="NAME|PATH")] = "digits"
    """`digits` (bundled), `mnist`, or the path of an array, a table or a folder of images: see docs/data.md."""
    directory: Annotated[str | None, tyro.conf.arg(aliases=["--data-dir"], metavar="DIR")] = None
    """Folder that holds the named data set's files (default: $AAE_DATA_DIR, else the cache, else a download)."""
    layout: Literal["auto", "vectors", "images", "channels-first", "channels-last", "table"] = "auto"
    """What the axes of an array mean: rows of numbers, grey images, colour images, or columns with gaps (NaN)."""
    scaling: Literal["auto", "range", "standardize", "none"] = "auto"
    """`range`: to [0, 1]; `standardize`: mean 0, deviation 1 per column; `auto` chooses by the data."""
    validation: float = 0.1
    """Share of the training rows held out for choices (0 to 0.5)."""
    test: float | None = None
    """Share of all rows held out for the final test (default: the set's own test rows, else 0.2)."""
    split_seed: int = 0
    """Seed of the shuffle that makes the splits; independent of the training seed."""
    labelled: int | None = None
    """How many training rows keep their labels, as many of each class (default: every row that has one)."""
    label_seed: int = 0
    """Seed of the choice of the labelled rows; independent of the other seeds."""
    label: Annotated[str | None, tyro.conf.arg(aliases=["--label"], metavar="COLUMN")] = None
    """The column of a table that holds the labels; it is not modelled."""
    columns: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--columns"], metavar="COLUMN ...")] = ()
    """The columns of a table to model (default: all)."""
    drop: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--drop"], metavar="COLUMN ...")] = ()
    """Columns of a table to leave out."""
    categories: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--categories"], metavar="COLUMN ...")] = ()
    """Columns of a table whose values are names, although they are numbers or many different texts."""
    image_size: Annotated[int | None, tyro.conf.arg(aliases=["--image-size"], metavar="PIXELS")] = None
    """Side of the square to which a folder's images are cut and resized (default: as they are, all of one size)."""
    hide: float = 0.0
    """Share of a table's values hidden from the encoder, drawn anew in each step, so that it learns to fill gaps."""

    def __post_init__(self) -> None:
        _require(0 <= self.validation <= 0.5, f"validation must lie in 0 to 0.5, got {self.validation}")
        _require(
            self.test is None or 0 < self.test <= 0.5,
            f"test must be above 0 and at most 0.5, got {self.test}",
        )
        _require(
            self.image_size is None or 1 <= self.image_size <= 4096,
            f"image_size must lie in 1 to 4096, got {self.image_size}",
        )
        _require(0 <= self.hide < 1, f"hide must lie in 0 to below 1, got {self.hide}")
        _require(self.split_seed >= 0, f"split_seed must be 0 or more, got {self.split_seed}")
        _require(self.labelled is None or self.labelled >= 1, f"labelled must be 1 or more, got {self.labelled}")
        _require(self.label_seed >= 0, f"label_seed must be 0 or more, got {self.label_seed}")


@dataclass(frozen=True)
class Model:
    """Which model, and how large its networks are."""

    kind: Literal["aae", "supervised", "semi-supervised", "clustering", "autoencoder", "vae"] = "aae"
    """Adversarial autoencoder; one whose decoder is told the class (`supervised`), or whose encoder finds it
    (`semi-supervised`, `clustering`); plain or variational autoencoder."""
    latent: int = 2
    """Number of dimensions of a code."""
    posterior: Literal["deterministic", "gaussian", "noise"] = "deterministic"
    """How the encoder turns a row into a code: a point, a Gaussian, or a function of the row and fed-in noise."""
    posterior_noise: int = 10
    """Number of noise values fed to the encoder of a `noise` posterior."""
    network: Literal["mlp", "conv", "auto"] = "mlp"
    """Encoder and decoder: dense layers, or convolutions with dense layers between them and the code; `auto`
    convolves images."""
    channels: tuple[int, ...] = (32, 64, 128)
    """Channels after each convolution of the encoder, which halves the image; the decoder goes back the same way."""
    encoder: tuple[int, ...] = (1000, 1000)
    """Widths of the encoder's hidden dense layers (units)."""
    decoder: tuple[int, ...] = (1000, 1000)
    """Widths of the decoder's hidden dense layers (units)."""
    discriminator: tuple[int, ...] = (1000, 1000)
    """Widths of the discriminator's hidden layers (units)."""
    output: Literal["auto", "sigmoid", "linear"] = "auto"
    """Last step of the decoder; `auto`: sigmoid for data scaled to [0, 1], else linear."""
    init: Literal["glorot", "normal"] = "glorot"
    """First weights: Glorot uniform, or Gaussian with deviation `init_std`; biases start at zero."""
    init_std: float = 0.01
    """Standard deviation of the first weights under `init = normal`."""
    clusters: int = 0
    """Number of clusters that a model without labels sorts the rows into (2 or more)."""

    def __post_init__(self) -> None:
        _require(self.latent >= 1, f"latent must be 1 or more, got {self.latent}")
        _require(self.clusters == 0 or self.clusters >= 2, f"clusters must be 2 or more, got {self.clusters}")
        _require(self.posterior_noise >= 1, f"posterior_noise must be 1 or more, got {self.posterior_noise}")
        _require(0 < self.init_std < math.inf, f"init_std must be above 0 and finite, got {self.init_std}")
        _require(len(self.channels) >= 1, "channels needs one number or more, such as 32 64 128")
        for name in ("channels", "encoder", "decoder", "discriminator"):
            widths = getattr(self, name)
            _require(all(w >= 1 for w in widths), f"{name} needs widths of 1 or more, got {widths}")


@dataclass(frozen=True)
class Prior:
    """The shape that the codes are given; docs/priors.md shows each."""

    kind: Literal[
        "uniform",
        "gaussian",
        "ball",
        "sphere",
        "ring",
        "mixture",
        "grid",
        "checkerboard",
        "swiss-roll",
        "spiral",
        "laplace",
        "student-t",
        "one-hot",
        "torus",
        "picture",
        "points",
        "product",
    ] = "uniform"
    """The kind of shape; `aae priors` lists them, and `aae priors show NAME -o prior.png` draws one."""
    scale: float = 2.0
    """Half the side of a box, board, grid or picture; the outer radius; or the deviation or scale (code units)."""
    width: float | None = None
    """Thickness of a ring; or deviation across a petal, of a dot, along a curve, or around points (code units)."""
    components: int | None = None
    """Petals, arms of a spiral, dots or squares along a side; or sectors or segments, one for each class."""
    turns: float | None = None
    """Turns of a swiss roll (default 2) or of a spiral's arm (default 1)."""
    degrees: float | None = None
    """Degrees of freedom of Student's t, above 2 (default 5)."""
    concentration: float | None = None
    """Concentration of the angles on a torus, 0 for uniform ones (default 1)."""
    covariance: tuple[float, ...] = ()
    """Covariance of the Gaussian, latent x latent numbers row after row, in place of its scale."""
    file: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Picture (.png, .jpg), points (.npy, .npz, .csv), or mixture (.json, .npz); read once, kept in the run."""
    ink: Literal["dark", "bright"] = "dark"
    """What of a picture is dense: its dark or its bright pixels."""
    content: Annotated[str, tyro.conf.Suppress] = ""
    """What was in `file`, as text; filled in when a run begins."""
    blocks: tuple[str, ...] = ()
    """Blocks of a product, one after another: NAME=KIND:DIMENSIONS[,SETTING=VALUE ...]."""
    labels: bool = False
    """Give each class its own component, segment or category, and tell the discriminator the class."""

    def __post_init__(self) -> None:
        _require(0 < self.scale < math.inf, f"scale must be above 0 and finite, got {self.scale}")
        _require(self.width is None or 0 < self.width < math.inf, f"width must be above 0 and finite, got {self.width}")
        _require(
            self.components is None or 1 <= self.components <= 1000,
            f"components must lie in 1 to 1000, got {self.components}",
        )
        _require(self.turns is None or 0 < self.turns <= 20, f"turns must be above 0 and at most 20, got {self.turns}")
        _require(
            self.degrees is None or 2 < self.degrees < math.inf,
            f"degrees must be above 2 and finite, got {self.degrees}",
        )
        _require(
            self.concentration is None or 0 <= self.concentration <= 1000,
            f"concentration must lie in 0 to 1000, got {self.concentration}",
        )
        _require(all(map(math.isfinite, self.covariance)), f"covariance must be finite, got {self.covariance}")


_PRIOR_USES: dict[str, tuple[str, ...]] = {
    "uniform": ("scale",),
    "gaussian": ("scale", "covariance"),
    "ball": ("scale",),
    "sphere": ("scale",),
    "ring": ("scale", "width", "labels"),
    "mixture": ("scale", "width", "components", "labels", "file", "content"),
    "grid": ("scale", "width", "components"),
    "checkerboard": ("scale", "components"),
    "swiss-roll": ("scale", "width", "turns", "labels"),
    "spiral": ("scale", "width", "turns", "components", "labels"),
    "laplace": ("scale",),
    "student-t": ("scale", "degrees"),
    "one-hot": ("labels",),
    "torus": ("scale", "concentration"),
    "picture": ("scale", "file", "content", "ink"),
    "points": ("width", "file", "content", "labels"),
    "product": ("blocks", "labels"),
}


def unused_by_prior(prior: Prior) -> dict[str, str]:
    """The settings that this prior ignores, each with the reason."""
    uses = set(_PRIOR_USES[prior.kind])
    if prior.kind in ("ring", "swiss-roll") and prior.labels:
        uses.add("components")
    names = [f.name for f in dataclasses.fields(prior) if f.name != "kind"]
    reasons = {name: f"prior.kind = {prior.kind} does not use it" for name in names if name not in uses}
    if prior.covariance and prior.kind == "gaussian":
        reasons["scale"] = "prior.covariance says how wide the Gaussian is"
    if prior.kind == "mixture" and (prior.file or prior.content):
        reasons |= dict.fromkeys(("scale", "width", "components"), "the mixture comes from a file")
    if prior.kind == "picture" and prior.content and not prior.file:
        reasons["ink"] = "the picture has been read already"
    return reasons


@dataclass(frozen=True)
class Corruption:
    """What is done to a row before the encoder sees it, while training; the decoder is held to the clean row."""

    noise: float = 0.0
    """Standard deviation of Gaussian noise added to each value (scaled units)."""
    dropout: float = 0.0
    """Share of the values set to zero, the others scaled up to make up for them (0 to below 1)."""

    def __post_init__(self) -> None:
        _require(0 <= self.noise < math.inf, f"noise must be 0 or more and finite, got {self.noise}")
        _require(0 <= self.dropout < 1, f"dropout must lie in 0 to below 1, got {self.dropout}")


@dataclass(frozen=True)
class Reconstruction:
    """How a decoded row is compared with the original."""

    loss: Literal["mse", "l1", "bce", "gaussian"] = "mse"
    """Squared error, absolute error, cross-entropy on logits, or Gaussian likelihood with a learnt deviation."""
    reduction: Literal["sum", "mean"] = "mean"
    """Sum or mean over the features of a row (always a mean over the rows of a batch)."""
    weight: float = 1.0
    """Factor on the reconstruction loss."""

    def __post_init__(self) -> None:
        _require(0 < self.weight < math.inf, f"weight must be above 0 and finite, got {self.weight}")


@dataclass(frozen=True)
class Adversarial:
    """How encoder and discriminator play against each other."""

    phases: Literal["separate", "joint"] = "separate"
    """`separate`: reconstruction, discriminator, generator, as in the paper; `joint`: one phase minimises
    reconstruction + weight * generator, a second one trains the discriminator."""
    objective: Literal["cross-entropy", "least-squares", "hinge", "wasserstein"] = "cross-entropy"
    """What the two play for: the discriminator's cross-entropy, or another distance between its answers."""
    balance: Literal["fixed", "gradients"] = "fixed"
    """What the weights of the joint phase mean: `fixed`: factors; `gradients`: how hard the generator loss pulls at a
    code, as a multiple of reconstruction; the factor follows from the two gradients, measured while training."""
    weight: float = 0.1
    """Factor on the generator loss in the joint phase, at the start of training."""
    final_weight: float = 0.1
    """Factor on the generator loss in the joint phase at the end; it goes there in a straight line."""
    input_noise: float = 0.0
    """Deviation of the noise added to what the discriminator sees, as a share of the prior's own deviation;
    falls linearly to zero through training."""
    gradient_penalty: float = 0.0
    """Factor on the penalty on the discriminator's gradient at its inputs."""
    penalty: Literal["zero", "one"] = "zero"
    """`zero`: half the squared gradient at prior samples and codes (R1 and R2); `one`: the squared distance of its
    norm from 1 between the two (WGAN-GP)."""
    label_smoothing: float = 0.0
    """How far the discriminator's target for prior samples stays below 1 (cross-entropy; 0 to below 0.5)."""
    spectral_norm: bool = False
    """Divide each layer of the discriminator by its largest singular value."""
    discriminator_steps: int = 1
    """Steps of the discriminator for each step of the encoder."""

    def __post_init__(self) -> None:
        _require(
            0 <= self.label_smoothing < 0.5, f"label_smoothing must lie in 0 to below 0.5, got {self.label_smoothing}"
        )
        _require(
            self.discriminator_steps >= 1, f"discriminator_steps must be 1 or more, got {self.discriminator_steps}"
        )
        for name in ("weight", "final_weight", "input_noise", "gradient_penalty"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f"{name} must be 0 or more and finite, got {value}")


@dataclass(frozen=True)
class Optimizer:
    """The optimizer of one phase."""

    kind: Literal["adam", "sgd"] = "adam"
    """Adam, or stochastic gradient descent."""
    learning_rate: float = 1e-3
    """Step size at the start of training."""
    momentum: float = 0.9
    """Momentum of SGD, or the first decay rate (beta 1) of Adam (0 to below 1)."""
    nesterov: bool = False
    """Nesterov's form of momentum (SGD)."""

    def __post_init__(self) -> None:
        _require(
            0 < self.learning_rate < math.inf,
            f"learning_rate must be above 0 and finite, got {self.learning_rate}",
        )
        _require(0 <= self.momentum < 1, f"momentum must lie in 0 to below 1, got {self.momentum}")
        _require(
            not (self.kind == "sgd" and self.nesterov and self.momentum == 0),
            "nesterov needs a momentum above 0; set one of the two",
        )


def _adversary() -> Optimizer:
    return Optimizer(learning_rate=2e-4, momentum=0.5)


@dataclass(frozen=True)
class Optimizers:
    """One optimizer for each phase, so the encoder may learn at two rates."""

    reconstruction: Optimizer = field(default_factory=Optimizer)
    discriminator: Optimizer = field(default_factory=_adversary)
    generator: Optimizer = field(default_factory=_adversary)
    classification: Optimizer = field(default_factory=Optimizer)


@dataclass(frozen=True)
class Config:
    """Everything that decides a run."""

    recipe: Annotated[str, tyro.conf.Suppress] = "digits-2d-uniform"
    """The recipe that the settings started from."""
    epochs: int = 50
    """Passes over the training rows (0: as many as make 4,000 steps, 10 to 400)."""
    batch_size: int = 128
    """Rows in one step (0: 128, or 32 with fewer than 10,000 training rows); the rows left over at the end of an epoch
    wait for the next shuffle."""
    seed: int = 0
    """Seed of weights, shuffles, noise and prior samples."""
    labelled_batch_size: int = 100
    """Labelled rows in one step's classification phase; fewer labelled rows than that are all in every step."""
    schedule: Literal["constant", "linear", "cosine", "steps"] = "constant"
    """How the learning rates go from their start towards zero over all steps."""
    schedule_epochs: tuple[int, ...] = ()
    """Epochs after which `schedule = steps` divides the learning rates by ten, in ascending order."""
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "auto"
    """Arithmetic of the matrix products; `auto`: bf16 where the processor or GPU has it natively, else fp32; tf32 is
    for CUDA GPUs. Weights, codes and losses are fp32."""
    cuda_graphs: bool = True
    """On a CUDA GPU: record the step once and replay it, which is faster for all but the largest networks."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: int = 0
    """Processor threads for training (0: one per core, or what OMP_NUM_THREADS says)."""
    average: float = 0.0
    """Decay of a running average of encoder and decoder, used and saved in their place (0: none; to below 1)."""
    select: Literal["last", "best"] = "last"
    """Weights that a finished run has: of the last epoch, or of that with the best prior match and reconstruction."""
    patience: int = 0
    """End after this many epochs without a better one (0: never)."""
    save_every: float = 30.0
    """Seconds between checkpoints (also one at the end, and one on Ctrl-C or SIGTERM)."""
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    prior: Prior = field(default_factory=Prior)
    corruption: Corruption = field(default_factory=Corruption)
    reconstruction: Reconstruction = field(default_factory=Reconstruction)
    adversarial: Adversarial = field(default_factory=Adversarial)
    optimizer: Optimizers = field(default_factory=Optimizers)

    def __post_init__(self) -> None:
        _require(self.epochs >= 0, f"epochs must be 0 or more, got {self.epochs}")
        _require(self.batch_size >= 0, f"batch_size must be 0 or more, got {self.batch_size}")
        _require(
            self.labelled_batch_size >= 1, f"labelled_batch_size must be 1 or more, got {self.labelled_batch_size}"
        )
        at = self.schedule_epochs
        _require(
            all(a < b for a, b in zip((0, *at), at, strict=False)),
            f"schedule_epochs must be 1 or more and ascending, got {at}",
        )
        _require(0 <= self.seed < 2**63, f"seed must lie in 0 to 2^63 - 1, got {self.seed}")
        _require(0 <= self.average < 1, f"average must lie in 0 to below 1, got {self.average}")
        _require(self.patience >= 0, f"patience must be 0 or more, got {self.patience}")
        _require(self.threads >= 0, f"threads must be 0 or more, got {self.threads}")
        _require(
            0 <= self.save_every < math.inf, f"save_every must be 0 or more seconds and finite, got {self.save_every}"
        )


@dataclass(frozen=True)
class DataSpec:
    """What the data is and how it was scaled; travels with the run and undoes the scaling on the way out.

    A scaled value is `(original - offset) / scale`. `offset` and `scale` hold one number for all features, or one
    for each feature of a vector. `minimum` and `maximum` bound what a decoded value may be in original units;
    None leaves it free.
    """

    name: str
    """The named data set, or the file's name."""
    shape: tuple[int, ...]
    """Shape of one row: (d,) for a vector, (h, w) for a grey image, (c, h, w) for a colour image."""
    dtype: str
    """NumPy name of the original type, such as uint8."""
    offset: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    minimum: float | None = None
    maximum: float | None = None
    channels_last: bool = False
    """Whether the original images ended with their channels: (h, w, c)."""
    channel_axis: bool = False
    """Whether the original grey images had an axis of length 1 for their one channel."""
    scaling: Literal["range", "standardize", "none"] = "none"
    classes: tuple[str, ...] | None = None
    """Names of the classes that labels 0, 1, ... stand for; None without labels."""
    columns: tuple[Column, ...] = ()
    """The columns of a table; `shape` is their number, and `features` what networks see of them: see aae.columns."""

    def __post_init__(self) -> None:
        _require(1 <= len(self.shape) <= 3 and min(self.shape) >= 1, f"shape of a row cannot be {self.shape}")
        for name in ("offset", "scale"):
            values = getattr(self, name)
            _require(
                len(values) in (1, self.features),
                f"{name} needs 1 or {self.features} numbers, got {len(values)}",
            )
            _require(all(map(math.isfinite, values)), f"{name} must be finite")
        _require(min(self.scale) > 0, f"scale must be above 0, got {min(self.scale)}")

    @property
    def features(self) -> int:
        """Number of values in one row, as networks see it."""
        return Places.of(self.columns).features if self.columns else math.prod(self.shape)

    @property
    def original_shape(self) -> tuple[int, ...]:
        """Shape of one row as it came, such as (28, 28, 1) or (32, 32, 3)."""
        channels = (1,) if self.channel_axis else self.shape[:-2] if self.is_image else ()
        size = self.shape[-2:] if self.is_image else self.shape
        return size + channels if self.channels_last else channels + size

    @property
    def is_image(self) -> bool:
        return len(self.shape) > 1

    @property
    def bounded(self) -> bool:
        """Whether all scaled values lie in [0, 1] and one sigmoid can reach them."""
        return self.scaling == "range" and not self.columns


WITH_DISCRIMINATOR = ("aae", "supervised", "semi-supervised", "clustering")
WITH_CLASSIFICATION = ("semi-supervised",)
WITH_CLUSTERS = ("clustering",)


def learns_labels(config: Config) -> bool:
    """Whether training looks at the labels of the rows that `data.labelled` chooses."""
    kind, prior = config.model.kind, config.prior
    by_prior = kind == "aae" and prior.labels and "labels" not in unused_by_prior(prior)
    return by_prior or kind in WITH_CLASSIFICATION


def unused(config: Config) -> dict[str, str]:
    """Dotted names (or groups) of the settings that this model ignores, each with the reason."""
    kind, reasons = config.model.kind, dict[str, str]()
    if kind not in WITH_DISCRIMINATOR:
        why = f"model.kind = {kind} has no discriminator"
        groups = ("model.discriminator", "adversarial", "optimizer.discriminator", "optimizer.generator")
        reasons.update(dict.fromkeys(groups, why))
    if kind not in ("aae", "supervised"):
        reasons["model.posterior"] = f"model.kind = {kind} fixes the posterior"
    if kind == "autoencoder":
        reasons["prior"] = "a plain autoencoder has no prior"
    else:
        reasons |= {f"prior.{name}": why for name, why in unused_by_prior(config.prior).items()}
    if kind != "aae":
        reasons["prior.labels"] = "only model.kind = aae shapes the prior by labels"
    if kind == "vae":
        reasons["prior.covariance"] = "model.kind = vae needs an isotropic Gaussian"
    if kind not in ("aae", "supervised") or config.model.posterior != "noise":
        reasons["model.posterior_noise"] = "only model.posterior = noise uses it"
    if config.model.network == "mlp":
        reasons["model.channels"] = "only model.network = conv or auto uses it"
    if kind not in WITH_CLUSTERS:
        reasons["model.clusters"] = f"model.kind = {kind} has no clusters"
    if config.model.init != "normal":
        reasons["model.init_std"] = "only model.init = normal uses it"
    if config.schedule != "steps":
        reasons["schedule_epochs"] = "only schedule = steps uses it"
    if kind in WITH_DISCRIMINATOR and (kind != "aae" or config.adversarial.phases == "separate"):
        why = "only adversarial.phases = joint uses it"
        reasons.update(dict.fromkeys((f"adversarial.{k}" for k in ("balance", "weight", "final_weight")), why))
    if config.adversarial.objective != "cross-entropy":
        reasons["adversarial.label_smoothing"] = "only adversarial.objective = cross-entropy has labels"
    if config.adversarial.gradient_penalty == 0:
        reasons["adversarial.penalty"] = "adversarial.gradient_penalty is 0"
    if kind in WITH_DISCRIMINATOR and kind != "aae":
        reasons["adversarial.phases"] = f"model.kind = {kind} trains in separate phases, as in the paper"
    if kind == "aae" and config.adversarial.phases == "joint":
        reasons["optimizer.generator"] = "with adversarial.phases = joint the reconstruction optimizer takes the step"
    if not learns_labels(config):
        reasons["data.labelled"] = f"model.kind = {kind} has no use for a few labels" + (
            " without prior.labels" if kind == "aae" else ""
        )
    if kind not in WITH_CLASSIFICATION:
        why = f"model.kind = {kind} has no classification phase"
        reasons["labelled_batch_size"] = reasons["optimizer.classification"] = why
    if config.data.labelled is None or not learns_labels(config):
        reasons["data.label_seed"] = "only data.labelled uses it"
    for phase in typing.get_type_hints(Optimizers):
        if getattr(config.optimizer, phase).kind != "sgd":
            reasons[f"optimizer.{phase}.nesterov"] = "only kind = sgd uses it"
    return reasons


def _covers(groups: Iterable[str], key: str) -> str | None:
    return next((g for g in groups if key == g or key.startswith(g + ".")), None)


def check(config: Config) -> Config:
    """Return `config` if its settings go together and none of them would be ignored; ConfigError otherwise."""
    from_dict(Config, dataclasses.asdict(config))  # values given in Python have not been through a parser yet
    ignored, defaults = unused(config), flatten(Config())
    for key, value in flatten(config).items():
        group = _covers(ignored, key)
        if group and value != defaults[key]:
            raise ConfigError(f"{key} = {_show(value)} would be ignored: {ignored[group]}. Leave it out.")
    if config.model.kind == "vae" and config.prior.kind != "gaussian":
        raise ConfigError(
            f"prior.kind = {config.prior.kind} does not go with model.kind = vae, whose divergence from the prior "
            "has a closed form for a Gaussian only. Set prior.kind to gaussian, or model.kind to aae."
        )
    if kind_needs_file(config.prior) and config.model.kind != "autoencoder":
        raise ConfigError(f"prior.kind = {config.prior.kind} needs prior.file, the file that holds it.")
    if config.prior.file and config.prior.content:
        raise ConfigError("prior.file and prior.content are two shapes; leave one of them out.")
    game = config.adversarial
    if game.objective == "wasserstein" and not (game.spectral_norm or game.gradient_penalty > 0):
        raise ConfigError(
            "adversarial.objective = wasserstein needs a critic of bounded slope; set adversarial.gradient_penalty "
            "(with adversarial.penalty = one) or adversarial.spectral_norm."
        )
    if config.model.kind in WITH_CLUSTERS and not config.model.clusters:
        raise ConfigError(
            f"model.kind = {config.model.kind} needs a number of clusters; set model.clusters to 2 or more"
        )
    if config.schedule == "steps" and not config.schedule_epochs:
        raise ConfigError("schedule = steps needs schedule_epochs, the epochs after which the rates are divided by 10")
    if config.reconstruction.loss == "bce" and config.model.output == "linear":
        raise ConfigError("reconstruction.loss = bce needs probabilities; set model.output to sigmoid or auto.")
    return config


def kind_needs_file(prior: Prior) -> bool:
    """Whether this prior is what is in a file, and none is named."""
    return prior.kind in ("picture", "points") and not (prior.file or prior.content)


def resolve(base: Config, chosen: Config, written: Iterable[str] = ()) -> Config:
    """`chosen` with what it changed in `base` kept, and what `base` set but `chosen` has no use for put back.

    A recipe sets a discriminator; asking for `model.kind = vae` on top of it must not fail because of settings
    the user never wrote. Settings that the user did write (those in `written`, and those that differ from `base`)
    and that would be ignored are refused with a ConfigError.
    """
    defaults, before, after = flatten(Config()), flatten(base), flatten(chosen)
    written, own = set(written), dict[str, Any]()
    if chosen.model.kind == "vae" and before["prior.kind"] == chosen.prior.kind != "gaussian":
        gaussian = {"prior.kind": "gaussian", "prior.scale": 1.0}
        if "prior.kind" not in written:  # another prior that was asked for is refused by `check`, not replaced
            own = {k: v for k, v in gaussian.items() if k not in written and after[k] == before[k]}
    if "prior.file" in written or after["prior.file"] != before["prior.file"]:
        own |= {"prior.content": ""} if "prior.content" not in written else {}  # that of the file before
    ignored = unused(replace(chosen, own))
    for key in sorted(written):
        if group := _covers(ignored, key):
            raise ConfigError(f"{key} would be ignored: {ignored[group]}. Leave it out.")
    back = {k: defaults[k] for k, v in after.items() if v == before[k] and _covers(ignored, k)} | own
    return check(replace(chosen, back))


def flatten(value: Any, prefix: str = "") -> Pairs:
    """A dataclass as {dotted name: value}."""
    out: Pairs = {}
    for f in dataclasses.fields(value):
        item, key = getattr(value, f.name), f"{prefix}{f.name}"
        out.update(flatten(item, key + ".") if dataclasses.is_dataclass(item) else {key: item})
    return out


def replace(value: T, changes: Pairs) -> T:
    """A copy of a nested dataclass with dotted names changed: `replace(config, {"model.latent": 8})`.

    Raises ConfigError for a name that does not exist or a value of the wrong type.
    """
    nested: Pairs = {}
    for key, item in changes.items():
        *groups, last = key.split(".")
        at = nested
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = item
    return from_dict(type(value), nested, base=value)


def plain(value: Any) -> Pairs:
    """A dataclass such as `DataSpec` as nested dicts and lists, ready for JSON; `from_dict` brings it back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(value).items()}


def to_dict(config: Config) -> Pairs:
    """The settings that this run uses, nested, ready for JSON; what it would ignore is left out."""
    ignored, out = unused(config), dict[str, Any]()
    for key, value in flatten(config).items():
        if _covers(ignored, key):
            continue
        *groups, last = key.split(".")
        at = out
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = list(value) if isinstance(value, tuple) else value
    return out


def toml(config: Config) -> list[str]:
    """The settings that this run uses as lines of TOML; what is None, for which TOML has no word, is left out."""
    return [f"{key} = {_show(value)}" for key, value in _pairs(to_dict(config)) if value is not None]


def _pairs(values: Pairs, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        yield from _pairs(value, f"{prefix}{key}.") if isinstance(value, dict) else ((f"{prefix}{key}", value),)


def from_dict(cls: type[T], values: Any, base: T | None = None, where: str = "") -> T:
    """Build `cls` from nested dicts (JSON, TOML), starting from `base`; every key and type is checked.

    Raises ConfigError that names the key, with the nearest known one for a misspelling.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where.rstrip('.') or 'the settings'}: expected a group of keys, got {_show(values)}")
    hints = typing.get_type_hints(cls)
    found: Pairs = {}
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(_unknown(cls, where, str(key)))
        kind = hints[key]
        if dataclasses.is_dataclass(kind):
            inner = getattr(base, key) if base is not None else None
            found[key] = from_dict(typing.cast(type[Any], kind), value, inner, f"{where}{key}.")
        else:
            found[key] = _convert(kind, value, where + key)
    try:
        return dataclasses.replace(base, **found) if base is not None else cls(**found)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None
    except TypeError as error:
        raise ConfigError(f"{where.rstrip('.') or cls.__name__}: {error}") from None


def _unknown(cls: type[Any], where: str, key: str) -> str:
    """What to say about a key that `cls` lacks: the groups that have it, else the nearest name in this group."""
    known = sorted(typing.get_type_hints(cls))
    near = [name for name in _names(Config) if name.endswith(f".{key}")]
    near = near or [where + name for name in difflib.get_close_matches(key, known, n=1, cutoff=0.6)]
    hint = f"did you mean {' or '.join(map(_show, near))}?" if near else f"known here: {', '.join(known)}"
    return f'unknown setting "{where}{key}"; {hint}'


def _names(cls: type[Any], prefix: str = "") -> Iterable[str]:
    """The dotted name of every setting."""
    for name, kind in typing.get_type_hints(cls).items():
        group = dataclasses.is_dataclass(kind)
        yield from _names(typing.cast(type[Any], kind), f"{prefix}{name}.") if group else (f"{prefix}{name}",)


def _show(value: Any) -> str:
    """As it stands in a file; what JSON lacks, such as a date of TOML, as text."""
    return json.dumps(value, default=str)


def _convert(kind: Any, value: Any, key: str) -> Any:
    """`value` as the annotated type, or a ConfigError; True is not a number and 3 is a float."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _convert(args[0], value, key)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, key)
    if origin is Literal:
        if value in args:
            return value
        near = difflib.get_close_matches(str(value), [str(a) for a in args], n=1, cutoff=0.5)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ConfigError(f"{key} must be one of {', '.join(map(str, args))}; got {_show(value)}.{hint}")
    if dataclasses.is_dataclass(kind):
        return from_dict(typing.cast(type[Any], kind), value, where=key + ".")
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(args[0], item, f"{key}[{i}]") for i, item in enumerate(value))
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{key} must be at most 1.8e308, got a larger number") from None
    if kind in (int, bool, str) and type(value) is kind:
        return value
    name = "a list of " + args[0].__name__ if origin is tuple else getattr(kind, "__name__", str(kind))
    raise ConfigError(f"{key} must be {name}, got {_show(value)}")


def _leaves(values: Pairs) -> Iterable[str]:
    return (key for key, _ in _pairs(values))


def load_file(path: str | Path) -> Pairs:
    """The settings in a TOML or JSON file as nested dicts; ConfigError names the file and what is wrong in it."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from None
    try:
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a table of settings, got {type(values).__name__}")
    return values


def from_file(path: str | Path, base: Config) -> Config:
    """`base` with the settings of a TOML or JSON file on top; see `load_file` and `from_dict` for the errors."""
    values = load_file(path)
    try:
        chosen = from_dict(Config, values, base)
        return resolve(base, chosen, written=_leaves(values))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None

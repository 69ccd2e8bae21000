"""Every setting of a run, in groups of frozen dataclasses; `Config` holds them all, those of `learning` too.

A class says what is possible for one setting alone; `rules` says which settings go together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from aae.config.learning import (
    Adversarial,
    Consistency,
    Corruption,
    Divergence,
    Heads,
    Optimizers,
    Plugin,
    Reconstruction,
)
from aae.errors import require

MOST_THREADS = 1024
"""Threads that can be asked for: many more than processors have, fewer than end the process."""


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
    condition: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--condition"], metavar="COLUMN ...")] = ()
    """Columns of a table that the decoder of a `supervised` model is told; they are not modelled."""
    categories: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["--categories"], metavar="COLUMN ...")] = ()
    """Columns of a table whose values are names, although they are numbers or many different texts."""
    image_size: Annotated[int | None, tyro.conf.arg(aliases=["--image-size"], metavar="PIXELS")] = None
    """Side of the square to which a folder's images are cut and resized (default: as they are, all of one size)."""
    hide: float = 0.0
    """Share of a table's values hidden from the encoder, drawn anew in each step, so that it learns to fill gaps."""

    def __post_init__(self) -> None:
        require(0 <= self.validation <= 0.5, f"validation must lie in 0 to 0.5, got {self.validation}")
        require(
            self.test is None or 0 < self.test <= 0.5,
            f"test must be above 0 and at most 0.5, got {self.test}",
        )
        require(
            self.image_size is None or 1 <= self.image_size <= 4096,
            f"image_size must lie in 1 to 4096, got {self.image_size}",
        )
        require(0 <= self.hide < 1, f"hide must lie in 0 to below 1, got {self.hide}")
        require(self.split_seed >= 0, f"split_seed must be 0 or more, got {self.split_seed}")
        require(self.labelled is None or self.labelled >= 1, f"labelled must be 1 or more, got {self.labelled}")
        require(self.label_seed >= 0, f"label_seed must be 0 or more, got {self.label_seed}")


@dataclass(frozen=True)
class Model:
    """Which model, and how large its networks are."""

    kind: Literal[
        "aae",
        "supervised",
        "semi-supervised",
        "clustering",
        "dimension-reduction",
        "autoencoder",
        "vae",
        "wae-mmd",
        "plugin",
    ] = "aae"
    """Adversarial autoencoder; one whose decoder is told the class (`supervised`), or whose encoder finds it
    (`semi-supervised`, `clustering`, and `dimension-reduction`, whose codes are a cluster's head plus a style); plain
    or variational autoencoder; Wasserstein autoencoder with a kernel in place of a discriminator; `plugin`: `model` of
    your own file."""
    latent: int = 2
    """Number of dimensions of a code."""
    posterior: Literal["deterministic", "gaussian", "noise"] = "deterministic"
    """How the encoder turns a row into a code: a point, a Gaussian, or a function of the row and fed-in noise."""
    posterior_noise: int = 10
    """Number of noise values fed to the encoder of a `noise` posterior."""
    network: Literal["mlp", "conv", "auto", "plugin"] = "mlp"
    """Encoder and decoder: dense layers, or convolutions with dense layers between them and the code; `auto`
    convolves images; `plugin`: `encoder` and `decoder` of your own file, dense where it has only one of them."""
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
    normalization: Literal["none", "batch"] = "none"
    """Batch normalisation of every layer of the encoder, its last one included; never of decoder or discriminator."""
    clusters: int = 0
    """Number of clusters that a model without labels sorts the rows into (2 or more; `dimension-reduction` learns from
    labels where it is 0)."""

    def __post_init__(self) -> None:
        require(self.latent >= 1, f"latent must be 1 or more, got {self.latent}")
        require(self.clusters == 0 or self.clusters >= 2, f"clusters must be 2 or more, got {self.clusters}")
        require(self.posterior_noise >= 1, f"posterior_noise must be 1 or more, got {self.posterior_noise}")
        require(0 < self.init_std < math.inf, f"init_std must be above 0 and finite, got {self.init_std}")
        require(len(self.channels) >= 1, "channels needs one number or more, such as 32 64 128")
        for name in ("channels", "encoder", "decoder", "discriminator"):
            widths = getattr(self, name)
            require(all(w >= 1 for w in widths), f"{name} needs widths of 1 or more, got {widths}")


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
        "plugin",
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
        require(0 < self.scale < math.inf, f"scale must be above 0 and finite, got {self.scale}")
        require(self.width is None or 0 < self.width < math.inf, f"width must be above 0 and finite, got {self.width}")
        require(
            self.components is None or 1 <= self.components <= 1000,
            f"components must lie in 1 to 1000, got {self.components}",
        )
        require(self.turns is None or 0 < self.turns <= 20, f"turns must be above 0 and at most 20, got {self.turns}")
        require(
            self.degrees is None or 2 < self.degrees < math.inf,
            f"degrees must be above 2 and finite, got {self.degrees}",
        )
        require(
            self.concentration is None or 0 <= self.concentration <= 1000,
            f"concentration must lie in 0 to 1000, got {self.concentration}",
        )
        require(all(map(math.isfinite, self.covariance)), f"covariance must be finite, got {self.covariance}")


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
    shard_optimizers: bool = False
    """In several processes (torchrun): each keeps the momenta of its part of the parameters, not of all of them."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: int = 0
    """Processor threads for training (0: what OMP_NUM_THREADS says, else one per core that a container may use)."""
    average: float = 0.0
    """Decay of a running average of encoder and decoder, used and saved in their place (0: none; to below 1)."""
    select: Literal["last", "best"] = "last"
    """Weights that a finished run has: of the last epoch, or of that with the best prior match and reconstruction."""
    patience: int = 0
    """End after this many epochs without a better one (0: never)."""
    save_every: float = 30.0
    """Seconds between checkpoints (also one at the end, and one on Ctrl-C or SIGTERM)."""
    log: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """Where the numbers and pictures of training also go: see docs/tracking.md."""
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    prior: Prior = field(default_factory=Prior)
    corruption: Corruption = field(default_factory=Corruption)
    reconstruction: Reconstruction = field(default_factory=Reconstruction)
    heads: Heads = field(default_factory=Heads)
    divergence: Divergence = field(default_factory=Divergence)
    adversarial: Adversarial = field(default_factory=Adversarial)
    consistency: Consistency = field(default_factory=Consistency)
    plugin: Plugin = field(default_factory=Plugin)
    optimizer: Optimizers = field(default_factory=Optimizers)

    def __post_init__(self) -> None:
        require(self.epochs >= 0, f"epochs must be 0 or more, got {self.epochs}")
        require(self.batch_size >= 0, f"batch_size must be 0 or more, got {self.batch_size}")
        require(self.labelled_batch_size >= 1, f"labelled_batch_size must be 1 or more, got {self.labelled_batch_size}")
        at = self.schedule_epochs
        require(
            all(a < b for a, b in zip((0, *at), at, strict=False)),
            f"schedule_epochs must be 1 or more and ascending, got {at}",
        )
        require(0 <= self.seed < 2**63, f"seed must lie in 0 to 2^63 - 1, got {self.seed}")
        require(len(set(self.log)) == len(self.log), f"log names a tracker twice, got {self.log}")
        require(0 <= self.average < 1, f"average must lie in 0 to below 1, got {self.average}")
        require(self.patience >= 0, f"patience must be 0 or more, got {self.patience}")
        require(0 <= self.threads <= MOST_THREADS, f"threads must be 0 to {MOST_THREADS}, got {self.threads}")
        require(
            0 <= self.save_every < math.inf, f"save_every must be 0 or more seconds and finite, got {self.save_every}"
        )

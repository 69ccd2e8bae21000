"""Every setting of a run, in groups of frozen dataclasses; `Config` holds them all.

A class says what is possible for one setting alone; `rules` says which settings go together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from aae.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """ConfigError with this message, unless the condition holds."""
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
class Corruption:
    """What is done to a row before the encoder sees it, while training; the decoder is held to the clean row."""

    noise: float = 0.0
    """Standard deviation of Gaussian noise added to each value (scaled units)."""
    dropout: float = 0.0
    """Share of the values set to zero, the others scaled up to make up for them (0 to below 1)."""

    def __post_init__(self) -> None:
        require(0 <= self.noise < math.inf, f"noise must be 0 or more and finite, got {self.noise}")
        require(0 <= self.dropout < 1, f"dropout must lie in 0 to below 1, got {self.dropout}")


@dataclass(frozen=True)
class Reconstruction:
    """How a decoded row is compared with the original."""

    loss: Literal["mse", "l1", "bce", "gaussian", "plugin"] = "mse"
    """Squared error, absolute error, cross-entropy on logits, Gaussian likelihood with a learnt deviation, or
    `loss` of your own file (`plugin`)."""
    reduction: Literal["sum", "mean"] = "mean"
    """Sum or mean over the features of a row (always a mean over the rows of a batch)."""
    weight: float = 1.0
    """Factor on the reconstruction loss."""

    def __post_init__(self) -> None:
        require(0 < self.weight < math.inf, f"weight must be above 0 and finite, got {self.weight}")


@dataclass(frozen=True)
class Consistency:
    """What keeps the class of a row the same under changes that do not matter (models with a class head)."""

    kind: Literal["none", "moved", "adversarial"] = "none"
    """`moved`: pictures turned, shifted and zoomed a little; `adversarial`: rows changed in the direction that
    changes their class most, for data of any kind."""
    weight: float = 1.0
    """Factor on the divergence between the class of a row and that of the row changed."""
    confidence: float = 0.0
    """Rows whose likeliest class has a lower probability are passed over (0 to below 1)."""
    rotation: float = 15.0
    """Most degrees by which a picture is turned, either way."""
    shift: float = 2.0
    """Most pixels by which it is shifted along each axis, either way."""
    zoom: float = 0.1
    """Most share of its size by which it is zoomed, either way (0 to below 1)."""
    shear: float = 0.0
    """Most by which it is slanted: its rows slide, either way, by this share of their distance from the middle."""
    stretch: float = 0.0
    """Most share by which it grows wider and as much lower, or the reverse (0 to below 1)."""
    radius: float = 1.5
    """Length of the adversarial change, in scaled units."""

    def __post_init__(self) -> None:
        for name in ("weight", "rotation", "shift", "shear"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"{name} must be 0 or more and finite, got {value}")
        for name in ("confidence", "zoom", "stretch"):
            require(0 <= getattr(self, name) < 1, f"{name} must lie in 0 to below 1, got {getattr(self, name)}")
        require(0 < self.radius < math.inf, f"radius must be above 0 and finite, got {self.radius}")


@dataclass(frozen=True)
class Heads:
    """The cluster heads of `model.kind = dimension-reduction`, of which the paper names neither of these numbers."""

    distance: float = 10.0
    """How far apart any two heads are pushed (code units)."""
    weight: float = 1.0
    """Factor on the sum over pairs of what they are short of it (0: heads are left to reconstruction)."""

    def __post_init__(self) -> None:
        require(0 < self.distance < math.inf, f"distance must be above 0 and finite, got {self.distance}")
        require(0 <= self.weight < math.inf, f"weight must be 0 or more and finite, got {self.weight}")


@dataclass(frozen=True)
class Divergence:
    """What holds codes to the prior where no discriminator does (`vae`, `wae-mmd`)."""

    weight: float = 1.0
    """Factor on the divergence (`vae`: the beta of a beta-VAE) or on the kernel distance (`wae-mmd`: the paper's
    lambda), against a reconstruction loss summed over features; with a mean it is divided by their number."""
    samples: int = 1
    """Draws of each code behind the divergence of a `vae` from a prior without a closed form."""

    def __post_init__(self) -> None:
        require(0 < self.weight < math.inf, f"weight must be above 0 and finite, got {self.weight}")
        require(1 <= self.samples <= 1000, f"samples must lie in 1 to 1000, got {self.samples}")


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
        require(
            0 <= self.label_smoothing < 0.5, f"label_smoothing must lie in 0 to below 0.5, got {self.label_smoothing}"
        )
        require(self.discriminator_steps >= 1, f"discriminator_steps must be 1 or more, got {self.discriminator_steps}")
        for name in ("weight", "final_weight", "input_noise", "gradient_penalty"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"{name} must be 0 or more and finite, got {value}")


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
        require(
            0 < self.learning_rate < math.inf,
            f"learning_rate must be above 0 and finite, got {self.learning_rate}",
        )
        require(0 <= self.momentum < 1, f"momentum must lie in 0 to below 1, got {self.momentum}")
        require(
            not (self.kind == "sgd" and self.nesterov and self.momentum == 0),
            "nesterov needs a momentum above 0; set one of the two",
        )


def _adversary() -> Optimizer:
    return Optimizer(learning_rate=2e-4, momentum=0.5)


@dataclass(frozen=True)
class Plugin:
    """A Python file of your own, for what says `plugin`: a prior, networks, a loss or a model (docs/extending.md)."""

    file: Annotated[str | None, tyro.conf.arg(aliases=["--plugin"], metavar="FILE.py")] = None
    """The file. Its code is run; a copy is kept in the run, which is opened only where the file is named again."""
    name: Annotated[str, tyro.conf.Suppress] = ""
    """What the file was called; filled in when a run begins."""
    source: Annotated[str, tyro.conf.Suppress] = ""
    """What was in the file; filled in when a run begins."""


@dataclass(frozen=True)
class Optimizers:
    """One optimizer for each phase, so the encoder may learn at two rates."""

    reconstruction: Optimizer = field(default_factory=Optimizer)
    discriminator: Optimizer = field(default_factory=_adversary)
    generator: Optimizer = field(default_factory=_adversary)
    classification: Optimizer = field(default_factory=Optimizer)
    consistency: Optimizer = field(default_factory=Optimizer)
    other: Optimizer = field(default_factory=Optimizer)

    def of(self, phase: str) -> Optimizer:
        """The optimizer of a phase: the one of its name, or `other` for a phase of a plugin's that has none."""
        return getattr(self, phase, self.other)


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
        require(self.threads >= 0, f"threads must be 0 or more, got {self.threads}")
        require(
            0 <= self.save_every < math.inf, f"save_every must be 0 or more seconds and finite, got {self.save_every}"
        )

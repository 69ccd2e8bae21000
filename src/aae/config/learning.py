"""What a run learns from and how: losses, the game against the prior, what spoils rows, optimizers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from aae.errors import require


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

    kind: Literal["none", "moved", "adversarial", "both"] = "none"
    """`moved`: pictures turned, shifted and zoomed a little; `adversarial`: rows changed in the direction that
    changes their class most, for data of any kind; `both`: each row in the one way and in the other."""
    weight: float = 1.0
    """Factor on the divergence between the class of a row and that of the row changed."""
    information: float = 0.0
    """Factor on H(y | x) + balance * (log(classes) - H(y)): classes are to be sure of each row and equally frequent
    (0: off)."""
    balance: float = 4.0
    """How much more it counts that classes are equally frequent than that they are sure of each row."""
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
    bend: float = 0.0
    """Most pixels by which each knot of a net of 5 x 5 over it is displaced along each axis, either way; well below the
    distance of the knots, or the picture folds."""
    radius: float = 1.5
    """Length of the adversarial change, in scaled units."""

    def __post_init__(self) -> None:
        for name in ("weight", "information", "balance", "rotation", "shift", "shear", "bend"):
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

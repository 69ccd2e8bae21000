"""Training steps as data: a model states its phases, and one `step` runs any tuple of them.

The paper trains an adversarial autoencoder in phases (Makhzani et al. 2015, section 2): reconstruction,
discriminator, generator. A `Phase` says which networks it trains and what it minimises; `step` does the rest and
knows nothing about models. Start here to read the project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from aae.arithmetic import gradients_for, moved
from aae.distributed import Share
from aae.normalization import gathering

Losses = dict[str, Tensor]
Progress = float | Tensor
"""How much of training is done, 0 to 1."""
Weight = float | Callable[[Progress], float | Tensor]


@dataclass
class Batch:
    """The rows of one step, and the randomness that goes with them.

    x: [batch, features], scaled, float32: what the encoder sees. target: what is to be reconstructed, where that is
    not x. known: [batch, features], 1 where the target's value is known and counts, 0 where it is missing; None: all
    are known. y: [batch] int64 class of each row, -1 unlabelled, or None.
    progress: how much of training is done, for what fades as training goes on; a 0-dim tensor in a recorded step.
    step: the number of this step, known to the host, by which what is done in some steps only is decided; None:
    unknown.
    condition: [batch, width] scaled, what the decoder of a supervised model is told of each row; None without.
    labelled: rows with known classes for the classification phase; None for a model without one.
    share: which rows of the step these are, where several processes take a step together; None: all of them. A loss is
    then a mean over this process's rows, and what is drawn at random is drawn for all rows of the step by every
    process, so that all generators move alike: draw with `normal` and `draw`.
    """

    x: Tensor
    generator: torch.Generator
    y: Tensor | None = None
    progress: Progress = 0.0
    step: int | None = None
    target: Tensor | None = None
    known: Tensor | None = None
    condition: Tensor | None = None
    labelled: Batch | None = field(default=None, repr=False)
    share: Share | None = None
    _kept: dict[str, tuple[frozenset[str], Tensor]] = field(default_factory=dict, repr=False)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise for each row, [batch, ...], from the step's own generator."""
        return self.draw(lambda n, _: torch.randn(n, *shape[1:], generator=self.generator, device=self.x.device))

    def draw(self, sample: Callable[[int, Tensor | None], Tensor]) -> Tensor:
        """`sample(n, y)`, random values for n rows of the classes y [n]: one for each row of this batch, [batch, ...].

        Several processes draw for all rows of the step and keep those of their own: each row gets the same values
        however many processes there are, and no two processes the same.
        """
        if self.share is None:
            return sample(len(self.x), self.y)
        return self.share.mine(sample(self.share.rows, self.share.y))

    def gathered(self, values: Tensor) -> Tensor:
        """`values` [batch, ...] of all rows of the step, for a loss that compares rows with each other.

        Every process has to compute the same loss from them; see `Share.gathered`.
        """
        return values if self.share is None else self.share.gathered(values)

    def weighed(self, here: float | Tensor, of_all: float | Tensor) -> float | Tensor:
        """The factor on a loss that is a mean over `here` things in this process, not over its rows.

        of_all: how many such things there are in all processes together. Losses are averaged over the processes by
        their numbers of rows; with this factor, one comes out as the mean over all the things.
        """
        return 1.0 if self.share is None else here / (self.share.weight * of_all)

    def once(self, name: str, made_by: Sequence[str], compute: Callable[[], Tensor]) -> Tensor:
        """`compute()`, or what it gave earlier in this step if no submodule in `made_by` has moved since.

        The generator phase takes its codes from the discriminator phase this way: the encoder stands still between
        the two, so the codes are the same and a pass through the encoder is saved.
        """
        if name not in self._kept:
            self._kept[name] = (frozenset(made_by), compute())
        return self._kept[name][1]

    def moved(self, modules: Sequence[str]) -> None:
        """Forget everything that the named submodules, which have just been updated, helped to compute."""
        self._kept = {k: v for k, v in self._kept.items() if v[0].isdisjoint(modules)}


@dataclass(frozen=True)
class Phase:
    """One part of a step.

    name: also the name of the phase's optimizer. updates: the submodules whose parameters it trains.
    losses: batch -> named scalars. Their sum, each times its factor in `weights` (1 where none is given), is minimised;
    a factor may be a function of how much of training is done, 0 to 1.
    """

    name: str
    updates: tuple[str, ...]
    losses: Callable[[Batch], Losses]
    weights: Mapping[str, Weight] = field(default_factory=dict)

    def factor(self, name: str, progress: Progress) -> float | Tensor:
        """The factor on the loss of this name when this share of training is done."""
        weight = self.weights.get(name, 1.0)
        return weight(progress) if callable(weight) else weight

    def total(self, losses: Losses, progress: Progress) -> Tensor:
        """What the phase minimises."""
        return torch.stack([self.factor(name, progress) * loss for name, loss in losses.items()]).sum()


class Model(nn.Module):
    """What every model offers: networks as submodules, phases as data, and the way in and out of the latent space."""

    phases: tuple[Phase, ...]
    stochastic: bool = False
    """Whether a row's code is drawn at random, so that `encode` and `sample_codes` differ."""
    beside: int = 0
    """Width of the block beside the code that `decode` takes, [batch, latent + beside]; 0: it takes codes alone."""
    classifies: bool = False
    """Whether `class_logits` is offered."""
    classes: int = 0
    """How many classes or clusters the model knows of; 0: none."""
    learns_labels: bool = False
    """Whether a phase trains on `Batch.labelled`."""

    def encode(self, x: Tensor) -> Tensor:
        """Scaled rows [batch, features] to the same codes every time [batch, latent]."""
        raise TypeError(f"{type(self).__name__} does not encode")

    def sample_codes(self, batch: Batch) -> Tensor:
        """One draw of each row's code from its posterior, [batch, latent]; `encode` where there is nothing to draw."""
        return self.encode(batch.x)

    @property
    def centres(self) -> Tensor | None:
        """Where a code is one of these points [classes, latent] plus what is held to the prior; None: it is that."""
        return None

    def held_to_prior(self, batch: Batch) -> Tensor:
        """What training holds to the prior, [batch, latent]: one draw of each row's code, or a part of it."""
        return self.sample_codes(batch)

    def decode(self, z: Tensor) -> Tensor:
        """Codes [batch, latent + beside] to scaled rows [batch, features]."""
        raise TypeError(f"{type(self).__name__} does not decode")

    def class_logits(self, x: Tensor) -> Tensor:
        """Scaled rows [batch, features] to a logit for each class or cluster, [batch, classes]."""
        raise TypeError(f"{type(self).__name__} does not classify")

    def class_probabilities(self, x: Tensor) -> Tensor:
        """Scaled rows [batch, features] to the probability of each class or cluster, [batch, classes]."""
        return self.class_logits(x).float().softmax(1)


def parameters_of(model: nn.Module, phase: Phase) -> list[nn.Parameter]:
    """The parameters that a phase trains, in a fixed order: each once, and none that is frozen."""
    named = (p for name in phase.updates for p in model.get_submodule(name).parameters())
    return list({id(p): p for p in named if p.requires_grad}.values())


def step(
    model: Model,
    optimizers: Mapping[str, torch.optim.Optimizer],
    batch: Batch,
    precision: torch.dtype = torch.float32,
) -> dict[str, Losses]:
    """Run the model's phases in order on one batch; return each phase's losses, unweighted, detached, on the device.

    Each phase computes its losses, gradients for the parameters that it updates and for nothing else, and takes its
    own optimizer's step. Several processes average gradients and losses before that. With `precision` bfloat16 the
    products inside the networks run in bfloat16.
    """
    logged: dict[str, Losses] = {}
    for phase in model.phases:
        parameters = parameters_of(model, phase)
        with gathering(parameters):
            losses = evaluate(phase, batch, precision)
        for parameter in parameters:
            parameter.grad = None
        # `inputs` keeps autograd from computing gradients that another phase would throw away, and unlike
        # autograd.grad it runs the hooks that distributed training relies on.
        with gradients_for(parameters):
            phase.total(losses, batch.progress).backward(inputs=parameters)
        found = {name: loss.detach() for name, loss in losses.items()}
        if batch.share is not None:
            found = batch.share.group.average(parameters, found, batch.share.weight)
        optimizers[phase.name].step()
        moved(parameters)
        batch.moved(phase.updates)
        logged[phase.name] = found
    return logged


def evaluate(phase: Phase, batch: Batch, precision: torch.dtype = torch.float32) -> Losses:
    """A phase's losses on a batch, without a step."""
    with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
        return phase.losses(batch)

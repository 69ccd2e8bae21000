"""The adversarial game between an encoder and a discriminator, for one block of the code (the paper, section 2).

A model with several discriminators, one for each block of its code, calls these functions once for each: `block` then
names the block in front of the losses, as in `style_discriminator`. `discriminate` is any function from what is shown
[batch, ...] to logits [batch], so a discriminator that also sees labels takes part as `lambda z: network(z, y)`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from aae import objectives
from aae.arithmetic import gradients_for, twice
from aae.config import Adversarial
from aae.networks import Discriminator
from aae.phases import Batch, Losses, Model, Weight

Discriminate = Callable[[Tensor], Tensor]


def seen(z: Tensor, std: float, game: Adversarial, batch: Batch) -> Tensor:
    """Codes as a discriminator sees them: under noise that fades as training goes on (Arjovsky & Bottou 2017).

    std: the prior's own deviation, of which `game.input_noise` is a share. Without noise nothing is drawn.
    """
    if game.input_noise == 0:
        return z
    return z + game.input_noise * std * (1 - batch.progress) * batch.normal(*z.shape)


def discriminator_losses(
    discriminate: Discriminate, real: Tensor, fake: Tensor, game: Adversarial, block: str = ""
) -> Losses:
    """The discriminator's loss, and the penalty on its gradients where the settings ask for one.

    real, fake: prior samples and codes as the discriminator sees them, both [batch, ...], without a way back to any
    encoder. `discriminator`, by `game.objective`, is log 2, 1/2, 1 or 0 when the two cannot be told apart.
    `gradient_penalty` is the mean of R1 and R2, or that of WGAN-GP.
    """
    penalised = game.gradient_penalty > 0 and torch.is_grad_enabled()  # no gradients while evaluating
    at_samples = penalised and game.penalty == "zero"
    shown = torch.cat([real, fake]).requires_grad_(at_samples)  # together: one pass through the network, not two
    with twice() if at_samples else contextlib.nullcontext():
        says = discriminate(shown)
    real_says, fake_says = says.chunk(2)
    losses = {_named("discriminator", block): _told_apart(real_says, fake_says, game)}
    if at_samples:
        losses[_named("gradient_penalty", block)] = objectives.gradient_penalty(says, shown)
    elif penalised:
        losses[_named("gradient_penalty", block)] = _between(discriminate, real, fake)
    return losses


def _told_apart(real: Tensor, fake: Tensor, game: Adversarial) -> Tensor:
    if game.objective == "cross-entropy":
        smoothing = game.label_smoothing
        return objectives.softened(real, fake, smoothing) if smoothing else objectives.told_apart(real, fake)
    compare = {
        "least-squares": objectives.squares,
        "hinge": objectives.hinge,
        "wasserstein": objectives.wasserstein,
    }
    return compare[game.objective](real, fake)


def _between(discriminate: Discriminate, real: Tensor, fake: Tensor) -> Tensor:
    """WGAN-GP's penalty halfway between each prior sample and a code.

    Gulrajani et al. 2017 draw the point between the two at random. Which sample meets which code is random already, so
    halfway needs no draw of its own, and stays away from both sides.
    """
    points = ((real + fake) / 2).requires_grad_()
    with twice(), gradients_for(()):
        (slopes,) = torch.autograd.grad(discriminate(points).sum(), points, create_graph=True)
    return objectives.slope_penalty(slopes)


def generator_losses(discriminate: Discriminate, fake: Tensor, game: Adversarial, block: str = "") -> Losses:
    """What the encoder pays for codes, as the discriminator sees them, that are told from the prior."""
    pays = {"cross-entropy": objectives.as_real, "least-squares": objectives.as_square}
    return {_named("generator", block): pays.get(game.objective, objectives.as_high)(discriminate(fake))}


def penalty_weights(game: Adversarial, blocks: Sequence[str] = ("",)) -> dict[str, Weight]:
    """The factors of a discriminator phase: the one on each block's gradient penalty."""
    return {_named("gradient_penalty", block): game.gradient_penalty for block in blocks}


def arrange(model: Model, game: Adversarial) -> Model:
    """The model with what holds for every discriminator, whatever the model: layers that are bounded, more steps.

    Spectral normalisation divides the weight of each layer by its largest singular value, so the discriminator is
    1-Lipschitz (Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks").
    `game.discriminator_steps` phases of the discriminator follow each other (Goodfellow et al. 2014, algorithm 1),
    each with prior samples of its own; the rows are those of the step, and so are their codes.
    """
    if game.spectral_norm:
        for part in model.children():
            if isinstance(part, Discriminator):
                for layer in part.modules():
                    if isinstance(layer, (nn.Linear, nn.Conv2d)):
                        spectral_norm(layer)
    if game.discriminator_steps > 1:
        times = {"discriminator": game.discriminator_steps}
        model.phases = tuple(phase for phase in model.phases for _ in range(times.get(phase.name, 1)))
    return model


def _named(loss: str, block: str) -> str:
    return f"{block}_{loss}" if block else loss

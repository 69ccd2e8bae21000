"""The adversarial game between an encoder and a discriminator, for one block of the code (the paper, section 2).

A model with several discriminators, one for each block of its code, calls these functions once for each: `block` then
names the block in front of the losses, as in `style_discriminator`. `discriminate` is any function from what is shown
[batch, ...] to logits [batch], so a discriminator that also sees labels takes part as `lambda z: network(z, y)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from aae import objectives
from aae.config import Adversarial
from aae.phases import Batch, Losses, Weight

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
    encoder. `discriminator` is log 2 when the two cannot be told apart; `gradient_penalty` is the mean of R1 and R2.
    """
    penalised = game.gradient_penalty > 0 and torch.is_grad_enabled()  # no gradients while evaluating
    shown = torch.cat([real, fake]).requires_grad_(penalised)  # together: one pass through the network, not two
    says = discriminate(shown)
    says_real, says_fake = says.chunk(2)
    losses = {_named("discriminator", block): objectives.told_apart(says_real, says_fake)}
    if penalised:
        losses[_named("gradient_penalty", block)] = objectives.gradient_penalty(says, shown)
    return losses


def generator_losses(discriminate: Discriminate, fake: Tensor, block: str = "") -> Losses:
    """What the encoder pays for codes, as the discriminator sees them, that are told from the prior; nats."""
    return {_named("generator", block): objectives.as_real(discriminate(fake))}


def penalty_weights(game: Adversarial, blocks: Sequence[str] = ("",)) -> dict[str, Weight]:
    """The factors of a discriminator phase: the one on each block's gradient penalty."""
    return {_named("gradient_penalty", block): game.gradient_penalty for block in blocks}


def _named(loss: str, block: str) -> str:
    return f"{block}_{loss}" if block else loss

"""What the models whose code is a class beside a style share (the paper, sections 5 to 7).

The encoder gives the logits of the classes and the style side by side, [batch, classes + latent]: the two heads share
every hidden layer. Each block has its own discriminator: the classes are held to one-hot rows of equally likely
classes, the style to the prior.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from aae.config import Adversarial, Config, DataSpec
from aae.models import adversary, parts
from aae.networks import Decoder, Discriminator, Encoder
from aae.normalization import gathering
from aae.objectives import wide
from aae.phases import Batch, Losses
from aae.priors import Prior

STYLE, CLASS = "style", "class"
BLOCKS = (STYLE, CLASS)


def networks(
    config: Config, spec: DataSpec, classes: int, beside: int = 0
) -> tuple[Encoder, Decoder, Discriminator, Discriminator]:
    """New encoder of both blocks, decoder of codes and of `beside` values, and discriminators of style and class.

    In this order, which decides their first weights.
    """
    return (
        parts.encoder(config, spec, classes + config.model.latent),
        parts.decoder(config, spec, beside=beside),
        parts.discriminator(config, spec, config.model.latent),
        parts.discriminator(config, spec, classes),
    )


def heads(output: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The encoder's output [batch, classes + latent] as class probabilities and style."""
    return wide(output[:, :classes]).softmax(1), output[:, classes:]


def encoded(encoder: Encoder, batch: Batch, classes: int) -> tuple[Tensor, Tensor]:
    """Class probabilities [batch, classes] and style [batch, latent] of a batch, one pass for phases in a row."""
    return heads(batch.once("codes", ("encoder",), lambda: encoder(batch.x)), classes)


def one_hot(n: int, classes: int, generator: torch.Generator) -> Tensor:
    """n draws of the classes' own prior, all classes equally likely: float32 [n, classes]."""
    drawn = torch.randint(classes, (n,), generator=generator, device=generator.device)
    return F.one_hot(drawn, classes).float()


def class_std(classes: int) -> float:
    """Deviation of each coordinate of `one_hot`."""
    return math.sqrt((1 - 1 / classes) / classes)


def discriminator_losses(
    style: Discriminator,
    category: Discriminator,
    codes: tuple[Tensor, Tensor],
    prior: Prior,
    game: Adversarial,
    batch: Batch,
) -> Losses:
    """Both discriminators' losses on codes (class probabilities, style), which are taken as they are."""
    y, z = (block.detach() for block in codes)
    classes = y.shape[1]
    std = class_std(classes)
    samples = batch.draw(lambda n, _: prior.sample(n, generator=batch.generator))
    real_z = adversary.seen(samples, prior.spread, game, batch)
    real_y = batch.draw(lambda n, _: one_hot(n, classes, batch.generator))
    real_y = adversary.seen(real_y, std, game, batch)
    fake_z, fake_y = adversary.seen(z, prior.spread, game, batch), adversary.seen(y, std, game, batch)
    return adversary.discriminator_losses(style, real_z, fake_z, game, STYLE) | adversary.discriminator_losses(
        category, real_y, fake_y, game, CLASS
    )


def generator_losses(
    style: Discriminator,
    category: Discriminator,
    codes: tuple[Tensor, Tensor],
    prior: Prior,
    game: Adversarial,
    batch: Batch,
) -> Losses:
    """What the encoder pays for each block of its codes that is told from its prior."""
    y, z = codes
    fake_z = adversary.seen(z, prior.spread, game, batch)
    fake_y = adversary.seen(y, class_std(y.shape[1]), game, batch)
    return adversary.generator_losses(style, fake_z, game, STYLE) | adversary.generator_losses(
        category, fake_y, game, CLASS
    )


def classification_losses(encoder: Encoder, batch: Batch, classes: int) -> Losses:
    """Cross-entropy of the class head on the labelled batch, mean over its rows, nats.

    Rows without a label are passed over. Held-out rows that may not be looked at, or have no label, have no such loss.
    """
    rows = batch.labelled
    if rows is None or rows.y is None:
        return {}
    if not torch.is_grad_enabled() and not (rows.y >= 0).any():  # a step takes labelled rows, and need not wait to ask
        return {}
    with gathering(()):  # a few rows, seen in every step, do not stand for all of them
        logits = wide(encoder(rows.x)[:, :classes])
    loss = F.cross_entropy(logits, rows.y, ignore_index=-1)
    if rows.share is None or rows.share.y is None:
        return {"classification": loss}
    here, of_all = ((y >= 0).sum() for y in (rows.y, rows.share.y))
    return {"classification": loss * batch.weighed(here, of_all)}

"""Dimension reduction (the paper, section 7): a code that is a cluster's head plus a style."""

from __future__ import annotations

import torch
from torch import Tensor

from aae import objectives, priors
from aae.config import Adversarial, Config, DataSpec, Heads
from aae.errors import ConfigError
from aae.models import adversary, blocks, consistency, parts
from aae.networks import ClusterHeads, Decoder, Discriminator, Encoder
from aae.phases import Batch, Losses, Model, Phase


class DimensionReduction(Model):
    """The encoder gives class probabilities y and a style z; the decoder is given their sum W y + z, the code, alone.

    W: a learnt head for each class, [classes, latent]; z [latent] is held to the prior and y to one-hot rows, as in the
    semi-supervised model. Phases: reconstruction (encoder, decoder and heads) with the cost of heads that are too near
    each other (`objectives.head_separation`); discriminator (style and class); generator (encoder); with labels
    classification (encoder). Without labels, on `model.clusters` clusters, the last phase is left out.

    The paper gives neither the threshold nor a factor, and does not say whether the cost is a sum or a mean over the
    pairs of heads: see `config.Heads`. Training and `encode` take the probabilities as they are, not the largest one.
    """

    classifies = True

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        style_discriminator: Discriminator,
        class_discriminator: Discriminator,
        heads: ClusterHeads,
        prior: priors.Prior,
        error: parts.ReconstructionLoss,
        game: Adversarial,
        separation: Heads,
        weight: float = 1.0,
        learns_labels: bool = True,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.heads = encoder, decoder, heads
        self.style_discriminator, self.class_discriminator = style_discriminator, class_discriminator
        self.prior, self.error, self.game, self.separation = prior, error, game, separation
        self.classes, self.learns_labels = len(heads.weight), learns_labels
        weights = {"reconstruction": weight, "head_separation": separation.weight}
        discriminators = ("style_discriminator", "class_discriminator")
        penalties = adversary.penalty_weights(game, blocks.BLOCKS)
        self.phases = (
            Phase("reconstruction", ("encoder", "decoder", "heads"), self.reconstruction_losses, weights),
            Phase("discriminator", discriminators, self.discriminator_losses, penalties),
            Phase("generator", ("encoder",), self.generator_losses),
        )
        if learns_labels:
            self.phases += (Phase("classification", ("encoder",), self.classification_losses),)

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> DimensionReduction:
        model = config.model
        classes = model.clusters or len(spec.classes or ())
        if not classes:
            raise ConfigError(
                f"model.kind = {model.kind} needs labels, and {spec.name} has none; "
                "set model.clusters to a number of clusters to find without them"
            )
        built = cls(
            *blocks.networks(config, spec, classes),
            ClusterHeads(first_heads(classes, model.latent, config.heads)),
            priors.build(config.prior, model.latent),
            parts.reconstruction_error(config),
            config.adversarial,
            config.heads,
            config.reconstruction.weight,
            learns_labels=not model.clusters,
        )
        built.phases += consistency.phase(built.encoder, classes, config, spec)
        return built

    def blocks(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Class probabilities [batch, classes] and style [batch, latent]."""
        return blocks.encoded(self.encoder, batch, self.classes)

    def reconstruction_losses(self, batch: Batch) -> Losses:
        losses = {"reconstruction": self.error(self.decoder, self.sample_codes(batch), batch)}
        if self.separation.weight > 0:
            losses["head_separation"] = objectives.head_separation(self.heads.weight, self.separation.distance)
        return losses

    def discriminator_losses(self, batch: Batch) -> Losses:
        return blocks.discriminator_losses(
            self.style_discriminator, self.class_discriminator, self.blocks(batch), self.prior, self.game, batch
        )

    def generator_losses(self, batch: Batch) -> Losses:
        return blocks.generator_losses(
            self.style_discriminator, self.class_discriminator, self.blocks(batch), self.prior, self.game, batch
        )

    def classification_losses(self, batch: Batch) -> Losses:
        return blocks.classification_losses(self.encoder, batch, self.classes)

    def encode(self, x: Tensor) -> Tensor:
        """W y + z: what is decoded, and drawn."""
        return self._code(*blocks.heads(self.encoder(x), self.classes))

    def sample_codes(self, batch: Batch) -> Tensor:
        return self._code(*self.blocks(batch))

    def held_to_prior(self, batch: Batch) -> Tensor:
        """The style."""
        return self.blocks(batch)[1]

    def _code(self, y: Tensor, z: Tensor) -> Tensor:
        return self.heads(y) + z

    @property
    def centres(self) -> Tensor:
        """The heads."""
        return self.heads.weight.detach()

    def class_logits(self, x: Tensor) -> Tensor:
        return self.encoder(x)[:, : self.classes]

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))


@torch.enable_grad()
def first_heads(classes: int, latent: int, settings: Heads) -> Tensor:
    """Where the heads start: N(0, (distance / 2)^2), then moved along the slope of the cost until none is too near.

    Small steps of an optimizer would otherwise take most of training to carry them apart. Without a cost N(0, 0.01^2).
    """
    if settings.weight == 0:
        return 0.01 * torch.randn(classes, latent)
    heads = settings.distance / 2 * torch.randn(classes, latent)
    for _ in range(1000):
        cost = objectives.head_separation(heads.requires_grad_(), settings.distance)
        if cost == 0:
            break
        heads = heads.detach() - 0.05 * settings.distance * torch.autograd.grad(cost, heads)[0]
    return heads.detach()

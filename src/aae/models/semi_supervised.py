"""The semi-supervised adversarial autoencoder (the paper, section 5): a class and a style for every row."""

from __future__ import annotations

import torch
from torch import Tensor

from aae import priors
from aae.config import Adversarial, Config, DataSpec
from aae.errors import ConfigError
from aae.models import adversary, blocks, consistency, parts
from aae.networks import Decoder, Discriminator, Encoder
from aae.phases import Batch, Losses, Model, Phase


class SemiSupervised(Model):
    """The encoder gives class probabilities and a style; the decoder is given both.

    Phases, in the order of the paper: reconstruction (encoder and decoder), discriminator (one for the style, one for
    the class), generator (encoder, against both), classification (encoder, on a labelled batch). Every step draws
    labelled rows, so an epoch is a pass over all the data, however few labels there are.
    """

    learns_labels = classifies = True

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        style_discriminator: Discriminator,
        class_discriminator: Discriminator,
        prior: priors.Prior,
        classes: int,
        error: parts.ReconstructionLoss,
        game: Adversarial,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.style_discriminator, self.class_discriminator = style_discriminator, class_discriminator
        self.prior, self.classes, self.error, self.game = prior, classes, error, game
        self.beside = classes
        discriminators = ("style_discriminator", "class_discriminator")
        penalties = adversary.penalty_weights(game, blocks.BLOCKS)
        self.phases = (
            Phase("reconstruction", ("encoder", "decoder"), self.reconstruction_losses, {"reconstruction": weight}),
            Phase("discriminator", discriminators, self.discriminator_losses, penalties),
            Phase("generator", ("encoder",), self.generator_losses),
            Phase("classification", ("encoder",), self.classification_losses),
        )

    @classmethod
    def build(cls, config: Config, spec: DataSpec, classes: int | None = None) -> SemiSupervised:
        """A new model for the classes of the data, or for a number of `classes` that have no names."""
        model = config.model
        if classes is None:
            if not spec.classes:
                raise ConfigError(f"model.kind = {model.kind} needs labels, and {spec.name} has none")
            classes = len(spec.classes)
        built = cls(
            *blocks.networks(config, spec, classes, beside=classes),
            priors.build(config.prior, model.latent),
            classes,
            parts.reconstruction_error(config),
            config.adversarial,
            config.reconstruction.weight,
        )
        built.phases += consistency.phase(built.encoder, classes, config, spec)
        return built

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return blocks.encoded(self.encoder, batch, self.classes)

    def reconstruction_losses(self, batch: Batch) -> Losses:
        y, z = self.codes(batch)
        return {"reconstruction": self.error(self.decoder, torch.cat([z, y], dim=1), batch)}

    def discriminator_losses(self, batch: Batch) -> Losses:
        return blocks.discriminator_losses(
            self.style_discriminator, self.class_discriminator, self.codes(batch), self.prior, self.game, batch
        )

    def generator_losses(self, batch: Batch) -> Losses:
        return blocks.generator_losses(
            self.style_discriminator, self.class_discriminator, self.codes(batch), self.prior, self.game, batch
        )

    def classification_losses(self, batch: Batch) -> Losses:
        return blocks.classification_losses(self.encoder, batch, self.classes)

    def encode(self, x: Tensor) -> Tensor:
        """The style."""
        return blocks.heads(self.encoder(x), self.classes)[1]

    def sample_codes(self, batch: Batch) -> Tensor:
        return self.codes(batch)[1]

    def class_logits(self, x: Tensor) -> Tensor:
        return self.encoder(x)[:, : self.classes]

    def decode(self, z: Tensor) -> Tensor:
        """Style and class side by side, [batch, latent + classes], to rows."""
        return self.decoder.mean(self.decoder(z))

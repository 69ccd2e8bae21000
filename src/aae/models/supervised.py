"""The supervised adversarial autoencoder (the paper, section 4): a decoder that is told the class, or conditions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aae import posteriors, priors
from aae.config import Adversarial, Config, DataSpec
from aae.errors import ConfigError
from aae.models import adversary, parts
from aae.networks import Decoder, Discriminator, Encoder
from aae.phases import Batch, Losses, Model, Phase


class Supervised(Model):
    """x -> z = encoder(x) -> decoder(z, one-hot class), with z held to the prior.

    What the class already says need not be in the code, so the code is left with what is not the class. Phases:
    reconstruction (encoder and decoder), discriminator, generator (encoder). A row of unknown class is decoded with a
    class of zeros; training has none.

    conditions: how many values of any kind, such as scaled numbers, the decoder is told behind the class, or in its
    place where there are no classes (a conditional adversarial autoencoder).
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        discriminator: Discriminator,
        posterior: posteriors.Posterior,
        prior: priors.Prior,
        classes: int,
        error: parts.ReconstructionLoss,
        game: Adversarial,
        weight: float = 1.0,
        conditions: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator
        self.posterior, self.prior, self.classes, self.error, self.game = posterior, prior, classes, error, game
        self.beside, self.conditions, self.stochastic = classes + conditions, conditions, posterior.stochastic
        self.phases = (
            Phase("reconstruction", ("encoder", "decoder"), self.reconstruction_losses, {"reconstruction": weight}),
            Phase("discriminator", ("discriminator",), self.discriminator_losses, adversary.penalty_weights(game)),
            Phase("generator", ("encoder",), self.generator_losses),
        )

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> Supervised:
        classes, conditions = len(spec.classes or ()), spec.conditions.features if spec.conditions else 0
        if not classes and not conditions:
            raise ConfigError(
                f"model.kind = supervised needs labels, and {spec.name} has none; or name columns by --condition"
            )
        model, posterior = config.model, posteriors.build(config.model)
        return cls(
            parts.encoder(config, spec, posterior.heads * model.latent, posterior.extra),
            parts.decoder(config, spec, beside=classes + conditions),
            parts.discriminator(config, spec, model.latent),
            posterior,
            priors.build(config.prior, model.latent),
            classes,
            parts.reconstruction_error(config),
            config.adversarial,
            config.reconstruction.weight,
            conditions,
        )

    def reconstruction_losses(self, batch: Batch) -> Losses:
        return {"reconstruction": self.error(self.decoder, self.with_class(self.sample_codes(batch), batch), batch)}

    def with_class(self, z: Tensor, batch: Batch) -> Tensor:
        """Style, one-hot class and conditions side by side, [batch, latent + classes + conditions]."""
        known = z.new_zeros(len(z), self.classes)
        if batch.y is not None and self.classes:
            known = F.one_hot(batch.y.clamp(min=0), self.classes) * (batch.y >= 0)[:, None]
        told = z.new_zeros(len(z), self.conditions) if batch.condition is None else batch.condition
        return torch.cat([z, known.to(z.dtype), told.to(z.dtype)], dim=1)

    def discriminator_losses(self, batch: Batch) -> Losses:
        real = batch.draw(lambda n, _: self.prior.sample(n, generator=batch.generator))
        real = self.seen(real, batch)
        fake = self.seen(self.sample_codes(batch).detach(), batch)
        return adversary.discriminator_losses(self.discriminator, real, fake, self.game)

    def generator_losses(self, batch: Batch) -> Losses:
        return adversary.generator_losses(self.discriminator, self.seen(self.sample_codes(batch), batch), self.game)

    def seen(self, z: Tensor, batch: Batch) -> Tensor:
        return adversary.seen(z, self.prior.spread, self.game, batch)

    def encode(self, x: Tensor) -> Tensor:
        """The style."""
        return self.posterior.centre(self.encoder, x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return batch.once("codes", ("encoder",), lambda: self.posterior.sample(self.encoder, batch))

    def decode(self, z: Tensor) -> Tensor:
        """Style, class and conditions side by side, [batch, latent + beside], to rows."""
        return self.decoder.mean(self.decoder(z))

"""The adversarial autoencoder (Makhzani et al. 2015, section 2; the post in three updates per minibatch)."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from aae import posteriors, priors
from aae.config import Adversarial, Config, DataSpec
from aae.models import adversary, parts
from aae.networks import Decoder, Discriminator, Encoder
from aae.phases import Batch, Losses, Model, Phase, Weight


def _ramp(first: float, last: float, progress: float) -> float:
    return first + (last - first) * progress


class AAE(Model):
    """An autoencoder whose codes a discriminator cannot tell from samples of the prior.

    Phases, in the order of the paper: reconstruction (encoder and decoder), discriminator, generator (encoder). In
    the joint form the encoder takes one step for reconstruction + weight * generator, before the discriminator's.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        discriminator: Discriminator,
        posterior: posteriors.Posterior,
        prior: priors.Prior,
        error: parts.ReconstructionLoss,
        game: Adversarial,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator
        self.posterior, self.prior, self.error, self.game = posterior, prior, error, game
        self.stochastic = posterior.stochastic
        penalty = adversary.penalty_weights(game)
        discriminate = Phase("discriminator", ("discriminator",), self.discriminator_losses, penalty)
        if game.phases == "joint":
            fooling = partial(_ramp, game.weight, game.final_weight)
            weights: dict[str, Weight] = {"reconstruction": weight, "generator": fooling}
            joint = Phase("reconstruction", ("encoder", "decoder"), self.joint_losses, weights)
            self.phases = (joint, discriminate)
        else:
            weights = {"reconstruction": weight}
            reconstruct = Phase("reconstruction", ("encoder", "decoder"), self.reconstruction_losses, weights)
            self.phases = (reconstruct, discriminate, Phase("generator", ("encoder",), self.generator_losses))

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> AAE:
        model, posterior = config.model, posteriors.build(config.model)
        return cls(
            parts.encoder(config, spec, posterior.heads * model.latent, posterior.extra),
            parts.decoder(config, spec),
            Discriminator(parts.mlp(config, model.latent, model.discriminator, 1)),
            posterior,
            priors.build(config.prior, model.latent),
            parts.reconstruction_error(config),
            config.adversarial,
            config.reconstruction.weight,
        )

    def reconstruction_losses(self, batch: Batch) -> Losses:
        return {"reconstruction": self.error(self.decoder, self.sample_codes(batch), batch)}

    def discriminator_losses(self, batch: Batch) -> Losses:
        real = self.seen(self.prior.sample(len(batch.x), generator=batch.generator), batch)
        fake = self.seen(self.sample_codes(batch).detach(), batch)
        return adversary.discriminator_losses(self.discriminator, real, fake, self.game)

    def generator_losses(self, batch: Batch) -> Losses:
        return adversary.generator_losses(self.discriminator, self.seen(self.sample_codes(batch), batch))

    def joint_losses(self, batch: Batch) -> Losses:
        return self.reconstruction_losses(batch) | self.generator_losses(batch)

    def seen(self, z: Tensor, batch: Batch) -> Tensor:
        return adversary.seen(z, self.prior.spread, self.game, batch)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior.centre(self.encoder, x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return batch.once("codes", ("encoder",), lambda: self.posterior.sample(self.encoder, batch))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))

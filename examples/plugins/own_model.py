"""A model of your own, as a tuple of phases: an adversarial autoencoder that also encodes what it decodes.

A fourth phase draws codes from the prior, decodes them and asks the encoder for the same codes again, so that samples
stay within what the encoder knows (the latent cycle of Zhu et al. 2017, "Unpaired image-to-image translation").

aae train --plugin examples/plugins/own_model.py --model.kind plugin --optimizer.other.learning-rate 0.0005
"""

from torch import Tensor

from aae import priors
from aae.config import Config, DataSpec
from aae.models import adversary, parts
from aae.networks import Discriminator
from aae.phases import Batch, Losses, Model, Phase


class Cycle(Model):
    """Phases: reconstruction, discriminator, generator, cycle (encoder and decoder)."""

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__()
        latent, self.game = config.model.latent, config.adversarial
        self.encoder, self.decoder = parts.encoder(config, spec, latent), parts.decoder(config, spec)
        self.discriminator = Discriminator(parts.mlp(config, latent, config.model.discriminator, 1))
        self.prior, self.error = priors.build(config.prior, latent), parts.reconstruction_error(config)
        self.phases = (
            Phase("reconstruction", ("encoder", "decoder"), self.reconstruction_losses),
            Phase("discriminator", ("discriminator",), self.discriminator_losses, adversary.penalty_weights(self.game)),
            Phase("generator", ("encoder",), self.generator_losses),
            Phase("cycle", ("encoder", "decoder"), self.cycle_losses, {"cycle": 0.1}),  # learns by optimizer.other
        )

    def reconstruction_losses(self, batch: Batch) -> Losses:
        return {"reconstruction": self.error(self.decoder, self.sample_codes(batch), batch)}

    def discriminator_losses(self, batch: Batch) -> Losses:
        real = batch.draw(lambda n, _: self.prior.sample(n, generator=batch.generator))
        return adversary.discriminator_losses(self.discriminator, real, self.sample_codes(batch).detach(), self.game)

    def generator_losses(self, batch: Batch) -> Losses:
        return adversary.generator_losses(self.discriminator, self.sample_codes(batch), self.game)

    def cycle_losses(self, batch: Batch) -> Losses:
        z = batch.draw(lambda n, _: self.prior.sample(n, generator=batch.generator))
        return {"cycle": (self.encoder(self.decode(z)) - z).square().mean()}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return batch.once("codes", ("encoder",), lambda: self.encoder(batch.x))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))


def model(config: Config, spec: DataSpec) -> Model:
    return Cycle(config, spec)

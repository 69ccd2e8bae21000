"""The adversarial autoencoder (Makhzani et al. 2015, section 2; the post in three updates per minibatch)."""

from __future__ import annotations

import torch
from torch import Tensor

from aae import posteriors, priors
from aae.balance import Balance
from aae.config import Adversarial, Config, DataSpec
from aae.models import adversary, parts
from aae.networks import Decoder, Discriminator, Encoder
from aae.phases import Batch, Losses, Model, Phase, Progress, Weight


class AAE(Model):
    """An autoencoder whose codes a discriminator cannot tell from samples of the prior.

    Phases, in the order of the paper: reconstruction (encoder and decoder), discriminator, generator (encoder). In
    the joint form the encoder takes one step for reconstruction + weight * generator, before the discriminator's.

    classes: with labels (section 2.3), how many classes the discriminator is told apart, as a one-hot with one more
    place for "unlabelled". A labelled row is then held against samples of its class's part of the prior, an unlabelled
    one against the whole prior. 0: the discriminator sees codes alone.
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
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.discriminator = encoder, decoder, discriminator
        self.posterior, self.prior, self.error, self.game = posterior, prior, error, game
        self.stochastic, self.classes, self.weight = posterior.stochastic, classes, weight
        penalty = adversary.penalty_weights(game)
        discriminate = Phase("discriminator", ("discriminator",), self.discriminator_losses, penalty)
        if game.phases == "joint":
            updates: tuple[str, ...] = ("encoder", "decoder")
            if game.balance == "gradients":
                self.balance = Balance()
                updates = (*updates, "balance")
            weights: dict[str, Weight] = {"reconstruction": weight, "generator": self.fooling}
            joint = Phase("reconstruction", updates, self.joint_losses, weights)
            self.phases = (joint, discriminate)
        else:
            weights = {"reconstruction": weight}
            reconstruct = Phase("reconstruction", ("encoder", "decoder"), self.reconstruction_losses, weights)
            self.phases = (reconstruct, discriminate, Phase("generator", ("encoder",), self.generator_losses))

    @classmethod
    def build(cls, config: Config, spec: DataSpec) -> AAE:
        model, posterior = config.model, posteriors.build(config.model)
        prior = priors.build(config.prior, model.latent)
        classes = parts.prior_classes(config, spec, prior)
        told = classes + 1 if classes else 0
        return cls(
            parts.encoder(config, spec, posterior.heads * model.latent, posterior.extra),
            parts.decoder(config, spec),
            parts.discriminator(config, spec, model.latent + told),
            posterior,
            prior,
            parts.reconstruction_error(config),
            config.adversarial,
            config.reconstruction.weight,
            classes,
        )

    def reconstruction_losses(self, batch: Batch) -> Losses:
        return {"reconstruction": self.error(self.decoder, self.sample_codes(batch), batch)}

    def discriminator_losses(self, batch: Batch) -> Losses:
        real = batch.draw(lambda n, y: self.prior.sample(n, self.labels(n, y, batch.x.device), batch.generator))
        real = self.seen(real, batch)
        fake = self.seen(self.sample_codes(batch).detach(), batch)
        return adversary.discriminator_losses(self.discriminate(batch), real, fake, self.game)

    def generator_losses(self, batch: Batch) -> Losses:
        fake = self.seen(self.sample_codes(batch), batch)
        return adversary.generator_losses(self.discriminate(batch), fake, self.game)

    def labels(self, n: int, y: Tensor | None, device: torch.device) -> Tensor | None:
        """The classes that the discriminator is told, [n] with -1 for unlabelled; None if it sees codes alone."""
        if not self.classes:
            return None
        return torch.full((n,), -1, device=device) if y is None else y

    def discriminate(self, batch: Batch) -> adversary.Discriminate:
        """The discriminator for the rows of a batch: codes [batch or twice that, latent] to logits.

        Prior samples and codes are shown to it together, one after the other, and row i of both has the class y[i].
        """
        y = self.labels(len(batch.x), batch.y, batch.x.device)
        if y is None:
            return self.discriminator
        one_hot = torch.nn.functional.one_hot(torch.where(y < 0, self.classes, y), self.classes + 1)

        def told(z: Tensor) -> Tensor:
            return self.discriminator(torch.cat([z, one_hot.to(z.dtype).repeat(len(z) // len(one_hot), 1)], 1))

        return told

    def joint_losses(self, batch: Batch) -> Losses:
        losses = self.reconstruction_losses(batch) | self.generator_losses(batch)
        if self.game.balance == "gradients" and self.training and torch.is_grad_enabled():
            pulls = self.weight * losses["reconstruction"], losses["generator"]
            self.balance.observe(*pulls, self.sample_codes(batch), batch)
        return losses

    def fooling(self, progress: Progress) -> float | Tensor:
        """The factor on the generator loss in the joint phase: a straight line through training."""
        wanted = self.game.weight + (self.game.final_weight - self.game.weight) * progress
        return wanted * self.balance.factor if self.game.balance == "gradients" else wanted

    def seen(self, z: Tensor, batch: Batch) -> Tensor:
        return adversary.seen(z, self.prior.spread, self.game, batch)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior.centre(self.encoder, x)

    def sample_codes(self, batch: Batch) -> Tensor:
        return batch.once("codes", ("encoder",), lambda: self.posterior.sample(self.encoder, batch))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.mean(self.decoder(z))

"""The post's algorithm as one would write it down in plain PyTorch, and the same networks in Pythae.

Networks, optimizers, batch size and data are the same for all; only the way to compute is each one's own.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

Steps = Callable[[int], None]


@dataclass(frozen=True)
class Networks:
    """Plain modules: rows [batch, ...] -> codes, codes -> rows in [0, 1], codes -> one logit."""

    encoder: nn.Module
    decoder: nn.Module
    discriminator: nn.Module


def dense(features: int, hidden: int = 1000, latent: int = 2) -> Networks:
    """The post's networks: features-1000-1000-2, mirrored, and 2-1000-1000-1."""

    def mlp(*widths: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for i in range(len(widths) - 1):
            layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
        return layers[:-1]

    return Networks(
        nn.Sequential(*mlp(features, hidden, hidden, latent)),
        nn.Sequential(*mlp(latent, hidden, hidden, features), nn.Sigmoid()),
        nn.Sequential(*mlp(latent, hidden, hidden, 1)),
    )


def convolutional(channels: tuple[int, ...] = (32, 64, 128), latent: int = 2) -> Networks:
    """For images of 3 x 32 x 32, layer for layer the networks of `aae.convolution` with one dense layer of 256."""
    a, b, c = channels
    encoder = nn.Sequential(
        nn.Unflatten(1, (3, 32, 32)),
        *(
            nn.Conv2d(3, a, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(a, b, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(b, c, 3, 2, 1),
            nn.ReLU(),
        ),
        *(nn.Flatten(), nn.Linear(c * 16, 256), nn.ReLU(), nn.Linear(256, latent)),
    )
    decoder = nn.Sequential(
        *(nn.Linear(latent, 256), nn.ReLU(), nn.Linear(256, c * 16), nn.ReLU(), nn.Unflatten(1, (c, 4, 4))),
        *(nn.ConvTranspose2d(c, b, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(b, a, 4, 2, 1), nn.ReLU()),
        *(nn.ConvTranspose2d(a, 3, 4, 2, 1), nn.Flatten(), nn.Sigmoid()),
    )
    return Networks(encoder, decoder, dense(1, latent=latent).discriminator)


def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def plain_loop(networks: Networks, rows: Tensor, batch: int, device: torch.device, latent: int = 2) -> Steps:
    """Three phases a minibatch with SGD: reconstruction (Nesterov .01/.9), discriminator .1, generator .1."""
    encoder, decoder, discriminator = (
        module.to(device) for module in (networks.encoder, networks.decoder, networks.discriminator)
    )
    both = [*encoder.parameters(), *decoder.parameters()]
    reconstruction = torch.optim.SGD(both, 0.01, momentum=0.9, nesterov=True)
    judge = torch.optim.SGD(discriminator.parameters(), 0.1)
    generator = torch.optim.SGD(encoder.parameters(), 0.1)
    scaled = rows.float() / 255
    batches = _endless(DataLoader(TensorDataset(scaled), batch, shuffle=True, drop_last=True))

    def steps(n: int) -> None:
        for _ in range(n):
            x = next(batches)[0].to(device)
            ones, zeros = torch.ones(batch, 1, device=device), torch.zeros(batch, 1, device=device)

            reconstruction.zero_grad()
            F.mse_loss(decoder(encoder(x)), x).backward()
            reconstruction.step()

            judge.zero_grad()
            prior = torch.rand(batch, latent, device=device) * 4 - 2
            real = F.binary_cross_entropy_with_logits(discriminator(prior), ones)
            fake = F.binary_cross_entropy_with_logits(discriminator(encoder(x).detach()), zeros)
            (real + fake).backward()
            judge.step()

            generator.zero_grad()
            F.binary_cross_entropy_with_logits(discriminator(encoder(x)), ones).backward()
            generator.step()

    return steps


def pythae_model(networks: Networks, features: int, latent: int) -> Any:
    """Pythae's adversarial autoencoder around these very networks."""
    from pythae.models import Adversarial_AE, Adversarial_AE_Config
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.latent_dim = networks.encoder, latent

        def forward(self, x: Tensor) -> Any:
            z = self.body(x.flatten(1))
            return ModelOutput(embedding=z, log_covariance=torch.zeros_like(z))

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = networks.decoder

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.body(z))

    class Discriminator(BaseDiscriminator):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = networks.discriminator

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(embedding=self.body(z).sigmoid())

    config = Adversarial_AE_Config(input_dim=(features,), latent_dim=latent, deterministic_posterior=True)
    return Adversarial_AE(config, Encoder(), Decoder(), Discriminator())


def pythae_loop(networks: Networks, rows: Tensor, batch: int, device: torch.device, latent: int = 2) -> Steps:
    """Pythae's own trainer on the same networks: one joint step for all three, SGD. ImportError if it is missing."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig
    from pythae.trainers.training_callbacks import CallbackHandler

    logging.getLogger("pythae").setLevel(logging.WARNING)
    model = pythae_model(networks, rows.shape[1], latent)
    rates = {"autoencoder_learning_rate": 1e-4, "discriminator_learning_rate": 1e-4}
    training = AdversarialTrainerConfig(
        output_dir=tempfile.mkdtemp(prefix="pythae-"),
        per_device_train_batch_size=batch,
        autoencoder_optimizer_cls="SGD",
        discriminator_optimizer_cls="SGD",
        no_cuda=device.type != "cuda",
        **rates,
    )

    scaled, trainers = rows.float() / 255, dict[int, Any]()

    def trainer_of(n: int) -> Any:
        """A trainer whose pass over its data is n steps; made once, before the clock runs."""
        chosen = scaled[torch.arange(n * batch) % len(scaled)]
        trainer = AdversarialTrainer(model, BaseDataset(chosen, torch.zeros(n * batch)), None, training)
        trainer.callback_handler = CallbackHandler([], model)
        trainer.set_autoencoder_optimizer()
        trainer.set_discriminator_optimizer()
        return trainer

    def steps(n: int) -> None:
        trainers[n].train_step(1)

    steps.prepare = lambda n: trainers.setdefault(n, trainer_of(n))  # type: ignore[attr-defined]
    return steps

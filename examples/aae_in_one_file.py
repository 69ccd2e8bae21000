"""An adversarial autoencoder on a 2-D uniform prior in one file, without this package: torch and the digits only.

The same algorithm as `aae train` with separate phases, written out by hand: for every minibatch, reconstruction, then
discriminator, then generator, each with its own optimizer. A test holds the package's training step to this file.

    python examples/aae_in_one_file.py
"""

import itertools

import torch
from torch import nn
from torch.nn.functional import softplus


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide_in, wide_out in itertools.pairwise(widths):
        linear = nn.Linear(wide_in, wide_out)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ByHand:
    """Networks, optimizers, and one training step."""

    def __init__(self, features: int = 64, hidden: int = 256, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.encoder = mlp(features, hidden, hidden, 2)
        self.decoder = mlp(2, hidden, hidden, features)
        self.discriminator = mlp(2, hidden, hidden, 1)
        both = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.for_reconstruction = torch.optim.Adam(both, lr=1e-3, betas=(0.9, 0.999))
        self.for_discriminator = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.for_generator = torch.optim.Adam(self.encoder.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.generator = torch.Generator().manual_seed(seed)

    def step(self, x: torch.Tensor) -> tuple[float, float, float]:
        # 1. Encoder and decoder learn to reconstruct.
        self.for_reconstruction.zero_grad()
        reconstruction = (torch.sigmoid(self.decoder(self.encoder(x))) - x).square().mean()
        reconstruction.backward()
        self.for_reconstruction.step()

        # 2. The discriminator learns to tell prior samples from codes.
        self.for_discriminator.zero_grad()
        real = 4 * torch.rand(len(x), 2, generator=self.generator) - 2
        fake = self.encoder(x).detach()
        says_real, says_fake = self.discriminator(real), self.discriminator(fake)
        discrimination = 0.5 * (softplus(-says_real).mean() + softplus(says_fake).mean())
        discrimination.backward()
        self.for_discriminator.step()

        # 3. The encoder learns to fool it.
        self.for_generator.zero_grad()
        fooling = softplus(-self.discriminator(self.encoder(x))).mean()
        fooling.backward()
        self.for_generator.step()
        return reconstruction.item(), discrimination.item(), fooling.item()


def main(epochs: int = 30) -> None:
    from sklearn.datasets import load_digits

    x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    game = ByHand()
    for epoch in range(1, epochs + 1):
        losses = [game.step(x[rows]) for rows in torch.randperm(len(x)).split(64)]
        means = (sum(column) / len(losses) for column in zip(*losses, strict=True))
        print(f"epoch {epoch:2}: " + "  ".join(f"{value:.4f}" for value in means))
    with torch.no_grad():
        inside = (game.encoder(x).abs() <= 2).all(1).float().mean()
    print(f"codes inside the prior: {inside:.1%}")


if __name__ == "__main__":
    main()

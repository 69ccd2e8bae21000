"""Give your latent space any shape: adversarial autoencoders from data to evidence."""

__version__ = "0.1.0"

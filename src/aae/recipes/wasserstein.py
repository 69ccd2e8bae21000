"""Recipes of Wasserstein autoencoders (Tolstikhin et al. 2018) on MNIST."""

from __future__ import annotations

import dataclasses

from aae.config import Adversarial, Config, Data, Divergence, Model, Optimizer, Optimizers, Prior, Reconstruction


def mnist_8d_wae_mmd() -> Config:
    """MNIST under WAE-MMD (Tolstikhin et al. 2018): a kernel in place of a discriminator, 8-D Gaussian codes.

    Prior, weight, rate and batch are theirs; the networks are this project's, of dense layers.
    """
    return Config(
        recipe="mnist-8d-wae-mmd",
        epochs=100,
        batch_size=100,
        schedule="linear",
        data=Data(source="mnist"),
        model=Model("wae-mmd", latent=8),
        prior=Prior("gaussian", 1.0),
        reconstruction=Reconstruction("mse", "sum"),
        divergence=Divergence(weight=10.0),
        optimizer=Optimizers(reconstruction=Optimizer("adam", learning_rate=1e-3, momentum=0.5)),
    )


def mnist_8d_wae_gan() -> Config:
    """MNIST under WAE-GAN (Tolstikhin et al. 2018), which is the AAE in joint phases with a constant weight.

    With the squared error as cost WAE-GAN is the adversarial autoencoder (their section 3), so this is model.kind = aae
    under their name: prior, weight, rates and batch are theirs, the networks are this project's, of dense layers.
    """
    kernel = mnist_8d_wae_mmd()
    return dataclasses.replace(
        kernel,
        recipe="mnist-8d-wae-gan",
        model=dataclasses.replace(kernel.model, kind="aae", discriminator=(512, 512, 512, 512)),
        divergence=Divergence(),
        adversarial=Adversarial(phases="joint", weight=10.0, final_weight=10.0),
        optimizer=dataclasses.replace(
            kernel.optimizer, discriminator=Optimizer("adam", learning_rate=5e-4, momentum=0.5)
        ),
    )

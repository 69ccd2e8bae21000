"""Figure 2 of the paper: the latent space of an adversarial and of a variational autoencoder (section 2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from aae import recipes
from aae.config import Adversarial, Config, Optimizer, Optimizers, Reconstruction
from aae.reproduction.experiment import (
    NEIGHBOURS,
    NONE_FOUND,
    TEST_ONCE,
    Budget,
    Case,
    Experiment,
    Found,
    Measure,
    Picture,
)
from aae.reproduction.pictures import scatter


def _adversarial(recipe: Callable[[], Config]) -> Callable[[int, Budget], Config]:
    def settings(seed: int, budget: Budget) -> Config:
        config = dataclasses.replace(recipe(), seed=seed)
        return dataclasses.replace(config, epochs=12) if budget == "quick" else config

    return settings


def _variational(recipe: Callable[[], Config]) -> Callable[[int, Budget], Config]:
    """The same networks, data, prior and epochs; the bound with its own weights, Adam at 1e-3 with a linear decay.

    The divergence from the mixture has no closed form: it is one draw of each code.
    """

    def settings(seed: int, budget: Budget) -> Config:
        config = _adversarial(recipe)(seed, budget)
        default = Config()
        model = dataclasses.replace(config.model, kind="vae", discriminator=default.model.discriminator)
        return dataclasses.replace(
            config,
            recipe=f"{config.recipe}-vae",
            model=model,
            reconstruction=Reconstruction("bce", "sum"),
            adversarial=Adversarial(),
            optimizer=Optimizers(reconstruction=Optimizer("adam", 1e-3)),
        )

    return settings


def draw(experiment: Experiment, found: Found, folder: Path) -> list[Picture]:
    return [scatter(experiment, found, folder / "latent.png")]


FIGURE_2 = Experiment(
    "Figure 2: latent spaces of an adversarial and a variational autoencoder",
    (
        Measure("empty_cells", "empty cells", digits=1),
        Measure("empty_cells_floor", "by chance", digits=1),
        Measure("c2st", "told from the prior", digits=1),
        Measure("knn_accuracy", "5 neighbours", digits=1),
        Measure("mse", "squared error", 1, 4),
    ),
    (
        Case("aae-gaussian", "AAE, Gaussian", "picture", NONE_FOUND, _adversarial(recipes.mnist_2d_gaussian)),
        Case("vae-gaussian", "VAE, Gaussian", "picture", NONE_FOUND, _variational(recipes.mnist_2d_gaussian)),
        Case("aae-mixture", "AAE, ten Gaussians", "picture", NONE_FOUND, _adversarial(recipes.mnist_2d_mixture)),
        Case("vae-mixture", "VAE, ten Gaussians", "picture", NONE_FOUND, _variational(recipes.mnist_2d_mixture)),
    ),
    draw,
    "Percent, but the squared error, per pixel of values in 0 to 1. Empty cells: share of the prior that no test code "
    "reaches, beside that for a sample of the prior itself. Told from the prior: accuracy of a classifier, 50 at best. "
    "5 neighbours: accuracy of their vote on the class, from training codes.",
    (
        "Networks and optimizers are those of our recipes `mnist-2d-gaussian` and `mnist-2d-mixture`, not the paper's "
        "SGD; the VAE has the same networks and as many epochs.",
        f"Codes are draws from the posterior where it is random, as in a VAE. No labels are learnt from. {NEIGHBOURS}",
        f"54,000 training and 6,000 validation rows. {TEST_ONCE}",
    ),
)

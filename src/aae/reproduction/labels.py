"""Figure 4 of the paper: labels that shape the prior (section 2.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from aae import priors, recipes
from aae.config import Config
from aae.data import Dataset
from aae.evaluation import rows_of
from aae.inference import Run
from aae.reproduction.experiment import (
    NONE_FOUND,
    TEST_ONCE,
    Budget,
    Case,
    Experiment,
    Found,
    Measure,
    Numbers,
    Picture,
)
from aae.reproduction.pictures import scatter, walks

STEPS = 10
"""Codes decoded in each component or segment."""
REACH = 2.0
"""How far from its mean a component is walked through, in deviations along its longest axis."""


def _labelled(recipe: Callable[[], Config]) -> Callable[[int, Budget], Config]:
    def settings(seed: int, budget: Budget) -> Config:
        config = recipe()
        data = dataclasses.replace(config.data, label_seed=seed)
        config = dataclasses.replace(config, seed=seed, data=data)
        return dataclasses.replace(config, epochs=15) if budget == "quick" else config

    return settings


def own_part(run: Run, data: Dataset, budget: Budget) -> Numbers:
    """The share of test codes that lie in the component or segment of their own class."""
    test = rows_of(data, "test")
    assert test.y is not None
    codes = torch.from_numpy(run.encode(test.x).astype(np.float64))
    return {"own_part": float((run.prior.class_of(codes).numpy() == test.y)[test.y >= 0].mean())}


def along(prior: priors.Prior, steps: int = STEPS) -> np.ndarray:
    """Codes along each class's part of the prior, from the inside out: [steps, classes, latent].

    Of a mixture along the longest axis of each component; of a curve at even lengths of each segment.
    """
    classes = prior.classes or 0
    if isinstance(prior, priors.Curve):
        shares = (np.arange(classes) + ((np.arange(steps) + 0.5) / steps)[:, None]) / classes  # [steps, classes]
        return prior.at(torch.from_numpy(shares.ravel())).numpy().reshape(steps, classes, 2)
    assert isinstance(prior, priors.Mixture)
    covariances = (prior.roots @ prior.roots.mT).numpy()
    values, vectors = np.linalg.eigh(covariances)
    longest = vectors[:, :, -1] * np.sqrt(values[:, -1:])  # [classes, latent]
    means = prior.means.numpy()
    outwards = np.where((longest * means).sum(1, keepdims=True) < 0, -longest, longest)
    return means + np.linspace(-REACH, REACH, steps)[:, None, None] * outwards


def draw(experiment: Experiment, found: Found, folder: Path) -> list[Picture]:
    pictures = [scatter(experiment, found, folder / "latent.png")]
    for key, runs in found.items():
        prior, file = runs[0].prior, f"{key}.png"
        part = "segment" if isinstance(prior, priors.Curve) else "component"
        walks(
            runs[0], along(prior), folder / file, f"{experiment.name_of(key)}: along each {part}", "from the inside out"
        )
        pictures.append(Picture(file, f"Decoded along each class's {part}, from the inside out"))
    return pictures


FIGURE_4 = Experiment(
    "Figure 4: labels shape the prior",
    (
        Measure("own_part", "test codes in their own part", digits=1),
        Measure("c2st", "told from the prior", digits=1),
        Measure("empty_cells", "empty cells", digits=1),
        Measure("mse", "squared error", 1, 4),
    ),
    (
        Case("mixture", "ten Gaussians", "picture", NONE_FOUND, _labelled(recipes.mnist_2d_mixture_labels)),
        Case("swiss-roll", "swiss roll", "picture", NONE_FOUND, _labelled(recipes.mnist_2d_swiss_roll_labels)),
    ),
    draw,
    "Percent, but the squared error, per pixel of values in 0 to 1. Told from the prior: accuracy of a classifier, 50 "
    "at best. Empty cells: share of the prior that no test code reaches.",
    (
        "Networks and optimizers are those of our recipes `mnist-2d-mixture-labels` and `mnist-2d-swiss-roll-labels`, "
        "not the paper's SGD.",
        "10,000 labelled and 40,000 unlabelled training rows, 10,000 validation rows. A labelled row is held to the "
        f"part of its class, an unlabelled one to the whole prior. {TEST_ONCE}",
    ),
    own_part,
)

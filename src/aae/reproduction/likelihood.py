"""Table 1 of the paper: the likelihood of test rows under a Parzen window on samples (section 3), with controls."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from aae import metrics, plots, recipes
from aae.config import Config
from aae.data import Dataset, Scaling
from aae.data import rows as flat_rows
from aae.evaluation import rows_of
from aae.figures import limits
from aae.inference import Run
from aae.reproduction.experiment import (
    RECALLED,
    TEST_ONCE,
    Budget,
    Case,
    Control,
    Experiment,
    Found,
    Measure,
    Numbers,
    Picture,
)

Array = np.ndarray
SAMPLES: dict[Budget, tuple[int, ...]] = {"quick": (10_000,), "full": (10_000, 1_000_000)}
"""Samples of the model that carry a kernel."""
AT_ONCE = 10_000
"""Samples that are decoded together."""
VALIDATION = 1000
"""Validation rows that the width is chosen on."""
BLUR = 1.0
"""Deviation of the control's blur, in pixels."""
SHOWN = 64


def _likelihood(seed: int, budget: Budget) -> Config:
    config = dataclasses.replace(recipes.mnist_8d_gaussian(), seed=seed)
    return dataclasses.replace(config, epochs=30, schedule_epochs=(20,)) if budget == "quick" else config


def _convolutional(seed: int, budget: Budget) -> Config:
    config = dataclasses.replace(recipes.mnist_8d_gaussian_conv(), seed=seed)
    return dataclasses.replace(config, epochs=24) if budget == "quick" else config


def scaled(x: Array, data: Dataset) -> Array:
    """Rows in original units as the networks see them, float32 [n, features]: pixels in 0 to 1."""
    return Scaling(data.spec).apply(flat_rows(x, data.spec)).numpy()


def sampled(run: Run, data: Dataset, n: int) -> Array:
    """n decoded draws from the prior as the networks see rows, float32 [n, features]: a million fill 3 GB, once."""
    found = np.empty((n, data.spec.features), np.float32)
    for seed, start in enumerate(range(0, n, AT_ONCE)):
        found[start : start + AT_ONCE] = scaled(run.sample(min(AT_ONCE, n - start), seed=seed), data)
    return found


def window(samples: Array, data: Dataset) -> Numbers:
    """The likelihood of the test rows under a window on `samples` [N, features]; validation rows choose its width."""
    validation, test = (scaled(rows_of(data, split).x, data) for split in ("validation", "test"))
    found = metrics.parzen_likelihood(samples, validation[:VALIDATION], test)
    return {"parzen": found.mean, "parzen_error": found.error, "parzen_width": found.width}


def of_run(run: Run, data: Dataset, budget: Budget) -> Numbers:
    """The likelihood for each number of samples that the budget asks for; the first gives the table's main column."""
    first, *more = SAMPLES[budget]
    found = window(sampled(run, data, first), data)
    for n in more:
        found |= {f"{key}_more": value for key, value in window(sampled(run, data, n), data).items()}
    return found


def controls(data: Dataset, budget: Budget) -> list[Control]:
    """As many rows that no model made: training images, the same blurred, and centroids of k-means."""
    train = scaled(rows_of(data, "train").x, data)
    n = min(SAMPLES[budget][0], len(train))
    chosen = train[np.random.default_rng(0).permutation(len(train))[:n]]
    images = chosen.reshape(n, *data.spec.shape)
    blurred = gaussian_filter(images, BLUR, axes=(-2, -1)).reshape(n, -1)
    found = [
        Control("control: training images", "243 [1, 2]", "", window(chosen, data)),
        Control(f"control: the same, blurred by {BLUR:g} pixel", "", "", window(blurred, data)),
        Control(f"control: {n:,} centroids of k-means", "313 [1, 2]", "", window(_centroids(train, n), data)),
    ]
    return found


def _centroids(train: Array, n: int) -> Array:
    """n centroids of k-means: five rounds of Lloyd's algorithm from random rows; one without rows stays where it is."""
    x = torch.from_numpy(train)
    centres = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n]]
    for _ in range(5):
        norms = centres.square().sum(1)
        nearest = torch.cat([(norms - 2 * part @ centres.T).argmin(1) for part in x.split(1000)])
        sums = torch.zeros_like(centres).index_add_(0, nearest, x)
        counts = torch.bincount(nearest, minlength=n)[:, None]
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres.numpy()


def draw(experiment: Experiment, found: Found, folder: Path) -> list[Picture]:
    """The samples of the first run of each case."""
    names = {case.key: case.name for case in experiment.cases}
    pictures = []
    for key, (run, *_) in found.items():
        figure = plots.samples(flat_rows(run.sample(SHOWN), run.spec).numpy(), run.spec.shape, *limits(run))
        file = "samples" + key.removeprefix("mnist") + ".png"
        plots.save(figure, folder / file)
        pictures.append(Picture(file, f"{names[key]}: {SHOWN} decoded draws from the prior, none picked by hand"))
    return pictures


TABLE_1 = Experiment(
    "Table 1: likelihood of MNIST under a Parzen window",
    (
        Measure("parzen", "nats, 10,000 samples", 1, 1),
        Measure("parzen_error", "standard error over test rows", 1, 1),
        Measure("parzen_width", "width", 1, 3),
        Measure("parzen_more", "1,000,000 samples", 1, 1),
    ),
    (
        Case(
            "mnist",
            "AAE, 8-D Gaussian",
            "340 ± 2",
            "377.5 ± 3.6 (1henrypage, 5,000 epochs); 345 ± 1.94 (a PaddlePaddle reproduction)",
            _likelihood,
        ),
        Case(
            "mnist-conv",
            "AAE, 8-D Gaussian, convolutional (ours)",
            "",
            "377.5 ± 3.6 (1henrypage, 5,000 epochs); 345 ± 1.94 (a PaddlePaddle reproduction)",
            _convolutional,
        ),
    ),
    draw,
    "Mean log-likelihood of the 10,000 test rows, in nats; the paper's ± is the standard error over test rows.",
    (
        RECALLED,
        "[2] Theis et al. 2016, who used these controls to show what a Parzen window is worth: real images score "
        "below centroids and below many models, so a high figure is no evidence of good samples. Ours are as many "
        "training rows drawn at random, and centroids after five rounds of Lloyd's algorithm from such rows.",
        "The row that is ours is not the paper's recipe: convolutions, four in ten pixels left out of what the "
        "encoder sees, a pull towards the prior that is balanced by gradients and grows, Adam, averaged weights; all "
        "of it was chosen on validation rows.",
        f"The width of the Gaussian kernels is chosen on {VALIDATION:,} validation rows, for each row of the table by "
        "itself; pixels lie in 0 to 1. With the full budget also 1,000,000 samples. The paper's 10,000,000 (427 [1]) "
        f"are not tried: on a processor they take hours. {TEST_ONCE}",
    ),
    of_run,
    evaluates=False,
    controls=controls,
)

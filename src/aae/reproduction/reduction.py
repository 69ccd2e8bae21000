"""Figure 10 of the paper: dimension reduction with few labels or none (section 7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from aae import plots, recipes
from aae.config import Config
from aae.evaluation import data_of, rows_of
from aae.figures import class_names
from aae.reproduction.clustering import shortened
from aae.reproduction.experiment import RECALLED, TEST_ONCE, Budget, Case, Experiment, Found, Measure, Picture
from aae.reproduction.pictures import error_curves


def _reduction(recipe: Callable[[], Config]) -> Callable[[int, Budget], Config]:
    def settings(seed: int, budget: Budget) -> Config:
        config = dataclasses.replace(recipe(), seed=seed)
        if not config.model.clusters:
            config = dataclasses.replace(config, data=dataclasses.replace(config.data, label_seed=seed))
        return shortened(config) if budget == "quick" else config

    return settings


def draw(experiment: Experiment, found: Found, folder: Path) -> list[Picture]:
    pictures = error_curves(experiment, found, folder)
    for key, (run, *_) in found.items():
        if run.latent != 2:
            continue
        data = data_of(run)
        train, test = rows_of(data, "train"), rows_of(data, "test")
        figure = plots.latent_scatter(
            run.encode(train.x[: len(test)]),
            run.encode(test.x),
            train.y if train.y is None else train.y[: len(test)],
            test.y,
            run.spec.classes,
            heads=run.heads,
            head_names=class_names(run),
        )
        plots.save(figure, folder / f"{key}.png")
        pictures.append(Picture(f"{key}.png", f"{experiment.name_of(key)}: codes and the learnt heads, by true class"))
    return pictures


FIGURE_10 = Experiment(
    "Figure 10: dimension reduction of MNIST",
    (
        Measure("error", "test error", otherwise="error_head"),
        Measure("knn_accuracy", "5 neighbours", digits=1),
        Measure("head_distance", "nearest heads", 1, 1),
        Measure("mse", "squared error", 1, 4),
    ),
    (
        Case("2d-1000-labels", "2-D, 1000 labels", "4.20 [1]", "", _reduction(recipes.mnist_2d_reduction_1000)),
        Case(
            "2d-100-labels", "2-D, 100 labels", "6.08 [1]", "26.0 (a clone)", _reduction(recipes.mnist_2d_reduction_100)
        ),
        Case("2d-20-clusters", "2-D, 20 clusters", "13.8 [1]", "", _reduction(recipes.mnist_2d_reduction_clusters)),
        Case("10d-100-labels", "10-D, 100 labels", "3.90 [1]", "", _reduction(recipes.mnist_10d_reduction_100)),
    ),
    draw,
    "Percent, but the distance of the two nearest heads, in code units, and the squared error, per pixel of values in "
    "0 to 1. 5 neighbours: accuracy of their vote on the class, from training codes.",
    (
        RECALLED,
        "Clusters are labelled by the paper's rule: the validation row with the highest probability of a cluster "
        f"labels all of it. With the quick budget their layers have 1,000 units, not 3,000. 50,000 training and "
        f"10,000 validation rows. {TEST_ONCE}",
    ),
)

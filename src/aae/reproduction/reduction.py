"""Figure 10 of the paper: dimension reduction with few labels or none (section 7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from aae import plots, recipes
from aae.config import Config
from aae.evaluation import data_of, rows_of
from aae.figures import class_names
from aae.reproduction.clustering import HELD_STILL, held_still, shortened
from aae.reproduction.experiment import (
    NEIGHBOURS,
    NONE_FOUND,
    RECALLED,
    SPLIT,
    TEST_ONCE,
    Budget,
    Case,
    Experiment,
    Found,
    Measure,
    Picture,
)
from aae.reproduction.pictures import error_curves


def _reduction(recipe: Callable[[], Config]) -> Callable[[int, Budget], Config]:
    def settings(seed: int, budget: Budget) -> Config:
        config = dataclasses.replace(recipe(), seed=seed)
        if not config.model.clusters:
            config = dataclasses.replace(config, data=dataclasses.replace(config.data, label_seed=seed))
        shorter = shortened if config.consistency.kind == "none" else held_still
        return shorter(config) if budget == "quick" else config

    return settings


def _pair(
    key: str, name: str, paper: str, best: str, recipe: Callable[[], Config], ours: Callable[[], Config]
) -> tuple[Case, Case]:
    """A row for the paper's recipe, and one for the same with classes held still."""
    still = Case(f"{key}-moved", f"{name}, held still (ours)", "", best, _reduction(ours))
    return Case(key, name, paper, best, _reduction(recipe)), still


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


_OURS = recipes.mnist_2d_reduction_100_moved()

FIGURE_10 = Experiment(
    "Figure 10: dimension reduction of MNIST",
    (
        Measure("error", "test error", otherwise="error_head"),
        Measure("knn_accuracy", "5 neighbours", digits=1),
        Measure("head_distance", "nearest heads", 1, 1),
        Measure("mse", "squared error", 1, 4),
    ),
    (
        *_pair(
            "2d-1000-labels",
            "2-D, 1000 labels",
            "4.20 [1]",
            NONE_FOUND,
            recipes.mnist_2d_reduction_1000,
            recipes.mnist_2d_reduction_1000_moved,
        ),
        *_pair(
            "2d-100-labels",
            "2-D, 100 labels",
            "6.08 [1]",
            "26.0 (1henrypage)",
            recipes.mnist_2d_reduction_100,
            recipes.mnist_2d_reduction_100_moved,
        ),
        *_pair(
            "2d-20-clusters",
            "2-D, 20 clusters",
            "13.8 [1]",
            "about 40 (musyoku, no labels)",
            recipes.mnist_2d_reduction_clusters,
            recipes.mnist_2d_reduction_clusters_moved,
        ),
        *_pair(
            "10d-100-labels",
            "10-D, 100 labels",
            "3.90 [1]",
            NONE_FOUND,
            recipes.mnist_10d_reduction_100,
            recipes.mnist_10d_reduction_100_moved,
        ),
    ),
    draw,
    "Percent, but the distance of the two nearest heads, in code units, and the squared error, per pixel of values in "
    "0 to 1. 5 neighbours: accuracy of their vote on the class, from training codes.",
    (
        RECALLED,
        HELD_STILL.format(
            "class or cluster",
            "turned, shifted, zoomed, slanted and stretched a little (and clusters while it is changed in the "
            "direction that changes its cluster most)",
            "mnist-2d-reduction-100-moved and so on",
        ),
        "In the same phase classes and clusters are to be sure of each row and equally frequent (docs/classes.md). "
        f"Rows held still have discriminators of {_OURS.model.discriminator[0]} units and steps of {_OURS.batch_size} "
        "rows; those without labels are not spoilt otherwise.",
        "Clusters are labelled by the paper's rule: the validation row with the highest probability of a cluster "
        "labels all of it. With the quick budget, and in the row that is ours, their layers have 1,000 units, not "
        f"3,000. {SPLIT}. {NEIGHBOURS} {TEST_ONCE}",
    ),
)

"""Recipes: functions that return a `Config`. The first line of each docstring is what `aae recipes` prints."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from aae.config import Config
from aae.errors import ConfigError
from aae.recipes.paper import (
    mnist_2d_reduction_100,
    mnist_2d_reduction_1000,
    mnist_2d_reduction_clusters,
    mnist_8d_gaussian,
    mnist_10d_reduction_100,
    mnist_clusters_16,
    mnist_clusters_30,
    mnist_semi_supervised_100,
    mnist_style,
)
from aae.recipes.shapes import (
    auto,
    digits_2d_uniform,
    images_2d_uniform,
    mnist_2d_gaussian,
    mnist_2d_mixture,
    mnist_2d_mixture_labels,
    mnist_2d_swiss_roll,
    mnist_2d_swiss_roll_labels,
    mnist_2d_uniform,
    mnist_2d_uniform_post,
    mnist_8d_gaussian_conv,
    table_8d_gaussian,
)
from aae.recipes.still import (
    mnist_2d_reduction_100_moved,
    mnist_2d_reduction_1000_moved,
    mnist_2d_reduction_clusters_moved,
    mnist_10d_reduction_100_moved,
    mnist_clusters_16_moved,
    mnist_clusters_30_moved,
    mnist_semi_supervised_100_moved,
)
from aae.recipes.wasserstein import mnist_8d_wae_gan, mnist_8d_wae_mmd

__all__ = [
    "DEFAULT",
    "RECIPES",
    "auto",
    "describe",
    "digits_2d_uniform",
    "images_2d_uniform",
    "mnist_2d_gaussian",
    "mnist_2d_mixture",
    "mnist_2d_mixture_labels",
    "mnist_2d_reduction_100",
    "mnist_2d_reduction_100_moved",
    "mnist_2d_reduction_1000",
    "mnist_2d_reduction_1000_moved",
    "mnist_2d_reduction_clusters",
    "mnist_2d_reduction_clusters_moved",
    "mnist_2d_swiss_roll",
    "mnist_2d_swiss_roll_labels",
    "mnist_2d_uniform",
    "mnist_2d_uniform_post",
    "mnist_8d_gaussian",
    "mnist_8d_gaussian_conv",
    "mnist_8d_wae_gan",
    "mnist_8d_wae_mmd",
    "mnist_10d_reduction_100",
    "mnist_10d_reduction_100_moved",
    "mnist_clusters_16",
    "mnist_clusters_16_moved",
    "mnist_clusters_30",
    "mnist_clusters_30_moved",
    "mnist_semi_supervised_100",
    "mnist_semi_supervised_100_moved",
    "mnist_style",
    "recipe",
    "table_8d_gaussian",
]

DEFAULT = "digits-2d-uniform"
"""The recipe when none is named."""

RECIPES: dict[str, Callable[[], Config]] = {
    "auto": auto,
    "digits-2d-uniform": digits_2d_uniform,
    "mnist-2d-uniform": mnist_2d_uniform,
    "mnist-2d-uniform-post": mnist_2d_uniform_post,
    "mnist-2d-gaussian": mnist_2d_gaussian,
    "mnist-2d-mixture": mnist_2d_mixture,
    "mnist-2d-swiss-roll": mnist_2d_swiss_roll,
    "mnist-2d-mixture-labels": mnist_2d_mixture_labels,
    "mnist-2d-swiss-roll-labels": mnist_2d_swiss_roll_labels,
    "table-8d-gaussian": table_8d_gaussian,
    "images-2d-uniform": images_2d_uniform,
    "mnist-8d-gaussian": mnist_8d_gaussian,
    "mnist-8d-gaussian-conv": mnist_8d_gaussian_conv,
    "mnist-style": mnist_style,
    "mnist-clusters-16": mnist_clusters_16,
    "mnist-clusters-30": mnist_clusters_30,
    "mnist-clusters-16-moved": mnist_clusters_16_moved,
    "mnist-clusters-30-moved": mnist_clusters_30_moved,
    "mnist-semi-supervised-100": mnist_semi_supervised_100,
    "mnist-semi-supervised-100-moved": mnist_semi_supervised_100_moved,
    "mnist-8d-wae-mmd": mnist_8d_wae_mmd,
    "mnist-8d-wae-gan": mnist_8d_wae_gan,
    "mnist-2d-reduction-1000": mnist_2d_reduction_1000,
    "mnist-2d-reduction-100": mnist_2d_reduction_100,
    "mnist-10d-reduction-100": mnist_10d_reduction_100,
    "mnist-2d-reduction-clusters": mnist_2d_reduction_clusters,
    "mnist-2d-reduction-1000-moved": mnist_2d_reduction_1000_moved,
    "mnist-2d-reduction-100-moved": mnist_2d_reduction_100_moved,
    "mnist-10d-reduction-100-moved": mnist_10d_reduction_100_moved,
    "mnist-2d-reduction-clusters-moved": mnist_2d_reduction_clusters_moved,
}


def recipe(name: str) -> Config:
    """The recipe of this name, dashes or underscores; ConfigError with the nearest name for an unknown one."""
    key = name.replace("_", "-")
    if key not in RECIPES:
        near = difflib.get_close_matches(key, RECIPES, n=1, cutoff=0.4)
        hint = f'did you mean "{near[0]}"?' if near else "see `aae recipes`"
        raise ConfigError(f'unknown recipe "{name}"; {hint}')
    return RECIPES[key]()


def describe() -> dict[str, str]:
    """Every recipe's name with the line that describes it."""
    return {name: (make.__doc__ or "").splitlines()[0] for name, make in RECIPES.items()}

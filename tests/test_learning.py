"""Learning checks that take minutes: does the whole thing still learn what it promises? `make test-slow`."""

from __future__ import annotations

import os
from math import log
from pathlib import Path
from statistics import fmean

import pytest

import aae
from aae.config import replace

pytestmark = pytest.mark.slow


def test_the_digits_fill_their_prior(tmp_path: Path) -> None:
    """The demo's run: bounds are two standard deviations (over three seeds) below what the recipe reached."""
    found = aae.train(aae.recipes.digits_2d_uniform(), tmp_path / "digits").evaluate()
    assert found["inside"] > 0.92
    assert found["empty_cells"] < 0.12
    assert found["c2st"] < 0.62
    assert found["mse"] < 0.040
    assert found["knn_accuracy"] > 0.68


def _mnist() -> str:
    for folder in (os.environ.get("AAE_DATA_DIR"), str(Path(__file__).parents[2] / "shared" / "data")):
        if folder and (Path(folder) / "mnist").is_dir():
            return folder
    pytest.skip("MNIST is not here; set AAE_DATA_DIR to the folder that holds it")


def test_ten_epochs_of_mnist(tmp_path: Path) -> None:
    config = replace(aae.recipes.mnist_2d_uniform(), {"data.directory": _mnist(), "epochs": 10})
    found = aae.train(config, tmp_path / "mnist").evaluate(split="validation")
    assert found["inside"] > 0.95
    assert found["empty_cells"] < 0.02
    assert found["c2st"] < 0.62
    assert found["mse"] < 0.040
    assert found["knn_accuracy"] > 0.72


def test_the_posts_recipe_learns(tmp_path: Path) -> None:
    """Plain SGD on a mean over pixels is slow: 12 epochs end at the mean image's error, 0.067.

    By then codes lie in the prior and tell classes apart a little (chance: 0.1); whether they fill it differs from
    run to run, so nothing is asked of that.
    """
    config = replace(
        aae.recipes.mnist_2d_uniform_post(), {"data.directory": _mnist(), "epochs": 12, "precision": "auto"}
    )
    run = aae.train(config, tmp_path / "post")
    errors = [row["reconstruction_test"] for row in run.history]
    assert errors[:6] == sorted(errors[:6], reverse=True)
    assert fmean(errors[-4:]) < 0.075
    assert fmean(row["discriminator_test"] for row in run.history[-4:]) == pytest.approx(log(2), abs=0.15)
    found = run.evaluate(split="validation")
    assert found["inside"] > 0.85
    assert found["knn_accuracy"] > 0.15

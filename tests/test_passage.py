"""Codes in, rows out: grids and lines through a latent space say which code each row was decoded from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae import priors
from aae.data import Dataset
from aae.errors import ConfigError, DataError
from aae.report import outside_prior

CORNER = np.array([[9, 0, 0], [0, 0, 0], [5, 0, 1]])
"""Ink that no turn or reflection of the picture leaves where it is."""


@pytest.fixture(scope="module")
def line(digits: Dataset) -> aae.Run:
    """A run with codes of one dimension, in memory."""
    return aae.train(tiny(model__latent=1, epochs=1), data=digits)


def test_each_cell_of_the_manifold_is_decoded_from_the_code_of_its_row_and_column(trained: aae.Run) -> None:
    values, rows = trained.traverse(5)
    assert (np.diff(values) > 0).all(), "along both axes codes rise"
    for row in range(5):
        for column in range(5):
            code = np.array([[values[0][column], values[1][4 - row]]])  # the highest second coordinate is on top
            assert np.array_equal(rows[row, column], trained.decode(code)[0])
            assert np.allclose(trained.grid(5)[row, column], code)
    assert torch.from_numpy(trained.grid(5)).shape == (5, 5, 2)


@pytest.mark.parametrize("n", [0, -3, 2.5, "a"])
def test_a_grid_has_whole_numbers_of_codes(trained: aae.Run, n: Any) -> None:
    for ask in (trained.grid, trained.traverse):
        with pytest.raises(ConfigError, match="n must be a whole number of 1 or more"):
            ask(n)


def test_a_manifold_of_one_dimension_is_one_row(line: aae.Run) -> None:
    values, rows = line.traverse(4)
    assert (values.shape, rows.shape, line.grid(4).shape) == ((1, 4), (1, 4, 8, 8), (1, 4, 1))
    assert np.array_equal(rows[0], line.decode(values.T))


def test_the_report_fades_the_cells_whose_codes_lie_outside_of_the_prior(trained: aae.Run) -> None:
    run = trained.in_memory()
    run.prior = priors.Pixels(CORNER, 2.0)
    outside = outside_prior(run, 20)
    values, _ = run.traverse(len(outside))
    assert 0 < outside.mean() < 1
    for row, column in np.ndindex(outside.shape):
        code = torch.tensor([[values[0][column], values[1][len(outside) - 1 - row]]])
        assert outside[row, column] == (not run.prior.contains(code))


def test_a_line_between_two_codes_has_both_ends(trained: aae.Run) -> None:
    start, end = np.array([-1.0, 0.5]), np.array([1.0, 1.5])
    rows = trained.interpolate(start, end, steps=5)
    assert np.array_equal(rows, trained.decode(np.linspace(start, end, 5)))


def test_what_the_discriminator_says_of_a_code_does_not_hang_on_the_codes_beside_it(trained: aae.Run) -> None:
    codes = trained.sample_prior(700)
    said = trained.discriminate(codes)
    assert (said.shape, said.dtype) == ((700,), np.float32)
    assert np.array_equal(said[650:], trained.discriminate(codes[650:]))


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (np.zeros((3, 4)), r"codes must have shape \[n, 2\], got \[3, 4\]"),
        (np.array([[0.0, 0.0], [0.0, np.nan]]), "row 1, dimension 1"),
        (np.full((1, 2), 1e31), "row 0, dimension 0"),
    ],
)
def test_what_are_no_codes_is_refused_by_row_and_dimension(trained: aae.Run, codes: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        trained.decode(codes)


def test_a_decoder_that_takes_no_class_says_so(trained: aae.Run) -> None:
    with pytest.raises(ConfigError, match="takes no class"):
        trained.decode(np.zeros((1, 2)), y=3)

"""A prior's samples, density, support and quantiles tell one story, the one that SciPy tells."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from torch import Tensor

from aae import priors
from aae.config import Prior as PriorConfig
from aae.priors import Prior, quantile_grid

DRAWS = 100_000
LATENTS = (1, 2, 5)
SCALES = {"uniform": 2.0, "gaussian": 5.0}
CASES = [(kind, latent) for kind in SCALES for latent in LATENTS]
BOTH = pytest.mark.parametrize("kind", SCALES)
EVERY = pytest.mark.parametrize(("kind", "latent"), CASES)


def made(kind: str, latent: int = 2, scale: float | None = None) -> Prior:
    return priors.build(PriorConfig(kind, SCALES[kind] if scale is None else scale), latent)  # type: ignore[arg-type]


def draws(prior: Prior, n: int = DRAWS, seed: int = 0) -> Tensor:
    return prior.sample(n, torch.Generator().manual_seed(seed))


def axis(kind: str, scale: float | None = None) -> stats.rv_continuous:
    """SciPy's distribution of one coordinate."""
    scale = SCALES[kind] if scale is None else scale
    return stats.uniform(-scale, 2 * scale) if kind == "uniform" else stats.norm(0, scale)


# Samples


@EVERY
def test_the_moments_of_samples_are_those_of_the_distribution(kind: str, latent: int) -> None:
    """Within five standard errors of SciPy's: mean, deviation, fourth moment, and no correlation between axes."""
    prior, exact = made(kind, latent), axis(kind)
    z = draws(prior).double().numpy()
    assert z.shape == (DRAWS, latent)
    assert prior.std == pytest.approx(exact.std(), rel=1e-12)
    for power in (1, 2, 4):
        error = math.sqrt((exact.moment(2 * power) - exact.moment(power) ** 2) / DRAWS)
        assert np.abs((z**power).mean(0) - exact.moment(power)).max() < 5 * error
    if latent > 1:
        off = np.corrcoef(z.T)[~np.eye(latent, dtype=bool)]
        assert np.abs(off).max() < 5 / math.sqrt(DRAWS)


@EVERY
def test_every_axis_of_samples_passes_the_kolmogorov_smirnov_test(kind: str, latent: int) -> None:
    z = draws(made(kind, latent), 5000).numpy()
    for column in z.T:
        assert stats.kstest(column, axis(kind).cdf).pvalue > 1e-4


@BOTH
def test_samples_are_decided_by_the_generator(kind: str) -> None:
    prior = made(kind)
    before = torch.random.get_rng_state()
    assert torch.equal(draws(prior, 50, seed=3), draws(prior, 50, seed=3))
    assert not torch.equal(draws(prior, 50, seed=3), draws(prior, 50, seed=4))
    one = torch.Generator().manual_seed(3)
    assert not torch.equal(prior.sample(50, one), prior.sample(50, one)), "a generator moves on"
    assert torch.equal(torch.random.get_rng_state(), before), "torch's own generator is left alone"


# Density


@EVERY
def test_the_density_is_that_of_scipy(kind: str, latent: int) -> None:
    prior = made(kind, latent)
    z = 1.3 * draws(prior, 500).double()
    expected = axis(kind).logpdf(z.numpy()).sum(1)
    np.testing.assert_allclose(prior.log_prob(z).numpy(), expected, rtol=1e-12)
    if kind == "uniform":
        assert np.isinf(expected).any(), "some points must lie outside"
        assert np.isfinite(expected).any()


@pytest.mark.parametrize(("kind", "scale"), [("uniform", 2.0), ("uniform", 0.3), ("gaussian", 1.0), ("gaussian", 5.0)])
def test_the_density_integrates_to_one(kind: str, scale: float) -> None:
    prior = made(kind, 2, scale)
    reach = scale if kind == "uniform" else 9 * scale
    side = np.linspace(-reach, reach, 201)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    density = prior.log_prob(torch.from_numpy(grid)).exp().numpy().reshape(201, 201)
    assert integrate.trapezoid(integrate.trapezoid(density, side), side) == pytest.approx(1, abs=1e-6)


# Support


@EVERY
def test_contains_accepts_the_mass_that_it_says(kind: str, latent: int) -> None:
    prior = made(kind, latent)
    share = prior.contains(draws(prior)).double().mean().item()
    error = math.sqrt(prior.inside_mass * (1 - prior.inside_mass) / DRAWS)
    assert share == pytest.approx(prior.inside_mass, abs=5 * error)
    assert prior.inside_mass == (1 if kind == "uniform" else 0.99)


@pytest.mark.parametrize("scale", [0.1, 2.0, 3.7, 1e3])
def test_all_uniform_samples_lie_inside(scale: float) -> None:
    prior = made("uniform", 3, scale)
    z = draws(prior)
    assert prior.contains(z).all()
    assert z.abs().max().item() > 0.999 * scale, "and reach the edges"


@BOTH
def test_far_codes_lie_outside(kind: str) -> None:
    prior = made(kind)
    far = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, -100.0], [math.inf, 0.0], [math.nan, 0.0]])
    assert prior.contains(far).tolist() == [True, False, False, False, False]


def test_the_edge_of_the_box_belongs_to_it() -> None:
    edge = torch.tensor([[2.0, -2.0], [2.0, 0.0], [2.0001, 0.0]])
    assert made("uniform").contains(edge).tolist() == [True, True, False]


def signed_distance(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """How deep each point lies in the convex polygon `outline` (anticlockwise, closed); negative outside."""
    edges = np.diff(outline, axis=0)
    inward = np.stack([-edges[:, 1], edges[:, 0]], 1) / np.linalg.norm(edges, axis=1, keepdims=True)
    return ((points[:, None] - outline[None, :-1]) * inward).sum(2).min(1)


@BOTH
def test_the_outline_is_the_border_of_what_contains_accepts(kind: str) -> None:
    """Of 2-D codes, up to the difference between a circle and the polygon that draws it."""
    prior = made(kind)
    outline = prior.outline()
    assert outline.shape[1] == 2
    np.testing.assert_allclose(outline[0], outline[-1], atol=1e-12)
    z = 3 * (torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0)) - 0.5) * np.ptp(outline)
    inside, depth = prior.contains(z).numpy(), signed_distance(z.double().numpy(), outline)
    slack = 1e-3 * np.ptp(outline)
    assert inside[depth > slack].all()
    assert not inside[depth < -slack].any()
    assert inside.any()
    assert not inside.all()


def test_in_more_dimensions_the_gaussian_outline_holds_its_share_of_the_first_two() -> None:
    """The picture shows two axes; a circle of the ball's own radius would hold far more than it claims."""
    z = draws(made("gaussian", 8))[:, :2]
    radius = np.linalg.norm(made("gaussian", 8).outline(), axis=1)
    np.testing.assert_allclose(radius, 5 * math.sqrt(stats.chi2.ppf(0.99, 2)), rtol=1e-12)
    assert (z.norm(dim=1).numpy() <= radius[0]).mean() == pytest.approx(0.99, abs=5 * math.sqrt(0.0099 / DRAWS))


# Quantiles


@BOTH
@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=20), st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_quantiles_and_codes_are_each_others_inverse(
    kind: str, in_deviations: list[tuple[float, float]], scale: float
) -> None:
    """Also for codes beyond the box."""
    prior = made(kind, 2, scale)
    z = torch.tensor(in_deviations, dtype=torch.float64) * prior.std
    np.testing.assert_allclose(prior.icdf(prior.cdf(z)).numpy(), z.numpy(), rtol=1e-9, atol=1e-9 * scale)


@EVERY
def test_the_quantiles_are_those_of_scipy(kind: str, latent: int) -> None:
    prior = made(kind, latent)
    z = draws(prior, 200).double()
    np.testing.assert_allclose(prior.cdf(z).numpy(), axis(kind).cdf(z.numpy()), rtol=1e-12)
    u = torch.rand(200, latent, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    np.testing.assert_allclose(prior.icdf(u).numpy(), axis(kind).ppf(u.numpy()), rtol=1e-9, atol=1e-12)


def test_a_code_outside_the_box_stays_visible_in_its_quantile() -> None:
    assert made("uniform").cdf(torch.tensor([[4.0, -4.0], [2.0, -2.0]])).tolist() == [[1.5, -0.5], [1.0, 0.0]]


@pytest.mark.parametrize(("n", "axes"), [(1, 1), (4, 1), (1, 2), (3, 2), (20, 2), (2, 3)])
def test_the_quantile_grid_holds_the_centres_of_cells_of_equal_probability(n: int, axes: int) -> None:
    grid = quantile_grid(n, axes)
    assert grid.shape == (*[n] * axes, axes)
    for place in np.ndindex(*[n] * axes):
        np.testing.assert_allclose(grid[place], [(i + 0.5) / n for i in place], rtol=1e-12)


@BOTH
def test_a_prior_fills_the_cells_of_the_quantile_grid_evenly(kind: str) -> None:
    """Chi-squared over 5 x 5 cells: what the share of empty cells rests on."""
    cells = np.floor(made(kind).cdf(draws(made(kind), 20_000).double()).numpy() * 5).astype(int)
    counts = np.bincount(cells[:, 0] * 5 + cells[:, 1], minlength=25)
    assert stats.chisquare(counts).pvalue > 1e-4


@BOTH
def test_codes_on_the_quantile_grid_are_finite_and_inside(kind: str) -> None:
    prior = made(kind)
    codes = prior.icdf(torch.from_numpy(quantile_grid(20, 2).reshape(-1, 2)))
    assert torch.isfinite(codes).all()
    middle = prior.icdf(torch.full((1, 2), 0.5, dtype=torch.float64))
    assert middle.abs().max().item() == pytest.approx(0, abs=1e-12)
    assert prior.contains(codes).double().mean().item() > 0.98


# Building


@EVERY
def test_a_prior_is_built_from_its_settings_and_says_what_it_is(kind: str, latent: int) -> None:
    prior = made(kind, latent)
    assert prior.latent == latent
    said = prior.describe()
    assert f"{SCALES[kind]:g}" in said
    assert str(latent) in said
    assert kind in said.lower()


@BOTH
def test_the_type_of_codes_is_kept(kind: str) -> None:
    prior = made(kind)
    for dtype in (torch.float32, torch.float64):
        z = torch.zeros(3, 2, dtype=dtype)
        assert prior.log_prob(z).dtype == prior.cdf(z).dtype == prior.icdf(z + 0.5).dtype == dtype
        assert prior.contains(z).dtype == torch.bool
        assert prior.log_prob(z).shape == prior.contains(z).shape == (3,)

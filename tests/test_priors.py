"""A prior's samples, density, support, moments and maps tell one story, the one that SciPy tells where it knows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from capture_kit import HostWatch, standing
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from aae import priors
from aae.config import Prior as Settings
from aae.errors import ConfigError, DataError
from aae.priors import Prior, prior, quantile_grid
from aae.priors.files import pack

DRAWS = 40_000
TURN = np.array([[0.8, -0.6], [0.6, 0.8]])
COVARIANCE = TURN @ np.diag([4.0, 0.25]) @ TURN.T
CLOUD = np.array([[0.0, 0.0], [1.0, 2.0], [-2.0, 1.0], [3.0, -1.0]])
STAR = np.array([[0, 9, 0, 1], [3, 3, 0, 0], [0, 5, 0, 2]])


def draw_crescent(n: int, generator: torch.Generator) -> Tensor:
    angle = math.pi * torch.rand(n, generator=generator)
    return torch.stack([angle.cos(), angle.sin() + 0.1 * torch.rand(n, generator=generator)], 1)


MAKE: dict[str, Callable[[], Prior]] = {
    "uniform": lambda: prior("uniform"),
    "uniform-1": lambda: prior("uniform", 1, scale=0.5),
    "uniform-5": lambda: prior("uniform", 5),
    "gaussian": lambda: prior("gaussian"),
    "gaussian-8": lambda: prior("gaussian", 8, scale=5.0),
    "gaussian-full": lambda: prior("gaussian", covariance=tuple(COVARIANCE.ravel())),
    "ball": lambda: prior("ball"),
    "ball-4": lambda: prior("ball", 4),
    "sphere": lambda: prior("sphere"),
    "sphere-3": lambda: prior("sphere", 3),
    "ring": lambda: prior("ring"),
    "ring-labels": lambda: prior("ring", components=5, labels=True),
    "shell-3": lambda: prior("ring", 3, width=1.0),
    "mixture": lambda: prior("mixture"),
    "mixture-any": lambda: priors.Mixture(
        [[0, 0], [3, 1], [-1, 2]], [COVARIANCE, np.eye(2), COVARIANCE / 9], [1, 2, 5]
    ),
    "mixture-1": lambda: priors.Mixture([[-2.0], [1.0]], [[[0.25]], [[1.0]]]),
    "grid": lambda: prior("grid", components=3, width=0.2),
    "checkerboard": lambda: prior("checkerboard"),
    "swiss-roll": lambda: prior("swiss-roll", width=0.15),
    "spiral": lambda: prior("spiral", width=0.15, components=3),
    "laplace": lambda: prior("laplace"),
    "laplace-3": lambda: prior("laplace", 3, scale=0.5),
    "student-t": lambda: prior("student-t", degrees=10.0),
    "student-t-3": lambda: prior("student-t", 3, degrees=9.5),
    "one-hot": lambda: prior("one-hot", 10),
    "torus": lambda: prior("torus", 4, concentration=2.0),
    "torus-even": lambda: prior("torus", concentration=0.0),
    "pixels": lambda: priors.Pixels(STAR, 2.0),
    "points": lambda: priors.from_points(CLOUD),
    "points-blurred": lambda: priors.from_points(CLOUD, 0.3, [0, 0, 1, -1]),
    "callable": lambda: priors.from_callable(draw_crescent),
    "distribution": lambda: priors.from_distribution(
        torch.distributions.Gumbel(torch.zeros(2), torch.tensor([1.0, 2.0]))
    ),
    "distribution-event": lambda: priors.from_distribution(
        torch.distributions.Dirichlet(torch.tensor([2.0, 3.0, 4.0]))
    ),
    "product": lambda: prior("product", blocks=("turn=torus:2", "style=gaussian:3,scale=0.5", "digit=one-hot:10")),
    "product-box": lambda: priors.Product({"a": priors.Uniform(1, 1.0), "b": priors.Laplace(1, 0.5)}),
}
MADE: dict[str, Prior] = {}
EVERY = pytest.mark.parametrize("name", MAKE)
PLANE = ["uniform", "gaussian", "gaussian-full", "ball", "ring", "mixture", "mixture-any", "grid", "checkerboard"]
PLANE += ["swiss-roll", "spiral", "laplace", "student-t", "pixels", "points-blurred", "distribution", "product-box"]
SEPARABLE = ["uniform", "uniform-5", "gaussian", "gaussian-8", "laplace", "laplace-3", "product-box"]
NO_DENSITY = ["sphere", "sphere-3", "torus", "torus-even", "points", "callable", "product"]
CLASSES = {
    "ring-labels": 5,
    "mixture": 10,
    "mixture-any": 3,
    "grid": 9,
    "swiss-roll": 10,
    "spiral": 3,
    "one-hot": 10,
    "points-blurred": 2,
    "product": 10,
}
THIN = ["sphere", "sphere-3", "torus", "torus-even", "points", "callable", "distribution-event"]
"""So thin that no cell of an even grid need have its centre on it."""
NO_UNIT = ["one-hot", "points", "points-blurred", "callable", "distribution", "distribution-event"]


def of(name: str) -> Prior:
    """Each prior once: some tabulate what they need when they are first asked."""
    return MADE.setdefault(name, MAKE[name]())


def draws(one: Prior, n: int = DRAWS, seed: int = 0, y: Tensor | None = None) -> Tensor:
    return one.sample(n, y, torch.Generator().manual_seed(seed))


# Samples


@EVERY
def test_samples_are_codes_that_the_generator_decides(name: str) -> None:
    one = of(name)
    before = torch.random.get_rng_state()
    first, again, other = draws(one, 50, 3), draws(one, 50, 3), draws(one, 50, 4)
    assert (first.shape, first.dtype) == ((50, one.latent), torch.float32)
    assert torch.isfinite(first).all()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    moving = torch.Generator().manual_seed(3)
    assert not torch.equal(one.sample(50, generator=moving), one.sample(50, generator=moving)), "a generator moves on"
    assert torch.equal(torch.random.get_rng_state(), before), "torch's own generator is left alone"
    assert one.sample(0, generator=moving).shape == (0, one.latent)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("name", [name for name in MAKE if not name.startswith(("callable", "distribution"))])
def test_a_second_draw_takes_nothing_from_the_host(name: str, labelled: bool) -> None:
    """A CUDA graph refuses copies from the host: what a prior holds was brought to the device by an earlier draw."""
    one, y = MAKE[name](), torch.zeros(20, dtype=torch.int64) if labelled else None
    if labelled and not one.classes:
        return
    generator = torch.Generator().manual_seed(0)
    one.sample(20, y, generator)
    with HostWatch([*standing(one), *([] if y is None else [y])]) as watch:
        one.sample(20, y, generator)
    assert watch.found == []


def test_a_copy_made_without_gradients_serves_one_with_them() -> None:
    one = prior("gaussian", covariance=tuple(COVARIANCE.ravel()))
    with torch.inference_mode():
        one.log_prob(torch.zeros(3, 2))
    z = torch.zeros(3, 2, requires_grad=True)
    one.log_prob(z).sum().backward()
    assert z.grad is not None


def test_a_copy_that_stands_for_a_tensor_is_not_kept() -> None:
    one = prior("mixture")
    with FakeTensorMode(allow_non_fake_inputs=True):
        one.log_prob(torch.zeros(3, 2))
    assert type(one.log_prob(torch.zeros(3, 2))) is Tensor


def test_without_a_generator_torchs_own_decides() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        first = of("ring").sample(10)
        torch.manual_seed(5)
        assert torch.equal(of("ring").sample(10), first)


@EVERY
def test_the_moments_of_samples_are_those_that_it_gives(name: str) -> None:
    """Mean and deviation of each axis within five standard errors, which the samples' own fourth moment gives."""
    one = of(name)
    z = draws(one).double()
    centred = z - one.mean
    assert one.mean.shape == one.std.shape == (one.latent,)
    # The moments of what a function draws are estimates themselves, from a quarter of the draws.
    slack = 5 * (math.sqrt(5) if name == "callable" else 1) / math.sqrt(DRAWS)
    assert (centred.mean(0).abs() <= slack * one.std + 1e-6).all()
    error = (centred.square() - one.std.square()).square().mean(0).sqrt()
    assert ((centred.square().mean(0) - one.std.square()).abs() <= slack * error + 1e-6).all()
    assert one.spread == pytest.approx(float(one.std.square().mean()) ** 0.5)


@EVERY
def test_samples_lie_inside_as_often_as_it_says(name: str) -> None:
    one = of(name)
    share = one.contains(draws(one, seed=1)).double().mean().item()
    # Levels that are themselves estimated, from 50,000 draws, are off by as much again.
    error = math.sqrt(one.inside_mass * (1 - one.inside_mass) * (1 / DRAWS + 1 / 10_000))
    assert share == pytest.approx(one.inside_mass, abs=5 * error + 1e-9)
    assert one.inside_mass == 1 or 0.97 < one.inside_mass < 1
    low, high = one.bounds()
    inside = draws(one, 2000)[one.contains(draws(one, 2000))].double()
    assert ((inside >= low - 1e-6) & (inside <= high + 1e-6)).double().mean() > 0.99
    assert (one.support[0] <= low).all()
    assert (one.support[1] >= high).all()
    known = ("product", "points-blurred", "distribution-event")  # with ends on some axes, or on all in spite of tails
    assert bool(torch.isfinite(one.support).all()) == (one.inside_mass == 1) or name in known


@EVERY
def test_what_is_far_or_no_number_lies_outside(name: str) -> None:
    one = of(name)
    far = one.mean.repeat(4, 1)
    far[0, 0], far[1, -1], far[2, 0], far[3, 0] = 1e3, -1e3, math.inf, math.nan
    assert one.contains(far).tolist() == [False] * 4


# Classes


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_a_part_of_its_own(name: str) -> None:
    """Samples of a class are told to be of that class; -1 draws from the whole; the parts make up the whole."""
    one = of(name)
    assert one.classes == CLASSES[name]
    y = torch.arange(3000) % (one.classes + 1) - 1
    z = draws(one, 3000, y=y)
    assert torch.equal(z, draws(one, 3000, y=y))
    labelled = y >= 0
    agree = (one.class_of(z)[labelled] == y[labelled]).double().mean().item()
    assert agree > (0.75 if name == "mixture-any" else 0.9)
    assert len(set(one.class_of(z[~labelled]).tolist())) > 1


def test_unlabelled_rows_are_samples_of_the_whole_prior() -> None:
    for name in ("mixture", "swiss-roll", "ring-labels"):
        one = of(name)
        nothing = torch.full((500,), -1)
        assert torch.equal(draws(one, 500, y=nothing), draws(one, 500))


def test_classes_weighted_by_their_share_are_the_mixture() -> None:
    one = of("mixture-any")
    for c, (mean, root) in enumerate(zip(one.means, one.roots, strict=True)):  # type: ignore[attr-defined]
        z = draws(one, 5000, y=torch.full((5000,), c)).double()
        error = (root @ root.T).diag().sqrt() / math.sqrt(5000)
        assert ((z.mean(0) - mean).abs() < 5 * error).all()


@EVERY
def test_a_class_that_is_not_there_is_refused(name: str) -> None:
    one = of(name)
    if one.classes is None:
        with pytest.raises(ConfigError, match="classes"):
            draws(one, 2, y=torch.tensor([0, 1]))
        with pytest.raises(ConfigError, match="has no classes"):
            one.class_of(draws(one, 2))
        return
    with pytest.raises(ConfigError, match=f"y must lie in -1 to {one.classes - 1}"):
        draws(one, 2, y=torch.tensor([0, one.classes]))
    with pytest.raises(ConfigError, match="classes of the 3 draws"):
        draws(one, 3, y=torch.tensor([0, 1]))


# Density


def independent(one: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda z: one(z).sum(1)


SCIPY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "uniform": independent(stats.uniform(-2, 4).logpdf),
    "uniform-5": independent(stats.uniform(-2, 4).logpdf),
    "gaussian-8": independent(stats.norm(0, 5).logpdf),
    "gaussian-full": stats.multivariate_normal(np.zeros(2), COVARIANCE).logpdf,
    "laplace-3": independent(stats.laplace(0, 0.5).logpdf),
    "student-t": stats.multivariate_t(np.zeros(2), 4 * np.eye(2), 10).logpdf,
    "student-t-3": stats.multivariate_t(np.zeros(3), 4 * np.eye(3), 9.5).logpdf,
    "mixture-1": lambda z: np.log(0.5 * stats.norm(-2, 0.5).pdf(z) + 0.5 * stats.norm(1, 1).pdf(z))[:, 0],
    "distribution": lambda z: stats.gumbel_r(0, [1, 2]).logpdf(z).sum(1),
    "distribution-event": lambda z: np.array([stats.dirichlet([2, 3, 4]).logpdf(row / row.sum()) for row in z]),
    "product-box": lambda z: stats.uniform(-1, 2).logpdf(z[:, 0]) + stats.laplace(0, 0.5).logpdf(z[:, 1]),
    "points-blurred": lambda z: np.log(
        np.mean([stats.multivariate_normal(point, 0.09 * np.eye(2)).pdf(z) for point in CLOUD], 0)
    ),
}


@pytest.mark.parametrize("name", SCIPY)
def test_the_density_is_that_of_scipy(name: str) -> None:
    one = of(name)
    z = draws(one, 300).double() * (1 if name == "distribution-event" else 1.3)
    if name == "distribution-event":
        z = z / z.sum(1, keepdim=True)  # on the simplex in float64 too
    expected = SCIPY[name](z.numpy())
    np.testing.assert_allclose(one.log_prob(z).numpy(), expected, rtol=1e-5, atol=1e-6)
    if name == "uniform":
        assert np.isinf(expected).any(), "some points must lie outside"
        assert np.isfinite(expected).any()


@pytest.mark.parametrize("name", PLANE)
def test_the_density_integrates_to_one_and_gives_the_samples_mean(name: str) -> None:
    """By the midpoint rule over a box beyond the support; what has jumps or long tails is met less exactly."""
    one = of(name)
    low, high = one.bounds()
    more = (4.0 if name in ("student-t", "distribution", "laplace", "product-box") else 0.25) * (high - low)
    low, high, n = low - more, high + more, 500
    places = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    grid = low + torch.stack(torch.meshgrid(places, places, indexing="ij"), -1).reshape(-1, 2) * (high - low)
    mass = one.log_prob(grid).exp() * ((high - low) / n).prod()
    smooth = name.startswith(("mixture", "grid", "gaussian", "swiss", "spiral", "points"))
    assert mass.sum().item() == pytest.approx(1, abs=1e-3 if smooth else 1e-2)
    assert torch.allclose(mass @ grid, one.mean, atol=0.01 * float(one.spread))


@pytest.mark.parametrize("name", NO_DENSITY)
def test_what_has_no_density_says_so(name: str) -> None:
    one = of(name)
    assert not one.has_density
    with pytest.raises(ConfigError, match="has no density"):
        one.log_prob(draws(one, 3))


@pytest.mark.parametrize("name", [name for name in MAKE if name not in NO_DENSITY])
def test_the_density_is_minus_infinity_off_the_support_and_keeps_the_type(name: str) -> None:
    one = of(name)
    assert one.has_density
    z = draws(one, 200)
    for dtype in (torch.float32, torch.float64):
        found = one.log_prob(z.to(dtype))
        assert (found.shape, found.dtype) == ((200,), dtype)
    if name != "distribution-event":
        assert torch.isfinite(one.log_prob(z)).all(), "where samples lie there is density"
    if one.inside_mass == 1 and name != "points-blurred":
        assert torch.isneginf(one.log_prob(one.mean.repeat(1, 1) + 1e3)).all()


def test_a_one_hot_code_has_a_probability() -> None:
    z = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.95, 0.05]])
    found = prior("one-hot", 3).log_prob(z)
    assert found.exp().tolist() == pytest.approx([1 / 3, 0, 0, 0])
    assert prior("one-hot", 3).contains(z).tolist() == [True, False, False, True]


# The unit cube, quantiles, grids


@EVERY
def test_samples_fill_the_unit_cube_evenly(name: str) -> None:
    """Each coordinate by the Kolmogorov-Smirnov test, and each pair of the first three over 5 x 5 cells."""
    one = of(name)
    unit = one.unit(draws(one, 4000, seed=2).double())
    assert (unit is None) == (name in NO_UNIT)
    if unit is None:
        return
    u = unit.numpy()
    assert len(u) == 4000
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    for i in range(min(u.shape[1], 3)):
        for j in range(i):
            cells = np.histogram2d(u[:, i], u[:, j], bins=5, range=[[0, 1], [0, 1]])[0]
            assert stats.chisquare(cells.ravel()).pvalue > 1e-4


@pytest.mark.parametrize("name", SEPARABLE)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_quantiles_and_codes_are_each_others_inverse(name: str, data: st.DataObject) -> None:
    one = of(name)
    u = data.draw(st.lists(st.floats(1e-6, 1 - 1e-6), min_size=one.latent, max_size=one.latent))
    unit = torch.tensor([u], dtype=torch.float64)
    np.testing.assert_allclose(one.cdf(one.icdf(unit)).numpy(), unit.numpy(), rtol=1e-9)
    assert torch.equal(one.unit(one.icdf(unit)), one.cdf(one.icdf(unit)))  # type: ignore[arg-type]


def test_quantiles_are_those_of_scipy() -> None:
    u = torch.rand(200, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = {"uniform": stats.uniform(-2, 4), "gaussian": stats.norm(0, 2), "laplace": stats.laplace(0, 2)}
    for name, one in exact.items():
        np.testing.assert_allclose(of(name).icdf(u).numpy(), one.ppf(u.numpy()), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(of(name).cdf(2 * u).numpy(), one.cdf(2 * u.numpy()), rtol=1e-9)


def test_a_code_outside_the_box_stays_visible_in_its_quantile() -> None:
    assert of("uniform").cdf(torch.tensor([[4.0, -4.0], [2.0, -2.0]])).tolist() == [[1.5, -0.5], [1.0, 0.0]]


@pytest.mark.parametrize("name", [name for name in MAKE if name not in SEPARABLE and not name.startswith("uniform")])
def test_axes_that_depend_on_one_another_have_no_quantiles(name: str) -> None:
    one = of(name)
    assert not one.separable
    for method in (one.cdf, one.icdf):
        with pytest.raises(ConfigError, match=r"independent"):
            method(torch.full((1, one.latent), 0.5))


@pytest.mark.parametrize(("n", "axes"), [(1, 1), (4, 1), (3, 2), (2, 3)])
def test_the_quantile_grid_holds_the_centres_of_cells_of_equal_probability(n: int, axes: int) -> None:
    grid = quantile_grid(n, axes)
    assert grid.shape == (*[n] * axes, axes)
    for place in np.ndindex(*[n] * axes):
        np.testing.assert_allclose(grid[place], [(i + 0.5) / n for i in place], rtol=1e-12)


@EVERY
def test_the_grid_covers_the_first_two_dimensions(name: str) -> None:
    one = of(name)
    grid = one.grid(6)
    assert grid.shape == (*[6] * min(one.latent, 2), one.latent)
    assert torch.isfinite(grid).all()
    flat = grid.reshape(-1, one.latent)
    assert one.contains(flat).any() or name in THIN
    if one.latent > 1 and name != "one-hot":
        assert (grid[1:, :, 0] > grid[:-1, :, 0]).all(), "the first coordinate grows along the first axis"
        assert (grid[:, 1:, 1] > grid[:, :-1, 1]).all()
        assert torch.equal(grid[0, :, 1], grid[-1, :, 1]), "rows and columns are straight"
        low, high = one.bounds()[:, :2]
        assert ((flat[:, :2] > low - 1e-9) & (flat[:, :2] < high + 1e-9)).all()


# Outlines


@EVERY
def test_outlines_are_closed_curves_or_intervals(name: str) -> None:
    found = of(name).outline()
    assert found
    for curve in found:
        assert np.isfinite(curve).all()
        if of(name).latent == 1:
            assert curve.shape == (2,)
            assert curve[0] < curve[1]
        else:
            assert curve.shape[1] == 2
            np.testing.assert_allclose(curve[0], curve[-1], atol=1e-9)


@pytest.mark.parametrize("name", [name for name in PLANE if name != "product-box"] + ["callable"])
def test_the_outline_is_the_border_of_what_contains_accepts(name: str) -> None:
    """Random codes, but for a few on the border, lie inside an odd number of curves just if they are contained."""
    from matplotlib.path import Path

    one = of(name)
    low, high = one.bounds()
    z = low + (1.2 * torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)).double() - 0.1) * (high - low)
    within = sum(Path(curve).contains_points(z.numpy()).astype(int) for curve in one.outline()) % 2 == 1
    wrong = (within != one.contains(z).numpy()).mean()
    assert wrong < 0.02
    assert within.any()
    assert not within.all()


def test_the_intervals_of_a_one_dimensional_mixture_are_where_it_is_dense() -> None:
    one = priors.Mixture([[-4.0], [3.0]], [[[0.01]], [[0.04]]])
    (left, right), (other, end) = one.outline()
    assert left == pytest.approx(-4.25, abs=0.03)
    assert right == pytest.approx(-3.75, abs=0.03)
    assert other == pytest.approx(2.5, abs=0.1)
    assert end == pytest.approx(3.5, abs=0.1)


def test_in_more_dimensions_the_gaussian_outline_holds_its_share_of_the_first_two() -> None:
    z = draws(of("gaussian-8"))[:, :2]
    radius = np.linalg.norm(of("gaussian-8").outline()[0], axis=1)
    np.testing.assert_allclose(radius, 5 * math.sqrt(stats.chi2.ppf(0.99, 2)), rtol=1e-12)
    assert (z.norm(dim=1).numpy() <= radius[0]).mean() == pytest.approx(0.99, abs=5 * math.sqrt(0.0099 / DRAWS))


# One kind at a time


@given(scale=st.floats(0.1, 100), share=st.floats(0.05, 0.95), latent=st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_a_ring_is_empty_inside(scale: float, share: float, latent: int) -> None:
    ring = prior("ring", latent, scale=scale, width=share * scale)
    radius = draws(ring, 500).norm(dim=1)
    assert radius.max() <= scale * (1 + 1e-5)
    assert radius.min() >= scale * (1 - share) * (1 - 1e-5) - 1e-5


@given(components=st.integers(1, 12), scale=st.floats(0.1, 50))
@settings(max_examples=20, deadline=None)
def test_petals_point_outwards_at_even_angles(components: int, scale: float) -> None:
    one = priors.petals(components, scale, scale / 24)
    angles = torch.atan2(one.means[:, 1], one.means[:, 0]).remainder(2 * math.pi)
    expected = 2 * math.pi * torch.arange(components) / components
    assert torch.allclose(angles, expected.double(), atol=1e-6) or components == 1
    for mean, root in zip(one.means, one.roots, strict=True):
        values, vectors = torch.linalg.eigh(root @ root.T)
        assert values.sqrt().tolist() == pytest.approx([scale / 24, scale / 6])
        assert abs(vectors[:, 1] @ mean).item() == pytest.approx(mean.norm().item())


def test_the_swiss_roll_is_even_along_its_length_and_segments_follow_one_another() -> None:
    roll = prior("swiss-roll", width=0.01)
    centres = torch.stack([draws(roll, 2000, y=torch.full((2000,), c)).double().mean(0) for c in range(10)])
    assert (centres[9].norm() > centres[1].norm()).item()
    radius = draws(roll, y=None).norm(dim=1)
    # On a spiral of radius proportional to the angle the length grows with the square of the radius, nearly.
    inner = 2 * 0.08
    expected = (1.0**2 - inner**2) / (2.0**2 - inner**2)
    assert (radius < 1).double().mean().item() == pytest.approx(expected, abs=0.02)


@given(
    ink=st.lists(st.lists(st.integers(0, 255), min_size=3, max_size=3), min_size=2, max_size=5),
    scale=st.floats(0.1, 50),
)
@settings(max_examples=40, deadline=None)
def test_a_picture_agrees_with_its_pixels(ink: list[list[int]], scale: float) -> None:
    """The share of samples on each pixel is its share of the ink, and its density that share over its area."""
    array = np.array(ink, dtype=float)
    if array.sum() == 0:
        with pytest.raises(DataError, match="blank"):
            priors.Pixels(array, scale)
        return
    one, (height, width) = priors.Pixels(array, scale), array.shape
    z = draws(one, 2000).double()
    side = 2 * scale / max(array.shape)
    column = ((z[:, 0] + side * width / 2) / side).floor().long().numpy()
    row = height - 1 - ((z[:, 1] + side * height / 2) / side).floor().long().numpy()  # row 0 is the top
    counts = np.zeros(array.shape)
    np.add.at(counts, (row, column), 1)
    share = array / array.sum()
    assert not counts[array == 0].any()
    assert np.abs(counts / 2000 - share).max() < 5 * math.sqrt(0.25 / 2000)
    np.testing.assert_allclose(one.log_prob(z).exp().numpy(), share[row, column] / side**2, rtol=1e-9)
    assert one.picture().sum() * side**2 == pytest.approx(1)


def test_a_checkerboard_is_dark_at_the_bottom_left() -> None:
    board = prior("checkerboard", components=2, scale=1.0)
    corners = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    assert board.contains(corners).tolist() == [True, False, False, True]
    assert board.log_prob(corners).exp().tolist() == [0.5, 0, 0, 0.5]


@given(seed=st.integers(0, 2**40), width=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_samples_of_points_are_those_points(seed: int, width: float) -> None:
    one = priors.from_points(CLOUD, width)
    z = draws(one, 200, seed).double()
    nearest = torch.cdist(z, torch.from_numpy(CLOUD)).min(1)[0]
    assert (nearest <= 6 * width + 1e-6).all()


def test_points_with_labels_are_drawn_by_class() -> None:
    one = priors.from_points(CLOUD, 0.0, [2, 0, 1, 0])
    for c, allowed in enumerate(([1, 3], [2], [0])):
        z = draws(one, 100, y=torch.full((100,), c)).numpy()
        assert {tuple(row) for row in z} == {tuple(CLOUD[i]) for i in allowed}


def test_a_product_is_its_blocks_side_by_side() -> None:
    one = of("product")
    assert one.blocks == {"turn": slice(0, 2), "style": slice(2, 5), "digit": slice(5, 15)}
    z = draws(one, 1000, y=torch.full((1000,), 7))
    assert (z[:, 5:].argmax(1) == 7).all()
    assert torch.allclose(z[:, :2].norm(dim=1), torch.tensor(2.0))
    apart = priors.Product({"a": of("gaussian-full"), "b": of("laplace-3")})
    z = draws(apart, 100)
    expected = of("gaussian-full").log_prob(z[:, :2]) + of("laplace-3").log_prob(z[:, 2:])
    assert torch.allclose(apart.log_prob(z), expected)
    assert apart.inside_mass == pytest.approx(0.99**2)


def test_von_mises_moments_are_those_of_bessel_functions() -> None:
    from scipy.special import ive

    for k in (0.0, 0.5, 2.0, 30.0):
        one = prior("torus", concentration=k, scale=1.0)
        assert one.mean[0].item() == pytest.approx(ive(1, k) / ive(0, k), abs=1e-9)
        z = draws(one).double()
        angle = torch.atan2(z[:, 1], z[:, 0]).numpy()
        if k:
            assert stats.kstest(angle, stats.vonmises(k).cdf).pvalue > 1e-4


def test_a_distribution_is_asked_for_what_it_knows() -> None:
    normal = torch.distributions.MultivariateNormal(torch.tensor([1.0, -1.0]), torch.from_numpy(COVARIANCE).float())
    one = priors.from_distribution(normal)
    assert one.mean.tolist() == [1, -1]
    assert one.std.numpy() == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=1e-6)
    cauchy = priors.from_distribution(torch.distributions.Cauchy(torch.zeros(2), torch.ones(2)))
    assert torch.isfinite(cauchy.std).all(), "estimated where it does not exist"
    single = priors.from_distribution(torch.distributions.Exponential(torch.tensor(2.0)))
    assert single.latent == 1
    assert single.log_prob(torch.tensor([[0.5], [-1.0]])).exp().tolist() == pytest.approx([2 * math.exp(-1), 0])
    with pytest.raises(ConfigError, match=r"batch and event shape \[2, 3\]"):
        priors.from_distribution(torch.distributions.Normal(torch.zeros(2, 3), 1.0))


def test_a_distribution_has_the_ends_of_its_own_support() -> None:
    two = torch.ones(2)
    ends = {
        torch.distributions.Beta(2 * two, 2 * two): (0, 1),
        torch.distributions.Bernoulli(0.3 * two): (0, 1),
        torch.distributions.Dirichlet(two): (0, 1),
        torch.distributions.Uniform(-two, 3 * two): (-1, 3),
        torch.distributions.Independent(torch.distributions.Exponential(two), 1): (0, math.inf),
        torch.distributions.Normal(0 * two, two): (-math.inf, math.inf),
    }
    for distribution, (low, high) in ends.items():
        support = priors.from_distribution(distribution).support
        assert support.tolist() == [[low] * 2, [high] * 2]
        assert support.dtype == torch.float64


def test_a_distribution_may_have_parameters_that_are_learnt_and_a_type_of_its_own() -> None:
    mean = torch.zeros(2, requires_grad=True)
    learnt = priors.from_distribution(torch.distributions.Normal(mean, 1.0))
    z = draws(learnt, 100).double()
    assert not learnt.log_prob(z).requires_grad
    np.testing.assert_allclose(learnt.log_prob(z).numpy(), stats.norm.logpdf(z.numpy()).sum(1), rtol=1e-6)
    assert learnt.outline()
    moved = z.clone().requires_grad_()
    learnt.log_prob(moved).sum().backward()  # what a VAE learns from
    assert moved.grad is not None
    assert torch.allclose(moved.grad, -z)
    assert mean.grad is None, "a prior is fixed"
    fixed = priors.from_distribution(torch.distributions.Normal(torch.zeros(2), 1.0))
    curvature = torch.autograd.functional.hessian(lambda one: fixed.log_prob(one[None]).sum(), z[0])
    assert torch.allclose(curvature, -torch.eye(2).double())
    factor, diagonal = torch.tensor([[1.0], [0.5]]), torch.tensor([0.5, 2.0])
    low_rank = priors.from_distribution(torch.distributions.LowRankMultivariateNormal(0 * diagonal, factor, diagonal))
    covariance = (factor @ factor.T + diagonal.diag()).numpy()
    expected = stats.multivariate_normal(np.zeros(2), covariance).logpdf(z.numpy())
    np.testing.assert_allclose(low_rank.log_prob(z).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert low_rank.log_prob(z).dtype == torch.float64


class Fails(torch.distributions.Normal):
    said = ""
    asked = 0

    def log_prob(self, value: Tensor) -> Tensor:
        self.asked += 1
        raise RuntimeError(self.said)


@pytest.mark.parametrize(("said", "asked"), [("out of memory", 1), ("expected scalar type Double but found Float", 2)])
def test_a_distribution_that_fails_is_asked_again_only_for_another_type(said: str, asked: int) -> None:
    fails = Fails(torch.zeros(2), torch.ones(2))
    fails.said = said
    with pytest.raises(RuntimeError, match=said):
        priors.from_distribution(fails).log_prob(torch.zeros(1, 2).double())
    assert fails.asked == asked


# What they are given


@EVERY
def test_codes_of_another_shape_are_refused_wherever_they_are_taken(name: str) -> None:
    one = of(name)
    for z in (torch.zeros(3, one.latent + 1), torch.zeros(one.latent), torch.zeros(1, 3, one.latent)):
        for take in (one.contains, one.field, one.log_prob):
            with pytest.raises((DataError, ConfigError)) as caught:
                take(z)
            assert f"must be [n, {one.latent}], got shape {list(z.shape)}" in str(caught.value) or (
                name in NO_DENSITY and take == one.log_prob
            )


@EVERY
def test_codes_may_be_arrays_and_whole_numbers(name: str) -> None:
    one = of(name)
    z = draws(one, 50).double()
    assert torch.equal(one.contains(z.numpy()), one.contains(z))  # type: ignore[arg-type]
    assert torch.equal(one.contains(z.round().long()), one.contains(z.round()))
    if one.has_density:
        assert torch.equal(one.log_prob(z.numpy()), one.log_prob(z))  # type: ignore[arg-type]


class Odd(priors.Uniform):
    """Methods as somebody else may write them: arguments by name alone, others of their own, other names."""

    def sample(  # type: ignore[override]
        self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None, twice: bool = False
    ) -> Tensor:
        assert y is None or y.dtype == torch.int64
        return super().sample(n, generator=rng) * (2 if twice else 1)

    def contains(self, codes: Tensor, slack: float = 0.0, *, other: bool = False) -> Tensor:
        return super().contains(codes / (1 + slack)) ^ other


class Plain(priors.Uniform):
    def sample(
        self, count: int, labels: Tensor | None = None, rng: torch.Generator | None = None, size: float = 1
    ) -> Tensor:
        return size * super().sample(count, labels, rng)

    @staticmethod
    def field(z: Tensor) -> Tensor:
        return z.sum(1)


def test_a_prior_of_ones_own_may_take_arguments_of_its_own() -> None:
    odd: Any = Odd(2, 2.0)

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    assert torch.equal(odd.sample(4, rng=seeded(), twice=True), 2 * odd.sample(n=np.int64(4), y=[0] * 4, rng=seeded()))
    assert odd.sample(4, [0, 1, 0, 1]).shape == (4, 2), "classes by position, where they have a name alone"
    for ways in (odd.contains([[2.1, 0]], 0.5), odd.contains(codes=[[2.1, 0]], slack=0.5), odd.contains([[0, 0]])):
        assert ways.tolist() == [True]
    assert odd.contains([[0, 0]], other=True).tolist() == [False]
    plain: Any = Plain(2, 2.0)
    expected = priors.Uniform(2, 2.0).sample(4, generator=seeded())
    assert torch.equal(plain.sample(4, None, seeded(), 3), 3 * expected)
    assert torch.equal(plain.sample(4, rng=seeded(), size=3), 3 * expected)
    assert plain.field(torch.ones(1, 2)).tolist() == [2.0]
    for wrong in (lambda: odd.sample(-1), lambda: plain.sample(1, [0.5])):
        with pytest.raises(ConfigError):
            wrong()


@pytest.mark.parametrize("kind", [">f8", ">f4", "longdouble", "float16", ">i2", "uint16", "uint64"])
def test_codes_may_be_of_any_type_of_number(kind: str) -> None:
    one: Any = prior("uniform")
    codes = np.array([[0, 1], [1, 3]], dtype=kind)
    assert one.contains(codes).tolist() == [True, False]
    assert one.log_prob(codes).dtype == torch.float64
    if codes.dtype.kind in "iu":
        petals: Any = prior("mixture")
        drawn = petals.sample(2, codes[0], torch.Generator().manual_seed(1))
        assert torch.equal(drawn, petals.sample(2, [0, 1], torch.Generator().manual_seed(1)))


def test_classes_may_be_a_list_and_must_be_whole_numbers() -> None:
    one = of("mixture")
    assert torch.equal(draws(one, 3, y=[0, -1, 2]), draws(one, 3, y=torch.tensor([0, -1, 2])))  # type: ignore
    assert torch.equal(draws(one, 3, y=np.array([0, -1, 2], np.int32)), draws(one, 3, y=[0, -1, 2]))  # type: ignore
    for y in (torch.tensor([0.0, 1.0]), [0.5, 1.0], ["a", "b"]):
        with pytest.raises(ConfigError, match="y must"):
            draws(one, 2, y=y)  # type: ignore[arg-type]
    for n, said in ((-1, "0 or more, got -1"), (2.5, "a whole number, got 2.5")):
        with pytest.raises(ConfigError, match=said):
            draws(one, n)  # type: ignore[arg-type]


def test_points_may_be_a_tensor_that_is_learnt_and_a_covariance_a_matrix() -> None:
    cloud = torch.from_numpy(CLOUD).requires_grad_()
    assert not draws(priors.from_points(cloud), 5).requires_grad
    flat = prior("gaussian", covariance=tuple(COVARIANCE.ravel()))
    for matrix in (COVARIANCE, COVARIANCE.tolist(), torch.from_numpy(COVARIANCE)):
        assert torch.equal(draws(prior("gaussian", covariance=matrix), 5), draws(flat, 5))
    assert prior("gaussian", covariance=np.eye(3).ravel()).latent == 3
    assert prior("gaussian", covariance=None).describe() == prior("gaussian").describe()


def test_points_in_one_place_are_a_prior_once_they_are_blurred() -> None:
    assert priors.from_points(np.ones((5, 2)), 0.5).spread == pytest.approx(0.5)


# Building


@EVERY
def test_a_prior_says_what_it_is(name: str) -> None:
    said = of(name).describe()
    assert 5 < len(said) < 200
    assert "\n" not in said


def test_density_of_the_means_of_chunks_is_that_of_the_whole() -> None:
    one = prior("mixture", components=3)
    z = draws(one, 5000).double()
    again = torch.cat([one.log_prob(part) for part in z.split(7)])
    assert torch.allclose(one.log_prob(z), again, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: prior("rign"), 'Did you mean "ring"'),
        (lambda: prior("ring", turns=3.0), "prior.turns would be ignored"),
        (lambda: prior("ring", 1), "a ring or a sphere needs 2 dimensions"),
        (lambda: prior("ring", width=3.0), "must lie between 0 and prior.scale"),
        (lambda: prior("mixture", 3), "is a shape in the plane; set model.latent to 2"),
        (lambda: prior("torus", 3), "model.latent must be even, got 3"),
        (lambda: prior("gaussian", covariance=(1.0, 0.0, 0.0)), "needs 2 x 2 numbers"),
        (lambda: prior("gaussian", covariance=(1.0, 0.0, 0.5, 1.0)), "finite and symmetric"),
        (lambda: prior("gaussian", covariance=(1.0, 2.0, 2.0, 1.0)), "positive definite"),
        (lambda: prior("swiss-roll", width=1e-4), "too thin"),
        (lambda: prior("picture"), "needs prior.file"),
        (lambda: prior("product"), "needs prior.blocks"),
        (lambda: prior("product", blocks=("style",)), "expected NAME=KIND:DIMENSIONS"),
        (lambda: prior("product", blocks=("a=ring:2,turns=3",)), "prior.turns would be ignored"),
        (lambda: prior("product", blocks=("a=ring:2,scale=wide",)), 'scale must be a number, got "wide"'),
        (lambda: prior("product", 5, blocks=("a=ring:2",)), "set model.latent to 2"),
        (lambda: priors.Mixture([[0, 0]], np.eye(3)), "the covariances must be"),
        (lambda: priors.Mixture([[0, 0]], np.eye(2), [0.0]), "numbers above 0"),
        (lambda: priors.Mixture([[0, 0], [1, 1]], np.eye(2), labels=[0, 2]), "one of the classes"),
        (lambda: priors.Product({}), "one block or more"),
        (lambda: prior("product", blocks=("a=gaussian:1", "a=ring:2")), 'two blocks are named "a"'),
        (
            lambda: prior("product", blocks=("a=ring:2,width=.2,width=.3",)),
            '"a=ring:2,width=.2,width=.3" says width twice',
        ),
        (lambda: prior("gaussian", latent=0), "whole number of 1 or more, got 0"),
        (lambda: prior("gaussian", latent=2.5), "whole number of 1 or more, got 2.5"),  # type: ignore[arg-type]
        (lambda: prior(3), "expected the name of a prior"),  # type: ignore[arg-type]
        (lambda: prior("uniform", scale=1e30), "prior.scale = 1e+30 puts codes about"),
        (lambda: prior("uniform", scale=1e-30), "prior.scale = 1e-30 gives codes a deviation of"),
        (lambda: prior("mixture", scale=1e300), "prior.scale = 1e+300 is too far from 1"),
        (lambda: prior("student-t", degrees=2 + 1e-15), "prior.scale = 2, prior.degrees = 2 puts codes about"),
        (lambda: prior("mixture", scale=1.0, width=1e7), "prior.scale = 1, prior.width = 1e+07 puts codes about"),
        (lambda: prior("gaussian", covariance=np.eye(2) * 1e20), "prior.covariance puts codes about"),
        (lambda: prior("product", blocks=("a=ring:2,scale=1e9",)), "a=ring:2,scale=1e9"),
        (lambda: prior("gaussian", covariance=[[1, 2], [3]]), "prior.covariance must be numbers in rows of one length"),
        (lambda: priors.from_points(CLOUD, -1.0), "width, the deviation of the blur, must be 0 or more"),
        (lambda: priors.from_points(CLOUD, math.nan), "width, the deviation of the blur, must be 0 or more"),
        (lambda: priors.from_points(CLOUD, "a"), "width, the deviation of the blur, must be 0 or more"),  # type: ignore
        (lambda: priors.from_points(CLOUD, None), "must be 0 or more and finite, got None"),  # type: ignore
        (lambda: priors.Pixels(STAR, "a"), "half_width must be above 0 and finite, got 'a'"),  # type: ignore
        (lambda: prior("gaussian", covariance=np.ones((1, 4))), "a square matrix, or its numbers row after row"),
        (lambda: prior("gaussian", covariance=np.eye(2)[None]), "got shape [1, 2, 2]"),
        (lambda: prior("gaussian", covariance=2.0), "got shape []"),
        (lambda: priors.Pixels(STAR, 0.0), "half_width must be above 0"),
        (lambda: priors.Pixels(STAR, -1.0), "half_width must be above 0"),
        (lambda: priors.from_callable(3), "expected a function draw(n, generator)"),  # type: ignore[arg-type]
        (lambda: priors.from_callable(lambda n: torch.zeros(n, 2)), "a function draw(n, generator)"),  # type: ignore
        (lambda: priors.from_callable(lambda n, generator: None), "got a NoneType"),  # type: ignore
        (lambda: priors.from_callable(lambda n, generator: torch.zeros(3)), "got shape [3]"),
        (lambda: priors.from_callable(lambda n, generator: torch.full((n, 2), math.nan)), "not finite"),
        (lambda: priors.from_distribution(3), "expected a distribution of torch.distributions"),  # type: ignore
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Prior], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert said in str(caught.value)


def test_what_networks_cannot_learn_can_be_built_but_not_begun() -> None:
    for chosen in (
        Settings(kind="uniform", scale=1e-7),
        Settings(kind="product", blocks=("a=gaussian:2,scale=1e9",)),
        Settings(kind="points", content=pack("far", {"points": np.array([[0, 1], [1e8, 1]], np.float32)})),
        Settings(kind="points", content=pack("one", {"points": np.ones((3, 2), np.float32)})),
    ):
        made = priors.build(chosen, 2)
        assert made.sample(3).isfinite().all()
        with pytest.raises((ConfigError, DataError)):
            priors.admit(chosen, 2)


@pytest.mark.parametrize("latent", [2, 3, 8])
@pytest.mark.parametrize("inner", [0.0, 0.5, 2.999])
def test_a_shell_is_that_of_the_powers_of_its_radii(latent: int, inner: float) -> None:
    outer, d = 3.0, latent
    one, volume = priors.Shell(latent, inner, outer), outer**latent - inner**latent
    variance = (outer ** (d + 2) - inner ** (d + 2)) / volume / (d + 2)
    assert one.spread == pytest.approx(math.sqrt(variance), rel=1e-9)
    whole = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1) + math.log(volume)
    z = one.sample(200, generator=torch.Generator().manual_seed(1)).double()
    inside = z.norm(dim=1).sub(0.5 * (inner + outer)).abs() < 0.5 * (outer - inner)
    assert one.log_prob(z)[inside].numpy() == pytest.approx(-whole, rel=1e-9)
    unit = one.unit(z)
    assert unit is not None
    assert torch.allclose(unit[:, -1], (z.norm(dim=1) ** d - inner**d) / volume, atol=1e-9)


@pytest.mark.parametrize("kind", ["ball", "ring"])
def test_a_ball_and_a_ring_may_have_many_dimensions(kind: str) -> None:
    for scale in (1e-3, 2.0, 100.0):
        one = prior(kind, 1100, scale=scale)
        z = one.sample(50)
        assert one.contains(z).all()
        assert float(z.square().mean().sqrt()) == pytest.approx(one.spread, rel=0.01)
        inside = z.double() * 0.999
        assert one.log_prob(inside).isfinite().all()
        unit = one.unit(inside)
        assert unit is not None
        assert unit.min() >= 0
        assert unit.max() <= 1


@pytest.mark.parametrize(
    ("points", "labels", "said"),
    [
        (np.zeros((2, 2, 2)), None, "two or more points"),
        (np.zeros((1, 2)), None, "two or more points"),
        ([[0.0, math.nan], [1, 1]], None, "row 0, column 1 (counted from 0) is nan"),
        ([[0.0, 1.0], [1e30, 1]], None, "no more than 1e+06 from 0"),
        ([[1.0, 1.0], [1.0, 1.0]], None, "gives codes a deviation of 0"),
        ([["a", "b"], ["c", "d"]], None, "must be real numbers"),
        ([[1.0, 2.0], [3.0]], None, "rows of one length"),
        (CLOUD, [0, 1], "labels must be 4 whole numbers"),
        (CLOUD, [0, 0, 2, -1], "without a gap"),
    ],
)
def test_a_cloud_that_is_none_is_refused(points: object, labels: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        priors.from_points(points, 0.0, labels)  # type: ignore[arg-type]
    assert said in str(caught.value)

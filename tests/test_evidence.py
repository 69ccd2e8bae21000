"""A prior as a yardstick: by its map and by samples alone, after each epoch and in the evaluation."""

import numpy as np
import pytest
import torch

from aae import priors
from aae.config import Prior as Settings
from aae.evaluation import evaluate
from aae.evidence import Yardstick, after_epoch


class SamplesOnly:
    """A prior of which nothing is known but samples and its support."""

    separable = False

    def __init__(self, prior):
        self.prior, self.inside_mass = prior, 1.0

    def sample(self, n, y=None, generator=None):
        return self.prior.sample(n, generator=generator)

    def contains(self, z):
        return self.prior.contains(z)


def uniform(latent=2):
    return priors.build(Settings("uniform", 2.0), latent)


def drawn(prior, n, seed=1):
    return prior.sample(n, generator=torch.Generator().manual_seed(seed)).double().numpy()


CHEAP = ("inside", "empty_cells", "crowding", "misplaced", "max_ks", "sliced_wasserstein")


@pytest.mark.parametrize(("kind", "latent"), [("uniform", 1), ("gaussian", 3)])
def test_samples_of_the_prior_score_their_floor_by_map_and_by_samples(kind, latent):
    prior = priors.build(Settings(kind, 2.0), latent)
    codes = drawn(prior, 600)
    for one in (prior, SamplesOnly(prior)):
        found = Yardstick(one, 600).full(codes)
        for name in CHEAP:
            assert found[name] == pytest.approx(found[f"{name}_floor"], abs=0.03, rel=0.5)
        assert abs(found["c2st"] - 0.5) < 0.07
        assert abs(found["energy"]) < 0.01
        assert min(found["max_ks_p"], found["c2st_p"], found["mmd_p"], found["energy_p"]) > 0.005
        assert len(found["ks_by_axis"]) == latent


@pytest.mark.parametrize("wrap", [lambda prior: prior, SamplesOnly])
def test_a_hole_a_crowd_and_strays_are_each_named_by_a_number(wrap):
    prior = uniform()
    stick, codes = Yardstick(wrap(prior), 4000), drawn(prior, 4000)
    floor = stick.cheap(codes)
    holed = codes[~np.all(np.abs(codes - 1) < 1, axis=1)]  # a quarter of the square
    assert stick.cheap(holed)["empty_cells"] == pytest.approx(0.25, abs=0.03)
    crowded = np.concatenate([codes[:3000], np.full((1000, 2), 0.05)])
    assert stick.cheap(crowded)["crowding"] == pytest.approx(100, rel=0.05)
    assert stick.cheap(crowded)["misplaced"] > 0.25
    strayed = codes + np.where(np.arange(4000) < 1000, 5.0, 0.0)[:, None]
    assert stick.cheap(strayed)["inside"] == pytest.approx(0.75)
    assert stick.cheap(strayed)["misplaced"] > 0.25
    assert floor["misplaced"] < 0.15
    found = stick.full(strayed)
    assert max(found["mmd_p"], found["energy_p"], found["max_ks_p"], found["c2st_p"]) < 0.01


def test_dependence_between_axes_is_seen_where_each_axis_alone_is_right():
    prior = uniform(3)
    codes = drawn(prior, 2000)
    codes[:, 2] = codes[:, 0]
    for one in (prior, SamplesOnly(prior)):
        found = Yardstick(one, 2000).full(codes)
        assert found["max_ks"] < 0.05
        assert found["empty_cells"] > 0.25
        assert found["c2st"] > 0.7


def test_after_an_epoch_the_numbers_depend_on_the_codes_alone():
    prior = uniform()
    codes = torch.from_numpy(drawn(prior, 500)).float()
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    found = after_epoch(Yardstick(prior, 500), codes)
    assert found == after_epoch(Yardstick(prior, 500), codes)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert set(found) == {*CHEAP, "energy"}
    assert all(type(value) is float for value in found.values())


def test_the_history_has_prior_match_of_held_out_codes(trained):
    for row in trained.history:
        assert {*CHEAP, "energy"} <= row.keys()
    assert trained.history[-1]["inside"] > 0


def test_the_evaluation_has_every_measure_with_its_floor(trained, digits):
    found = evaluate(trained, data=digits)
    tested = ("c2st", "mmd", "energy", "max_ks")
    assert {f"{name}_floor" for name in (*CHEAP, *tested)} | {f"{name}_p" for name in tested} <= found.keys()
    assert {"ssim", "trustworthiness", "continuity"} <= found.keys()
    assert "fid" not in found
    full = evaluate(trained, data=digits, full=True)
    assert {"fid", "kid", "precision", "recall", "density", "coverage", "memorisation", "controls"} <= full.keys()
    assert full["fid"] > full["fid_floor"]


@pytest.mark.parametrize("wrap", [lambda prior: prior, SamplesOnly])
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_the_map_of_cells_shows_what_the_numbers_say(wrap, latent):
    """The drawn holes are those that `empty_cells` counts, the fullest cell is `crowding`; fair shares average 1."""
    prior = uniform(latent)
    stick, codes = Yardstick(wrap(prior), 3000), drawn(prior, 3000)
    codes = codes[codes[:, 0] < 1]  # a quarter of the prior is empty
    found, cells = stick.cell_map(codes), stick.cells(codes)[0]
    assert len(found.polygons) == len(found.ratio) == stick.bins ** min(latent, 2)
    assert found.ratio.mean() == pytest.approx(1, abs=0.02)
    assert (found.ratio == 0).mean() == pytest.approx(0.25, abs=0.06)  # one cell in 20 is cut through
    assert found.chance[0] < 0.02
    assert 1 < found.chance[1] < 5
    if latent < 3 or not stick.by_map:  # else the map is cut anew, by samples
        assert np.array_equal(found.ratio > 0, cells.counts > 0)
        assert found.ratio.max() == pytest.approx((cells.counts / len(codes) / cells.probability).max())


def test_codes_far_beyond_any_prior_lie_in_no_cell():
    """As an encoder gives them for a row of 1e30; a warning would be an error here."""
    stick = Yardstick(uniform(2), 200)
    far = np.array([[1e30, 0.1], [-1e30, 1e30], [0.1, 0.1]])
    assert stick.cell_map(far).at(far).tolist()[:2] == [-1, -1]
    assert stick.cell_map(far).at(far)[2] >= 0
    assert stick.cells(far)[0].counts.sum() == 1


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "ring"])
def test_a_point_lies_in_the_polygon_of_its_cell(kind):
    prior = priors.build(Settings(kind, 2.0), 2)
    stick, codes = Yardstick(prior, 3000), drawn(prior, 3000)
    found = stick.cell_map(codes)
    cell = found.at(codes)
    assert (cell >= 0).mean() > 0.99
    for point, number in zip(codes[:300], cell[:300], strict=True):
        if number >= 0:
            low, high = found.polygons[number].min(0), found.polygons[number].max(0)
            # cells at the rim of an unbounded prior are drawn shorter than they are
            rim = kind == "gaussian" and (np.abs(point) > 5).any()
            assert rim or (np.all(low - 0.01 <= point) and np.all(point <= high + 0.01))
    assert np.array_equal(found.ratio_at(codes), np.where(cell >= 0, found.ratio[cell], np.nan), equal_nan=True)
    away = np.full((1, 2), 1e3)
    assert np.isnan(found.ratio_at(away)).all() or kind == "gaussian"

"""Codes in, rows out: grids and lines through a latent space say which code each row was decoded from."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae import export, priors
from aae.cli import main
from aae.config import replace, resolve
from aae.data import Dataset, load
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


@pytest.fixture(scope="module")
def wide(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> aae.Run:
    """A run whose hidden layers are wide enough to be multiplied in bfloat16."""
    config = tiny(model__encoder=(128, 128), model__decoder=(128, 128), precision="fp32")
    return aae.train(config, tmp_path_factory.mktemp("wide") / "run", data=digits)


@pytest.mark.parametrize("ask", ["encode", "reconstruct"])
def test_a_run_in_bfloat16_says_nearly_what_it_says_in_float32(wide: aae.Run, digits: Dataset, ask: str) -> None:
    half = aae.Run.load(wide.path, precision="bf16")
    x = digits.x[:300].numpy().reshape(-1, 8, 8)
    exact, near = getattr(wide, ask)(x), getattr(half, ask)(x)
    assert near.dtype == np.float32
    error = np.abs(near - exact).max() / exact.std()
    assert 1e-5 < error < 0.05, "bfloat16 keeps two to three digits, and float32 keeps more"
    assert np.array_equal(near[290:], getattr(half, ask)(x[290:])), "nor does it hang on the rows beside it"


def test_the_precision_asked_for_goes_where_the_run_goes(wide: aae.Run, digits: Dataset, tmp_path: Path) -> None:
    half = aae.Run.load(wide.path, precision="bf16")
    x = digits.x[:20].numpy().reshape(-1, 8, 8)
    for again in (pickle.loads(pickle.dumps(half)), half.in_memory(), half.save(tmp_path / "copy")):
        assert np.array_equal(again.encode(x), half.encode(x))
    assert np.array_equal(aae.Run.load(tmp_path / "copy").encode(x), wide.encode(x)), "what is kept knows none of it"


def test_a_run_is_exact_unless_it_is_asked_for_less(wide: aae.Run, digits: Dataset, tmp_path: Path) -> None:
    config = tiny(model__encoder=(128, 128), model__decoder=(128, 128), precision="bf16", epochs=1)
    run = aae.train(config, tmp_path / "half", data=digits)
    x = digits.x[:20].numpy().reshape(-1, 8, 8)
    assert np.array_equal(run.encode(x), aae.Run.load(run.path, precision="fp32").encode(x))
    assert not np.array_equal(run.encode(x), aae.Run.load(run.path, precision="bf16").encode(x))


@pytest.mark.parametrize(
    ("precision", "said"), [("half", "one of auto, fp32, tf32, bf16, got half"), ("tf32", "tf32 needs a CUDA GPU")]
)
def test_a_precision_that_is_not_there_is_refused(wide: aae.Run, precision: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        aae.Run.load(wide.path, device="cpu", precision=precision)


def test_commands_take_a_precision(wide: aae.Run, digits: Dataset, tmp_path: Path) -> None:
    x, out = digits.x[:20].numpy().reshape(-1, 8, 8), tmp_path / "codes.npz"
    np.save(tmp_path / "x.npy", x)
    assert main(["encode", str(wide.path), str(tmp_path / "x.npy"), "-o", str(out), "--precision", "bf16"]) == 0
    with np.load(out) as found:
        assert np.array_equal(found["codes"], aae.Run.load(wide.path, precision="bf16").encode(x))
    assert main(["decode", str(wide.path), str(out), "-o", str(tmp_path / "rows.npz"), "--precision", "bf16"]) == 0
    with np.load(out) as codes, np.load(tmp_path / "rows.npz") as rows:
        assert not np.array_equal(rows["samples"], wide.decode(codes["codes"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"model.network": "conv"},
        {"model.normalization": "batch"},
        {"model.kind": "supervised", "prior.kind": "gaussian"},
        {"model.kind": "semi-supervised", "data.labelled": 100, "prior.kind": "gaussian"},
    ],
    ids=lambda changes: next(iter(changes.values())),
)
def test_every_kind_of_model_can_be_used_in_bfloat16(changes: dict[str, Any], digits: Dataset, tmp_path: Path) -> None:
    wide = {"model.encoder": (128, 128), "model.decoder": (128, 128), "precision": "fp32", "epochs": 1}
    config = resolve(tiny(), replace(tiny(), {**wide, **changes}))
    run = aae.train(config, tmp_path / "run", data=load(config.data) if "data.labelled" in changes else digits)
    half = aae.Run.load(run.path, precision="bf16")
    x, y = digits.x[:50].numpy().reshape(-1, 8, 8), 3 if run.classes_told else None
    asks: list[Callable[[aae.Run], np.ndarray]] = [lambda r: r.encode(x), lambda r: r.sample(50, y=y)]
    asks.append(lambda r: r.predict_proba(x) if r.model.classifies else r.discriminate(r.sample_prior(50)))
    for ask in asks:
        exact, near = ask(run), ask(half)
        assert near.dtype == exact.dtype
        assert np.abs(near - exact).max() < 0.1 * exact.std()


def test_what_is_measured_and_exported_is_exact(wide: aae.Run, tmp_path: Path) -> None:
    half = aae.Run.load(wide.path, precision="bf16")
    assert half.exact is not half
    assert wide.exact is wide
    asked = aae.Run.load(wide.path, precision="fp32")
    assert asked.exact is asked
    want = wide.evaluate("validation")
    assert half.evaluate("validation") == want
    assert [one.path.name for one in export.to_torch(half, tmp_path)]

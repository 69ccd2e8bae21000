"""From a name or an array to tensors and back: layouts, labels, splits, scaling, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aae.config import Data, DataSpec, from_dict
from aae.data import Dataset, Scaling, load, original, read, rows
from aae.data.labels import number_labels
from aae.data.layout import axes
from aae.data.scaling import fit
from aae.data.splits import split
from aae.errors import ConfigError, DataError

EPSILON = float(np.finfo(np.float32).eps)


def save(folder: Path, x: np.ndarray, **arrays: np.ndarray) -> str:
    path = folder / "data.npz"
    np.savez(path, x=x, **arrays)
    return str(path)


def loaded(folder: Path, x: np.ndarray, **settings: object) -> Dataset:
    return load(Data(source=save(folder, x), **settings))


# Named data sets


def test_digits_as_scikit_learn_has_them() -> None:
    from sklearn.datasets import load_digits

    bunch, dataset = load_digits(), load(Data())
    assert dataset.x.dtype == torch.uint8
    assert dataset.x.is_contiguous()
    np.testing.assert_array_equal(dataset.x.numpy(), bunch.data)
    assert dataset.y is not None
    np.testing.assert_array_equal(dataset.y.numpy(), bunch.target)
    spec = dataset.spec
    assert (spec.name, spec.shape, spec.dtype, spec.scaling) == ("digits", (8, 8), "uint8", "range")
    assert (spec.offset, spec.scale, spec.minimum, spec.maximum) == ((0.0,), (16.0,), 0.0, 16.0)
    assert spec.classes == tuple("0123456789")
    assert [len(part) for part in vars(dataset.splits).values()] == [1294, 144, 359]
    scaled = Scaling(spec).apply(dataset.x)
    assert (scaled.min(), scaled.max(), scaled.dtype) == (0, 1, torch.float32)


def test_same_settings_same_data_other_seed_other_splits() -> None:
    first, again, other = load(Data()), load(Data()), load(Data(split_seed=1))
    assert first.fingerprint == again.fingerprint == other.fingerprint
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(first.splits, part), getattr(again.splits, part))
        assert not np.array_equal(getattr(first.splits, part), getattr(other.splits, part))


def test_fingerprint_sees_one_changed_value_label_and_shape(tmp_path: Path) -> None:
    x = np.arange(120, dtype=np.float32).reshape(20, 6)
    changed = x.copy()
    changed[7, 3] += 0.5
    arrays = [(x, {}), (changed, {}), (x.reshape(40, 3), {}), (x, {"y": np.arange(20)}), (x, {"y": np.arange(20) // 2})]
    found = {load(Data(source=save(tmp_path, a, **labels))).fingerprint for a, labels in arrays}
    assert len(found) == len(arrays)


def mnist_folder() -> str | None:
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = os.environ.get("AAE_DATA_DIR") or (str(beside) if (beside / "mnist").is_dir() else None)
    return folder


@pytest.mark.skipif(mnist_folder() is None, reason="MNIST is not at hand; set AAE_DATA_DIR")
def test_mnist() -> None:
    dataset = load(Data(source="mnist", directory=mnist_folder()))
    splits, y = dataset.splits, dataset.y
    assert dataset.x.shape == (70_000, 784)
    assert dataset.x.dtype == torch.uint8
    assert (dataset.spec.shape, dataset.spec.maximum) == ((28, 28), 255)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (54_000, 6_000, 10_000)
    assert set(splits.test) == set(range(60_000, 70_000))
    assert y is not None
    # The histograms that the data set's page and every textbook give.
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(y[:60_000]).tolist() == train
    assert torch.bincount(y[60_000:]).tolist() == test
    with pytest.raises(ConfigError, match=r"--data.test 0.3 .* 10000 test rows of its own"):
        load(Data(source="mnist", directory=mnist_folder(), test=0.3))


# Splits


@given(
    n=st.integers(10, 400),
    own=st.integers(0, 5),
    validation=st.floats(0, 0.5),
    test=st.none() | st.floats(1e-6, 0.5),
    seed=st.integers(0, 2**40),
)
def test_splits_are_a_partition(n: int, own: int, validation: float, test: float | None, seed: int) -> None:
    config = Data(validation=validation, test=None if own else test, split_seed=seed)
    parts = split(n, own, config)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert together.dtype == np.int64
    np.testing.assert_array_equal(np.sort(together), np.arange(n))
    assert len(parts.train) >= 1
    assert len(parts.test) >= 1
    assert (len(parts.validation) == 0) == (validation == 0)
    if own:
        assert set(parts.test) == set(range(n - own, n))
    again = split(n, own, config)
    assert all(np.array_equal(getattr(parts, key), getattr(again, key)) for key in vars(parts))


def test_splits_are_shuffled_with_the_shares_asked_for() -> None:
    parts = split(1000, 0, Data(validation=0.25, test=0.1))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (675, 225, 100)
    for part in vars(parts).values():
        assert not np.array_equal(part, np.sort(part))
        assert 300 < part.mean() < 700  # from all over the file


def test_own_test_rows_are_shuffled_too() -> None:
    test = split(1000, 200, Data()).test
    assert not np.array_equal(test, np.sort(test))


# Layouts


@pytest.mark.parametrize(
    ("stored", "layout", "shape", "last"),
    [
        ((12, 5), "auto", (5,), False),
        ((12, 5), "vectors", (5,), False),
        ((12, 6, 7), "auto", (6, 7), False),
        ((12, 6, 7), "images", (6, 7), False),
        ((12, 6, 7, 1), "auto", (6, 7), True),
        ((12, 1, 6, 7), "images", (6, 7), False),
        ((12, 3, 6, 7), "auto", (3, 6, 7), False),
        ((12, 6, 7, 4), "auto", (4, 6, 7), True),
        ((12, 6, 7, 2), "channels-last", (2, 6, 7), True),
        ((12, 5, 6, 7), "channels-first", (5, 6, 7), False),
        ((12, 3, 7, 3), "channels-last", (3, 3, 7), True),
    ],
)
def test_layout_round_trip(
    tmp_path: Path, stored: tuple[int, ...], layout: str, shape: tuple[int, ...], last: bool
) -> None:
    x = np.random.default_rng(0).normal(size=stored).astype(np.float32)
    dataset = loaded(tmp_path, x, layout=layout)
    spec = dataset.spec
    assert (spec.shape, spec.channels_last, spec.original_shape) == (shape, last, stored[1:])
    assert from_dict(DataSpec, json.loads(json.dumps(dataclasses.asdict(spec)))) == spec
    flat = rows(x, spec)
    torch.testing.assert_close(flat, dataset.x, rtol=0, atol=0)
    np.testing.assert_array_equal(original(flat, spec), x)
    torch.testing.assert_close(rows(dataset.x, spec), flat, rtol=0, atol=0)  # flat rows are taken too
    if len(shape) == 3:  # one channel after the other, whatever the order on disk
        first_pixels = x[:, 0, 0, :] if last else x[:, :, 0, 0]
        np.testing.assert_array_equal(flat.numpy().reshape(12, *shape)[:, :, 0, 0], first_pixels)


@pytest.mark.parametrize(
    ("shape", "layout", "message"),
    [
        ((12, 3, 5, 3), "auto", r"both its second and its last axis.*--data.layout channels-first or channels-last"),
        ((12, 5, 6, 7), "auto", r"neither its second nor its last axis.*--data.layout"),
        ((12,), "auto", r"\(12,\).*reshape\(-1, 1\)"),
        ((12, 2, 2, 2, 2), "auto", r"expected \[n, d\] for vectors"),
        ((12, 4), "images", r"--data.layout images does not fit"),
        ((12, 4, 4), "vectors", r"--data.layout vectors does not fit"),
        ((12, 4, 4), "channels-last", r"--data.layout channels-last does not fit"),
        ((12, 0), "auto", r"is empty"),
        ((12, 3, 0, 4), "channels-first", r"is empty"),
    ],
)
def test_layout_refused(shape: tuple[int, ...], layout: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        axes(shape, layout, "--data x.npy")


def test_unknown_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--data.layout must be one of"):
        axes((12, 4), "rows", "--data x.npy")


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (np.uint8, torch.uint8),
        (np.bool_, torch.uint8),
        (np.int64, torch.int16),
        (np.float16, torch.float32),
        (np.float32, torch.float32),
        (np.dtype(">f8"), torch.float32),
        (np.dtype(">u2"), torch.int16),
    ],
)
def test_type_kept_as_small_as_it_can_be(tmp_path: Path, stored: np.dtype, kept: torch.dtype) -> None:
    x = (np.arange(60).reshape(12, 5) * 20).astype(stored)
    dataset = loaded(tmp_path, x)
    assert dataset.x.dtype == kept
    assert dataset.spec.dtype == np.dtype(stored).name
    np.testing.assert_array_equal(dataset.x.numpy(), x.astype(np.float32))


# Labels


@pytest.mark.parametrize(
    ("labels", "y", "classes"),
    [
        ([3, 7, -1, 3], [0, 1, -1, 0], ("3", "7")),
        ([10, 9, 2, 2], [2, 1, 0, 0], ("2", "9", "10")),
        ([1.0, float("nan"), 0.0, -1.0], [1, -1, 0, -1], ("0", "1")),
        (["cat", "ant", "", "cat"], [1, 0, -1, 1], ("ant", "cat")),
        ([b"cat", b"ant", b"", b"cat"], [1, 0, -1, 1], ("ant", "cat")),
        ([True, False, True, True], [1, 0, 1, 1], ("0", "1")),
        ([[5], [5], [-1], [6]], [0, 0, -1, 1], ("5", "6")),
    ],
)
def test_labels(labels: list[object], y: list[int], classes: tuple[str, ...]) -> None:
    found, names = number_labels(np.array(labels), 4, "labels")
    assert found is not None
    assert found.dtype == np.int64
    assert (found.tolist(), names) == (y, classes)


def test_labels_without_a_single_one_are_none() -> None:
    assert number_labels(np.full(4, -1), 4, "labels") == (None, None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, -2, 0]), "row 2 is -2"),
        (np.array([0, 1.5, 2, 0]), "row 1 is 1.5"),
        (np.array([0, 1, 2, np.inf]), "row 3 is inf"),
        (np.array([0, 1, 2]), r"shape \(3,\), expected one for each of the 4 rows"),
        (np.eye(4), r"shape \(4, 4\)"),
        (np.array([1j, 0, 0, 0]), "complex128"),
        (np.array([b"\xff", b"a", b"b", b"c"]), "not valid text"),
    ],
)
def test_labels_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        number_labels(labels, 4, "data.npz")


# Scaling


def spec_for(x: np.ndarray, choice: str = "auto", images: bool = False) -> DataSpec:
    known = (0.0, 255.0) if x.dtype == np.uint8 else None
    f = fit(x, np.arange(len(x)), choice, images, known)
    return DataSpec("test", x.shape[1:], x.dtype.name, f.offset, f.scale, f.minimum, f.maximum, scaling=f.scaling)


def assert_round_trip(x: np.ndarray, spec: DataSpec) -> None:
    scaling, start = Scaling(spec), torch.from_numpy(x)
    back = scaling.invert(scaling.apply(start)).numpy().astype(np.float64)
    size = np.abs(x) + np.abs(spec.offset) + np.array(spec.scale)
    assert (np.abs(back - x) <= 4 * EPSILON * size).all()
    again = scaling.invert(scaling.apply(start).double())
    assert again.dtype == torch.float64
    assert (np.abs(again.numpy() - x) <= 4 * EPSILON * size).all()


tables = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)
values = st.floats(-(2.0**90), 2.0**90, width=32)
choices = st.sampled_from(["auto", "range", "standardize", "none"])


@settings(deadline=None)
@given(x=hnp.arrays(np.float32, tables, elements=values), choice=choices, images=st.booleans())
def test_scaling_round_trip_floats(x: np.ndarray, choice: str, images: bool) -> None:
    spec = spec_for(x, choice, images)
    assert_round_trip(x, spec)
    scaled = Scaling(spec).apply(torch.from_numpy(x))
    assert torch.isfinite(scaled).all()
    if spec.bounded:
        assert scaled.min() >= 0
        assert scaled.max() <= 1 + 4 * EPSILON


@settings(deadline=None)
@given(x=hnp.arrays(np.uint8, tables), choice=choices)
def test_scaling_round_trip_bytes(x: np.ndarray, choice: str) -> None:
    before = x.copy()
    assert_round_trip(x, spec_for(x, choice))
    np.testing.assert_array_equal(x, before)


@settings(deadline=None)
@given(value=values)
def test_constant_column_becomes_zero_and_comes_back(value: float) -> None:
    x = np.full((7, 2), value, np.float32)
    x[:, 1] = np.linspace(-3, 5, 7)
    spec = spec_for(x, "standardize")
    assert spec.scale[0] == 1
    assert (Scaling(spec).apply(torch.from_numpy(x))[:, 0] == 0).all()
    assert_round_trip(x, spec)


def test_standardize_is_mean_zero_deviation_one_of_the_training_rows(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal([5, -300, 0.01], [2, 70, 0.001], (5000, 3))
    dataset = loaded(tmp_path, x)
    assert dataset.spec.scaling == "standardize"
    train = x.astype(np.float32)[dataset.splits.train].astype(np.float64)
    np.testing.assert_allclose(dataset.spec.offset, train.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(dataset.spec.scale, train.std(axis=0), rtol=1e-6)
    scaled = Scaling(dataset.spec).apply(dataset.x[dataset.splits.train])
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(3), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(40, 3), (40, 3, 3)])
def test_scaling_is_learnt_from_training_rows_alone(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    spec, splits = (dataset := loaded(tmp_path, x)).spec, dataset.splits
    x[splits.test] *= 1000
    x[splits.validation] += 77
    assert loaded(tmp_path, x).spec == spec
    x[splits.train[0]] *= 1000
    assert loaded(tmp_path, x).spec != spec


@pytest.mark.parametrize(
    ("x", "choice", "expected"),
    [
        (np.arange(36, dtype=np.uint8).reshape(12, 3), "auto", ("range", 0, 255)),
        (np.arange(108, dtype=np.uint8).reshape(12, 3, 3), "auto", ("range", 0, 255)),
        (np.tile(np.array([[0, 1]], np.uint8), (12, 1)), "auto", ("range", 0, 1)),
        (np.linspace(0.1, 0.9, 36).reshape(12, 3), "auto", ("range", 0, 1)),
        (np.linspace(0.1, 0.9, 48).reshape(12, 2, 2), "auto", ("range", 0, 1)),
        (np.tile(np.array([[-2.0, 6.0]]), (12, 1)).reshape(12, 1, 2), "auto", ("range", -2, 6)),
        (np.tile(np.array([[-2.0, 6.0]]), (12, 1)), "auto", ("standardize", None, None)),
        (np.tile(np.array([[-2.0, 6.0]]), (12, 1)), "none", ("none", None, None)),
        (np.tile(np.array([[-2, 6]], np.int16), (12, 1)).reshape(12, 1, 2), "standardize", ("standardize", None, None)),
    ],
)
def test_choice_of_scaling(tmp_path: Path, x: np.ndarray, choice: str, expected: tuple[object, ...]) -> None:
    spec = loaded(tmp_path, x, scaling=choice).spec
    assert (spec.scaling, spec.minimum, spec.maximum) == expected
    if x.ndim == 3:
        assert len(spec.offset) == len(spec.scale) == 1


def test_range_of_a_table_is_taken_column_by_column(tmp_path: Path) -> None:
    x = np.stack([np.linspace(-1, 1, 30), np.linspace(100, 900, 30)], axis=1)
    dataset = loaded(tmp_path, x, scaling="range")
    scaled = Scaling(dataset.spec).apply(dataset.x[dataset.splits.train])
    torch.testing.assert_close(scaled.amin(dim=0), torch.zeros(2))
    torch.testing.assert_close(scaled.amax(dim=0), torch.ones(2))


def test_inverse_is_clipped_to_the_range_only() -> None:
    x = np.arange(6, dtype=np.uint8).reshape(3, 2)
    wild = torch.tensor([[-9.0, 9.0]])
    assert Scaling(spec_for(x)).invert(wild).tolist() == [[0, 255]]
    assert Scaling(spec_for(x, "none")).invert(wild).tolist() == [[-9, 9]]


def test_constant_columns_are_noted(tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(size=(30, 4))
    x[:, 2] = 5
    dataset = loaded(tmp_path, x)
    assert any("columns (2) hold one value only" in note for note in dataset.notes)


# What a user hands in


VECTORS = DataSpec("table", (3,), "float64")
GREY = DataSpec("grey", (4, 5), "uint8")
COLOUR = DataSpec("colour", (3, 4, 5), "uint8", channels_last=True)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0, 1, 2], [0, np.nan, 2]], r"row 1, column 1 \(counted from 0\) is nan"),
        ([[0, 1, 2], [0, 3, -np.inf]], "row 1, column 2 .* is -inf"),
        ([[0, 1, 1e31]], "row 0, column 2 .* too large"),
        ([[0, 1, 2], [0, None, 2]], "row 1, column 1 .* is nan"),
        ([["a", "b", "c"]], "expected real numbers"),
        (np.array([[0, 1, "high"]], object), "'high' in row 0, column 2"),
        (np.array([[0, 1, 2j]]), "complex128"),
        (np.array([[0, 1, 2]], "M8[s]"), "datetime64"),
        ([[0, 1], [0, 1, 2]], "not a rectangular array"),
        ([[0, 1]], r"shape \(1, 2\); this model takes \[n, 3\]"),
        ([0, 1, 2], r"shape \(3,\).*x\[None\]"),
        (np.zeros((0, 3)), "no rows"),
        (5.0, r"shape \(\)"),
        (np.ma.masked_array([[0, 1, 2]], [[0, 1, 0]]), "masked values, the first in row 0"),
        (torch.zeros(2, 3).to_sparse(), "to_dense"),
    ],
)
def test_rows_refused(x: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(x, VECTORS)


def test_sparse_matrix_is_refused() -> None:
    from scipy.sparse import csr_matrix

    with pytest.raises(DataError, match="toarray"):
        rows(csr_matrix(np.eye(3)), VECTORS)


def test_bad_pixel_is_named_by_its_place() -> None:
    x = np.zeros((2, 4, 5, 3))
    x[1, 2, 4, 0] = np.nan
    with pytest.raises(DataError, match="row 1, channel 0, line 2, column 4 "):
        rows(x, COLOUR)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 4, 5), (20,)])
def test_grey_images_with_or_without_their_channel(shape: tuple[int, ...]) -> None:
    x = np.arange(40, dtype=np.uint8).reshape(2, *shape)
    np.testing.assert_array_equal(rows(x, GREY).numpy(), np.arange(40).reshape(2, 20))


def test_colour_images_with_channels_on_either_side() -> None:
    first = np.arange(120).reshape(2, 3, 4, 5)
    last = np.moveaxis(first, 1, -1)
    np.testing.assert_array_equal(rows(first, COLOUR), rows(last, COLOUR))
    np.testing.assert_array_equal(original(rows(last, COLOUR), COLOUR), last)
    with pytest.raises(DataError, match=r"this model takes \[n, 4, 5, 3\] or \[n, 60\]"):
        rows(first.reshape(2, 4, 3, 5), COLOUR)


@pytest.mark.parametrize(
    "x",
    [
        torch.tensor([[1.0, 2, 3]], requires_grad=True),
        torch.tensor([[1.0, 2, 3]], dtype=torch.bfloat16),
        np.array([[3, 2, 1]], np.int64)[:, ::-1],
        np.array([[1, 2, 3]], ">f4"),
        np.array([[1, 2, 3]], np.longdouble),
        np.asfortranarray(np.array([[1, 2, 3]], np.float16)),
        np.array([[1, 2.0, 3]], object),
        [[1, 2, 3]],
    ],
)
def test_rows_takes_anything_numeric(x: object) -> None:
    found = rows(x, VECTORS)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert found.tolist() == [[1, 2, 3]]


def test_rows_of_read_only_memory() -> None:
    x = np.ones((2, 3), np.float32)
    x.flags.writeable = False
    assert rows(x, VECTORS).sum() == 6  # torch would warn, and warnings are errors here


# Bad settings and sources


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", 'did you mean "digits"'),
        ("mnsit", 'did you mean "mnist"'),
        ("zzz", "known: digits, mnist"),
        ("nowhere/x.npy", "nowhere/x.npy: no such file"),
        ("x.npz", "x.npz: no such file"),
        (__file__, "expected .npy, .npz, .csv"),
    ],
)
def test_source_refused(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(source)


def test_folder_without_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--data-dir .* would be ignored: --data digits"):
        load(Data(directory=str(tmp_path)))


def test_read_checks_a_layout_that_is_named() -> None:
    with pytest.raises(DataError, match=r"--data.layout vectors does not fit"):
        read("digits", Data(layout="vectors"))


def test_too_few_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 9 rows; at least 10"):
        loaded(tmp_path, np.zeros((9, 2)))


def test_load_names_the_bad_value(tmp_path: Path) -> None:
    x = np.zeros((20, 3, 4), np.float32)
    x[11, 2, 1] = np.nan
    with pytest.raises(DataError, match=r"data.npz: row 11, line 2, column 1 .* is nan"):
        loaded(tmp_path, x)


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": ()},
        {"shape": (0,)},
        {"scale": (0.0,)},
        {"scale": (float("nan"),)},
        {"offset": (1.0, 2.0)},
        {"offset": (float("inf"),)},
    ],
)
def test_impossible_spec_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        DataSpec(**{"name": "x", "shape": (3,), "dtype": "float32", **fields})

"""The recipe of folders of images, the file formats of other packages as these packages write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import sparse as sp

import aae
from aae import cli
from aae.cli.training import base_of
from aae.config import Data
from aae.convolution import ConvolutionalDecoder, ConvolutionalEncoder
from aae.data import load

QUICK = ("--epochs", "1", "--no-compare", "--quiet", "--model.encoder", "16", "--model.decoder", "16")


def blobs(n: int, height: int, width: int, channels: int = 1) -> np.ndarray:
    """Images of one bright spot each, at random places, uint8 [n, h, w] or [n, h, w, 3]."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:height, :width]
    at = rng.random((n, 2, 1, 1)) * [[[height]], [[width]]]
    spot = np.exp(-((down - at[:, 0]) ** 2 + (across - at[:, 1]) ** 2) / (0.1 * height * width))
    images = (255 * spot).astype(np.uint8)
    return images if channels == 1 else np.stack([images, images // 2, 255 - images], axis=-1)


def folder_of(path: Path, images: np.ndarray) -> Path:
    path.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(path / f"{i:03d}.png")
    return path


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(8, 8, 1), (13, 21, 3), (28, 28, 1), (50, 37, 1), (128, 128, 3)]
)
def test_a_folder_of_images_is_convolved(height: int, width: int, channels: int, tmp_path: Path) -> None:
    images = blobs(10, height, width, channels)
    folder = folder_of(tmp_path / "spots", images)
    base, _ = base_of(["--data", str(folder)])
    assert base.recipe == "images-2d-uniform"
    small = {"data.source": str(folder), "epochs": 1, "batch_size": 4, "threads": 1, "model.channels": (2, 4, 4)}
    run = aae.train(aae.config.replace(base, small), tmp_path / "run")
    assert isinstance(run.model.encoder.body, ConvolutionalEncoder)
    assert isinstance(run.model.decoder.body, ConvolutionalDecoder)
    again = run.reconstruct(images)
    assert again.shape == images.shape
    assert np.isfinite(again).all()


def test_what_is_no_folder_of_images_has_another_recipe(tmp_path: Path) -> None:
    zarr = tmp_path / "store.zarr"
    zarr.mkdir()
    (zarr / "zarr.json").write_text("{}")
    for source, recipe in ((zarr, "auto"), (tmp_path, "images-2d-uniform"), (tmp_path / "none", "digits-2d-uniform")):
        assert base_of(["--data", str(source)])[0].recipe == recipe


def test_the_recipe_of_images_reconstructs_what_it_is_shown(tmp_path: Path) -> None:
    """Two numbers make each of these images, so a 2-D code can hold all of it: far better than the mean image."""
    images = blobs(200, 12, 9)
    config = aae.recipes.recipe("images-2d-uniform")
    small = {"epochs": 40, "batch_size": 20, "threads": 1, "model.channels": (8, 16)}
    run = aae.train(aae.config.replace(config, small), tmp_path / "run", data=images)
    error = np.square(run.reconstruct(images) - images).mean()
    assert error < 0.3 * np.square(images - images.mean(0)).mean()


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_matrix, sp.csc_matrix])
def test_a_file_that_anndata_wrote(matrix: Any, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    pd = pytest.importorskip("pandas")
    counts = np.random.default_rng(0).poisson(0.5, (40, 12)).astype(np.float32)
    kinds = pd.Categorical([("B cell", "T cell")[i % 2] if i % 5 else None for i in range(40)])
    cells = anndata.AnnData(matrix(counts), obs=pd.DataFrame({"kind": kinds}, index=[f"c{i}" for i in range(40)]))
    cells.obsm["X_pca"] = counts[:, :2]
    path, out, run = tmp_path / "cells.h5ad", tmp_path / "coded.h5ad", tmp_path / "run"
    cells.write_h5ad(path)
    data = load(Data(source=str(path), label="kind"))
    np.testing.assert_array_equal(data.x, counts)
    assert data.spec.classes == ("B cell", "T cell")
    assert data.y is not None
    assert data.y[:4].tolist() == [-1, 1, 0, 1]
    line = ["train", "--data", str(path), "--label", "kind", "--out", str(run), *QUICK, "--batch-size", "10"]
    assert cli.main(line) == 0
    assert cli.main(["encode", str(run), str(path), "-o", str(out)]) == 0
    coded = anndata.read_h5ad(out)
    np.testing.assert_array_equal(coded.obsm["X_aae"], aae.Run.load(run).encode(counts))
    np.testing.assert_array_equal(coded.obsm["X_pca"], counts[:, :2])
    assert (coded.obs["kind"].isna() == cells.obs["kind"].isna()).all()


def test_image_sets_that_datasets_saved(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    images = blobs(24, 10, 14)
    names = datasets.ClassLabel(names=["left", "right"])
    features = datasets.Features({"image": datasets.Image(), "label": names})
    whole = datasets.Dataset.from_dict(
        {"image": [Image.fromarray(image) for image in images], "label": [0, 1] * 12}, features=features
    )
    whole.save_to_disk(str(tmp_path / "one"))
    both = datasets.DatasetDict({"train": whole.select(range(18)), "test": whole.select(range(18, 24))})
    both.save_to_disk(str(tmp_path / "two"))
    for name in ("one", "two"):
        data = load(Data(source=str(tmp_path / name)))
        np.testing.assert_array_equal(data.x.reshape(-1, 10, 14), images)
        assert data.y is not None
        assert data.y.tolist() == [0, 1] * 12
        assert base_of(["--data", str(tmp_path / name)])[0].recipe == "images-2d-uniform"
    assert sorted(data.splits.test) == list(range(18, 24))


def test_tables_that_datasets_saved(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"age": [20.5, None, 31.0, 44.0] * 5, "town": ["Oslo", "Rome", "Oslo", None] * 5, "ok": [True, False] * 10}
    datasets.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "people"))
    data = load(Data(source=str(tmp_path / "people")))
    assert [(column.name, column.kind, column.missing) for column in data.spec.columns] == [
        ("age", "number", True),
        ("town", "category", True),
        ("ok", "boolean", False),
    ]
    assert base_of(["--data", str(tmp_path / "people")])[0].recipe == "table-8d-gaussian"

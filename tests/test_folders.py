"""Folders of images, HDF5, AnnData, sparse matrices, IDX, saved data sets: read whole, or refused with the place."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from PIL import Image
from scipy import sparse as sp

import aae
from aae import cli
from aae.config import Data
from aae.data import dataset, images, load, read
from aae.errors import AAEError, ConfigError, DataError

h5py = pytest.importorskip("h5py")
pa = pytest.importorskip("pyarrow")

X = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def folder_of(path: Path, rows: np.ndarray = X, ending: str = "png", parts: tuple[str, ...] = ("cat", "dog")) -> Path:
    for i, row in enumerate(rows):
        place = path / parts[i % len(parts)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(row).save(place / f"{i:03d}.{ending}")
    return path


def test_classes_are_the_sub_folders_and_pixels_are_the_files(tmp_path: Path) -> None:
    data = load(Data(source=str(folder_of(tmp_path / "pets"))))
    assert (data.spec.shape, data.spec.classes, data.spec.maximum) == ((8, 8), ("cat", "dog"), 255)
    np.testing.assert_array_equal(data.x.reshape(-1, 8, 8), np.concatenate([X[::2], X[1::2]]))
    assert data.y is not None
    assert data.y.tolist() == [0] * 12 + [1] * 12


def test_train_and_test_folders_stay_apart(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pets", parts=("train/cat", "train/dog", "test/cat"))
    data = load(Data(source=str(folder)))
    assert sorted(data.splits.test) == list(range(16, 24))
    assert data.spec.classes == ("cat", "dog")


def test_parts_of_the_data_are_not_taken_for_classes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pets", parts=("train/cat", "val/cat", "test/cat"))
    with pytest.raises(DataError, match=r"test, train, val are parts .* move the images of val to train"):
        read(folder)


def test_a_link_to_nowhere_is_refused_by_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pets")
    (folder / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"gone\.png: no such file"):
        read(folder)


def test_labels_from_a_table_beside_the_images(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pets", parts=(".",))
    lines = ["file,label", *(f"{i:03d}.png,{'' if i == 3 else 'ab'[i % 2]}" for i in range(24))]
    (folder / "labels.csv").write_text("\n".join(lines))
    raw = read(folder)
    assert raw.y is not None
    assert raw.y[:5].tolist() == [0, 1, 0, -1, 0]
    (folder / "labels.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"no line for 023\.png"):
        read(folder)
    (folder / "labels.csv").write_text("\n".join([*lines, ""]).replace("a\n", "7\n").replace("b\n", "-1\n"))
    assert read(folder).classes == ("7",)  # numbers, with a gap: neither NaN nor -1 is a class
    (folder / "labels.csv").write_text("\n".join([*lines, "000.png,b"]))
    with pytest.raises(DataError, match=r"000\.png is a in one line and b in another"):
        read(folder)


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("1", ()), ("L", ()), ("I;16", ()), ("P", (3,)), ("RGB", (3,)), ("CMYK", (3,)), ("LA", (4,)), ("RGBA", (4,))],
)
def test_every_mode_is_read(mode: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    for i in range(3):
        image = Image.new("RGB", (9, 5), (10 * i, 20, 30)).convert("L" if mode == "I;16" else mode)
        image = Image.fromarray(np.full((5, 9), 256 * (i + 1), np.uint16)) if mode == "I;16" else image
        image.save(tmp_path / f"{i}.{'tif' if mode == 'CMYK' else 'png'}")
    raw = read(tmp_path)
    assert raw.x.shape == (3, 5, 9, *shape)
    if mode == "I;16":
        assert raw.x[:, 0, 0].tolist() == [1, 2, 3]


def test_pixels_of_no_known_range_are_refused_and_not_cut_to_black(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.full((5, 9), 0.1 * i, np.float32)).save(tmp_path / f"{i}.tif")
    with pytest.raises(DataError, match=r"0\.tif: holds fractions.* 8 or 16 bits"):
        read(tmp_path)


def test_one_size_for_all(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pets")
    Image.new("RGB", (30, 20), "red").save(folder / "cat" / "large.jpg")
    with pytest.raises(DataError, match=r"large\.jpg: is 30x20 pixels.*--image-size"):
        read(folder)
    raw = read(folder, Data(image_size=6))
    assert raw.x.shape == (25, 6, 6, 3)
    assert (np.abs(raw.x[12].astype(int) - [254, 0, 0]) < 4).all()
    with pytest.raises(ConfigError, match="--image-size would be ignored"):
        load(Data(image_size=6))


def test_a_large_folder_is_kept_in_the_cache_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "CACHED_FROM", 10)
    folder = folder_of(tmp_path / "pets")
    first = read(folder)
    (kept,) = (tmp_path / "cache" / "aae" / "images").iterdir()
    assert "cache" in read(folder).notes[0]
    np.testing.assert_array_equal(read(folder).x, first.x)
    kept.write_bytes(kept.read_bytes()[:-9])  # damaged: read from the folder again
    np.testing.assert_array_equal(read(folder).x, first.x)
    Image.new("L", (8, 8)).save(folder / "cat" / "000.png")
    assert read(folder).x[0].max() == 0


def bomb() -> bytes:
    """A PNG of a few bytes that declares 60,000 x 60,000 pixels."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", ["bomb", "cut short", "text", "empty"])
def test_broken_images_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pets")
    whole = (folder / "cat" / "000.png").read_bytes()
    content = {"bomb": bomb(), "cut short": whole[: len(whole) // 2], "text": b"no image", "empty": b""}[kind]
    (folder / "dog" / "odd.png").write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.png: (declares|is)"):
        read(folder)


def test_folders_that_say_nothing_or_two_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="without images"):
        read(tmp_path)
    folder_of(tmp_path / "pets")
    Image.new("L", (8, 8)).save(tmp_path / "pets" / "bare.png")
    with pytest.raises(DataError, match=r"bare\.png lies beside sub-folders"):
        read(tmp_path / "pets")


def test_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = X, np.arange(24) % 3
    raw = read(path)
    np.testing.assert_array_equal(raw.x, X)
    assert raw.classes == ("0", "1", "2")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 16, 1 << 12), "f4", compression="gzip", chunks=(256, 1 << 12))
    with pytest.raises(DataError, match="claims to expand"):
        read(path)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
    with pytest.raises(DataError):
        read(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\nbroken")
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        read(path)


def cells_file(path: Path, compressed: bool = True) -> np.ndarray:
    """A file as AnnData writes it: a sparse X, and a categorical in obs."""
    counts = np.random.default_rng(0).poisson(0.5, (40, 12)).astype(np.float32)
    with h5py.File(path, "w") as file:
        if compressed:
            matrix = sp.csr_matrix(counts)
            group = file.create_group("X")
            group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
            group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", counts.shape
        else:
            file["X"] = counts
        kinds = file.create_group("obs").create_group("kind")
        kinds["codes"], kinds["categories"] = np.arange(40, dtype=np.int8) % 3 - 1, np.array([b"B cell", b"T cell"])
        file.create_group("var")["_index"] = np.array([f"gene {i}".encode() for i in range(12)])
        for name, values in (("batch", np.arange(40) % 3), ("donor", np.array([b"u", b"v", b"u", b"v"] * 10))):
            gaps = file["obs"].create_group(name)
            gaps["values"], gaps["mask"] = values, np.arange(40) % 3 == 0
    return counts


@pytest.mark.parametrize("compressed", [True, False])
def test_annotated_data_and_codes_written_back(compressed: bool, tmp_path: Path) -> None:
    path, out = tmp_path / "cells.h5ad", tmp_path / "coded.h5ad"
    counts = cells_file(path, compressed)
    before = path.read_bytes()
    data = load(Data(source=str(path), label="kind"))
    np.testing.assert_array_equal(data.x, counts)
    assert data.spec.classes == ("B cell", "T cell")
    assert data.y is not None
    assert data.y[:4].tolist() == [-1, 0, 1, -1]
    run = aae.train(tiny(batch_size=16, **{"data.source": str(path), "data.label": "kind"}), tmp_path / "run")
    assert cli.main(["encode", str(run.path), str(path), "-o", str(out)]) == 0
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["obsm/X_aae"], run.encode(counts))
    assert path.read_bytes() == before
    assert cli.main(["encode", str(run.path), str(path), "-o", str(tmp_path / "codes.npz")]) == 0
    assert np.load(tmp_path / "codes.npz")["labels"].tolist() == data.y.tolist()
    for label, classes in (("batch", ("1", "2")), ("donor", ("u", "v"))):  # types that have gaps
        assert (load(Data(source=str(path), label=label)).spec.classes) == classes
    with pytest.raises(ConfigError, match="has no column 'sort'; it has batch, donor, kind"):
        load(Data(source=str(path), label="sort"))


def test_genes_are_known_by_their_names_whatever_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other, codes = tmp_path / "cells.h5ad", tmp_path / "other.h5ad", tmp_path / "codes.npz"
    counts = cells_file(path, compressed=False)
    run = aae.train(tiny(batch_size=16, **{"data.source": str(path)}), tmp_path / "run")
    assert run.spec.names == tuple(f"gene {i}" for i in range(12))
    order = np.random.default_rng(1).permutation(13)  # and one more gene, which the run does not know

    def encoded(names: list[str]) -> int:
        with h5py.File(other, "w") as file:
            file["X"] = np.hstack([counts, np.ones((40, 1), np.float32)])[:, order]
            file.create_group("var")["_index"] = np.array([names[i].encode() for i in order])
        return cli.main(["encode", str(run.path), str(other), "-o", str(codes)])

    genes = [f"gene {i}" for i in range(13)]
    assert encoded(genes) == 0
    np.testing.assert_array_equal(np.load(codes)["codes"], run.encode(counts))
    assert encoded([*genes[:3], "unknown", *genes[4:]]) == 3
    assert "other.h5ad: has no values of 'gene 3' (1 of 12 names" in capsys.readouterr().err
    assert encoded([*genes[:12], "gene 0"]) == 3
    assert "two values of a row have the name 'gene 0'" in capsys.readouterr().err


def test_sparse_matrices_in_files_and_in_memory(tmp_path: Path) -> None:
    matrix = sp.random(30, 7, 0.3, "csr", random_state=0)
    for kind in ("csr", "csc", "coo"):
        sp.save_npz(tmp_path / "m.npz", matrix.asformat(kind))
        np.testing.assert_allclose(load(Data(source=str(tmp_path / "m.npz"))).x, matrix.toarray(), rtol=1e-6)
    np.testing.assert_allclose(dataset(matrix).x, matrix.toarray(), rtol=1e-6)
    parts = {"format": "csr", "shape": matrix.shape, "data": matrix.data, "indptr": matrix.indptr}
    np.savez(tmp_path / "m.npz", indices=matrix.indices + 100_000, **parts)
    with pytest.raises(DataError, match="column number lies outside"):
        read(tmp_path / "m.npz")
    np.savez(tmp_path / "m.npz", indices=matrix.indices, **(parts | {"shape": (10**7, 10**7)}))
    with pytest.raises(DataError):
        read(tmp_path / "m.npz")


def test_idx_files_with_labels_beside_them(tmp_path: Path) -> None:
    def idx(array: np.ndarray) -> bytes:
        return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()

    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx(X)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx((np.arange(24) % 2).astype(np.uint8))))
    raw = read(path)
    np.testing.assert_array_equal(raw.x, X)
    assert raw.classes == ("0", "1")


def saved(folder: Path, table: Any) -> Path:
    folder.mkdir(parents=True)
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    return folder


def test_saved_data_sets_of_tables_and_images(tmp_path: Path) -> None:
    table = pa.table({"a": list(range(20)), "b": ["x", "y"] * 10, "label": [0, 1] * 10})
    data = load(Data(source=str(saved(tmp_path / "table", table)), label="label"))
    assert [(c.name, c.kind) for c in data.spec.columns] == [("a", "integer"), ("b", "category")]
    stored = []
    for row in X:
        buffer = io.BytesIO()
        Image.fromarray(row).save(buffer, format="png")
        stored.append({"bytes": buffer.getvalue(), "path": None})
    for part, rows in (("train", slice(0, 16)), ("test", slice(16, 24))):
        saved(tmp_path / "pictures" / part, pa.table({"image": stored[rows], "label": ([0, 1] * 12)[rows]}))
    (tmp_path / "pictures" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    data = load(Data(source=str(tmp_path / "pictures")))
    np.testing.assert_array_equal(data.x.reshape(-1, 8, 8), X)
    assert (data.spec.classes, sorted(data.splits.test)) == (("0", "1"), list(range(16, 24)))
    (tmp_path / "table" / "state.json").write_text('{"_data_files": [{"filename": "../../secret"}]}')
    with pytest.raises(DataError, match="names no data files"):
        read(tmp_path / "table")


def test_a_large_file_of_an_array_is_mapped_and_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aae.data.arrays.MAPPED_FROM", 1000)
    path = tmp_path / "x.npy"
    np.save(path, X.astype(np.float32))
    before = path.read_bytes()
    data = load(Data(source=str(path)))
    assert isinstance(read(path).x, np.memmap)
    torch.testing.assert_close(data.x, torch.from_numpy(X.reshape(24, -1).astype(np.float32)))
    data.x[0] = 0
    assert path.read_bytes() == before
    path.write_bytes(before[:-8])
    with pytest.raises(DataError, match="cut short"):
        read(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["png", "jpg", "h5ad", "parquet", "npz", "csv"])
def test_damaged_files_of_every_kind_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    """Random bytes of whole files are changed, cut out, or doubled; whatever is not refused has the shape it says."""
    random, folder = np.random.default_rng(0), tmp_path / "in"
    folder.mkdir()
    path = folder / f"x.{kind}"
    if kind in ("png", "jpg"):
        for i in range(3):
            Image.fromarray(X[i]).save(folder / f"{i}.{kind}")
    elif kind == "h5ad":
        cells_file(path)
    elif kind == "npz":
        sp.save_npz(path, sp.random(30, 7, 0.3, "csr", random_state=0))
    else:
        from aae.data.cells import Cells, Table
        from aae.data.csvs import written
        from aae.data.frames import file_bytes

        table = Table({"a": Cells.of(np.arange(40.0)), "b": Cells.of(np.array(["u", "v"] * 20))})
        path.write_bytes(written(table) if kind == "csv" else file_bytes(table, ".parquet"))
    target = folder / f"0.{kind}" if kind in ("png", "jpg") else path
    whole = target.read_bytes()
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(random.integers(1, 6)):
            at = int(random.integers(len(broken)))
            broken[at : at + int(random.integers(0, 4))] = random.bytes(int(random.integers(0, 4)))
        target.write_bytes(bytes(broken))
        try:
            found = read(folder if kind in ("png", "jpg") else path)
        except AAEError as error:
            said = str(error)
        else:
            said = f"{len(found.x)} rows"
        assert "\n" not in said
    shutil.rmtree(folder)

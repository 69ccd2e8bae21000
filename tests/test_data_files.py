"""Files on disk: what is written is read back, and whatever is damaged or hostile ends in a DataError."""

from __future__ import annotations

import gzip
import io
import resource
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aae.config import Data
from aae.data import load, read
from aae.data.arrays import read_npy, read_npz
from aae.data.idx import read_idx
from aae.data.mnist import FILES, read_mnist
from aae.errors import DataError, StorageError

MAGIC = b"\x93NUMPY\x01\x00"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for a whole property test; every example overwrites the last one's file."""
    return tmp_path_factory.mktemp("files")


def idx(x: np.ndarray) -> bytes:
    return struct.pack(f">4B{x.ndim}I", 0, 0, 8, x.ndim, *x.shape) + x.tobytes()


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1")
    return MAGIC + struct.pack("<H", len(text)) + text + data


def saved(x: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, x, allow_pickle=x.dtype == object)
    return out.getvalue()


def zipped(*, compressed: bool = False, **arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


def write_mnist(folder: Path, spelling: str = "{}", train: int = 30, test: int = 12, pack: bool = False) -> np.ndarray:
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (train + test, 4, 5), np.uint8)
    y = (np.arange(train + test) % 10).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(FILES, (x[:train], y[:train], x[train:], y[train:]), strict=True):
        content = gzip.compress(idx(part)) if pack else idx(part)
        (folder / spelling.format(name)).write_bytes(content)
    return x


# IDX


shapes = hnp.array_shapes(min_dims=1, max_dims=3, max_side=9)


@settings(deadline=None)
@given(x=hnp.arrays(np.uint8, shapes), pack=st.booleans())
def test_idx_round_trip(folder: Path, x: np.ndarray, pack: bool) -> None:
    path = folder / "x-idx"
    path.write_bytes(gzip.compress(idx(x), 1) if pack else idx(x))
    np.testing.assert_array_equal(read_idx(path, x.ndim), x)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file: it begins with nothing"),
        (b"<!DOCTYPE html>", "is not an IDX file: it begins with 3c 21 44 4f"),
        (idx(np.zeros(3, np.uint8)), "holds an array with 1 axes; expected 3"),
        (b"\0\0\x0d\3" + bytes(12), "IDX type 0x0d; expected unsigned bytes"),
        (b"\0\0\x08\3" + bytes(5), "cut short inside its header"),
        (b"\0\0\x08\3" + struct.pack(">3I", 5, 0, 5), "holds no values"),
        (idx(np.zeros((2, 3, 4), np.uint8))[:-1], "declares 2x3x4 = 24 bytes of values, more than a file of 39 bytes"),
        (idx(np.zeros((2, 3, 4), np.uint8)) + b"x", "has more than the 24 bytes"),
        (gzip.compress(idx(np.zeros((2, 3, 4), np.uint8))[:-1]), "cut short: its header declares 24 bytes"),
        (gzip.compress(idx(np.zeros((2, 3, 4), np.uint8)) + b"x"), "has more than the 24 bytes"),
        (gzip.compress(idx(np.zeros((2, 3, 4), np.uint8)))[:-9], "damaged or cut short"),
        (b"\0\0\x08\3" + b"\xff" * 12, "more than a file of 16 bytes can hold"),
        (gzip.compress(b"\0\0\x08\3" + b"\xff" * 12), "more than a file of [0-9]+ bytes can hold"),
    ],
)
def test_idx_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)


def test_missing_and_unreadable_idx(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "images", 3)
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path, 3)


# Damage at many places: a DataError or, where the format has no checksum, other values; never anything else.


def damaged(content: bytes, places: int = 150) -> Iterator[bytes]:
    random = np.random.default_rng(7)
    where = sorted({*range(min(len(content), 100)), *random.integers(0, len(content), places).tolist()})
    yield from (content[:at] for at in where)
    for at in where:
        yield content[:at] + bytes([content[at] ^ int(random.integers(1, 256))]) + content[at + 1 :]
    for at in where[::5]:
        yield content[:at] + random.bytes(4) + content[at + 4 :]


@pytest.mark.parametrize("pack", [False, True])
def test_damaged_idx(tmp_path: Path, pack: bool) -> None:
    x = np.random.default_rng(0).integers(0, 256, (6, 7, 8), np.uint8)
    content = gzip.compress(idx(x)) if pack else idx(x)
    path, refused, count = tmp_path / "x-idx", 0, 0
    for count, bad in enumerate(damaged(content), 1):  # noqa: B007
        path.write_bytes(bad)
        try:
            found = read_idx(path, 3)
        except DataError:
            refused += 1
        else:
            assert found.size == x.size  # same number of values, as the length was checked
    assert refused >= count / 3  # every truncation at the least


@pytest.mark.parametrize("kind", ["npy", "npz", "npz-compressed"])
def test_damaged_arrays(tmp_path: Path, kind: str) -> None:
    x = np.random.default_rng(0).integers(0, 50, (12, 5)).astype(np.int16)
    y = np.array(["cat", "dog", "eel"] * 4)
    content = saved(x) if kind == "npy" else zipped(compressed=kind != "npz", x=x, y=y)
    path, refused, count = tmp_path / f"x.{kind[:3]}", 0, 0
    for count, bad in enumerate(damaged(content), 1):  # noqa: B007
        path.write_bytes(bad)
        try:
            load(Data(source=str(path)))
        except DataError:
            refused += 1
    assert refused >= count / 3


@settings(deadline=None, max_examples=300)
@given(content=st.binary(max_size=80), suffix=st.sampled_from([".npy", ".npz"]), magic=st.booleans())
def test_random_bytes_are_refused(folder: Path, content: bytes, suffix: str, magic: bool) -> None:
    path = folder / f"noise{suffix}"
    path.write_bytes((MAGIC if suffix == ".npy" else b"PK\x03\x04") + content if magic else content)
    with pytest.raises(DataError):
        read(path)


# NumPy's files


kinds = st.sampled_from(["?", "u1", "i1", "<i2", ">i4", "<i8", "<f2", ">f4", "<f8", "<U3", "S4"])


@settings(deadline=None)
@given(x=kinds.flatmap(lambda k: hnp.arrays(k, hnp.array_shapes(max_side=5))), order=st.sampled_from("CF"))
def test_npy_and_npz_round_trip(folder: Path, x: np.ndarray, order: str) -> None:
    x = np.asarray(x, order=order)
    for path, content in ((folder / "x.npy", saved(x)), (folder / "x.npz", zipped(x=x, y=x, other=x[:1]))):
        path.write_bytes(content)
    labels = read_npz(folder / "x.npz")
    for found in (read_npy(folder / "x.npy"), *labels):
        assert found is not None
        assert found.dtype == x.dtype
        assert found.flags.writeable
        np.testing.assert_array_equal(found, x)


def header(descr: str = "'<f8'", shape: str = "(12, 2)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not in NumPy's .npy format"),
        (b"1.0,2.0\n3.0,4.0\n", "is not in NumPy's .npy format"),
        (saved(np.array([{}, 1], object)), "pickled Python objects, which could run code"),
        (saved(np.zeros(3, [("a", "f4"), ("b", "i4")])), "not one with named columns"),
        (saved(np.zeros((12, 2), complex)), "'<c16'; expected numbers"),
        (saved(np.zeros((12, 2), "M8[s]")), "expected numbers"),
        (saved(np.zeros((12, 2)))[:-1], "declares 12x2 values of float64, 192 bytes, but 191 follow"),
        (saved(np.zeros((12, 2))) + b"x", "192 bytes, but 193 follow"),
        (npy(header(shape="(1000000000000, 2)"), bytes(64)), "but 64 follow"),
        (npy(header(shape="(-1, 2)")), "not understood"),
        (npy(header(shape=f"({'9' * 5000},)")), "impossible shape"),
        (npy(header(shape="(" + "1, " * 40 + ")"), bytes(8)), "impossible shape"),
        (npy(header(shape="(0, 2)")), "is empty"),
        (npy(header(descr="'<f3'"), bytes(72)), "'<f3'; expected numbers"),
        (npy(header(descr="'|S0'")), "expected numbers"),
        (npy(header(order="__import__('os')")), "not understood"),
        (npy("x" * 20_000), "header of 20000 bytes"),
        (b"\x93NUMPY\x03\x00" + bytes(20), "version of the .npy format"),
    ],
)
def test_npy_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


X, Y = np.zeros((12, 2)), np.zeros(12, np.int64)


@pytest.mark.parametrize("key", ["x", "X", "data", "images", "samples", "arr_0"])
@pytest.mark.parametrize("label", ["y", "labels", "targets"])
def test_npz_keys(tmp_path: Path, key: str, label: str) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **{key: X + 3, label: Y, "weights": Y})
    raw = read(path)
    np.testing.assert_array_equal(raw.x, X + 3)
    assert raw.y is not None
    assert (raw.y.tolist(), raw.classes, raw.name) == ([0] * 12, ("0",), "x.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "images": X}, "holds x, images, any of which"),
        ({"x": X, "y": Y, "labels": Y}, "holds y, labels, any of which"),
        ({"x_train": X, "x_test": X}, "holds x_train, x_test; expected one named x, X, data"),
        ({}, "holds no arrays"),
        ({"x": X, "y": Y[:5]}, r"labels have shape \(5,\), expected one for each of the 12 rows"),
        ({"x": X, "y": np.array([{}], object)}, "array y: holds pickled"),
        ({"x": np.float64(3)}, "a single number"),
    ],
)
def test_npz_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=message):
        read(path)


def test_zip_that_numpy_does_not_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", saved(X))
    with pytest.raises(DataError, match="array x is encrypted or compressed in a way"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", saved(X))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", saved(X))
    with pytest.raises(DataError, match="holds x, x, any"):
        read(path)


# Bombs


def bomb(kind: str, path: Path) -> None:
    """A file that expands to 120 MB: an array that says so, or an IDX file that declares a thousand bytes."""
    zeros = bytes(1 << 20)
    if kind == "npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
            member.write(npy(header("'|u1'", "(120, 1048576)")))
            for _ in range(120):
                member.write(zeros)
    else:
        with gzip.open(path, "wb", 1) as stream:
            stream.write(b"\0\0\x08\3" + struct.pack(">3I", 10, 10, 10))
            for _ in range(120):
                stream.write(zeros)


@pytest.mark.parametrize(("kind", "message"), [("npz", "more than 200 times"), ("idx", "more than the 1000 bytes")])
def test_bombs_take_no_memory(tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / f"x.{kind}"
    bomb(kind, path)
    tracemalloc.start()  # counts what Python and NumPy allocate
    try:
        with pytest.raises(DataError, match=message):
            read_npz(path) if kind == "npz" else read_idx(path, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_file_beyond_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    size = 1 << 42
    with path.open("wb") as file:
        start = npy(header("'|u1'", f"({size // 2}, 2)"))
        file.write(start)
        try:
            file.truncate(len(start) + size)  # a hole; it takes no place on the disk
        except OSError:
            pytest.skip("this file system has no files of 4 TiB")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, hard))
    try:
        with pytest.raises(DataError, match=r"x.npy: needs 4096.0 GiB of memory"):
            read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# Where MNIST's files may lie


@pytest.mark.parametrize("place", [".", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("spelling", ["{}", "{}.gz"])
def test_mnist_is_found(tmp_path: Path, place: str, spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = write_mnist(tmp_path / "data" / place, spelling, pack=spelling.endswith("gz"))
    for directory in (str(tmp_path / "data"), None):
        monkeypatch.setenv("AAE_DATA_DIR", str(tmp_path / "data") if directory is None else "/nowhere")
        dataset = load(Data(source="mnist", directory=directory))
        np.testing.assert_array_equal(dataset.x.numpy().reshape(x.shape), x)
        assert set(dataset.splits.test) == set(range(30, 42))
        assert dataset.y is not None
        assert dataset.y.tolist() == [i % 10 for i in [*range(30), *range(30, 42)]]


def test_mnist_with_dots_in_the_names(tmp_path: Path) -> None:
    x = write_mnist(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    np.testing.assert_array_equal(read_mnist(str(tmp_path))[0], x)


def test_mnist_in_a_named_folder_that_lacks_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aae.data.mnist.fetch", lambda *_: pytest.fail("nothing may be downloaded"))
    write_mnist(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"/mnist: the folder holds no t10k-labels-idx1-ubyte or .*--data-dir"):
        read_mnist(str(tmp_path))
    with pytest.raises(DataError, match="nowhere: no such folder"):
        read_mnist(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-labels-idx1-ubyte", idx(np.zeros(29, np.uint8)), "holds 29 labels for the 30 images"),
        ("t10k-labels-idx1-ubyte", idx(np.array([0] * 11 + [10], np.uint8)), "the label of row 11 is 10"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((12, 5, 5), np.uint8)), r"its images are \(5, 5\)"),
    ],
)
def test_mnist_files_that_do_not_go_together(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    write_mnist(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_mnist(str(tmp_path))


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.delenv("AAE_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match=r"cannot write .*/file/aae/mnist"):
        read_mnist()

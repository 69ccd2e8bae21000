"""Zarr stores: read as what was written, unpacked once where they are large, and nothing run that a store brings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny

import aae
from aae.data import arrays, load, stores
from aae.errors import DataError, Interrupted, StorageError

zarr = pytest.importorskip("zarr")

IMAGES = np.random.default_rng(0).integers(0, 256, size=(530, 6, 5)).astype(np.uint8)


def write(path: Path, version: int = 3, labels: bool = True) -> Path:
    """A group of an array in chunks of 100 rows and, with `labels`, one of labels."""
    group = zarr.open_group(store=str(path), mode="w", zarr_format=version)
    group.create_array("x", data=IMAGES, chunks=(100, 6, 5))
    if labels:
        group.create_array("y", data=np.arange(len(IMAGES)) % 3, chunks=(530,))
    return path


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every store counts as a large one, of which 200 rows are unpacked at a time."""
    monkeypatch.setattr(stores, "MAPPED_FROM", 1)
    monkeypatch.setattr(arrays, "MAPPED_FROM", 1)
    monkeypatch.setattr(stores, "AT_ONCE", 200 * 30)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_is_read_as_it_was_written(version: int, tmp_path: Path) -> None:
    data = load(tiny(data__source=str(write(tmp_path / "s.zarr", version))).data)
    assert data.file is None
    assert np.array_equal(data.x.numpy(), IMAGES.reshape(530, 30))
    assert data.y is not None
    assert data.y.tolist() == [i % 3 for i in range(530)]
    assert data.spec.shape == (6, 5)


def test_a_store_may_be_one_array_of_any_order_of_bytes_and_sharded(tmp_path: Path, large: None) -> None:
    values = IMAGES.reshape(530, 30).astype(">f4")
    zarr.create_array(store=str(tmp_path / "a.zarr"), data=values, chunks=(50, 10), shards=(100, 30))
    x, y, said = stores.read_zarr(tmp_path / "a.zarr")
    assert y is None
    assert np.array_equal(x, values)
    assert "unpacked to" in said[0]


def test_a_large_store_is_unpacked_once_and_again_when_it_changes(tmp_path: Path, large: None) -> None:
    path = write(tmp_path / "s.zarr")
    data = load(tiny(data__source=str(path)).data)
    assert data.file is not None
    assert np.array_equal(data.x.numpy(), IMAGES.reshape(530, 30))
    (kept,) = (tmp_path / "cache" / "aae" / "stores").iterdir()
    written = kept.stat().st_mtime_ns
    again = load(tiny(data__source=str(path)).data)
    assert again.fingerprint == data.fingerprint
    assert kept.stat().st_mtime_ns == written
    zarr.open_group(store=str(path), mode="a")["x"][0] = 7
    assert load(tiny(data__source=str(path)).data).x[0].tolist() == [7] * 30


def test_a_run_on_a_large_store_goes_on_in_the_middle_of_an_epoch(tmp_path: Path, large: None) -> None:
    from test_training import digest, stop_at

    config = tiny(data__source=str(write(tmp_path / "s.zarr", labels=False)), batch_size=64)
    aae.train(config, tmp_path / "whole")
    with pytest.raises(Interrupted):
        aae.train(config, tmp_path / "parts", listener=stop_at(3))
    aae.resume(tmp_path / "parts")
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")


@pytest.mark.parametrize("version", [2, 3])
def test_what_could_run_code_is_refused_before_anything_is_unpacked(version: int, tmp_path: Path) -> None:
    path = write(tmp_path / "s.zarr", version)
    file = path / "x" / ("zarr.json" if version == 3 else ".zarray")
    found = json.loads(file.read_text())
    if version == 3:
        found["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})
    else:
        found["filters"] = [{"id": "pickle", "protocol": 5}]
    file.write_text(json.dumps(found))
    with pytest.raises(DataError, match=r"packed by (numcodecs\.)?pickle"):
        load(tiny(data__source=str(path)).data)


def test_a_damaged_store_and_a_full_disk_leave_nothing_behind(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "s.zarr")
    cache = tmp_path / "cache" / "aae" / "stores"
    chunk = path / "x" / "c" / "1" / "0" / "0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged or cut short"):
        load(tiny(data__source=str(path)).data)
    assert not list(cache.iterdir())
    chunk.write_bytes(whole)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(StorageError, match="make room"):
        load(tiny(data__source=str(path)).data)
    assert not list(cache.iterdir())


def test_what_is_no_array_of_rows_of_numbers_is_refused(tmp_path: Path) -> None:
    group = zarr.open_group(store=str(tmp_path / "s.zarr"), mode="w")
    with pytest.raises(DataError, match="holds no arrays"):
        stores.read_zarr(tmp_path / "s.zarr")
    group.create_array("x", data=np.arange(5), chunks=(5,))
    with pytest.raises(DataError, match="expected an array of rows"):
        stores.read_zarr(tmp_path / "s.zarr")
    (tmp_path / "s.zarr" / "zarr.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        stores.read_zarr(tmp_path / "s.zarr")


@pytest.mark.slow
def test_unpacking_takes_bounded_memory(tmp_path: Path) -> None:
    """A store of 1.5 GiB, of which less than 500 MiB is in memory at any time."""
    array = zarr.create_array(store=str(tmp_path / "s.zarr"), shape=(400_000, 4096), chunks=(4096, 4096), dtype="u1")
    block = np.random.default_rng(0).integers(0, 4, size=(4096, 4096)).astype(np.uint8)
    for start in range(0, array.shape[0], 4096):
        array[start : start + 4096] = block[: min(4096, array.shape[0] - start)]
    script = (
        "import resource, sys; from pathlib import Path; from aae.data import stores; import zarr\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "stores.read_zarr(Path(sys.argv[1]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )

    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", script, str(tmp_path / "s.zarr")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(said.stdout) < 500 * 1024

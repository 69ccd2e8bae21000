"""Data that stays in its file: every row once an epoch, read in blocks, in memory that is given back."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny
from hypothesis import given
from hypothesis import strategies as st

import aae
from aae import evaluation, passage
from aae.config import Data
from aae.data import arrays, dataset, load, spool, streaming
from aae.data.arrays import read_npy
from aae.data.streaming import BLOCK, WINDOW, block_order, mapped, release, take
from aae.errors import DataError, Interrupted
from aae.game import Game
from aae.training import Stop


@given(st.integers(0, 3 * BLOCK), st.integers(0, 2**32 - 1))
def test_every_row_comes_once(n: int, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(3 * BLOCK)[:n]
    order = block_order(rows, np.random.default_rng(seed)) if n else rows
    assert np.array_equal(np.sort(order), np.sort(rows))


def test_a_window_of_an_order_reads_a_window_of_blocks() -> None:
    """So memory is bounded by the window, however long the file."""
    order = block_order(np.arange(200 * BLOCK), np.random.default_rng(0))
    size = BLOCK * WINDOW
    for start in range(0, len(order) - size, size):
        assert len(np.unique(order[start : start + size] // BLOCK)) == WINDOW


def test_orders_differ_between_epochs_and_neighbours_are_parted() -> None:
    rows = np.arange(8 * BLOCK)
    a, b = (block_order(rows, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(a, b)
    assert np.mean(np.abs(np.diff(a)) == 1) < 0.01


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(arrays, "MAPPED_FROM", 1)
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).random((500, 12), dtype=np.float32))
    return path


def test_rows_stay_in_the_file_and_train_to_the_same_bytes_after_a_stop(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks so small that an epoch has several windows, and a stop in the middle of one."""
    monkeypatch.setattr(streaming, "BLOCK", 16)
    monkeypatch.setattr(streaming, "WINDOW", 4)
    config = tiny(data__source=str(file), data__layout="vectors", batch_size=64)
    data = load(config.data)
    assert data.file is not None
    assert np.shares_memory(data.x.numpy(), data.file)
    whole = aae.train(config, tmp_path / "whole", data=data)

    def steer(game: Game, stop: Stop) -> bool:
        if game.step == 3:
            stop.signal = signal.SIGINT
        return False

    with pytest.raises(Interrupted, match="at step 3 of"):
        aae.train(config, tmp_path / "parts", data=load(config.data), steer=steer)
    parts = aae.resume(tmp_path / "parts")
    assert (whole.path / "weights.safetensors").read_bytes() == (parts.path / "weights.safetensors").read_bytes()


def test_values_are_the_same_after_memory_was_given_back(file: Path) -> None:
    data = load(tiny(data__source=str(file), data__layout="vectors").data)
    before = data.x.clone()
    release(data.file)
    assert (data.x == before).all()
    assert np.array_equal(before.numpy(), np.load(file))


@given(st.integers(0, 200), st.integers(0, 2**32 - 1), st.booleans())
def test_rows_read_by_position_are_those_of_the_array(n: int, seed: int, near: bool) -> None:
    random = np.random.default_rng(seed)
    values = random.random((300, 3, 2)).astype(">f4")
    with tempfile.TemporaryFile() as file:
        file.write(b"ahead" + values.tobytes())
        file.flush()
        x = streaming.map_file(file, values.dtype, 5, values.shape)
    rows = random.integers(0, 20 if near else 290, n)
    assert np.array_equal(take(x[7:], rows), values[7:][rows])
    streaming.Rows(x, x).expect(rows)


def test_a_file_that_has_become_shorter_is_named(file: Path) -> None:
    x = read_npy(file)
    with file.open("r+b") as opened:
        opened.truncate(1000)
    with pytest.raises(DataError, match=r"rows\.npy: has become shorter"):
        take(x, np.array([400, 3]))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory of a process")
def test_scattered_rows_do_not_bring_their_file_into_memory(tmp_path: Path) -> None:
    """The system maps up to 2 MiB around a value; here through the map 1,000 rows of 4 KB would come to about 1 GB."""
    path = tmp_path / "large.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (1 << 18, 1 << 12))  # full of holes, which take no disk
    x = read_npy(path)
    rows = np.random.default_rng(0).permutation(len(x))[:1000]
    before = resident()
    assert not take(x, rows).any()
    assert resident() - before < 64
    for part in streaming.pieces(x[: 1 << 16]):
        assert not x[part][::64, 0].any()
        assert resident() - before < 128 + 64
    assert resident() - before < 64


def resident() -> int:
    """MiB of this process in memory, with the pages of files that are mapped."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024


def test_what_a_user_has_mapped_stays_in_its_file(file: Path) -> None:
    for mode in ("r", "r+"):
        x = np.load(file, mmap_mode=mode)
        data = dataset(x)
        assert data.file is not None
        assert np.array_equal(data.take(np.array([9, 3, 9])).numpy(), x[[9, 3, 9]])
        assert np.array_equal(data.x.numpy(), x)
        assert data.extremes() == (x.min(), x.max())
    changed = np.load(file, mmap_mode="c")
    changed[0] = 7  # in no file, and so in memory
    assert mapped(changed) is None
    assert (dataset(changed).x[0] == 7).all()


def test_a_run_on_mapped_rows_gives_what_it_gives_on_rows_in_memory(
    trained: aae.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).integers(0, 17, (700, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    vae = aae.training.train_in_memory(tiny(model__kind="vae", prior__kind="gaussian", epochs=1), load(tiny().data))

    def found() -> list[np.ndarray]:
        rows = read_npy(tmp_path / "x.npy")
        return [trained.encode(rows), vae.encode(rows, sample=True), vae.held_to_prior(rows), trained.reconstruct(rows)]

    whole = found()
    assert mapped(whole[-1]) is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays, "MAPPED_FROM", 1)
    monkeypatch.setattr(spool, "MAPPED_FROM", 1)
    monkeypatch.setattr(passage, "PIECE", 4 * 300 * 64)
    seen: list[int] = []
    scaled = passage.Passage.scaled
    monkeypatch.setattr(
        passage.Passage, "scaled", lambda way, x, first=0: (seen.append(len(x)), scaled(way, x, first))[1]
    )
    streamed = found()
    assert max(seen) == 256
    assert mapped(streamed[-1]) is not None
    for one, other in zip(whole, streamed, strict=True):
        assert np.array_equal(one, other)
    bad = x.astype(np.float32)
    bad[600, 3, 2] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    with pytest.raises(DataError, match="row 600, line 3, column 2"):
        trained.encode(read_npy(tmp_path / "bad.npy"), sample=True)


def test_measures_look_at_some_rows_of_a_large_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(file, np.random.default_rng(0).random((3000, 3), dtype=np.float32))
    monkeypatch.setattr(evaluation, "MEASURED_BYTES", 0)
    data = load(tiny(data__source=str(file), data__layout="vectors").data)
    assert [len(evaluation.rows_of(data, split)) for split in ("train", "test")] == [1000, 600]
    assert np.array_equal(evaluation.rows_of(data, "test").x, data.x.numpy()[data.splits.test[:1000]])


def test_what_is_written_into_rows_that_came_out_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(spool, "MAPPED_FROM", 1)
    found = spool.held([np.ones((2000, 300), np.float32)])
    assert mapped(found) is not None
    found *= 3
    assert all((found[part] == 3).all() for part in streaming.pieces(found, 1 << 20))
    assert (found == 3).all()
    assert (take(found, np.array([5, 7])) == 3).all()


def test_a_map_whose_file_is_another_one_now_counts_as_memory(tmp_path: Path) -> None:
    for path, value in ((tmp_path / "x.npy", 1), (tmp_path / "y.npy", 2)):
        np.save(path, np.full((500, 4), value))
    kept, gone = (np.load(tmp_path / name, mmap_mode="r") for name in ("x.npy", "y.npy"))
    (tmp_path / "y.npy").replace(tmp_path / "x.npy")
    for array, value in ((kept, 1), (gone, 2)):
        assert mapped(array) is None
        assert (take(array, np.array([3, 400])) == value).all()
        assert (dataset(array).x == value).all()


def test_a_view_of_a_mapped_table_is_not_taken_for_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 5, (1000, 3)))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    config = Data(source="memory", layout="table")
    for view in (x, x[::2], x[:10], x[:, ::2]):
        data = dataset(view, config=config)
        assert np.array_equal(np.unique(data.x.numpy(), axis=0), np.unique(view.astype(np.float32), axis=0))
        assert len(data.x) == len(view)


def test_the_fault_of_a_source_is_not_that_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(spool, "MAPPED_FROM", 1)

    def blocks() -> Iterator[np.ndarray]:
        yield np.ones((3, 2), np.float32)
        (tmp_path / "missing.png").read_bytes()

    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        spool.held(blocks())


PROGRAM = """
import sys
from pathlib import Path
import aae
from aae.config import Data, replace
from aae.data import load
from aae.data.arrays import read_npy
config = replace(aae.recipes.digits_2d_uniform(), {"data.source": sys.argv[1], "data.layout": "vectors", "epochs": 1,
    "batch_size": 512, "model.encoder": (16,), "model.decoder": (16,), "model.discriminator": (16,), "threads": 1,
    "precision": "fp32"})
run = aae.train(config, Path(sys.argv[2]), data=load(config.data))
run.encode(read_npy(Path(sys.argv[1])), sample=True)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory of a process")
def test_a_large_file_is_trained_on_and_encoded_in_little_memory(tmp_path: Path) -> None:
    """1 GB of rows; of the process everything counts, with the pages of the file that are mapped."""
    path = tmp_path / "large.npy"
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, (500_000, 2000))
    random = np.random.default_rng(0)
    for start in range(0, len(rows), 50_000):
        rows[start : start + 50_000] = random.integers(0, 256, (50_000, 2000), dtype=np.uint8)
    rows.flush()
    command = [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "run")]
    most = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert most < 700, f"{most} MB"

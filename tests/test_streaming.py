"""Data that stays in its file: every row once an epoch, read in blocks, in memory that is given back."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny
from hypothesis import given
from hypothesis import strategies as st

import aae
from aae.data import arrays, load, streaming
from aae.data.streaming import BLOCK, WINDOW, block_order, release
from aae.errors import Interrupted
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


PROGRAM = """
import sys
from pathlib import Path
import aae
from aae.config import replace
from aae.data import load
config = replace(aae.recipes.digits_2d_uniform(), {"data.source": sys.argv[1], "data.layout": "vectors", "epochs": 1,
    "batch_size": 512, "model.encoder": (16,), "model.decoder": (16,), "model.discriminator": (16,), "threads": 1,
    "precision": "fp32"})
most = 0
def listen(moment):
    global most
    lines = Path("/proc/self/status").read_text().splitlines()
    most = max(most, *(int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon")))
aae.train(config, Path(sys.argv[2]), data=load(config.data), listener=listen)
print(most)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory of a process")
def test_a_large_file_is_trained_on_in_little_memory_of_its_own(tmp_path: Path) -> None:
    """2 GB of rows; what counts is memory that the system cannot take back, so not the pages of the file itself."""
    path = tmp_path / "large.npy"
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, (1_000_000, 2000))
    random = np.random.default_rng(0)
    for start in range(0, len(rows), 50_000):
        rows[start : start + 50_000] = random.integers(0, 256, (50_000, 2000), dtype=np.uint8)
    rows.flush()
    command = [sys.executable, "-c", PROGRAM, str(path), str(tmp_path / "run")]
    most = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert most < 1000, f"{most} MB"

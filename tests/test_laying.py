"""Large arrays of any type and order of axes are the rows that small ones are, and are written out once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aae.config import Data
from aae.data import arrays, dataset, laying, load, spool
from aae.errors import DataError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (90, 5, 4, 3)).astype(np.uint8)
ROWS = RANDOM.normal(size=(90, 7))
STAY = {"float32": ROWS.astype(np.float32), "bytes": IMAGES[..., 0], "int16": (1000 * ROWS).astype(np.int16)}
WRITTEN = {
    "float64": ROWS,
    "big-endian": ROWS.astype(">f4"),
    "float16": ROWS.astype(np.float16),
    "int64": RANDOM.integers(-5, 300, (90, 7)),
    "truth": ROWS > 0,
    "one-byte, signed": np.clip(40 * ROWS, 0, 127).astype(np.int8),
    "channels last": IMAGES,
    "order F": np.asfortranarray(ROWS),
    "order F, images": np.asfortranarray(IMAGES.astype(float)),
}


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Call it, and from then on every file is mapped, and looked at a few rows at a time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def turn() -> None:
        for module in (arrays, spool):
            monkeypatch.setattr(module, "MAPPED_FROM", 1)
        monkeypatch.setattr(laying, "AT_ONCE", 200)

    return turn


@pytest.mark.parametrize("name", [*STAY, *WRITTEN])
def test_a_mapped_array_is_what_it_is_in_memory(name: str, tmp_path: Path, large: Any) -> None:
    path = tmp_path / "x.npy"
    np.save(path, (STAY | WRITTEN)[name])
    config = Data(source=str(path))
    whole = load(config)
    large()
    streamed = load(config)
    assert streamed.file is not None
    assert streamed.fingerprint == whole.fingerprint
    assert streamed.spec == whole.spec
    kept = list(tmp_path.glob("cache/aae/stores/*"))
    assert len(kept) == (name in WRITTEN)
    assert any("written out" in note for note in streamed.notes) == (name in WRITTEN)
    if kept:
        time = kept[0].stat().st_mtime_ns
        assert load(config).fingerprint == whole.fingerprint
        assert [file.stat().st_mtime_ns for file in kept] == [time]


def test_a_mapped_array_as_a_table_is_what_it_is_in_memory(tmp_path: Path, large: Any) -> None:
    values = np.stack([ROWS[:, 0], RANDOM.integers(0, 2, 90), RANDOM.integers(0, 9, 90)], axis=1)
    values[::7, 0] = np.nan
    np.save(tmp_path / "x.npy", values)
    config = Data(source=str(tmp_path / "x.npy"), layout="table", categories=("2",))
    whole = load(config)
    large()
    streamed = load(config)
    assert streamed.file is not None
    assert (streamed.fingerprint, streamed.spec) == (whole.fingerprint, whole.spec)


@pytest.mark.parametrize("name", ["float32", "float64", "order F"])
def test_a_value_that_is_not_finite_is_found_in_its_row_and_nothing_is_left(
    name: str, tmp_path: Path, large: Any
) -> None:
    bad = (STAY | WRITTEN)[name].copy(order="K")
    bad[71, 4] = np.inf
    np.save(tmp_path / "x.npy", bad)
    large()
    with pytest.raises(DataError, match=r"row 71, column 4 .*is inf"):
        load(Data(source=str(tmp_path / "x.npy")))
    assert not list(tmp_path.glob("cache/aae/stores/*"))


def test_batches_of_images_with_channels_last_go_to_a_file_without_a_name(tmp_path: Path, large: Any) -> None:
    def batches() -> Any:
        return (IMAGES[start : start + 30] for start in range(0, 90, 30))

    whole = dataset(batches)
    large()
    streamed = dataset(batches)
    assert streamed.file is not None
    assert streamed.fingerprint == whole.fingerprint
    assert not list(tmp_path.glob("cache/aae/stores/*"))

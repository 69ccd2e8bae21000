"""Parquet, tar shards and batches that do not fit in memory are the same data as those that do."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tiny
from PIL import Image

import aae
from aae.cli import main
from aae.config import Data
from aae.data import Dataset, Table, arrays, dataset, load, parquet, read, shards, spool
from aae.data.scaling import statistics
from aae.errors import ConfigError, DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
N = 700
RANDOM = np.random.default_rng(0)
TABLE = pa.table(
    {
        "number": RANDOM.normal(size=N),
        "whole": RANDOM.integers(0, 9, N),
        "text": [("x", "y", None)[i % 3] for i in range(N)],
        "kind": [("p", "q")[i % 2] for i in range(N)],
    }
)
VECTORS = RANDOM.normal(size=(N, 5)).astype(np.float32)
IMAGES = RANDOM.integers(0, 255, (40, 6, 5, 3)).astype(np.uint8)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Call it, and from then on everything counts as large, and is read a few rows at a time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def turn() -> None:
        for module in (arrays, parquet, shards, spool):
            monkeypatch.setattr(module, "MAPPED_FROM", 1)
        monkeypatch.setattr(parquet, "MOST_ROWS", 64)
        monkeypatch.setattr(shards, "AT_ONCE", 7 * 90)

    return turn


def parts(folder: Path, table: Any = TABLE) -> str:
    folder.mkdir()
    pq.write_table(table.slice(0, 300), folder / "1.parquet", row_group_size=100)
    pq.write_table(table.slice(300), folder / "2.parquet")
    return str(folder)


def lists(path: Path) -> str:
    column = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), 5)
    pq.write_table(pa.table({"v": column, "kind": TABLE["kind"]}), path)
    return str(path)


def png(image: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(image).save(held, "PNG")
    return held.getvalue()


def npy(array: np.ndarray) -> bytes:
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def tar(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w") as file:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return str(path)


def image_shards(folder: Path) -> str:
    folder.mkdir()
    for s in (0, 1):
        members = {}
        for i in range(20):
            members |= {f"{i:04}.png": png(IMAGES[20 * s + i]), f"{i:04}.cls": b"%d" % (i % 3)}
        tar(folder / f"{s}.tar", members)
    return str(folder)


def same(a: Dataset, b: Dataset) -> None:
    assert a.file is None
    assert b.file is not None
    assert a.fingerprint == b.fingerprint
    assert a.spec == b.spec


@pytest.mark.parametrize(
    ("make", "label"), [(lambda f: parts(f / "p"), "kind"), (lambda f: lists(f / "l.parquet"), "kind"),
                        (lambda f: image_shards(f / "s"), None)], ids=["table", "lists", "shards"],
)  # fmt: skip
def test_a_stream_is_the_data_that_memory_holds(make: Any, label: str | None, tmp_path: Path, large: Any) -> None:
    config = Data(source=make(tmp_path), label=label)
    whole = load(config)
    large()
    same(whole, load(config))
    (kept,) = (tmp_path / "cache" / "aae" / "stores").iterdir()
    written = kept.stat().st_mtime_ns
    assert load(config).fingerprint == whole.fingerprint
    assert kept.stat().st_mtime_ns == written


def test_values_arrive_as_they_were_written(tmp_path: Path) -> None:
    found = load(Data(source=lists(tmp_path / "l.parquet"), label="kind"))
    assert np.array_equal(found.x.numpy(), VECTORS)
    assert found.spec.classes == ("p", "q")
    found = load(Data(source=image_shards(tmp_path / "s")))
    assert np.array_equal(found.x.numpy().reshape(40, 3, 6, 5), np.moveaxis(IMAGES, -1, 1))
    assert found.y is not None
    assert found.y.tolist() == [i % 20 % 3 for i in range(40)]


def test_arrays_with_labels_in_json_are_a_shard(tmp_path: Path) -> None:
    members = {}
    for i, row in enumerate(VECTORS[:30]):
        members |= {f"a/{i}.x.npy": npy(row), f"a/{i}.json": b'{"sort": "%s"}' % (b"u", b"v")[i % 2]}
    found = load(Data(source=tar(tmp_path / "one.tar", members), label="sort"))
    assert np.array_equal(found.x.numpy(), VECTORS[:30])
    assert found.spec.classes == ("u", "v")


def test_batches_beyond_memory_go_to_a_file_that_nobody_sees(tmp_path: Path, large: Any) -> None:
    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, N, 70):
            yield VECTORS[start : start + 70], np.arange(70) % 3

    whole = dataset(batches)
    large()
    streamed = dataset(batches)
    same(whole, streamed)
    assert streamed.y is not None
    assert not list((tmp_path / "cache" / "aae" / "stores").iterdir())


def test_an_iterable_dataset_gives_rows_or_batches() -> None:
    from torch.utils.data import IterableDataset

    class Rows(IterableDataset):  # type: ignore[type-arg]
        def __init__(self, size: int) -> None:
            self.size = size

        def __iter__(self) -> Iterator[Any]:
            for start in range(0, N, self.size):
                yield (VECTORS[start], 1) if self.size == 1 else VECTORS[start : start + self.size]

    for size in (1, 100):
        assert np.array_equal(dataset(Rows(size)).x.numpy(), VECTORS)


def test_a_run_on_a_parquet_folder_goes_on_in_the_middle_of_an_epoch(tmp_path: Path, large: Any) -> None:
    from test_training import digest, stop_at

    large()
    config = tiny(data__source=parts(tmp_path / "p"), data__label="kind", batch_size=64)
    aae.train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        aae.train(config, tmp_path / "parts", listener=stop_at(3))
    aae.resume(tmp_path / "parts")
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")


SMALL = ["--epochs", "2", "--batch-size", "16", "--threads", "1", "--no-compare", "--quiet", "--select", "last"]
for network in ("encoder", "decoder", "discriminator"):
    SMALL += [f"--model.{network}", "16"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lists", "table", "shards"])
def test_the_command_line_trains_on_streams_and_encodes_them(
    kind: str, tmp_path: Path, large: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make = {"lists": lambda: lists(tmp_path / "l.parquet"), "table": lambda: parts(tmp_path / "p"),
            "shards": lambda: image_shards(tmp_path / "s")}  # fmt: skip
    source, label = make[kind](), [] if kind == "shards" else ["--label", "kind"]
    recipe = "table-8d-gaussian" if kind == "table" else "digits-2d-uniform"
    large()
    assert main(["train", recipe, "--data", source, *label, *SMALL, "--out", "run"]) == 0, capsys.readouterr().err
    for command in ("encode", "reconstruct"):
        assert main([command, "run", source, "-o", f"{command}.npz"]) == 0, capsys.readouterr().err
    run = aae.Run.load("run")
    held = load(run.config.data)
    assert held.file is not None
    x = aae.data.original(held.take(np.arange(len(held.x))), held.spec)
    with np.load("encode.npz") as codes, np.load("reconstruct.npz") as rows:
        assert np.array_equal(run.encode(x), codes["codes"])
        assert np.array_equal(run.reconstruct(x), rows["samples"])


def test_gaps_of_a_stored_table_are_filled_as_in_memory(tmp_path: Path, large: Any) -> None:
    gaps = TABLE.set_column(0, "number", pa.array([None if i % 5 == 0 else i / N for i in range(N)]))
    source = parts(tmp_path / "p", gaps)
    settings = tiny(data__source=source, data__label="kind", epochs=1)
    run = aae.training.train_in_memory(settings, load(settings.data))
    whole = read(source, settings.data).x
    large()
    stored = read(source, settings.data).x
    assert isinstance(whole, Table)
    assert isinstance(stored, Table)
    assert (whole.store, stored.store) != (None, None)
    one, other = run.impute(whole), run.impute(stored)
    assert one.names == other.names
    for name in one.names:
        assert np.array_equal(one.columns[name].values, other.columns[name].values)
        assert not other.columns[name].missing.any()


def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path, large: Any) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield VECTORS
        raise KeyboardInterrupt

    kept = tmp_path / "cache" / "x.npy"
    kept.parent.mkdir()
    (kept.parent / "x.999999999.part").write_bytes(b"left by a process that was killed")
    with pytest.raises(KeyboardInterrupt):
        spool.spool(broken(), kept, 10)
    assert not list(kept.parent.iterdir())


def test_statistics_of_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from aae.data import scaling

    monkeypatch.setattr(scaling, "ROWS_AT_ONCE", 7)
    x = RANDOM.normal(size=(100, 3)) * [1, 1e3, 0] + [5, 0, 0.1]
    x[:20, 1] = np.nan
    rows = np.sort(np.random.default_rng(1).permutation(100))
    found = statistics(x, rows)
    np.testing.assert_allclose(found.mean, np.nanmean(x, 0), rtol=1e-12)
    np.testing.assert_allclose(found.deviation, np.nanstd(x, 0), rtol=1e-12, atol=1e-15)
    assert found.deviation[2] == 0
    assert found.count.tolist() == [100, 80, 100]
    assert (found.low == np.nanmin(x, 0)).all()
    assert (found.high == np.nanmax(x, 0)).all()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.txt": b"", "b.cls": b"1"}, "one.tar: b: holds no image"),
        ({"a.png": png(IMAGES[0]), "a.x.npy": npy(VECTORS[0])}, "one.tar: a: has two contents"),
        ({"a.png": png(IMAGES[0]), "b.png": png(IMAGES[0, :3])}, "b.png: is 5x3 pixels, .*a.png is 5x6; set --image-s"),
        ({"a.png": png(IMAGES[0]), "b.npy": npy(VECTORS[0])}, "b.npy: is an array of float32 of 5, .* every sample"),
        ({"a.npy": npy(VECTORS[0])[:-1]}, "a.npy: .*damaged or cut short"),
        ({"a.png": b"no picture"}, "a.png: is not a whole image"),
        ({"a.png": png(IMAGES[0]), "a.json": b"{"}, "a.json: is no JSON"),
    ],
)
def test_a_bad_member_is_named(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load(Data(source=tar(tmp_path / "one.tar", members)))


def test_what_a_shard_claims_is_looked_at_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(tar(tmp_path / "one.tar", {"a.png": png(IMAGES[0])}))
    monkeypatch.setattr(shards, "MOST_MEMBER", 10)
    with pytest.raises(DataError, match=r"a\.png declares .* bytes, more than 10"):
        load(Data(source=str(path)))
    path.write_bytes(path.read_bytes()[:600])
    monkeypatch.setattr(shards, "MOST_MEMBER", 1 << 20)
    with pytest.raises(DataError, match=r"one\.tar: is damaged"):
        load(Data(source=str(path)))
    with tarfile.open(path, "w") as file:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    with pytest.raises(DataError, match=r"a\.png is a link"):
        load(Data(source=str(path)))


def test_what_is_wrong_with_parquet_is_named(tmp_path: Path, large: Any) -> None:
    folder = Path(parts(tmp_path / "p"))
    odd = TABLE.slice(0, 10).drop_columns(["whole"])
    pq.write_table(odd, folder / "3.parquet")
    with pytest.raises(DataError, match=r"3\.parquet: lacks the column 'whole'"):
        load(Data(source=str(folder)))
    (folder / "3.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"3\.parquet: cannot be read as parquet"):
        load(Data(source=str(folder)))
    wrong = TABLE.slice(0, 400).set_column(0, "number", pa.array([*np.zeros(350), np.inf, *np.zeros(49)]))
    large()
    with pytest.raises(DataError, match=r"2\.parquet: row 50 .*column 'number' holds 'inf'"):
        load(Data(source=parts(tmp_path / "q", wrong)))
    ragged = pa.table({"v": [[1.0, 2.0], [1.0, None], [1.0]]})
    pq.write_table(ragged, tmp_path / "r.parquet")
    with pytest.raises(DataError, match=r"r\.parquet: row 2, column 'v' holds 1 values, row 0 2"):
        load(Data(source=str(tmp_path / "r.parquet")))
    pq.write_table(ragged.slice(0, 2), tmp_path / "g.parquet")
    with pytest.raises(DataError, match=r"g\.parquet: row 1, column 'v', value 1 .* not a finite number"):
        load(Data(source=str(tmp_path / "g.parquet")))
    lists(tmp_path / "l.parquet")
    with pytest.raises(ConfigError, match="beside 'kind'"):
        load(Data(source=str(tmp_path / "l.parquet")))

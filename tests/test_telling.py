"""What a decoder is told on the command line: classes and conditions by option, by the rows, or beside the codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import tiny

import aae
from aae.cli import main
from aae.data import Dataset, dataset
from aae.data.csvs import read_csv
from aae.data.frames import from_frame
from aae.errors import ConfigError, DataError
from aae.report import write

SUPERVISED = {"model__kind": "supervised", "prior__kind": "gaussian"}
KINDS = ("cat", "dog", "emu")


def animals(n: int = 60) -> pd.DataFrame:
    """Sizes of animals of three kinds, with an age and a sex that a decoder may be told."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, n)
    sex = rng.choice(["f", "m"], n)
    columns = {"size": kind + rng.normal(size=n), "town": rng.choice(["Bonn", "Ulm"], n), "age": rng.uniform(1, 9, n)}
    return pd.DataFrame({**columns, "sex": sex, "kind": np.array(KINDS)[kind]})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("animals") / "animals.csv"
    animals().to_csv(path, index=False)
    return path


def trained_on(table: Path, name: str, **changes: Any) -> aae.Run:
    return aae.train(tiny(data__source=str(table), epochs=1, **changes), table.parent / name)


@pytest.fixture(scope="module")
def supervised(table: Path) -> aae.Run:
    """A decoder that is told the class alone."""
    return trained_on(table, "supervised", **SUPERVISED, data__label="kind", data__drop=("age", "sex"))


@pytest.fixture(scope="module")
def both(table: Path) -> aae.Run:
    """A decoder that is told class and conditions."""
    return trained_on(table, "both", **SUPERVISED, data__label="kind", data__condition=("age", "sex"))


@pytest.fixture(scope="module")
def told(table: Path) -> aae.Run:
    """A decoder that is told conditions alone."""
    return trained_on(table, "told", **SUPERVISED, data__drop=("kind",), data__condition=("age", "sex"))


@pytest.fixture(scope="module")
def semi(table: Path) -> aae.Run:
    return trained_on(
        table, "semi", model__kind="semi-supervised", data__label="kind", data__labelled=30, labelled_batch_size=30
    )


@pytest.fixture(scope="module")
def clusters(table: Path) -> aae.Run:
    return trained_on(table, "clusters", model__kind="clustering", model__clusters=4, data__label="kind")


def calls(*words: object) -> int:
    return main([str(word) for word in words])


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as found:
        return dict(found)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command says that fails by a mistake of the user: 2 if it is on the line, 3 if it is in a file."""
    capsys.readouterr()
    code = calls(*words)
    said = capsys.readouterr().err
    assert code == 2 if said.startswith("aae: --") else code in (2, 3)
    assert said.startswith("aae: ")
    assert said.count("\n") == 1
    return said


# reconstruct


def test_reconstruct_tells_the_labels_of_the_rows(supervised: aae.Run, table: Path, tmp_path: Path) -> None:
    frame = animals()
    assert calls("reconstruct", supervised.path, table, "-o", tmp_path / "again.npz") == 0
    want = supervised.reconstruct(frame, frame["kind"].to_numpy(str))
    np.testing.assert_array_equal(arrays(tmp_path / "again.npz")["samples"], want)
    assert calls("reconstruct", supervised.path, table, "-o", tmp_path / "dogs.npz", "--y", "dog") == 0
    np.testing.assert_array_equal(arrays(tmp_path / "dogs.npz")["samples"], supervised.reconstruct(frame, "dog"))


def test_a_frame_brings_its_classes_and_conditions(supervised: aae.Run, both: aae.Run) -> None:
    frame = animals()
    kinds = frame["kind"].to_numpy(str)
    for run in (supervised, both):
        np.testing.assert_array_equal(run.reconstruct(frame), run.reconstruct(frame, kinds))
        assert not np.array_equal(run.reconstruct(frame), run.reconstruct(frame, "dog")), "unless it is said otherwise"
    frame.loc[3, "size"] = np.nan
    pd.testing.assert_frame_equal(supervised.impute(frame), supervised.impute(frame, kinds))
    frame.loc[5, "kind"] = "fox"
    with pytest.raises(DataError, match=r"row 5 \(counted from 0\) is of class fox"):
        supervised.reconstruct(frame)
    with pytest.raises(ConfigError, match="takes a class beside the code; give y"):
        supervised.reconstruct(frame.drop(columns="kind"))


def test_classes_come_from_tables_of_every_library(supervised: aae.Run) -> None:
    frame = animals()
    want = supervised.reconstruct(frame, frame["kind"].to_numpy(str))
    brought = from_frame(frame, "the frame")
    for x in (brought, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        np.testing.assert_array_equal(supervised.reconstruct(x), want)
    features = supervised.reconstructed_features(frame)
    codes = supervised.encode(frame)
    np.testing.assert_array_equal(features, supervised.decoded_features(codes, frame["kind"].to_numpy(str)))
    frame.loc[4, "kind"] = None
    with pytest.raises(DataError, match=r"row 4 \(counted from 0\) has no label"):
        supervised.reconstruct(frame)


def test_classes_are_given_as_a_column_of_a_frame(supervised: aae.Run) -> None:
    frame = animals()
    want = supervised.reconstruct(frame, frame["kind"].tolist())
    for y in (frame["kind"], frame["kind"].astype("category"), frame["kind"].to_numpy(object)):
        np.testing.assert_array_equal(supervised.reconstruct(frame, y), want)
    with pytest.raises(DataError, match="numbers or names of classes"):
        supervised.reconstruct(frame, np.array([None, *frame["kind"][1:]], object))


def test_an_array_is_not_taken_for_its_conditions(both: aae.Run) -> None:
    rows = aae.data.rows(animals(), both.spec).numpy()
    with pytest.raises(ConfigError, match="condition"):
        both.impute(rows, "dog")


def test_labels_that_are_numbers_are_names_too(tmp_path: Path) -> None:
    """In a column 1 is the class called 1, as in a file; of `y` it is the second class."""
    frame = animals().assign(kind=lambda f: f["kind"].map({name: i + 1 for i, name in enumerate(KINDS)}))
    frame.to_csv(tmp_path / "numbers.csv", index=False)
    run = trained_on(tmp_path / "numbers.csv", "run", **SUPERVISED, data__label="kind", data__drop=("age", "sex"))
    two = frame[frame["kind"] < 3]
    np.testing.assert_array_equal(run.reconstruct(two), run.reconstruct(two, two["kind"].to_numpy() - 1))


def test_a_model_that_finds_classes_needs_no_labels(semi: aae.Run) -> None:
    frame = animals()
    want = semi.reconstruct(frame.drop(columns="kind"))
    frame.loc[4, "kind"] = None
    np.testing.assert_array_equal(semi.reconstruct(frame), want)


def test_labels_are_matched_by_name(supervised: aae.Run, tmp_path: Path) -> None:
    """A file without cats numbers its classes otherwise than the run does."""
    frame = animals().query("kind != 'cat'")
    frame.to_csv(tmp_path / "two.csv", index=False)
    want = supervised.reconstruct(frame, frame["kind"].to_numpy(str))
    assert calls("reconstruct", supervised.path, tmp_path / "two.csv", "-o", tmp_path / "again.npz") == 0
    np.testing.assert_array_equal(arrays(tmp_path / "again.npz")["samples"], want)
    assert calls("encode", supervised.path, tmp_path / "two.csv", "-o", tmp_path / "codes.npz") == 0
    assert calls("decode", supervised.path, tmp_path / "codes.npz", "-o", tmp_path / "decoded.npz") == 0
    np.testing.assert_array_equal(arrays(tmp_path / "decoded.npz")["samples"], want)


def test_rows_whose_class_is_not_known_are_refused_by_number(
    supervised: aae.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "animals.csv", tmp_path / "again.csv"
    for label, said in (
        (None, "row 5 (counted from 0) has no label"),
        ("fox", "row 5 (counted from 0) is of class fox"),
    ):
        frame = animals()
        frame.loc[5, "kind"] = label
        frame.to_csv(path, index=False)
        assert said in refused(capsys, "reconstruct", supervised.path, path, "-o", out)
    animals().drop(columns="kind").to_csv(path, index=False)
    said = refused(capsys, "reconstruct", supervised.path, path, "-o", out)
    assert "animals.csv has no labels; give --y" in said
    assert "--y: there is no class fox" in refused(
        capsys, "reconstruct", supervised.path, path, "-o", out, "--y", "fox"
    )
    assert calls("reconstruct", supervised.path, path, "-o", out, "--y", "emu") == 0


def test_reconstruct_takes_conditions_from_the_table_or_the_line(
    both: aae.Run, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, out = animals(), tmp_path / "again.npz"
    kinds = frame["kind"].to_numpy(str)
    assert calls("reconstruct", both.path, table, "-o", out) == 0
    np.testing.assert_array_equal(arrays(out)["samples"], both.reconstruct(frame, kinds, frame[["age", "sex"]]))
    bare = tmp_path / "bare.csv"
    frame[["size", "town", "kind"]].to_csv(bare, index=False)
    said = refused(capsys, "reconstruct", both.path, bare, "-o", out)
    assert "bare.csv has no column 'age'; give --condition age=... sex=..." in said
    assert calls("reconstruct", both.path, bare, "-o", out, "--condition", "age=3", "sex=m") == 0
    want = both.reconstruct(frame, kinds, {"age": 3, "sex": "m"})
    np.testing.assert_array_equal(arrays(out)["samples"], want)


def test_a_frame_brings_its_conditions_whatever_is_said_of_its_class(both: aae.Run) -> None:
    frame = animals()
    conditions = frame[["age", "sex"]]
    for y in ("dog", frame["kind"].to_numpy(str), np.eye(3)[np.arange(len(frame)) % 3]):
        np.testing.assert_array_equal(both.reconstruct(frame, y), both.reconstruct(frame, y, conditions))
    whole = np.zeros((len(frame), both.model.beside), np.float32)  # class and scaled conditions, as evaluation has them
    np.testing.assert_array_equal(both.reconstruct(frame, whole), both.decode(both.encode(frame), whole))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("age=old", "sex=m"), "--condition age=old: expected a number"),
        (("age=inf", "sex=m"), "--condition age=inf: expected a number"),
        (("age=3", "sex=x"), "--condition sex=x: expected one of f, m"),
        (("age=3",), "--condition: given for age; expected age, sex"),
    ],
)
def test_conditions_that_cannot_be_are_called_by_the_option(
    words: tuple[str, ...],
    said: str,
    both: aae.Run,
    table: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said in refused(capsys, "reconstruct", both.path, table, "-o", tmp_path / "again.csv", "--condition", *words)


# encode, then decode


@pytest.mark.parametrize("kind", ["supervised", "semi", "clusters"])
def test_codes_come_back_as_the_rows_do(kind: str, table: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run: aae.Run = request.getfixturevalue(kind)
    assert calls("encode", run.path, table, "-o", tmp_path / "codes.npz") == 0
    assert calls("decode", run.path, tmp_path / "codes.npz", "-o", tmp_path / "decoded.npz") == 0
    assert calls("reconstruct", run.path, table, "-o", tmp_path / "again.npz") == 0
    decoded, again = (arrays(tmp_path / name)["samples"] for name in ("decoded.npz", "again.npz"))
    np.testing.assert_array_equal(decoded, again)
    assert calls("decode", run.path, tmp_path / "codes.npz", "-o", tmp_path / "two.npz", "--y", "2") == 0
    codes = arrays(tmp_path / "codes.npz")["codes"]
    np.testing.assert_array_equal(arrays(tmp_path / "two.npz")["samples"], run.decode(codes, 2))


def test_codes_are_decoded_under_conditions(
    both: aae.Run, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes, out = tmp_path / "codes.npz", tmp_path / "decoded.npz"
    assert calls("encode", both.path, table, "-o", codes) == 0
    assert "give --condition age=... sex=..." in refused(capsys, "decode", both.path, codes, "-o", out)
    assert calls("decode", both.path, codes, "-o", out, "--condition", "age=3", "sex=m") == 0
    want = both.decode(arrays(codes)["codes"], animals()["kind"].to_numpy(str), {"age": 3, "sex": "m"})
    np.testing.assert_array_equal(arrays(out)["samples"], want)


def test_labels_of_codes_are_names_or_numbers(supervised: aae.Run, tmp_path: Path) -> None:
    z = np.random.default_rng(0).normal(size=(3, 2))
    given = (
        {"labels": ["emu", "cat", "dog"]},
        {"labels": [2, 0, 1]},
        {"labels": [1, 0, 2], "classes": ["cat", "emu", "dog"]},
    )
    for beside in given:
        np.savez(tmp_path / "codes.npz", codes=z, **beside)  # type: ignore[arg-type]
        assert calls("decode", supervised.path, tmp_path / "codes.npz", "-o", tmp_path / "out.npz") == 0
        np.testing.assert_array_equal(arrays(tmp_path / "out.npz")["samples"], supervised.decode(z, [2, 0, 1]))


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({}, "no array 'labels' of them, as aae encode writes it; give --y"),
        ({"labels": [0, 1]}, "its array 'labels' has shape [2]"),
        ({"labels": [0, 1, -1]}, "row 2 (counted from 0) has no label"),
        ({"labels": [0, 1, 3]}, "row 2 (counted from 0) is of class 3"),
        ({"labels": ["cat", "fox", "dog"]}, "row 1 (counted from 0) is of class fox"),
        ({"labels": [0, 1, 2], "classes": ["cat", "dog"]}, "has a label 2, and names for 2 classes"),
        ({"labels": [0.5, 1, 2]}, "labels must be numbers or names of classes"),
    ],
)
def test_codes_whose_class_is_not_known_are_refused(
    beside: dict[str, Any], said: str, supervised: aae.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "codes.npz", codes=np.zeros((3, 2)), **beside)
    found = refused(capsys, "decode", supervised.path, tmp_path / "codes.npz", "-o", tmp_path / "out.npz")
    assert said in found
    assert "codes.npz" in found


def test_labels_say_nothing_of_clusters(clusters: aae.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "codes.npz", tmp_path / "out.npz"
    np.savez(path, codes=np.zeros((3, 2)), labels=[0, 1, 2])
    assert "no array 'probabilities'" in refused(capsys, "decode", clusters.path, path, "-o", out)
    np.savez(path, codes=np.zeros((3, 2)), probabilities=np.ones((3, 3)))
    assert "its array 'probabilities' has shape [3, 3]" in refused(capsys, "decode", clusters.path, path, "-o", out)


def test_a_decoder_that_is_told_nothing_passes_over_what_stands_beside_codes(trained: aae.Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "codes.npz", codes=np.zeros((3, 2)), labels=np.array([None] * 3))
    assert calls("decode", trained.path, tmp_path / "codes.npz", "-o", tmp_path / "out.npz") == 0


# restyle


def test_restyle_writes_tables(semi: aae.Run, supervised: aae.Run, table: Path, tmp_path: Path) -> None:
    for run in (semi, supervised):
        want = run.restyle(animals().head(4))
        assert calls("restyle", run.path, table, "-n", "4", "-o", tmp_path / "styles.npz") == 0
        found = arrays(tmp_path / "styles.npz")
        np.testing.assert_array_equal(found["samples"], want)
        assert found["columns"].tolist() == [column.name for column in run.spec.columns]
    assert calls("restyle", supervised.path, table, "-n", "4", "-o", tmp_path / "styles.csv") == 0
    written = read_csv(tmp_path / "styles.csv")[0]
    assert written.names == ("row", "kind", "size", "town")
    assert written.columns["row"].values.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert written.columns["kind"].values.tolist() == list(KINDS) * 4
    np.testing.assert_allclose(written.columns["size"].values, want[..., 0].ravel())


def test_columns_of_restyled_rows_keep_their_names(tmp_path: Path) -> None:
    """Columns of the data called `row` and `class` stay; ours step aside."""
    frame = animals()[["size", "age", "kind"]].rename(columns={"size": "row", "age": "class"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    run = aae.train(
        tiny(**SUPERVISED, data__source=str(tmp_path / "t.csv"), data__label="kind", epochs=1), tmp_path / "r"
    )
    assert calls("restyle", run.path, tmp_path / "t.csv", "-n", "2", "-o", tmp_path / "out.csv") == 0
    assert read_csv(tmp_path / "out.csv")[0].names == ("row_", "kind", "row", "class")


def test_restyle_takes_conditions_from_the_table_or_the_line(
    both: aae.Run, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, out = animals().head(10), tmp_path / "styles.npz"
    want = both.restyle(frame, frame[["age", "sex"]])
    np.testing.assert_array_equal(both.restyle(frame), want)
    assert calls("restyle", both.path, table, "-o", out) == 0
    np.testing.assert_array_equal(arrays(out)["samples"], want)
    assert calls("restyle", both.path, table, "-o", out, "--condition", "age=3", "sex=f") == 0
    np.testing.assert_array_equal(arrays(out)["samples"], both.restyle(frame, {"age": 3, "sex": "f"}))
    frame[["size", "town"]].to_csv(tmp_path / "bare.csv", index=False)
    assert "give --condition" in refused(capsys, "restyle", both.path, tmp_path / "bare.csv", "-o", out)


def test_restyled_rows_in_the_wrong_kind_of_file_are_refused(
    supervised: aae.Run, trained: aae.Run, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "restyle", supervised.path, table, "-o", tmp_path / "styles.png")
    assert "are a table; use .csv" in said
    assert "are no table" in refused(capsys, "restyle", trained.path, "digits", "-o", tmp_path / "styles.csv")


# impute


def test_gaps_are_filled_under_the_class_of_the_row(supervised: aae.Run, tmp_path: Path) -> None:
    frame = animals()
    frame.loc[3, "size"] = np.nan
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    for more, y in (((), frame["kind"].to_numpy(str)), (("--y", "dog"), "dog")):
        assert calls("impute", supervised.path, tmp_path / "gaps.csv", "-o", tmp_path / "full.csv", *more) == 0
        full = pd.read_csv(tmp_path / "full.csv")
        assert full.columns.tolist() == frame.columns.tolist()
        assert full.loc[3, "size"] == pytest.approx(supervised.impute(frame, y).loc[3, "size"])
        assert full["kind"].tolist() == frame["kind"].tolist()


# What is said where there are no classes


def test_a_run_without_classes_says_so(
    told: aae.Run, trained: aae.Run, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"data of .* has no classes, so its decoder takes no class"):
        told.restyle(animals())
    with pytest.raises(ConfigError, match=r"has no classes.*; leave y out"):
        told.sample(3, y="cat")
    said = refused(capsys, "restyle", told.path, table, "-o", tmp_path / "styles.csv")
    assert "has no classes" in said
    assert "train with --model.kind supervised" not in said
    for run, y in ((told, "cat"), (told, "0"), (trained, "0")):
        said = refused(capsys, "sample", run.path, "-o", tmp_path / "new.npz", "--y", y)
        assert f"--y {y}: the model of {run.path} has no classes; leave --y out" in said
    for command, source in (("reconstruct", "digits"), ("decode", tmp_path / "codes.npz")):
        np.savez(tmp_path / "codes.npz", codes=np.zeros((3, 2)))
        said = refused(capsys, command, trained.path, source, "-o", tmp_path / "new.npz", "--y", "1")
        assert "leave --y out" in said


# The report


def test_the_picture_of_styles_is_drawn_under_the_middle_condition(digits: Dataset, tmp_path: Path) -> None:
    x = aae.data.original(digits.x[:120], digits.spec)
    conditions = pd.DataFrame({"bright": np.arange(120.0), "pen": ["ink"] * 80 + ["lead"] * 40})
    data = dataset(x, digits.y[:120].numpy(), conditions=conditions)  # type: ignore[index]
    run = aae.train(tiny(**SUPERVISED, epochs=1), tmp_path / "run", data=data)
    page = write(run, compare=False, data=data).read_text()
    assert (run.path / "figures" / "styles.png").is_file()
    bright = np.quantile(np.arange(120.0)[run.directory.splits["train"]], 0.5, method="lower")
    assert f"under the middle condition of training rows: bright = {bright:.4g}, pen = ink." in page


def test_a_class_that_there_is_not(supervised: aae.Run) -> None:
    with pytest.raises(DataError, match="asks for class fox; there are cat, dog, emu"):
        supervised.reconstruct(animals(), "fox")

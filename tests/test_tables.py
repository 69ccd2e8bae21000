"""Tables end to end: reading, types, gaps, features and back, a likelihood for each column, filling gaps."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

import aae
from aae import cli
from aae.columns import Places
from aae.config import Config, Data, DataSpec, from_dict, plain, replace
from aae.data import Dataset, Scaling, dataset, load, read, rows
from aae.data.cells import Cells, Table
from aae.data.csvs import read_csv, written
from aae.data.frames import from_frame, to_pandas, to_polars, with_columns
from aae.data.table_scaling import drawn_between
from aae.data.tables import untyped
from aae.errors import AAEError, ConfigError, DataError
from aae.heads import Heads
from aae.objectives import per_row

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

HEADER = ["age", "income", "owner", "town", "since", "code", "class"]


def people(n: int = 120) -> list[list[str]]:
    """A table with a column of every kind, gaps in two of them, and a label."""
    rng = np.random.default_rng(0)
    table = []
    for i in range(n):
        age, town = int(rng.integers(18, 80)), ["Ulm", "Bonn", "Köln"][int(rng.integers(3))]
        income = f"{1e9 + 1000 * age + 100 * rng.normal():.2f}"
        day = str(np.datetime64("2020-01-01") + int(rng.integers(900)))
        gaps = rng.random(2) < 0.2
        cells = ["" if gaps[0] else str(age), income, str(age > 45).lower(), "NA" if gaps[1] else town, day]
        table.append([*cells, str(i % 2), "ab"[age % 2]])
    return table


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(tmp_path_factory.mktemp("tables")) / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *people()])
    return path


def settings_of(path: Path, **changes: Any) -> Data:
    return dataclasses.replace(Data(source=str(path), label="class"), **changes)


@pytest.fixture(scope="session")
def people_data(table_file: Path) -> Dataset:
    return load(settings_of(table_file))


@pytest.fixture(scope="session")
def table_run(table_file: Path, tmp_path_factory: pytest.TempPathFactory) -> aae.Run:
    changes = {
        "data.source": str(table_file),
        "data.label": "class",
        "data.hide": 0.1,
        "reconstruction.loss": "gaussian",
    }
    return aae.train(replace(tiny(batch_size=32), changes), Path(tmp_path_factory.mktemp("runs")) / "table")


def test_types_gaps_and_labels_are_told_from_the_text(people_data: Dataset) -> None:
    spec = people_data.spec
    kinds = {column.name: (column.kind, column.missing) for column in spec.columns}
    assert kinds == {
        "age": ("integer", True),
        "income": ("number", False),
        "owner": ("boolean", False),
        "town": ("category", True),
        "since": ("time", False),
        "code": ("boolean", False),
    }
    assert spec.classes == ("a", "b")
    assert spec.features == 5 + 3 + 2  # five columns of one feature, three towns, two flags
    assert spec == from_dict(DataSpec, plain(spec))
    assert any("missing values" in line and "age" in line for line in people_data.notes)


def test_features_and_back_give_the_same_table(people_data: Dataset) -> None:
    scaling, x = Scaling(people_data.spec), people_data.x
    features, known = scaling.apply(x), scaling.known(x)
    assert features.dtype == torch.float32
    assert known is not None
    numbers = [Places.of(people_data.spec.columns).first[i] for i in Places.of(people_data.spec.columns).numbers]
    train = features[people_data.splits.train][:, numbers]
    weight = known[people_data.splits.train][:, numbers]
    torch.testing.assert_close((train * weight).sum(0) / weight.sum(0), torch.zeros(len(numbers)), atol=1e-3, rtol=0)
    back = scaling.invert(features)
    seen = ~torch.isnan(x)
    # 1e9 with steps of 1000 would not survive float32; bounds are those of the training rows
    torch.testing.assert_close(
        back[people_data.splits.train][seen[people_data.splits.train]],
        x[people_data.splits.train][seen[people_data.splits.train]],
        rtol=0,
        atol=0.02,
    )
    assert (known[:, : Places.of(people_data.spec.columns).flags].sum(1) < 8).any()


def test_drawn_categories_follow_their_probabilities(people_data: Dataset) -> None:
    scaling, spec = Scaling(people_data.spec), people_data.spec
    first = Places.of(spec.columns).first[3]
    u = torch.zeros(20_000, spec.features)
    u[:, first : first + 3] = torch.tensor([0.2, 0.5, 0.3])
    u[:, Places.of(spec.columns).first[2]] = 0.25
    drawn = scaling.invert(u, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn[:, 3].long(), minlength=3) / len(u)
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.5, 0.3]), atol=0.02, rtol=0)
    assert drawn[:, 2].mean().item() == pytest.approx(0.25, abs=0.02)
    assert set(scaling.invert(u)[:, 3].tolist()) == {1.0}


def test_the_cost_of_each_column_is_what_torch_says_and_gaps_cost_nothing(people_data: Dataset) -> None:
    spec, scaling = people_data.spec, Scaling(people_data.spec)
    heads, x = Heads(spec.columns), people_data.x[:40]
    target, known = scaling.apply(x), scaling.known(x)
    output = torch.randn(40, spec.features, generator=torch.Generator().manual_seed(0), requires_grad=True)
    log_std = torch.tensor([0.1, -0.3, 0.2])
    costs = heads.costs(output, target, "gaussian", log_std)
    normal = torch.distributions.Normal(output[:, 1], log_std[1].exp())
    torch.testing.assert_close(costs[:, 1], -normal.log_prob(target[:, 1]))
    town = torch.nan_to_num(x[:, 3]).long()
    entropy = torch.nn.functional.cross_entropy(output[:, 3:6], town, reduction="none")
    seen = ~torch.isnan(x[:, 3])
    torch.testing.assert_close(costs[seen, 3], entropy[seen])
    by_column = heads.known(known)
    assert by_column is not None
    torch.testing.assert_close(by_column, (~torch.isnan(x)).float())
    loss = per_row(costs, "mean", by_column)
    torch.testing.assert_close(loss, costs[~torch.isnan(x)].mean())
    torch.testing.assert_close(per_row(costs, "sum", by_column), costs[~torch.isnan(x)].sum() / 40)
    loss.backward()
    assert output.grad is not None
    assert (output.grad[torch.isnan(x[:, 0]), 0] == 0).all()
    assert (output.grad[:, -2:] == 0).all()  # flags are seen, never reconstructed


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".feather"])
def test_every_file_holds_the_same_table(ending: str, table_file: Path, people_data: Dataset, tmp_path: Path) -> None:
    from aae.data.frames import file_bytes

    path = tmp_path / f"people{ending}"
    path.write_bytes(file_bytes(read_csv(table_file)[0], ending))
    again = load(settings_of(path))
    assert again.fingerprint == people_data.fingerprint
    assert [c.kind for c in again.spec.columns] == [c.kind for c in people_data.spec.columns]


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_frames_are_taken_and_given_back(
    convert: Any, table_file: Path, people_data: Dataset, table_run: aae.Run
) -> None:
    frame = convert(read_csv(table_file)[0])
    given = dataset(frame, config=settings_of(table_file), name="people.csv")
    np.testing.assert_array_equal(given.x, people_data.x)
    np.testing.assert_array_equal(table_run.encode(frame), table_run.encode(people_data.x))
    filled = table_run.impute(frame)
    assert type(filled) is type(frame)
    assert list(filled.columns) == HEADER  # the label stays, though the model does not know it
    whole = from_frame(filled, "filled")
    assert not any(cells.missing.any() for cells in whole.columns.values())
    before = from_frame(frame, "frame").columns["age"]
    np.testing.assert_array_equal(whole.columns["age"].values[~before.missing], before.known)


def test_gaps_are_filled_and_nothing_else_changes(table_file: Path, table_run: aae.Run) -> None:
    frame = to_pandas(read_csv(table_file)[0]).sample(frac=1, random_state=0)
    frame["age"] += 0.5  # of a column of whole numbers to the model
    frame["town"] = frame["town"].astype("string")
    frame["since"] = frame["since"].dt.tz_localize("Europe/Berlin").where(frame["age"] != 44.5)
    frame["more"], frame["spent"] = [[1, 2]] * len(frame), pd.to_timedelta(range(len(frame)), "s")
    polar = pl.from_pandas(frame)
    for gaps, filled in ((frame, table_run.impute(frame)), (polar, table_run.impute(polar))):
        if gaps is polar:
            assert filled.schema == polar.schema
            gaps, filled = gaps.to_pandas(), filled.to_pandas()
        assert filled.index.equals(gaps.index)
        assert filled.drop(columns=["more"]).notna().all(axis=None)
        for name in ("age", "income", "town", "since", "more", "spent", "class"):
            known = gaps[name].notna()
            assert filled[name].dtype == gaps[name].dtype
            assert filled[name][known].astype(str).tolist() == gaps[name][known].astype(str).tolist()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_known_times_stay_to_the_nanosecond_and_the_hour_that_comes_twice(library: str) -> None:
    twice = pd.to_datetime(["2024-10-27 00:30:00.123456789", "2024-10-27 01:30", None], utc=True, format="ISO8601")
    before = pd.DataFrame({"t": twice.tz_convert("Europe/Berlin"), "n": pd.array([2**60 + 1, 2, None], "Int64")})
    before["day"] = [datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 3)]
    skipped = np.array(["2024-03-31T02:30"] * 3, "datetime64[us]")  # a time that was on no clock
    new = {"t": skipped, "n": np.full(3, 7), "day": skipped.astype("datetime64[D]")}
    gaps = {"pandas": before, "polars": pl.from_pandas(before), "pyarrow": pa.Table.from_pandas(before)}[library]
    full = from_frame(gaps, "gaps").filled(Table({name: Cells.of(values) for name, values in new.items()}))
    filled = with_columns(gaps, full)
    assert type(filled) is type(gaps)
    if library != "pandas":
        assert filled.schema == gaps.schema
        filled = filled.to_pandas()
    for name in ("t", "n"):
        assert filled[name].iloc[:2].tolist() == before[name].iloc[:2].tolist()
        assert filled[name].notna().all()
    assert filled["t"].iloc[2].hour == 3
    assert filled["n"].iloc[2] == 7
    assert pd.to_datetime(filled["day"]).dt.strftime("%F").tolist() == ["2020-01-01", "2024-03-31", "2020-01-03"]
    if library == "pandas":
        assert all(type(day) is datetime.date for day in filled["day"])


def test_frames_of_any_column_are_taken_where_these_are_left_out() -> None:
    n = 20
    frame = pd.DataFrame({"a": np.arange(n) * 0.5, "lists": [[1, 2]] * n, "mixed": [1, "b"] * (n // 2)})
    for name in ("lists", "mixed"):
        with pytest.raises(DataError, match=f"column '{name}' .*--drop {name}"):
            dataset(frame[["a", name]])
    assert len(dataset(frame, config=Data(drop=("lists", "mixed"))).spec.columns) == 1
    frame = pd.DataFrame(
        {
            "word": pd.array(["a", None] * (n // 2), dtype="string"),
            "truth": pd.array([True, None] * (n // 2), dtype="boolean"),
            "day": [datetime.date(2020, 1, 1 + i) for i in range(n)],
            "money": [Decimal(i) / 4 for i in range(n)],
            "half": np.arange(n, dtype=np.float16) / 2,
        }
    )
    columns = dataset(frame).spec.columns
    assert [column.kind for column in columns] == ["category", "boolean", "time", "number", "number"]
    assert [column.missing for column in columns] == [True, True, False, False, False]
    for odd, message in (
        (pd.DataFrame(np.zeros((n, 2)), columns=pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")])), "in 2 levels"),
        (pd.DataFrame(np.zeros((n, 2)), columns=["a", "a"]), "two columns have the name 'a'"),
        (pl.LazyFrame({"a": [1.0]}), r"frame\.collect\(\)"),
    ):
        with pytest.raises(DataError, match=message):
            dataset(odd)


def test_parquet_with_a_column_of_lists_that_is_left_out(tmp_path: Path) -> None:
    path, n = tmp_path / "t.parquet", 20
    pd.DataFrame({"a": np.arange(n) * 0.5, "b": np.arange(n) % 3, "v": [[1.0, i] for i in range(n)]}).to_parquet(path)
    assert load(Data(source=str(path), drop=("v",))).spec.dtype == "table"
    assert load(Data(source=str(path), drop=("a", "b"))).spec.shape == (2,)
    assert load(Data(source=str(path), columns=("v",), label="b")).spec.classes == ("0", "1", "2")
    for option in ({"columns": ("v", "typo")}, {"drop": ("a", "typo")}):
        with pytest.raises(ConfigError, match=r"has no column 'typo'; it has a, b, v"):
            load(Data(source=str(path), label="b", **option))


@pytest.mark.parametrize("index", [False, True])
def test_names_that_are_numbers_are_no_row(index: bool, tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)))
    frame.to_csv(tmp_path / "pandas.csv", index=index)
    table = read_csv(tmp_path / "pandas.csv")[0]
    assert (len(table), table.names[-3:]) == (20, ("0", "1", "2"))
    table = Table({name: Cells.of(np.arange(5)) for name in ("2019", '5" pipe')})
    (tmp_path / "years.csv").write_bytes(written(table))
    again = read_csv(tmp_path / "years.csv")[0]
    assert (len(again), again.names) == (5, table.names)
    (tmp_path / "rows.csv").write_text("0,1\n" * 10)
    assert len(read_csv(tmp_path / "rows.csv")[0]) == 10


def test_what_the_labels_name_is_told(table_file: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(20) * 0.5, "y": [-1, 1] * 10})
    told = dataset(frame, config=Data(label="y", columns=("x", "y"))).notes
    assert "labels: 1 class (1); 10 rows unlabelled (-1 or empty)" in told


def test_text_of_any_length_is_read(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    (tmp_path / "t.csv").write_text("a,b\n" + f"{'x' * 200_000},1\n" * 3)
    assert len(read_csv(tmp_path / "t.csv")[0]) == 3
    assert csv.field_size_limit() == limit


def test_rows_come_back_in_units_types_and_words(table_run: aae.Run) -> None:
    table = table_run.table(table_run.sample(50, seed=1))
    assert table.names == tuple(HEADER[:-1])
    assert [cells.values.dtype.kind for cells in table.columns.values()] == ["i", "f", "b", "U", "M", "i"]
    assert set(table.columns["town"].values) <= {"Ulm", "Bonn", "Köln"}
    assert table.columns["income"].values.min() > 9e8
    again = rows(table, table_run.spec)
    np.testing.assert_array_equal(again, rows(table_run.sample(50, seed=1), table_run.spec))


def test_hidden_values_are_drawn_for_training_alone(table_run: aae.Run, people_data: Dataset) -> None:
    assert all(column.missing for column in table_run.spec.columns)  # every column has a flag
    codes = table_run.encode(people_data.x)
    np.testing.assert_array_equal(codes, table_run.encode(people_data.x))


def test_the_commands_from_a_table_to_a_report(table_file: Path, tmp_path: Path, capsys: Any) -> None:
    small = [f"--model.{net}=16" for net in ("encoder", "decoder", "discriminator")]
    words = ["train", "--data", str(table_file), "--label", "class", "--drop", "code", "--out", str(tmp_path / "run")]
    assert cli.main([*words, *small, "--epochs", "1", "--batch-size", "5000", "--quiet"]) == 0
    assert {"columns.png", "correlations.png"} <= {p.name for p in (tmp_path / "run" / "figures").iterdir()}
    for words in (
        ["sample", "run", "-n", "7", "-o", "new.csv"],
        ["impute", "run", str(table_file), "-o", "full.parquet"],
        ["reconstruct", "run", str(table_file), "-o", "again.tsv"],
        ["encode", "run", str(table_file), "-o", "codes.npz"],
    ):
        places = [
            str(tmp_path / word) if word == "run" or words[i - 1] == "-o" else word for i, word in enumerate(words)
        ]
        assert cli.main(places) == 0, capsys.readouterr().err
    assert len(load(settings_of(tmp_path / "full.parquet", drop=("code",))).x) == 120
    new, _ = read_csv(tmp_path / "new.csv")
    assert (len(new), new.names) == (7, ("age", "income", "owner", "town", "since"))
    assert cli.main(["sample", str(tmp_path / "run"), "-o", str(tmp_path / "new.png")]) == 2


MISTAKES = {
    "ragged": (b"a,b\n1,2\n3\n", "line 3 has 1 fields"),
    "too long": (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 fields"),
    "latin-1": ("a,b\n1,ä\n".encode("latin-1"), "line 2 is not UTF-8"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
    "zero byte": (b"a,b\n1,\x00\n", "line 2 holds a zero byte"),
    "open quote": (b'a,b\n1,"2\n', "line"),
    "empty": (b"", "is empty"),
    "header alone": (b"a,b\n", "no rows"),
    "twice": (b"a,a\n1,2\n", "name 'a'"),
    "infinite": (b"a,b\n" + b"1,2\n" * 20 + b"1,inf\n", "row 20.*column 'b' holds 'inf'"),
    "huge": (b"a,b\n" + b"1,2\n" * 20 + b"1,1e300\n", "row 20.*column 'b'"),
    "empty column": (b"a,b\n" + b"1,\n" * 20, "column 'b' is empty.*--drop b"),
    "free text": (b"a,b\n" + b"".join(b"1,x%d\n" % i for i in range(40)), "40 different texts.*--drop b"),
    "a word among numbers": (
        b"a,b\n" + b"".join(b"1,%d.5\n" % i for i in range(30)) + b"2,low\n",
        "row 30.*'b' holds 'low'",
    ),
    "few rows": (b"a,b\n1,2\n", "at least 10"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_broken_tables_are_refused_with_the_place(name: str, tmp_path: Path) -> None:
    content, message = MISTAKES[name]
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(Data(source=str(path)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "klass"}, "no column 'klass'"),
        ({"drop": ("agee",)}, "no column 'agee'"),
        ({"columns": ("age",), "drop": ("age",)}, "leave no column"),
        ({"layout": "images"}, "is a table"),
    ],
)
def test_settings_that_name_no_column_are_refused(changes: dict[str, Any], message: str, table_file: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load(settings_of(table_file, **changes))


@pytest.mark.parametrize("changes", [{"label": "a"}, {"drop": ("a",)}, {"hide": 0.1}, {"categories": ("a",)}])
def test_settings_of_tables_are_refused_for_arrays(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="would be ignored"):
        load(Data(**changes))


def test_new_rows_that_do_not_fit_are_refused_by_row_and_column(table_run: aae.Run, table_file: Path) -> None:
    table = read_csv(table_file)[0]
    strange = Table(table.columns | {"town": Cells.of(np.array(["Rome"] * len(table)))})
    with pytest.raises(DataError, match=r"row 0.*column 'town' holds 'Rome'"):
        table_run.encode(strange)
    with pytest.raises(DataError, match="no column 'age'"):
        table_run.encode(table.take(HEADER[1:]))
    with pytest.raises(DataError, match="column 'age' holds text"):
        table_run.encode(Table(table.columns | {"age": Cells.of(np.array(["old"] * len(table)))}))
    day = np.array(["2020-01-01"] * len(table))
    day[7] = "2020-02-31"
    with pytest.raises(DataError, match=r"row 7.*column 'since' holds '2020-02-31'; expected times of ISO 8601"):
        table_run.encode(Table(table.columns | {"since": Cells.of(day)}))
    one = np.array([str(i) for i in range(len(table))])
    one[7] = "old"
    with pytest.raises(DataError, match=r"row 7.*column 'age' holds 'old'; [0-9]+ other rows hold numbers"):
        table_run.encode(Table(table.columns | {"age": Cells.of(one)}))


def test_rows_on_the_line_are_called_by_their_file(table_run: aae.Run, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "other.csv").write_text("a,b\n" + "1,2\n" * 12)
    np.save(tmp_path / "other.npy", np.zeros((12, 3)))
    for command, name, end in (("encode", "other.csv", ".npz"), ("impute", "other.npy", ".csv")):
        assert cli.main([command, str(table_run.path), str(tmp_path / name), "-o", str(tmp_path / f"out{end}")]) == 3
        said = capsys.readouterr().err
        assert said.startswith(f"aae: {name}")
        assert "the data" not in said


def test_an_array_with_gaps_is_a_table_if_one_says_so(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 4))
    x[::5, 1] = np.nan
    x[:, 3] = 2.5
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(DataError, match="row 0, column 1"):
        load(Data(source=str(tmp_path / "x.npy")))
    run = aae.train(tiny(), tmp_path / "run", data=load(Data(source=str(tmp_path / "x.npy"), layout="table")))
    filled = run.impute(x)
    np.testing.assert_array_equal(filled[~np.isnan(x)], x[~np.isnan(x)])
    assert np.isfinite(filled).all()
    new = x[1:9].copy()
    new[:, 0] = np.nan  # a gap where training saw none, and no flag tells it from the mean
    usual = np.where(np.arange(4) == 0, np.float64(run.spec.offset[0]), new)
    np.testing.assert_array_equal(run.encode(new), run.encode(usual))
    assert np.isfinite(run.impute(new)).all()
    assert (run.sample(20)[:, 3] == 2.5).all()  # a constant column comes back as it was


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(
        st.lists(TEXT | st.floats().map(str) | st.integers().map(str), min_size=3, max_size=3), min_size=1, max_size=8
    )
)
def test_what_is_written_is_read_again(lines: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    columns = zip(*lines, strict=True)
    table = Table({f"c{i}": Cells.of(np.array([text.strip() for text in column])) for i, column in enumerate(columns)})
    path.write_bytes(written(table))
    again = read_csv(path)[0]
    assert again.names == table.names
    assert len(again) == len(lines)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=80) | st.text('ab1.,;\t"\n\r -', max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(content)
    with contextlib.suppress(AAEError):  # anything else is a fault of the reader
        load(Data(source=str(path)))


def test_untyped_is_the_inverse_of_values(people_data: Dataset, table_file: Path) -> None:
    raw = read(str(table_file), settings_of(table_file))
    assert isinstance(raw.x, Table)
    back = untyped(people_data.x.numpy(), people_data.spec.columns)
    for name, cells in back.columns.items():
        np.testing.assert_array_equal(cells.known, raw.x.columns[name].known)


def test_the_recipe_of_tables_needs_a_table() -> None:
    assert aae.recipes.recipe("table-8d-gaussian").reconstruction.loss == "gaussian"
    assert Config().data.columns == ()


def test_numbers_are_drawn_within_the_range_without_piling_up_at_its_ends() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, bounds = torch.zeros(20_000, 2), (torch.tensor([-1.0, -9.0]).double(), torch.tensor([2.0, 9.0]).double())
    drawn = drawn_between(mean, torch.tensor([1.0, 0.5]), bounds, generator)
    assert drawn[:, 0].min() > -1
    assert drawn[:, 0].max() < 2
    assert ((drawn[:, 0] < -0.9).float().mean() - 0.0311).abs() < 0.005  # (Phi(-0.9) - Phi(-1)) / (Phi(2) - Phi(-1))
    torch.testing.assert_close(drawn[:, 1].std(), torch.tensor(0.5), atol=0.01, rtol=0)
    far = drawn_between(torch.full((5, 2), 100.0), torch.tensor([1.0, 0.5]), bounds, generator)
    torch.testing.assert_close(far, torch.tensor([[2.0, 9.0]]).expand(5, 2), atol=1e-3, rtol=0)


def test_a_tiny_table_gets_a_report(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(f"{i % 4},{'uv'[i % 2]},5\n" for i in range(12)))
    small = [f"--model.{net}=8" for net in ("encoder", "decoder", "discriminator")]
    words = ["train", "--data", str(tmp_path / "t.csv"), "--out", str(tmp_path / "run"), "--epochs", "1", "--quiet"]
    assert cli.main([*words, *small]) == 0
    assert (tmp_path / "run" / "report.html").exists()


def test_a_table_is_refused_by_a_model_of_images(trained: aae.Run, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("age,name\n" + "".join(f"{i},n{i % 3}\n" for i in range(30)))
    with pytest.raises(DataError, match="this is a table"):
        trained.encode(read(str(path)).x)


@pytest.mark.parametrize("spelt", [("false", "true"), ("FALSE", "TRUE"), ("False", "True")])
def test_truth_values_come_back_as_they_were_written(spelt: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "spelt.csv"
    lines = [f"{i},{spelt[i % 2] if i % 5 else ''}" for i in range(40)]
    path.write_text("\n".join(["n,owner", *lines, ""]))
    data = load(Data(source=str(path)))
    column = from_dict(DataSpec, plain(data.spec)).columns[1]  # what is kept with a run
    assert column.kind == "boolean"
    assert written(untyped(data.x.numpy(), (data.spec.columns[0], column))).decode() == path.read_text()
    assert to_pandas(untyped(data.x.numpy(), data.spec.columns))["owner"].dropna().map(type).eq(bool).all()

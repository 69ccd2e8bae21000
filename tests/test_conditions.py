"""Conditions: what the decoder of a supervised model is told beside a code, from a file or an array to a sample."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny
from test_training import digest, stop_at

import aae
from aae.cli import main
from aae.columns import Column
from aae.conditions import condition_block, condition_values, middle_condition, spelt_condition, written_conditions
from aae.config import Data, DataSpec, from_dict, plain
from aae.data import Dataset, dataset, load
from aae.errors import ConfigError, DataError, Interrupted
from aae.explorer import export
from aae.game import Game
from aae.report import write
from aae.training import resume

SUPERVISED = {"model__kind": "supervised", "prior__kind": "gaussian", "prior__scale": 1.0}
CPU = torch.device("cpu")


def people(n: int = 400) -> pd.DataFrame:
    """`a` is twice the age and `b` 20 more in Oslo, each with noise of deviation 1; `c` is noise alone."""
    rng = np.random.default_rng(0)
    age, oslo = rng.uniform(20, 80, n), rng.random(n) < 0.5
    noise = rng.normal(size=(3, n))
    return pd.DataFrame(
        {
            "a": 2 * age + noise[0],
            "age": age,
            "b": 20 * oslo + noise[1],
            "c": noise[2],
            "town": np.where(oslo, "Oslo", "Bergen"),
        }
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> aae.Run:
    """A run on a table whose age and town the decoder is told."""
    folder = tmp_path_factory.mktemp("told")
    people().to_csv(folder / "people.csv", index=False)
    config = tiny(
        **SUPERVISED,
        data__source=str(folder / "people.csv"),
        data__condition=("age", "town"),
        epochs=40,
        batch_size=32,
        optimizer__reconstruction__learning_rate=5e-3,
    )
    return aae.train(config, folder / "run")


def test_conditions_are_no_part_of_the_rows(told: aae.Run) -> None:
    assert [c.name for c in told.spec.columns] == ["a", "b", "c"]
    assert told.spec.conditions is not None
    assert [(c.name, c.kind) for c in told.spec.conditions.columns] == [("age", "number"), ("town", "category")]
    assert told.model.beside == 3  # a number and two towns
    assert told.classes_told == 0
    assert from_dict(DataSpec, plain(told.spec)) == told.spec


def test_samples_follow_the_condition(told: aae.Run) -> None:
    """The effect of age and of the town on what is sampled is that of the data, to a tenth of its size."""
    mean = {
        (age, town): told.sample(300, condition={"age": age, "town": town}).mean(0)
        for age in (30, 70)
        for town in ("Bergen", "Oslo")
    }
    assert mean[70, "Oslo"][0] - mean[30, "Oslo"][0] == pytest.approx(80, rel=0.2)
    assert mean[50 - 20, "Oslo"][1] - mean[30, "Bergen"][1] > 5
    free = told.sample(300)  # under the conditions of training rows
    assert free[:, 0].std() == pytest.approx(people()["a"].std(), rel=0.2)
    np.testing.assert_array_equal(free, told.sample(300))


def test_a_table_brings_its_own_conditions(told: aae.Run) -> None:
    frame = people().iloc[:50]
    by_frame = told.reconstruct(frame)
    np.testing.assert_array_equal(by_frame, told.reconstruct(frame, condition=frame[["age", "town"]]))
    values = condition_values(frame, 50, told.spec.conditions).numpy()  # type: ignore[arg-type]
    np.testing.assert_array_equal(by_frame, told.reconstruct(frame, condition=values))
    with pytest.raises(ConfigError, match=r"told conditions \(age, town\)"):
        told.reconstruct(frame[["a", "b", "c"]].to_numpy())
    filled = told.impute(frame.assign(b=np.nan))
    assert not filled.isna().any().any()
    np.testing.assert_array_equal(filled["age"], frame["age"])


def test_conditions_are_scaled_by_the_training_rows(told: aae.Run) -> None:
    spec = told.spec.conditions
    assert spec is not None
    frame = people()
    train = told.directory.splits["train"]
    block = condition_block({"age": [20.0, 80.0], "town": "Oslo"}, 2, spec)
    age = frame["age"].to_numpy()[train]
    np.testing.assert_allclose(block[:, 0], (np.array([20.0, 80.0]) - age.mean()) / age.std(), rtol=1e-6)
    np.testing.assert_array_equal(block[:, 1:], [[0, 1], [0, 1]])
    assert told.directory.splits["conditions"].shape == (len(train), 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"age": 30}, "given for age; expected age, town"),
        ({"age": 30, "town": "Oslo", "b": 1}, "expected age, town"),
        ({"age": 30, "town": "Rome"}, r"'Rome'; it was trained on Bergen, Oslo"),
        ({"age": "old", "town": "Oslo"}, "'age' holds text"),
        ({"age": [1, 2, 3], "town": "Oslo"}, "one value, or one for each of 2 rows"),
        ([30.0, 7.0], "expected whole numbers from 0 to 1"),
        ([[30.0, 1.0]] * 3, "one condition for all rows, or one for each of 2; got 3"),
        ([np.nan, 1.0], "row 0 has no value for 'age'"),
        ([1.0], "the data has shape"),
    ],
)
def test_conditions_that_cannot_be_are_refused(given: Any, said: str, told: aae.Run) -> None:
    with pytest.raises(DataError, match=said):
        told.decode(np.zeros((2, 2)), condition=given)


def test_conditions_as_they_are_written(told: aae.Run) -> None:
    columns = told.spec.conditions.columns  # type: ignore[union-attr]
    assert written_conditions(["age=30.5", "town=Oslo"], columns) == {"age": 30.5, "town": "Oslo"}
    for word, said in (("age", "NAME=VALUE"), ("size=3", "no condition 'size'"), ("age=x", "expected a number")):
        with pytest.raises(ConfigError, match=said):
            written_conditions([word], columns)


def test_conditions_of_every_kind_as_they_are_written() -> None:
    columns = (
        Column("since", "time", "datetime64[D]"),
        Column("owner", "boolean", "bool"),
        Column("sex", "boolean", "str", ("f", "m")),
        Column("rooms", "integer", "int64"),
    )
    right = {"since": "2020-02-29", "owner": "Yes", "sex": "m", "rooms": "3"}
    found = written_conditions([f"{name}={value}" for name, value in right.items()], columns)
    assert found == {"since": "2020-02-29", "owner": True, "sex": True, "rooms": 3}
    for name, value in (("since", "2020-02-30"), ("since", ""), ("owner", "2"), ("sex", "x"), ("rooms", "nan")):
        with pytest.raises(ConfigError, match=f"--condition {name}={value}: expected"):
            written_conditions([f"{key}={word}" for key, word in (right | {name: value}).items()], columns)


def test_the_middle_condition_is_one_that_rows_have() -> None:
    columns = (Column("age", "number", "float64"), Column("town", "category", "str", ("Bergen", "Oslo")))
    middle = middle_condition(np.array([[1.5, 0], [40.25, 1], [900, 1], [30, 0], [50, 1]]), columns)
    assert spelt_condition(middle, columns) == "age = 40.25, town = Oslo"


def test_by_command(told: aae.Run, trained: aae.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "s.npz")
    assert main(["sample", str(told.path), "--out", out, "--condition", "age=70", "town=Oslo", "-n", "20"]) == 0
    rows = np.load(out)["samples"]
    np.testing.assert_array_equal(rows, told.sample(20, condition={"age": 70, "town": "Oslo"}))
    assert main(["sample", str(told.path), "--out", out, "--condition", "age=70"]) != 0
    assert "expected age, town" in capsys.readouterr().err
    assert main(["sample", str(trained.path), "--out", out, "--condition", "age=70"]) != 0
    assert "is told no condition" in capsys.readouterr().err


def test_it_is_measured_reported_and_explored(told: aae.Run, tmp_path: Path) -> None:
    data = load(told.config.data)
    found = told.evaluate(data=data)
    assert found["r2"] > 0.5
    write(told, compare=False, data=data)
    export(told, tmp_path / "page.html", data)


# From arrays


def test_an_array_of_conditions_beside_labels(digits: Dataset, tmp_path: Path) -> None:
    """Any numbers beside the class; a run that is stopped and resumed ends with the same bytes."""
    rng = np.random.default_rng(0)
    x, y = digits.x.numpy().reshape(-1, 8, 8), digits.y.numpy()  # type: ignore[union-attr]
    bright = rng.uniform(0.2, 1.0, len(x))
    data = dataset(x * bright[:, None, None], y, conditions=np.stack([bright, rng.normal(size=len(x))], 1))
    assert data.conditions is not None
    config = tiny(
        **SUPERVISED, reconstruction__reduction="sum", epochs=12, optimizer__reconstruction__learning_rate=3e-3
    )
    run = aae.train(config, tmp_path / "whole", data=data)
    with pytest.raises(Interrupted):
        aae.train(config, tmp_path / "parts", data=data, listener=stop_at(5))
    resume(tmp_path / "parts", data=data)
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")
    assert run.classes_told == 10
    dark, light = (run.sample(40, y=3, condition=[b, 0.0]).mean() for b in (0.3, 0.9))
    assert light > 1.5 * dark
    assert run.restyle(x[:3], condition=[0.5, 0.0]).shape == (3, 10, 8, 8)
    assert run.evaluate(data=data)["r2"] > 0


def test_the_fingerprint_knows_the_conditions(vectors: np.ndarray) -> None:
    c = np.arange(200.0)
    prints = {dataset(vectors, conditions=given).fingerprint for given in (None, c, c + 1)}
    assert len(prints) == 3


@pytest.mark.parametrize("conditions", [np.arange(199.0), np.zeros((200, 2, 2)), np.full(200, np.nan)])
def test_conditions_that_do_not_fit_the_rows_are_refused(conditions: np.ndarray, vectors: np.ndarray) -> None:
    with pytest.raises(DataError):
        dataset(vectors, conditions=conditions)


def test_a_model_that_would_ignore_them_refuses(vectors: np.ndarray, tmp_path: Path) -> None:
    data = dataset(vectors, conditions=np.arange(200.0))
    with pytest.raises(DataError, match="conditions would be ignored"):
        aae.train(tiny(), tmp_path / "run", data=data)
    with pytest.raises(ConfigError, match="told no condition"):
        tiny(data__condition=("age",))
    with pytest.raises(ConfigError, match="not a table"):
        load(Data(condition=("age",)))
    people().to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ConfigError, match=r"--condition: .* has no column 'size'"):
        load(Data(source=str(tmp_path / "p.csv"), condition=("size",)))


def test_what_is_told_of_a_row_reaches_the_decoder(vectors: np.ndarray) -> None:
    """Other conditions change the reconstruction loss, and not the codes."""
    data = dataset(vectors, conditions=np.arange(200.0))
    game = Game.new(tiny(**SUPERVISED), data, CPU)
    batch = game.batch(torch.arange(32), game.generator)
    assert batch.condition is not None
    other = dataclasses.replace(batch, condition=-batch.condition, _kept={})
    first = game.model.phases[0]
    assert first.losses(batch)["reconstruction"] != first.losses(other)["reconstruction"]
    assert torch.equal(game.model.sample_codes(batch), game.model.sample_codes(other))

"""A reproduction is a folder of runs, a table and a figure; it goes on where it stopped, and never redoes a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import tiny

import aae
from aae import reproduction
from aae.config import Config, replace
from aae.errors import RunError
from aae.reproduction import EXPERIMENTS, Budget, Case, Experiment, reproduce, spread

Settings = Callable[[int, Budget], Config]


def small(**changes: object) -> Settings:
    def settings(seed: int, budget: Budget) -> Config:
        base = {"model__kind": "semi-supervised", "data__labelled": 50, "data__label_seed": seed}
        return tiny(**base, seed=seed, epochs=1 if budget == "quick" else 2, **changes)

    return settings


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = (Case("a", "first", "1.0", "0.5", small()), Case("b", "second", "2.0", "", small(model__latent=3)))
    monkeypatch.setitem(EXPERIMENTS, "toy", Experiment("A toy", "error", cases, ("a note",)))


@pytest.mark.usefixtures("toy")
def test_a_folder_with_a_table_a_figure_and_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = reproduce("toy", tmp_path, seeds=2, only=("a",)).read_text()
    runs = [aae.Run.load(tmp_path / f"a-seed-{seed}") for seed in (0, 1)]
    errors = [100 * json.loads((run.path / "metrics.json").read_text())["error"] for run in runs]
    assert f"| first | 1.0 | {spread(errors)} | 2 | 1 | 0.5 |" in page
    assert "| second | 2.0 |  | 0 |  |  |" in page
    assert "a note" in page
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "configuration.json").read_text())["a"]["data"]["labelled"] == 50
    assert [run.config.data.label_seed for run in runs] == [0, 1]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a finished run was trained or measured again")

    monkeypatch.setattr(reproduction, "train", refuse)
    monkeypatch.setattr(reproduction, "evaluate", refuse)
    assert reproduce("toy", tmp_path, seeds=2, only=("a",)).read_text() == page
    with pytest.raises(RunError, match="other settings"):
        reproduce("toy", tmp_path, seeds=1, only=("a",), budget="full")


def test_the_spread_over_seeds() -> None:
    assert spread([]) == ""
    assert spread([2.0]) == "2.00 (one seed)"
    assert spread([1.0, 3.0]) == "2.00 ± 1.41"


def test_table_2_changes_labels_and_seeds_alone() -> None:
    hundred, thousand, every = EXPERIMENTS["table-2"].cases
    base = aae.recipes.mnist_semi_supervised_100()
    assert hundred.settings(0, "full") == base
    assert thousand.settings(3, "full") == replace(base, {"seed": 3, "data.labelled": 1000, "data.label_seed": 3})
    assert every.settings(1, "full") == replace(base, {"seed": 1, "data.labelled": None})
    quick = hundred.settings(0, "quick")
    assert quick == replace(base, {"epochs": quick.epochs, "schedule_epochs": quick.schedule_epochs})

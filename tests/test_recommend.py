"""A recommendation is a run that can be begun as it stands, with a reason for every choice."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro

import aae
from aae.cli import main
from aae.cli.training import Train, base_of, settings_named
from aae.config import Config, check, replace, resolve
from aae.data import Dataset, load
from aae.errors import ConfigError
from aae.pace import sized
from aae.recommend import GOALS, recommend

RNG = np.random.default_rng(0)


def saved(folder: Path, x: np.ndarray, y: np.ndarray | None = None) -> Config:
    """Settings that name a file of these rows."""
    path = folder / "mine.npz"
    np.savez(path, x=x, **({} if y is None else {"y": y}))
    return replace(Config(), {"data.source": str(path)})


def table(folder: Path) -> Config:
    path = folder / "people.csv"
    lines = [
        "age,town,smokes",
        *(f"{20 + i % 50},{'Ulm' if i % 3 else ''},{'yes' if i % 2 else 'no'}" for i in range(300)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return replace(Config(), {"data.source": str(path)})


def made(name: str, folder: Path) -> Config:
    if name == "digits":
        return Config()
    if name == "table":
        return table(folder)
    some = np.where(np.arange(400) < 60, np.arange(400) % 3, -1)
    shapes: dict[str, Any] = {
        "vectors": (RNG.random((400, 12)), None),
        "colour": (RNG.integers(0, 255, (60, 40, 40, 3), dtype=np.uint8), None),
        "some labels": (RNG.random((400, 12)), some),
        "narrow": (RNG.random((400, 2)), None),
    }
    return saved(folder, *shapes[name])


def parsed(words: list[str]) -> Config:
    """The settings that `aae train` would take from these words."""
    base, rest = base_of(words)
    chosen = tyro.cli(Train, args=rest, default=Train(settings=base))
    return resolve(base, chosen.settings, written=settings_named(rest))


@pytest.mark.parametrize("goal", ["auto", *GOALS])
@pytest.mark.parametrize("name", ["digits", "table", "vectors", "colour", "some labels", "narrow"])
def test_what_is_recommended_can_be_trained_as_it_is_printed(name: str, goal: Any, tmp_path: Path) -> None:
    config = made(name, tmp_path)
    data = load(config.data)
    if goal == "classify" and not data.spec.classes:
        with pytest.raises(ConfigError, match="has no labels"):
            recommend(config, data, goal)
        return
    advice = recommend(config, data, goal)
    assert check(advice.config) == advice.config
    assert sized(advice.config, data).epochs > 0
    words = shlex.split(advice.command)
    assert words[:2] == ["aae", "train"]
    assert parsed(words[2:]) == advice.config
    assert advice.reasons


def test_it_depends_on_the_data(tmp_path: Path, digits: Dataset) -> None:
    look = recommend(Config(), digits)
    assert (look.goal, look.recipe, look.config.model.latent) == ("look", "digits-2d-uniform", 2)
    for name in ("table", "colour", "some labels"):
        (tmp_path / name).mkdir()
    config = made("table", tmp_path / "table")
    found = recommend(config, load(config.data))
    assert found.recipe == "table-8d-gaussian"
    assert any("gaps in town" in caution for caution in found.cautions)
    config = made("colour", tmp_path / "colour")
    for goal in GOALS.keys() - {"classify"}:  # for which there are no labels
        assert recommend(config, load(config.data), goal).recipe == "images-2d-uniform"
    config = made("some labels", tmp_path / "some labels")
    partly = recommend(config, load(config.data))
    assert (partly.goal, partly.config.model.kind) == ("classify", "semi-supervised")
    assert recommend(Config(), digits, "cluster").config.model.clusters == 10


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = made("vectors", tmp_path)
    assert main(["recommend", config.data.source, "--goal", "anomalies", "--json", "--no-time"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["model.latent"] == 5
    assert found["command"].startswith("aae train auto --data ")
    assert main(["recommend", config.data.source]) == 0
    said = capsys.readouterr().out
    assert said.startswith("aae train auto")
    assert "time: about" in said


def test_its_first_epoch_trains(tmp_path: Path) -> None:
    config = made("some labels", tmp_path)
    advice = recommend(config, load(config.data))
    run = aae.train(replace(advice.config, {"epochs": 1}), tmp_path / "run")
    assert run.predict(RNG.random((3, 12))).shape == (3,)

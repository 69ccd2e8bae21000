"""A reproduction is a folder of runs, a table and a figure; it goes on where it stopped, and never redoes a run."""

from __future__ import annotations

import dataclasses
import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from PIL import Image

import aae
from aae import priors
from aae.cli import main
from aae.config import Config, check, replace
from aae.data import Dataset
from aae.errors import ConfigError, Interrupted, RunError
from aae.reproduction import (
    EXPERIMENTS,
    Budget,
    Case,
    Control,
    Experiment,
    Measure,
    Picture,
    labels,
    likelihood,
    reproduce,
    runs,
    spread,
)
from aae.reproduction.experiment import SPLIT
from aae.reproduction.page import page
from aae.training import Progress

Settings = Callable[[int, Budget], Config]


def small(**changes: object) -> Settings:
    def settings(seed: int, budget: Budget) -> Config:
        base = {"model__kind": "semi-supervised", "data__labelled": 50, "data__label_seed": seed}
        return tiny(**base | changes, seed=seed, epochs=1 if budget == "quick" else 2)

    return settings


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = (Case("a", "first", "1.0", "0.5", small()), Case("b", "second", "2.0", "", small(model__latent=3)))
    experiment = dataclasses.replace(EXPERIMENTS["table-2"], title="A toy", cases=cases, notes=("a note",))
    monkeypatch.setitem(EXPERIMENTS, "toy", experiment)


@pytest.mark.usefixtures("toy")
def test_a_folder_with_a_table_a_figure_and_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = reproduce("toy", tmp_path, seeds=2, only=("a",)).read_text()
    found = [aae.Run.load(tmp_path / f"a-seed-{seed}") for seed in (0, 1)]
    errors = [100 * json.loads((run.path / "metrics.json").read_text())["error"] for run in found]
    assert f"| first | 1.0 | {spread(errors)} | 2 | 1 | 0.5 |" in page
    assert "| second | 2.0 | not run | 0 |  |  |" in page
    assert "a note" in page
    assert "- first: `digits-2d-uniform` with epochs = 1, " in page
    assert "Trained on cpu, " in page
    assert "Made by `aae reproduce toy --budget quick --seeds 2 --only a`" in page
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    kept = json.loads((tmp_path / "configuration.json").read_text())["a"]
    assert [kept[f"seed {seed}"]["data"]["label_seed"] for seed in (0, 1)] == [0, 1]
    assert kept["seed 1"]["trained"]["torch"] == torch.__version__
    assert [run.config.data.label_seed for run in found] == [0, 1]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a finished run was trained or measured again")

    monkeypatch.setattr(runs, "train", refuse)
    monkeypatch.setattr(runs, "evaluate", refuse)
    assert reproduce("toy", tmp_path, seeds=2, only=("a",)).read_text() == page
    assert reproduce("toy", tmp_path, seeds=1, only=("a",)).read_text() == page, "what is finished stays in the table"
    with pytest.raises(RunError, match="other settings"):
        reproduce("toy", tmp_path, seeds=1, only=("a",), budget="full")
    with pytest.raises(RunError, match="is a run itself"):
        reproduce("toy", tmp_path / "a-seed-0", seeds=1)


@pytest.mark.usefixtures("toy")
def test_data_that_has_moved_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all that reads it again, figures too."""
    seen: list[str | None] = []

    def drawn(experiment: Experiment, found: dict[str, list[aae.Run]], folder: Path) -> list[Picture]:
        seen.extend(run.config.data.directory for of in found.values() for run in of)
        return []

    monkeypatch.setitem(EXPERIMENTS, "toy", dataclasses.replace(EXPERIMENTS["toy"], draw=drawn))
    reproduce("toy", tmp_path, seeds=1, only=("a",))
    monkeypatch.setattr(runs, "load", lambda *_: pytest.fail("a finished run needs no data to train on"))
    reproduce("toy", tmp_path, seeds=1, only=("a",), directory="moved")
    assert seen == [None, "moved"]


@pytest.mark.usefixtures("toy")
def test_an_unfinished_run_of_other_settings_is_left_where_it_stopped(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    config = replace(EXPERIMENTS["toy"].cases[0].settings(0, "quick"), {"epochs": 3})
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        aae.train(config, tmp_path / "a-seed-0", listener=stop)
    before = {p.name: p.read_bytes() for p in (tmp_path / "a-seed-0").iterdir() if p.is_file()}
    with pytest.raises(RunError, match="other settings"):
        reproduce("toy", tmp_path, seeds=1, only=("a",))
    assert {p.name: p.read_bytes() for p in (tmp_path / "a-seed-0").iterdir() if p.is_file()} == before


@pytest.mark.usefixtures("toy")
def test_a_run_killed_before_it_was_first_saved_is_begun_again(tmp_path: Path) -> None:
    whole = reproduce("toy", tmp_path / "whole", seeds=1, only=("a",)).read_text()
    killed = tmp_path / "cut" / "a-seed-0"
    shutil.copytree(tmp_path / "whole" / "a-seed-0", killed)
    for name in ("checkpoints", "weights.safetensors", "history.csv", "metrics.json", "machine.json"):
        path = killed / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert reproduce("toy", tmp_path / "cut", seeds=1, only=("a",)).read_text() == whole


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("table-9", {}, "there is no experiment table-9; there are figure-2"),
        ("toy", {"seeds": 0}, "seeds must be 1 or more, got 0"),
        ("toy", {"only": ("a", "c")}, "there is no row c: toy has a, b"),
    ],
)
def test_what_there_is_not_is_refused(name: str, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        reproduce(name, str(tmp_path / "out"), **options)
    assert not (tmp_path / "out").exists()


def test_the_split_that_the_notes_name_is_that_of_the_settings() -> None:
    for name, experiment in EXPERIMENTS.items():
        said = SPLIT in " ".join(experiment.notes)
        configs = [case.settings(0, "quick") for case in experiment.cases]
        shares = {config.data.validation for config in configs}
        assert said == (name in ("figure-7", "figure-10", "table-2", "table-3"))
        assert shares == ({1 / 6} if name != "figure-2" else {0.1}), name
        assert all(config.data.source == "mnist" for config in configs)


@pytest.mark.usefixtures("toy")
def test_rows_that_are_not_asked_for_hold_what_is_finished_in_the_folder(tmp_path: Path) -> None:
    reproduce("toy", tmp_path, seeds=1, only=("a",))
    aae.train(EXPERIMENTS["toy"].cases[0].settings(2, "quick"), tmp_path / "a-seed-2")  # seed 1 is not there
    page = reproduce("toy", tmp_path, seeds=2, only=("b",)).read_text()
    rows = {line.split(" | ")[0]: line.split(" | ")[3] for line in page.splitlines() if line.startswith("| ")}
    assert (rows["| first"], rows["| second"]) == ("1", "2")
    commands = [f"`aae reproduce toy --budget quick --seeds {n} --only {case}`" for n, case in ((1, "a"), (2, "b"))]
    assert f"Made by {commands[0]}, then {commands[1]}; settings" in page
    other = reproduce("toy", tmp_path / "other", seeds=1, only=("a",)).parent
    (other / "a-seed-0").rename(other / "b-seed-0")  # a run of other settings under its name
    assert "| second | 2.0 | not run | 0 |" in reproduce("toy", other, seeds=1, only=("a",)).read_text()


@pytest.mark.usefixtures("toy")
def test_an_interrupted_reproduction_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sums(run: aae.Run, *_: object) -> dict[str, float]:
        return {"error": float(run.encode(np.ones((1, 8, 8))).sum())}

    cheap = dataclasses.replace(EXPERIMENTS["toy"], also=sums, evaluates=False)
    monkeypatch.setitem(EXPERIMENTS, "toy", cheap)

    def stop(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    whole = reproduce("toy", tmp_path / "whole", seeds=1).read_text()
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        reproduce("toy", tmp_path / "cut", seeds=1, listener=lambda name: stop if name == "b-seed-0" else None)
    assert (tmp_path / "cut" / "b-seed-0" / "MANIFEST.json").exists()
    assert not (tmp_path / "cut" / "README.md").exists()
    assert reproduce("toy", tmp_path / "cut", seeds=1).read_text() == whole


def test_the_spread_over_seeds() -> None:
    assert spread([]) == ""
    assert spread([2.0]) == "2.00 (one seed)"
    assert spread([2.0], 1, said=False) == "2.0"
    assert spread([1.0, 3.0]) == "2.00 ± 1.41"


def test_controls_and_numbers_that_are_not_there_leave_their_cells_empty() -> None:
    measures = (Measure("a", "first", 1, 1), Measure("b", "second"))
    case = Case("x", "a case", "3", "4", small())
    experiment = dataclasses.replace(EXPERIMENTS["table-2"], measures=measures, cases=(case,))
    values = {"x": [{"a": 1.0}, {"a": 2.0}]}
    text = page("toy", experiment, values, "quick", {"x": 7}, [Control("none", "5", "", {"a": 9.0, "b": 0.5})])
    assert "| | paper | ours: first | second | seeds | epochs | best public |".replace("| |", "|  |") in text
    assert "| a case | 3 | 1.5 ± 0.7 |  | 2 | 7 | 4 |" in text
    assert "| none | 5 | 9.0 | 50.00 |  |  |  |" in text


def test_table_2_changes_labels_and_seeds_alone() -> None:
    hundred, moved, thousand, thousand_moved, every, every_moved = EXPERIMENTS["table-2"].cases
    base = aae.recipes.mnist_semi_supervised_100()
    assert hundred.settings(0, "full") == base
    assert moved.settings(2, "full").consistency.kind == "both"
    assert moved.settings(2, "full").data == hundred.settings(2, "full").data
    assert thousand.settings(3, "full") == replace(base, {"seed": 3, "data.labelled": 1000, "data.label_seed": 3})
    assert every.settings(1, "full") == replace(base, {"seed": 1, "data.labelled": None})
    assert hundred.settings(0, "quick") == replace(base, {"epochs": 150, "schedule_epochs": (100, 135)})
    assert thousand.settings(0, "quick") == replace(
        base, {"epochs": 40, "schedule_epochs": (25,), "data.labelled": 1000}
    )
    ours = moved.settings(3, "quick")
    assert thousand_moved.settings(3, "quick") == replace(ours, {"data.labelled": 1000})
    assert every_moved.settings(3, "quick") == replace(ours, {"data.labelled": None, "data.label_seed": 0})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_case_has_settings_that_go_together(name: str) -> None:
    experiment = EXPERIMENTS[name]
    for case in experiment.cases:
        quick, full = (check(case.settings(3, budget)) for budget in ("quick", "full"))
        assert quick.seed == full.seed == 3
        assert quick.epochs < full.epochs
        assert (quick.data, quick.prior, quick.reconstruction) == (full.data, full.prior, full.reconstruction)
    keys = [case.key for case in experiment.cases]
    assert len(set(keys)) == len(keys)


# Each experiment on the bundled digits, from the first step to the page

TINY: dict[str, dict[str, object]] = {
    "figure-2": {"model__kind": "aae", "prior__kind": "gaussian", "data__labelled": None, "data__label_seed": 0},
    "figure-4": {
        "model__kind": "aae",
        "prior__kind": "mixture",
        "prior__labels": True,
        "prior__scale": 4.0,
        "adversarial__phases": "joint",
    },
    "figure-7": {
        "model__kind": "supervised",
        "prior__kind": "gaussian",
        "data__labelled": None,
        "data__label_seed": 0,
    },
    "figure-10": {"model__kind": "dimension-reduction", "prior__kind": "gaussian"},
    "table-1": {"model__kind": "aae", "prior__kind": "gaussian", "data__labelled": None, "data__label_seed": 0},
    "table-3": {
        "model__kind": "clustering",
        "prior__kind": "gaussian",
        "model__clusters": 12,
        "data__labelled": None,
        "data__label_seed": 0,
    },
}


@pytest.mark.parametrize("name", TINY)
def test_an_experiment_on_small_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = EXPERIMENTS[name]
    monkeypatch.setattr(likelihood, "SAMPLES", {"quick": (200,), "full": (200, 300)})
    case = dataclasses.replace(experiment.cases[0], settings=small(**TINY[name]))
    monkeypatch.setitem(EXPERIMENTS, name, dataclasses.replace(experiment, cases=(case,)))
    text = reproduce(name, tmp_path, seeds=1).read_text()
    pictures = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert pictures
    for picture in pictures:
        with Image.open(tmp_path / picture) as image:
            image.verify()
    row = next(line for line in text.splitlines() if line.startswith(f"| {case.name} |")).split(" | ")
    first = experiment.measures[0]
    run = aae.Run.load(tmp_path / f"{case.key}-seed-0")
    assert row[1] == case.paper
    assert row[2].endswith("(one seed)")
    own = tmp_path / run.path.name / "measured.json"
    numbers = json.loads(own.read_text())["numbers"] if own.exists() else {}
    if experiment.evaluates:
        numbers |= json.loads((run.path / "metrics.json").read_text())
    assert row[2] == spread([first.of(numbers)], first.digits)
    shown = [m for m in experiment.measures if m.key in numbers]
    assert len(shown) >= len(experiment.measures) - (name == "table-1")
    assert reproduce(name, tmp_path, seeds=1).read_text() == text


def test_clusters_of_dimension_reduction_are_scored_by_the_papers_rule() -> None:
    error = EXPERIMENTS["figure-10"].measures[0]
    assert error.of({"error": 0.25, "error_head": 0.5}) == 25
    assert error.of({"error_head": 0.5}) == 50
    assert error.of({}) is None


def test_samples_in_blocks_are_so_many_draws(
    trained: aae.Run, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "AT_ONCE", 30)
    found = likelihood.sampled(trained, digits, 70)
    assert found.shape == (70, 64)
    assert len(np.unique(found, axis=0)) == 70
    assert found[30:60] == pytest.approx(trained.sample(30, seed=1).reshape(30, -1) / 16, abs=1e-5)


def test_the_controls_of_the_likelihood(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real rows score above blurred ones, and are made of training rows alone."""
    monkeypatch.setattr(likelihood, "SAMPLES", {"quick": (500,), "full": (500,)})
    images, blurred, centroids = likelihood.controls(digits, "quick")
    assert images.numbers["parzen"] > blurred.numbers["parzen"]
    assert centroids.numbers["parzen"] > images.numbers["parzen"]
    assert "500 centroids" in centroids.name
    assert all(0.01 < row.numbers["parzen_width"] < 1 for row in (images, blurred, centroids))


@pytest.mark.parametrize("kind", ["mixture", "swiss-roll"])
def test_codes_along_each_part_belong_to_it(kind: str) -> None:
    prior = priors.build(aae.config.Prior(kind, 4.0), 2)
    codes = labels.along(prior, 5)
    assert codes.shape == (5, 10, 2)
    parts = prior.class_of(torch.from_numpy(codes.reshape(-1, 2))).numpy().reshape(5, 10)
    inner = parts[1:]  # near the centre the petals meet
    assert (inner == np.arange(10)).all()
    radius = np.linalg.norm(codes, axis=2)
    assert (np.diff(radius, axis=0) > 0).all()


def test_codes_of_their_own_component_are_counted(digits: Dataset) -> None:
    class Sorted:
        """A run whose codes are class numbers, of a prior that reads them off; every tenth row is wrong."""

        def encode(self, x: np.ndarray) -> np.ndarray:
            y = digits.y[digits.splits.test].numpy()
            return np.where(np.arange(len(y)) % 10 == 0, (y + 1) % 10, y)[:, None].astype(np.float32)

        class prior:
            @staticmethod
            def class_of(z: torch.Tensor) -> torch.Tensor:
                return z[:, 0].long()

    n = len(digits.splits.test)
    found = labels.own_part(Sorted(), digits, "quick")  # type: ignore[arg-type]
    assert found["own_part"] == pytest.approx(1 - -(-n // 10) / n)


# The command and the page of the documentation


def test_the_command_takes_every_experiment_and_refuses_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, experiment in EXPERIMENTS.items():
        out = str(tmp_path / "out")
        assert main(["reproduce", name, "--only", "nothing", "--out", out]) == ConfigError.exit_code
        said = capsys.readouterr().err
        assert all(case.key in said for case in experiment.cases)
    assert main(["reproduce", "table-9"]) == ConfigError.exit_code
    assert main(["reproduce", "table-2", "--only", "--out", str(tmp_path / "out")]) == ConfigError.exit_code
    assert not (tmp_path / "out").exists()


def put_together(tmp_path: Path, *given: object) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).parents[1] / "benchmarks" / "reproductions.py"
    (tmp_path / "docs").mkdir(exist_ok=True)
    command = [sys.executable, str(script), *map(str, given), "--out", str(tmp_path / "docs" / "reproduction.md")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def made_from(tmp_path: Path, *given: object) -> str:
    done = put_together(tmp_path, *given)
    assert done.returncode == 0, done.stderr
    return (tmp_path / "docs" / "reproduction.md").read_text(encoding="utf-8")


def refused(tmp_path: Path, *given: object) -> str:
    done = put_together(tmp_path, *given)
    assert done.returncode != 0
    return done.stderr


def test_the_page_of_the_documentation_is_made_from_the_folders(tmp_path: Path) -> None:
    for name in ("table-3", "table-1"):
        folder = tmp_path / name
        folder.mkdir()
        text = page(name, EXPERIMENTS[name], {}, "quick", {}, (), [Picture("wide.png", "a picture")])
        (folder / "README.md").write_text(text, encoding="utf-8")
        Image.new("RGB", (1200, 600), "red").save(folder / "wide.png")
    made_from(tmp_path, tmp_path / "table-3")
    assert "name the folders" in refused(tmp_path)
    both = made_from(tmp_path, tmp_path / "table-1")
    titles = [line for line in both.splitlines() if line.startswith("#")]
    assert titles[1:] == [f"## {EXPERIMENTS[name].title}" for name in ("table-1", "table-3")]
    assert made_from(tmp_path, tmp_path / "table-1") == both
    with Image.open(tmp_path / "docs" / "images" / "reproduction" / "table-1-wide.png") as image:
        assert image.size == (900, 450)
    assert "![wide](images/reproduction/table-1-wide.png)" in both
    missing = next(line for line in both.splitlines() if line.startswith("Not run yet"))
    assert [name for name in EXPERIMENTS if f"`{name}`" not in missing] == ["table-1", "table-3"]


def test_rows_keep_the_command_that_is_said_to_have_made_them() -> None:
    """Names begin with other names and have commas in them; commands may name no row, and a line may have two."""
    script = Path(__file__).parents[1] / "benchmarks" / "reproductions.py"
    makers = runpy.run_path(str(script))["makers"]
    cases = EXPERIMENTS["figure-10"].cases
    keys = {case.key: case.name for case in cases}
    names = [keys[key] for key in ("2d-1000-labels-moved", "2d-100-labels", "2d-1000-labels")]
    first = "`aae reproduce figure-10 --seeds 1 --only 2d-20-clusters 10d-100-labels`"
    every = "`aae reproduce figure-10 --seeds 2`"
    before = "`aae reproduce figure-10 --seeds 3 --only 2d-1000-labels`"
    found = makers(
        [f"Made by {first}, then {every}; settings.", f"Made before, by {before}: {', '.join(names)}."], cases
    )
    assert {name for name, command in found.items() if command == before} == set(names)
    assert {name for name, command in found.items() if command == first} == {
        keys["2d-20-clusters"],
        keys["10d-100-labels"],
    }
    assert set(found) == {case.name for case in cases}
    assert set(makers([f"Made by {first}."], cases)) == {keys["2d-20-clusters"], keys["10d-100-labels"]}
    with pytest.raises(SystemExit, match="a row that is gone"):
        makers([f"Made before, by {before}: a row that is gone, {names[0]}."], cases)


def test_rows_that_a_folder_has_no_run_of_stay_in_the_documentation(tmp_path: Path) -> None:
    """With their pictures and commands, so that a table can be filled by one machine after another."""
    table = EXPERIMENTS["table-2"]
    runs = {
        "first": {"100-labels": 0.02},
        "second": {"1000-labels": 0.03, "all-labels": 0.01},
        "third": {"all-labels": 0.04},
    }
    for name, errors in runs.items():
        (tmp_path / name).mkdir()
        values = {key: [{"error": error}] for key, error in errors.items()}
        pictures = [Picture("curves.png", f"curves of the {name}"), Picture(f"{name}.png", f"the {name}")]
        text = page("table-2", table, values, "quick", dict.fromkeys(errors, 7), (), pictures)
        (tmp_path / name / "README.md").write_text(text, encoding="utf-8")
        for picture in pictures:
            Image.new("RGB", (20, 20), "red").save(tmp_path / name / picture.file)
    for name in runs:
        made = made_from(tmp_path, tmp_path / name)
    cells = {line.split(" | ")[0][2:]: line.split(" | ")[2] for line in made.splitlines() if line.startswith("| ")}
    found = [cells[table.name_of(key)] for key in ("100-labels", "1000-labels", "all-labels")]
    assert found == ["2.00 (one seed)", "3.00 (one seed)", "4.00 (one seed)"], "a row run again is replaced"
    assert [name for name in runs if f"table-2-{name}.png" in made] == list(runs)
    assert made.count("table-2-curves.png") == 1
    assert "curves of the third" in made
    assert all(f"--only {key}`" in made for key in ("100-labels", "1000-labels all-labels", "all-labels"))
    assert made_from(tmp_path, tmp_path / "third") == made
    every = (tmp_path / "second" / "README.md").read_text(encoding="utf-8")
    (tmp_path / "second" / "README.md").write_text(every.replace(" --only 1000-labels all-labels", ""))
    for _ in range(2):  # a command that names no rows made those alone that are said to be its own
        by_all = made_from(tmp_path, tmp_path / "second", tmp_path / "third")
        assert "--only 100-labels`: 100 labels." in by_all
        assert "--seeds 1`: 1000 labels." in by_all
    (tmp_path / "second" / "README.md").write_text(every)
    assert made_from(tmp_path, tmp_path / "second", tmp_path / "third") == made
    renewed = made_from(tmp_path, "--renew")
    assert renewed.replace(" best", "").split() == made.replace(" best", "").split(), "there are no other words by now"
    on_page = tmp_path / "docs" / "images" / "reproduction" / "table-2-curves.png"
    for given, colour in ((["--keep", "curves"], (255, 0, 0)), ([], (0, 0, 255))):
        Image.new("RGB", (20, 20), "blue").save(tmp_path / "third" / "curves.png")
        made_from(tmp_path, tmp_path / "third", *given)
        with Image.open(on_page) as image:
            assert image.convert("RGB").getpixel((0, 0)) == colour
    assert "no folder has a picture curve.png" in refused(tmp_path, tmp_path / "third", "--keep", "curve")
    renewed = made_from(tmp_path, "--renew")
    text = (tmp_path / "first" / "README.md").read_text()
    for changed, said in (
        (text.replace("--budget quick", "--budget full"), "rows of another budget"),
        (text.replace("1000 labels |", "a thousand labels |"), "has no row 1000 labels now"),
        (text.replace("| epochs |", "| hours |"), "has other columns now"),
    ):
        (tmp_path / "first" / "README.md").write_text(changed)
        assert said in refused(tmp_path, tmp_path / "first")
        assert (tmp_path / "docs" / "reproduction.md").read_text() == renewed

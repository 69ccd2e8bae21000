"""The search for settings: what it may change, trials on one file by several processes, what it leaves behind."""

from __future__ import annotations

import contextlib
import csv
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import tiny
from hypothesis import given
from hypothesis import strategies as st

from aae import recipes
from aae.cli import main
from aae.config import from_file, replace
from aae.data import Dataset
from aae.errors import ConfigError, DataError, RunError
from aae.plots.pareto import front, pareto
from aae.tuning import default_space, read_space, tune
from aae.tuning.study import INTERRUPTED, Study
from aae.tuning.trial import FEWEST_PEERS, Hopeless, Watch

pytest.importorskip("optuna")


def table_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))


def test_the_default_space_is_what_the_model_uses() -> None:
    joint, separate = recipes.recipe("digits-2d-uniform"), recipes.recipe("mnist-semi-supervised-100")
    table = recipes.recipe("table-8d-gaussian")
    assert {"adversarial.weight", "adversarial.final_weight"} <= set(default_space(joint))
    assert "optimizer.generator.learning_rate" not in default_space(joint)
    assert "adversarial.weight" not in default_space(separate)
    assert "optimizer.classification.learning_rate" in default_space(separate)
    assert "model.latent" not in default_space(joint), "two dimensions are there to be looked at"
    assert "model.latent" in default_space(table)
    assert "model.latent" not in default_space(table, fixed=["model.latent"])
    rate = default_space(joint)["optimizer.discriminator.learning_rate"]
    assert rate.low < joint.optimizer.discriminator.learning_rate < rate.high


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_can_be_searched_from_its_own_settings(name: str) -> None:
    from aae.tuning.space import applied, starting_point

    base = recipes.recipe(name)
    start = starting_point(base, default_space(base))
    assert start is not None
    assert applied(base, start) == base


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"adversarial.wieght" = { low = 0.1, high = 1.0 }', "adversarial.weight"),
        ('"data.validation" = { low = 0.1, high = 0.4 }', "same rows"),
        ('"adversarial.weight" = { low = 0.1 }', "both low and high"),
        ('"adversarial.weight" = { low = 1.0, high = 0.1 }', "adversarial.weight"),
        ('"adversarial.weight" = { low = 0.1, high = 1.0, steps = 3 }', "unknown steps"),
        ('"adversarial.weight" = 0.3', "expected"),
        ('"optimizer.reconstruction.momentum" = { low = 0.1, high = 1.5 }', "momentum"),
        ('"model.clusters" = { low = 2, high = 4 }', "would be ignored"),
        ('"model.encoder" = { choices = [] }', "list"),
        ('"adversarial.input_noise" = { low = 0.0, high = 0.1 }', "command line"),
        ("defaults = false", "nothing to search"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "space.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_space(file, recipes.recipe("digits-2d-uniform"), fixed=["adversarial.input_noise"])


def test_a_file_changes_the_space(tmp_path: Path) -> None:
    base, file = recipes.recipe("digits-2d-uniform"), tmp_path / "space.toml"
    file.write_text(
        "[model]\nencoder = { choices = [[8], [16, 16]] }\n[adversarial]\nweight = { low = 0.5, high = 1 }\n"
    )
    space = read_space(file, base)
    assert set(space) == {*default_space(base), "model.encoder"}
    assert space["adversarial.weight"].high == 1.0
    file.write_text(f"defaults = false\n{file.read_text()}")
    assert set(read_space(file, base)) == {"model.encoder", "adversarial.weight"}


@pytest.fixture(scope="module")
def small() -> Any:
    """Settings whose trial takes a fraction of a second."""
    return tiny(epochs=4, adversarial__phases="joint")


@pytest.fixture(scope="module")
def found(small: Any, digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    study = Path(tmp_path_factory.mktemp("studies")) / "digits.db"
    return study, tune(small, study, trials=3, data=digits)


def test_a_search_leaves_trials_a_front_and_settings_to_train(found: Any, small: Any) -> None:
    study, result = found
    folder = study.with_suffix("")
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert result.trials[0].recipe
    assert result.settings(result.trials[0]) == small
    assert result.chosen in result.front
    assert from_file(folder / "best.toml", recipes.recipe("digits-2d-uniform")) == result.best
    table = table_of(folder)
    assert [float(row["match"]) for row in table] == [trial.match for trial in result.trials]
    assert len(list((folder / "front").iterdir())) == len(result.front)
    assert (folder / "pareto.png").stat().st_size > 5000
    assert all(0.5 <= trial.match <= 1 and trial.error > 0 for trial in result.trials)


def test_it_goes_on_where_it_was_and_draws_the_same_again(
    found: Any, small: Any, digits: Dataset, tmp_path: Path
) -> None:
    study, result = found
    assert tune(small, study, trials=3, data=digits).trials == result.trials, "there are enough trials already"
    other = tune(small, tmp_path / "other.db", trials=2, data=digits)
    assert [t.parameters for t in other.trials] == [t.parameters for t in result.trials[:2]]
    more = tune(small, study, trials=4, data=digits)
    assert more.trials[:3] == result.trials
    assert len(more.trials) == 4


def test_other_settings_data_or_space_need_another_study(found: Any, small: Any, digits: Dataset) -> None:
    study, _ = found
    with pytest.raises(ConfigError, match="other settings: epochs was 4, is 5"):
        tune(replace(small, {"epochs": 5}), study, trials=9, data=digits)
    with pytest.raises(ConfigError, match="other space"):
        tune(
            small,
            study,
            trials=9,
            data=digits,
            space={"adversarial.weight": default_space(small)["adversarial.weight"]},
        )


def test_a_trial_that_diverges_is_recorded_and_the_search_goes_on(small: Any, digits: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text('defaults = false\n"optimizer.reconstruction.learning_rate" = { choices = [1e38, 0.001] }\n')
    result = tune(small, tmp_path / "s.db", trials=5, data=digits, space=read_space(file, small))
    ends = {trial.state: trial for trial in result.trials}
    assert set(ends) == {"failed", "complete"}
    assert "no longer finite" in ends["failed"].said
    assert result.chosen is not None


def test_what_is_interrupted_does_not_count(small: Any, digits: Dataset, tmp_path: Path) -> None:
    @contextlib.contextmanager
    def stops(number: int) -> Iterator[Any]:
        def listen(moment: Any) -> None:
            if number == 1 and moment.epoch == 2:
                raise KeyboardInterrupt

        yield listen

    with pytest.raises(KeyboardInterrupt):
        tune(small, tmp_path / "s.db", trials=2, data=digits, listener=stops)
    result = tune(small, tmp_path / "s.db", trials=2, data=digits)
    assert [trial.number for trial in result.trials] == [0, 2]


def test_a_process_that_dies_gives_its_trial_up(small: Any, digits: Dataset, tmp_path: Path) -> None:
    dead = Study(tmp_path / "s.db", small, digits, default_space(small))
    assert dead.ask(1).number == 0
    assert dead.ask(1) is None
    dead.close()  # all that the system does for a process that was killed: its locks are gone, the trial "runs"
    opened = Study(tmp_path / "s.db", small, digits, default_space(small))
    trial = opened.ask(1)
    assert trial is not None, "the dead process's trial is not one of the number asked for"
    assert trial.number == 1
    assert opened.optuna.trials[0].user_attrs["reason"] == INTERRUPTED
    opened.tell(trial)
    opened.close()


@pytest.mark.slow
def test_two_processes_share_a_study(tmp_path: Path) -> None:
    line = ["--trials", "5", "--study", "s.db", "--epochs", "2", "--model.encoder", "16", "--model.decoder", "16"]
    command = [sys.executable, "-m", "aae", "tune", *line]
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    table = table_of(tmp_path / "s")
    assert [row["trial"] for row in table] == ["0", "1", "2", "3", "4"]
    assert len({row["adversarial.weight"] for row in table}) == 5, "no two trials are alike"
    assert all(f"trial {i}:" in said[0] + said[1] for i in range(5))


def moment(epoch: int, energy: float, r2: float) -> Any:
    return SimpleNamespace(epoch=epoch, epochs=8, row={"energy": energy, "r2": r2})


def watch(peers: list[tuple[float, float]], judged: bool = True) -> Watch:
    return Watch(8, lambda quarter: peers, lambda quarter, figures: None, judged, None)


def test_a_trial_is_hopeless_only_if_it_is_worse_in_both() -> None:
    peers = [(0.1 * i, 0.1 * i) for i in range(FEWEST_PEERS)]
    with pytest.raises(Hopeless, match="2 of 8 epochs"):
        watch(peers)(moment(2, 0.3, 0.7))
    with pytest.raises(Hopeless):
        watch(peers)(moment(4, math.nan, math.nan))
    watch(peers)(moment(2, 0.3, 0.9))
    watch(peers)(moment(2, 0.1, 0.1))
    watch(peers)(moment(3, 0.9, 0.1))  # no quarter ends here
    watch(peers, judged=False)(moment(2, 0.9, 0.1))
    watch(peers[1:])(moment(2, 0.9, 0.1))


def test_hopeless_trials_are_stopped_and_recorded(small: Any, digits: Dataset, tmp_path: Path) -> None:
    space = {"adversarial.weight": default_space(small)["adversarial.weight"]}
    study = Study(tmp_path / "s.db", small, digits, space)
    for _ in range(FEWEST_PEERS):  # trials that were better than any can be
        trial = study.ask(FEWEST_PEERS)
        for quarter in (1, 2, 3):
            trial.set_user_attr(f"quarter {quarter}", [-1.0, -1.0])
        study.tell(trial, (0.5, 0.0))
    study.close()
    result = tune(small, tmp_path / "s.db", trials=FEWEST_PEERS + 1, data=digits, space=space)
    assert result.trials[-1].state == "stopped early"
    assert "after 1 of 4 epochs" in result.trials[-1].said


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_beats(points: list[tuple[int, int]]) -> None:
    beaten = [any(b != a and b[0] <= a[0] and b[1] <= a[1] for b in points) for a in points]
    assert front(np.array(points, float)).tolist() == [not one for one in beaten]


def test_a_picture_needs_points() -> None:
    with pytest.raises(DataError, match="shape"):
        pareto(np.zeros((0, 2)))
    assert pareto([[0.5, 1.0]], chosen=0).axes


def test_what_cannot_be_searched(
    small: Any, digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="no prior"):
        tune(tiny(model__kind="autoencoder"), tmp_path / "s.db", data=digits)
    with pytest.raises(ConfigError, match="trials"):
        tune(small, tmp_path / "s.db", trials=0, data=digits)
    with pytest.raises(DataError, match="validation"):
        tune(tiny(data__validation=0.0), tmp_path / "s.db")
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(RunError, match="cannot be used as a study"):
        tune(small, tmp_path / "text.db", data=digits)
    (tmp_path / "taken").write_text("")
    for study, other in (("plain", "plain.db"), ("taken.db", "taken-2.db")):
        with pytest.raises(ConfigError, match=f"which is a file; name the study .*{other}"):
            tune(small, tmp_path / study, data=digits)
        assert not (tmp_path / study).exists()
    assert main(["tune", "--trials", "0", "--study", str(tmp_path / "s.db")]) == 2
    assert "--trials must be 1 or more" in capsys.readouterr().err


def test_without_optuna_it_says_what_to_install(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"adversarial-autoencoder\[tune\]"):
        default_space(small)

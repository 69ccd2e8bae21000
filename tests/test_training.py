"""A run is decided by its configuration alone: however it was interrupted, its weights are the same, byte for byte."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny

import aae
from aae.checkpoint import RunDirectory
from aae.comparison import compare
from aae.config import Config, replace, to_dict
from aae.data import Dataset, load
from aae.errors import ConfigError, Interrupted, RunError, TrainingError
from aae.game import Game
from aae.pace import schedule
from aae.training import Progress, free_directory, train_in_memory

JOINT = {
    "adversarial.phases": "joint",
    "adversarial.input_noise": 0.1,
    "adversarial.gradient_penalty": 0.1,
    "schedule": "linear",
}
VARIANTS = {
    "separate": tiny(),
    "joint": replace(tiny(), JOINT),
    "gaussian-posterior": tiny(model__posterior="gaussian"),
    "sgd": tiny(optimizer__generator__kind="sgd", optimizer__reconstruction__kind="sgd"),
    "labels": tiny(prior__kind="swiss-roll", prior__labels=True, data__labelled=100),
    "vae": tiny(model__kind="vae", prior__kind="gaussian"),
    "vae-mixture": tiny(model__kind="vae", prior__kind="mixture", divergence__samples=2),
    "wae-mmd": tiny(model__kind="wae-mmd"),
    "autoencoder": tiny(model__kind="autoencoder"),
    "convolutional": tiny(model__network="conv", model__channels=(4, 8)),
    "denoising": tiny(corruption__noise=0.3, corruption__dropout=0.2),
    "steps": tiny(schedule="steps", schedule_epochs=(1,)),
    "supervised": tiny(model__kind="supervised", adversarial__input_noise=0.1),
    "semi-supervised": tiny(model__kind="semi-supervised", labelled_batch_size=30, corruption__noise=0.3),
    "clustering": tiny(model__kind="clustering", model__clusters=4),
    "dimension-reduction": tiny(model__kind="dimension-reduction", labelled_batch_size=30),
    "normalized": tiny(model__kind="clustering", model__clusters=4, model__normalization="batch"),
    "consistent": tiny(model__kind="semi-supervised", consistency__kind="moved", labelled_batch_size=30),
    "adversarially-consistent": tiny(model__kind="clustering", model__clusters=4, consistency__kind="adversarial"),
}


def digest(path: Path) -> str:
    return hashlib.sha256((path / "weights.safetensors").read_bytes()).hexdigest()


def stop_at(step: int, number: int = signal.SIGINT) -> Callable[[Progress], None]:
    """A listener that sends this process a signal after a step."""

    def listen(moment: Progress) -> None:
        if moment.step == step:
            os.kill(os.getpid(), number)

    return listen


@pytest.mark.parametrize("name", VARIANTS)
def test_an_interrupted_run_ends_with_the_same_weights(name: str, tmp_path: Path, digits: Dataset) -> None:
    """Stopped in the middle of both epochs, and resumed each time; also the losses of the history are the same."""
    whole = aae.train(VARIANTS[name], tmp_path / "whole", data=digits)
    steps = len(digits.splits.train) // 128 * 2
    with pytest.raises(Interrupted):
        aae.train(VARIANTS[name], tmp_path / "parts", data=digits, listener=stop_at(3))
    with pytest.raises(Interrupted):
        aae.resume(tmp_path / "parts", data=digits, listener=stop_at(steps - 2))
    assert digest(tmp_path / "parts") != digest(tmp_path / "whole")
    parts = aae.resume(tmp_path / "parts", data=digits)
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")
    clock = ("seconds", "samples_per_second")
    for a, b in zip(whole.history, parts.history, strict=True):
        assert {k: v for k, v in a.items() if k not in clock} == {k: v for k, v in b.items() if k not in clock}
    assert sorted(whole.frames) == sorted(parts.frames) == [0, 1, 2]
    assert all(np.array_equal(whole.frames[k], parts.frames[k]) for k in whole.frames)


def test_ten_steps_are_five_saved_loaded_and_five_more(tmp_path: Path, digits: Dataset) -> None:
    config, device = VARIANTS["joint"], torch.device("cpu")
    rows = [torch.arange(i * 32, (i + 1) * 32) for i in range(10)]
    whole, first = Game.new(config, digits, device), Game.new(config, digits, device)
    for chosen in rows:
        whole.take_step(chosen, torch.float32)
    for chosen in rows[:5]:
        first.take_step(chosen, torch.float32)
    splits = {"train": digits.splits.train}
    directory = RunDirectory.create(tmp_path / "run", to_dict(config), {}, splits)
    first.save(directory)
    second = Game.restored(config, digits, device, directory.load())
    for chosen in rows[5:]:
        second.take_step(chosen, torch.float32)
    for a, b in zip(whole.model.state_dict().values(), second.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert {k: v.item() for k, v in whole.sums.items()} == {k: v.item() for k, v in second.sums.items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_bytes_another_seed_others(precision: str, tmp_path: Path, digits: Dataset) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(hash(name) % 1000)  # whatever the caller's own random state is
        aae.train(tiny(seed=seed, precision=precision), tmp_path / name, data=digits)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_training_leaves_the_callers_random_state_alone(tmp_path: Path, digits: Dataset) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    aae.train(tiny(epochs=1), tmp_path / "run", data=digits)
    assert torch.equal(torch.rand(3), expected)


def test_when_it_is_saved_does_not_matter(tmp_path: Path, digits: Dataset) -> None:
    aae.train(tiny(save_every=0.0), tmp_path / "often", data=digits)
    aae.train(tiny(save_every=1e6), tmp_path / "rarely", data=digits)
    assert digest(tmp_path / "often") == digest(tmp_path / "rarely")


def test_the_saved_configuration_trains_the_same_again(tmp_path: Path, digits: Dataset, trained: aae.Run) -> None:
    again = aae.config.from_file(trained.path / "config.json", aae.recipes.digits_2d_uniform())
    aae.train(again, tmp_path / "again", data=digits)
    assert digest(tmp_path / "again") == digest(trained.path)


def test_history_has_a_row_per_epoch(trained: aae.Run) -> None:
    assert [row["epoch"] for row in trained.history] == [1, 2]
    for row in trained.history:
        assert row["samples_per_second"] > 0
        for loss in ("reconstruction", "discriminator", "generator"):
            assert {f"{loss}_{split}" for split in ("train", "validation", "test")} <= row.keys()
    header = (trained.path / "history.csv").read_text().splitlines()[0].split(",")
    assert "samples_per_second" in header


def test_each_epoch_has_its_own_shuffle_of_all_training_rows(digits: Dataset) -> None:
    game = Game.new(tiny(), digits, torch.device("cpu"))
    first, second = game.feed.order(0), game.feed.order(1)
    assert not torch.equal(first, second)
    assert torch.equal(first, game.feed.order(0))
    assert sorted(first.tolist()) == sorted(second.tolist()) == sorted(digits.splits.train.tolist())


def test_held_out_rows_never_train(digits: Dataset) -> None:
    """Other values in the validation and test rows leave the weights as they are."""
    import dataclasses

    spoilt = digits.x.clone()
    spoilt[np.concatenate([digits.splits.validation, digits.splits.test])] = 16
    games = [Game.new(tiny(), data, torch.device("cpu")) for data in (digits, dataclasses.replace(digits, x=spoilt))]
    for game in games:
        for i in range(5):
            game.take_step(game.feed.order(0)[i * 128 : (i + 1) * 128], torch.float32)
        game.held_out.losses(1, torch.float32)
        game.take_step(game.feed.order(0)[:128], torch.float32)
    for a, b in zip(games[0].model.parameters(), games[1].model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(number: int, code: int, tmp_path: Path, digits: Dataset) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=r"aae resume .*run") as stopped:
        aae.train(tiny(save_every=1e6), tmp_path / "run", data=digits, listener=stop_at(4, number))
    assert stopped.value.exit_code == code
    assert RunDirectory.open(tmp_path / "run").load().step == 4
    assert signal.getsignal(number) == before


def test_training_off_the_main_thread(tmp_path: Path, digits: Dataset) -> None:
    """Signal handlers belong to the main thread; elsewhere training does without."""
    found: list[aae.Run] = []
    worker = threading.Thread(target=lambda: found.append(aae.train(tiny(epochs=1), tmp_path / "run", data=digits)))
    worker.start()
    worker.join(60)
    assert found
    assert found[0].finished


def test_a_loss_that_is_not_finite_stops_at_once_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, digits: Dataset
) -> None:
    config = tiny(optimizer__reconstruction__kind="sgd", optimizer__reconstruction__learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"the loss '\w+' of the \w+ phase .* at step [123] ") as said:
        aae.train(config, tmp_path / "run", data=digits)
    assert "learning_rate" in str(said.value)
    checkpoint = RunDirectory.open(tmp_path / "run").load()
    assert checkpoint.step < 3
    assert all(torch.isfinite(value).all() for value in checkpoint.tensors["weights"].values())


def test_other_data_is_refused_on_resume(tmp_path: Path, digits: Dataset) -> None:
    import dataclasses

    with pytest.raises(Interrupted):
        aae.train(tiny(), tmp_path / "run", data=digits, listener=stop_at(2))
    with pytest.raises(RunError, match="fingerprint"):
        aae.resume(tmp_path / "run", data=dataclasses.replace(digits, fingerprint="0" * 64))


def test_a_finished_run_is_returned_as_it_is(trained: aae.Run) -> None:
    before = digest(trained.path)
    assert aae.resume(trained.path).finished
    assert digest(trained.path) == before


def test_more_rows_in_a_batch_than_there_are(tmp_path: Path, digits: Dataset) -> None:
    run = aae.train(tiny(batch_size=5000, epochs=1), tmp_path / "run", data=digits)
    assert (run.config.batch_size, run.history[-1]["step"]) == (1294, 1)


def test_an_occupied_folder_is_refused(tmp_path: Path, digits: Dataset, trained: aae.Run) -> None:
    before = digest(trained.path)
    with pytest.raises(RunError, match="--out"):
        aae.train(tiny(), trained.path, data=digits)
    assert digest(trained.path) == before


def test_free_directory_counts_up(tmp_path: Path) -> None:
    assert free_directory("a", tmp_path).name == "a"
    (tmp_path / "a").mkdir()
    (tmp_path / "a-2").mkdir()
    assert free_directory("a", tmp_path).name == "a-3"


def test_schedules() -> None:
    assert [schedule("constant", p) for p in (0.0, 0.5, 1.0)] == [1, 1, 1]
    assert [schedule("linear", p) for p in (0.0, 0.5, 1.0)] == [1, 0.5, 0]
    assert [schedule("cosine", p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.5, 0])
    assert [schedule("steps", p, (0.5, 0.75)) for p in (0.0, 0.49, 0.5, 0.75)] == pytest.approx([1, 1, 0.1, 0.01])


def test_rates_fall_at_the_first_step_after_the_epoch(digits: Dataset) -> None:
    config = tiny(epochs=7, schedule="steps", schedule_epochs=(3, 5))
    game, seen = Game.new(config, digits, torch.device("cpu")), []
    rows = torch.arange(4)
    for _ in range(game.steps):
        game.take_step(rows, torch.float32)
        seen.append(game.optimizers["generator"].param_groups[0]["lr"] / config.optimizer.generator.learning_rate)
    each = game.steps_per_epoch
    assert seen == pytest.approx([1.0] * 3 * each + [0.1] * 2 * each + [0.01] * 2 * each)


def test_every_setting_of_an_optimizer_reaches_it(digits: Dataset) -> None:
    sgd = {"kind": "sgd", "learning_rate": 0.3, "momentum": 0.6, "nesterov": True}
    config = replace(Config(), {f"optimizer.generator.{k}": v for k, v in sgd.items()})
    config = replace(config, {"optimizer.discriminator.learning_rate": 0.2, "optimizer.discriminator.momentum": 0.7})
    game = Game.new(config, digits, torch.device("cpu"))
    group = game.optimizers["generator"].param_groups[0]
    assert isinstance(game.optimizers["generator"], torch.optim.SGD)
    assert (group["lr"], group["momentum"], group["nesterov"]) == (0.3, 0.6, True)
    group = game.optimizers["discriminator"].param_groups[0]
    assert (group["lr"], group["betas"][0]) == (0.2, 0.7)


def test_a_run_killed_before_its_first_checkpoint_can_be_resumed(
    tmp_path: Path, digits: Dataset, trained: aae.Run
) -> None:
    splits = {name: getattr(digits.splits, name) for name in ("train", "validation", "test")}
    saved = RunDirectory.open(trained.path)
    RunDirectory.create(tmp_path / "run", saved.config, saved.data, splits)
    aae.resume(tmp_path / "run", data=digits)
    assert digest(tmp_path / "run") == digest(trained.path)


def test_twenty_kills_at_random_instants_change_nothing(tmp_path: Path, digits: Dataset) -> None:
    """SIGKILL to a training process, at twenty random moments of one run; each time it is resumed.

    The children are forked, so that none of them waits for the imports again.
    """
    config = tiny(epochs=6, save_every=0.0, batch_size=256)
    started = time.perf_counter()
    aae.train(config, tmp_path / "whole", data=digits)
    usual = time.perf_counter() - started
    rng = np.random.default_rng(0)
    path, kills = tmp_path / "killed", 0
    for trial in range(200):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if (path / "MANIFEST.json").exists():
                    aae.resume(path, data=digits)
                else:
                    aae.train(config, path, data=digits)
                code = 0
            except BaseException:
                (tmp_path / "error").write_text(traceback.format_exc())
            finally:
                os._exit(code)
        if kills < 20:
            time.sleep(rng.uniform(0, usual / 4))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        else:
            assert os.WEXITSTATUS(status) == 0, (tmp_path / "error").read_text()
            if kills >= 20:
                break
            # It finished before the kill came: begin again, with the kills still to come.
            assert digest(path) == digest(tmp_path / "whole")
            path = tmp_path / f"killed-{trial}"
    assert kills == 20
    assert digest(path) == digest(tmp_path / "whole")


def test_tf32_is_refused_where_there_is_no_gpu_for_it(tmp_path: Path, digits: Dataset) -> None:
    with pytest.raises(ConfigError, match="tf32 needs a CUDA GPU"):
        aae.train(tiny(precision="tf32", device="cpu"), tmp_path / "run", data=digits)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_go_on_with_other_splits(tmp_path: Path, digits: Dataset) -> None:
    with pytest.raises(Interrupted):
        aae.train(tiny(), tmp_path / "run", data=digits, listener=stop_at(3))
    other = load(replace(tiny(), {"data.split_seed": 7}).data)
    with pytest.raises(RunError, match="train, validation, test are not those of"):
        aae.resume(tmp_path / "run", data=other)


def test_going_on_from_a_run_in_memory_leaves_it_as_it_was(digits: Dataset) -> None:
    first = train_in_memory(tiny(), digits)
    before = {k: v.clone() for k, v in first.directory.load().tensors["training"].items()}
    train_in_memory(tiny(), digits, start=first)
    assert all(torch.equal(v, before[k]) for k, v in first.directory.load().tensors["training"].items())


def test_a_stop_during_the_comparison_names_the_run_that_goes_on(trained: aae.Run, digits: Dataset) -> None:
    with pytest.raises(Interrupted, match=rf"aae resume {trained.path}$"):
        compare(trained, digits, listener=stop_at(2))

"""Callbacks and trackers: they hear everything, write what they promise, and change no byte of a run."""

from __future__ import annotations

import importlib.util
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tiny

import aae
from aae import tracking
from aae.cli import main
from aae.config import Config
from aae.data import Dataset
from aae.errors import ConfigError, Interrupted
from aae.tracking import Callback, Progress
from aae.training import Stop, resume, train, train_in_memory


class Heard(Callback):
    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self, path: Path, config: Config, data: Dataset, epoch: int) -> None:
        self.said.append(f"start {path.name} {config.epochs} {data.spec.name} {epoch}")

    def step(self, moment: Progress) -> None:
        if moment.step % 5 == 0:
            self.said.append(f"step {moment.step}")

    def epoch(self, moment: Progress) -> None:
        assert moment.row is not None
        self.said.append(f"epoch {moment.epoch} {moment.row['reconstruction_train'] > 0}")

    def end(self, run: aae.Run) -> None:
        self.said.append(f"end {run.finished}")

    def close(self) -> None:
        self.said.append("close")


def weights(run: aae.Run) -> bytes:
    return (run.path / "weights.safetensors").read_bytes()


def test_callbacks_hear_a_run_from_start_to_end(tmp_path: Path, digits: Dataset) -> None:
    heard, steps = Heard(), list[int]()
    train(tiny(epochs=1), tmp_path / "run", data=digits, callbacks=[heard, lambda moment: steps.append(moment.step)])
    assert heard.said == ["start run 1 digits 0", "step 5", "epoch 1 True", "end True", "close"]
    assert steps == list(range(1, len(steps) + 1))


def test_a_stopped_run_is_closed_but_not_ended_and_goes_on(tmp_path: Path, digits: Dataset) -> None:
    def after_one_epoch(game: Any, stop: Stop) -> bool:
        if game.step == game.steps_per_epoch:
            stop.signal = 15
        return False

    first, second = Heard(), Heard()
    with pytest.raises(Interrupted):
        train(tiny(), tmp_path / "run", data=digits, callbacks=[first], steer=after_one_epoch)
    assert first.said[-1] == "close"
    assert not any(said.startswith("end") for said in first.said)
    resume(tmp_path / "run", data=digits, callbacks=[second])
    assert second.said[0] == "start run 2 digits 1"
    assert second.said[-2:] == ["end True", "close"]


def test_an_error_in_a_callback_stops_training_and_closes_the_others(tmp_path: Path, digits: Dataset) -> None:
    def fails(moment: Progress) -> None:
        raise RuntimeError("enough")

    heard = Heard()
    with pytest.raises(RuntimeError, match="enough"):
        train(tiny(), tmp_path / "run", data=digits, callbacks=[heard, fails])
    assert heard.said[-1] == "close"


def test_tensorboard_has_the_history_pictures_and_a_projector_and_changes_no_byte(
    tmp_path: Path, digits: Dataset
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    plain = train(tiny(), tmp_path / "plain", data=digits)
    logged = train(tiny(log=("tensorboard",)), tmp_path / "logged", data=digits)
    assert weights(plain) == weights(logged)
    folder = logged.path / "tensorboard"
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    name = "reconstruction_train"
    found = {event.step: event.value for event in events.Scalars(name)}
    assert found == pytest.approx({row["epoch"]: row[name] for row in logged.history})
    assert {event.step for event in events.Images("latent")} == set(logged.frames)
    assert "codes" in (folder / "projector_config.pbtxt").read_text()
    tensors = np.loadtxt(next(folder.rglob("tensors.tsv")), delimiter="\t")
    assert tensors.shape == (len(digits.splits.test), 2)
    assert next(folder.rglob("sprite.png")).stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="needs the extra mlflow")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_mlflow_keeps_the_history_in_a_file(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    pytest.importorskip("sqlalchemy")
    from mlflow import MlflowClient

    run = train(tiny(epochs=1, log=("mlflow",)), tmp_path / "run", data=digits)
    client = MlflowClient(tracking_uri=f"sqlite:///{run.path / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("aae").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["model.latent"] == "2"
    (metric,) = client.get_metric_history(found.info.run_id, "reconstruction_train")
    assert metric.value == pytest.approx(run.history[0]["reconstruction_train"])
    assert list((run.path / "mlartifacts").rglob("epoch-*.png"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="needs the extra wandb")
@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_works_without_a_network(
    tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = train(tiny(epochs=1, log=("wandb",)), tmp_path / "run", data=digits)
    (kept,) = run.path.glob("wandb/offline-run-*/run-*.wandb")
    until = time.monotonic() + 60  # a process of its own writes the file, and may end after ours went on
    while kept.stat().st_size <= 1000 and time.monotonic() < until:
        time.sleep(0.1)
    assert kept.stat().st_size > 1000
    assert list(run.path.glob("wandb/offline-run-*/files/media/images/latent*.png"))


@pytest.mark.parametrize("name", tracking.TRACKERS)
def test_a_tracker_that_is_missing_names_its_extra_before_anything_is_made(
    name: str, tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=rf"log = {name} needs .* pip install .*{name}"):
        train(tiny(log=(name,)), tmp_path / "run", data=digits)
    assert not (tmp_path / "run").exists()


def test_a_run_in_memory_has_nowhere_to_log_to(digits: Dataset) -> None:
    with pytest.raises(ConfigError, match="log needs a run directory"):
        train_in_memory(tiny(log=("tensorboard",)), digits)


def test_the_option_is_the_setting(tmp_path: Path) -> None:
    words = ["train", "--out", str(tmp_path / "run"), "--no-compare", "--quiet", "--epochs", "1", "--threads", "1"]
    words += [word for part in ("encoder", "decoder", "discriminator") for word in (f"--model.{part}", "8")]
    assert main([*words, "--log", "tensorboard"]) == 0
    assert aae.Run.load(tmp_path / "run").config.log == ("tensorboard",)
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))

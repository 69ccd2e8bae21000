"""What a run will cost is said before it is begun, and the settings come out as a file that goes in again."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny

from aae import cli, hardware
from aae.config import Config, from_dict, toml
from aae.data import Dataset, arrays, load
from aae.plan import duration, plan, size


def test_parameters_and_memory_are_those_of_the_model(digits: Dataset) -> None:
    found = plan(tiny(), digits)
    assert found.parameters == {
        "encoder": 64 * 32 + 32 + 32 * 2 + 2,
        "decoder": 2 * 32 + 32 + 32 * 64 + 64,
        "discriminator": 2 * 32 + 32 + 32 + 1,
    }
    count = sum(found.parameters.values())
    assert found.weights == 4 * count
    # Adam keeps two moments of what each of three phases trains, the encoder's twice, and a counter for each tensor.
    moments = 2 * 4 * (count + found.parameters["encoder"])
    assert moments <= found.optimizers <= moments + 4 * 100
    assert found.data == digits.x.nbytes
    assert found.seconds > 0
    assert found.measuring > 0
    averaged = found.parameters["encoder"] + found.parameters["decoder"]  # the discriminator is not used afterwards
    assert plan(tiny(average=0.9), digits).weights == found.weights + 4 * averaged
    assert found.steps_per_epoch == len(digits.splits.train) // 128


def test_rows_that_stay_in_their_file_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAPPED_FROM", 1)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((600, 6), dtype=np.float32))
    config = tiny(data__source=str(tmp_path / "x.npy"))
    assert plan(config, load(config.data)).data == 0


def test_the_memory_of_a_step_is_what_steps_are_seen_to_take(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter((10_000_000, 12_000_000))
    monkeypatch.setattr("aae.plan.memory_taken", lambda: next(seen))
    found = plan(tiny(), digits)
    assert found.step == 2_000_000 - found.gradients - found.optimizers
    assert found.total == found.weights + found.data + 2_000_000
    monkeypatch.setattr("aae.plan.memory_taken", lambda: None)
    silent = plan(tiny(), digits)
    assert silent.step is None
    assert "for a step" not in " ".join(silent.lines())


def test_a_container_has_no_more_threads_than_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "CPU_MAX", tmp_path / "cpu.max")
    assert hardware.processors_allowed() is None
    for written, allowed in (("max 100000", None), ("250000 100000", 3), ("50000 100000", 1)):
        (tmp_path / "cpu.max").write_text(written + "\n")
        assert hardware.processors_allowed() == allowed
    for wish, threads in ((None, 1), ("3", 3)):  # what is asked for by name is not cut down
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if wish is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", wish)
        with hardware.using_threads(3), hardware.using_threads(0):
            assert torch.get_num_threads() == threads
    assert hardware.memory_taken() is None or hardware.memory_taken() > 1_000_000  # type: ignore[operator]
    monkeypatch.setattr(hardware, "STATUS", tmp_path / "none")
    assert hardware.memory_taken() is None


def test_a_dry_run_writes_nothing_and_prints_settings_that_train_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["train", "--dry-run", "--quiet", "--epochs", "3", "--model.encoder", "16", "--model.decoder", "16", "8"]
    assert cli.main(line) == 0
    printed = capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert "parameters:" in printed
    assert "memory:" in printed
    assert "time: about" in printed
    settings = from_dict(Config, tomllib.loads(printed))
    assert (settings.epochs, settings.model.encoder, settings.model.decoder) == (3, (16,), (16, 8))
    assert toml(settings) == printed[printed.index("\n\n") + 2 :].splitlines()


@pytest.mark.parametrize(("number", "said"), [(12, "12 bytes"), (1234, "1.2 kB"), (5_000_000, "5.0 MB")])
def test_sizes_for_people(number: int, said: str) -> None:
    assert size(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "250 ms"), (12, "12 s"), (210, "3.5 minutes"), (7560, "2.1 hours")]
)
def test_times_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_what_a_run_is_too_small_or_too_short_for_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["train", "--dry-run", "--model.encoder", "4", "--model.decoder", "4", "--model.discriminator", "4"]
    line = [*small, "--batch-size", "5000", "--epochs", "6", "--schedule", "steps", "--schedule-epochs", "3", "6", "9"]
    assert cli.main(line) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "batch_size = 5000 is more than the" in said
    assert "ends after epoch 6, so the rates do not fall after epoch 6 and 9" in said
    assert cli.main([*small, "--epochs", "6", "--schedule", "steps", "--schedule-epochs", "3"]) == 0
    assert "the rates do not fall" not in capsys.readouterr().out

"""Two processes train as one: the same weights as alone, the same in both, and a clean end whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from distributed_kit import TESTS, environment, free_port, together
from distributed_worker import VARIANTS
from safetensors.torch import load_file
from test_training import stop_at

import aae
from aae import ranks
from aae.config import Config
from aae.data import Dataset
from aae.errors import ConfigError, Interrupted, ProcessLost
from aae.pace import make_optimizer
from aae.phases import Batch
from aae.sharding import Sharded, give_states, states_of

WORKER = str(TESTS / "distributed_worker.py")
QUICK = {"aae-33-rows": 100, "joint-balanced": 25, "few-labels": 10, "mapped": 12, "gaps": 10}
QUICK |= {"plugin": 10, "sharded": 100}
"""Variants of distributed_worker.py, and how many steps they train."""
CLOCK = ("seconds", "samples_per_second")
TOLERANCE = 1e-6


def train_together(folder: Path, wanted: dict[str, int]) -> dict[str, Any]:
    for code, said, errors in together([WORKER, str(folder), *(f"{name}={steps}" for name, steps in wanted.items())]):
        assert (code, said, errors) == (0, "", "")
    return json.loads((folder / "found.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """With a run that was begun alone, and stopped."""
    made = tmp_path_factory.mktemp("together")
    for name, sharded in (("one-two-one", False), ("sharded", True)):
        config = tiny(precision="fp32", shard_optimizers=sharded)
        with pytest.raises(Interrupted):
            aae.train(config, made / name, data=digits, listener=stop_at(5))
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """What two processes found out together; see distributed_worker.py."""
    return train_together(folder, QUICK)


def check(said: dict[str, Any]) -> None:
    assert said["compared"] == said["phases"] > 0  # after each phase, to the last bit, or the worker would have failed
    assert said["apart"] <= TOLERANCE
    assert said["losses"] <= TOLERANCE
    assert said["generator"]
    assert said["moved"]
    assert said["momenta"] <= TOLERANCE
    assert said["same momenta"]


@pytest.mark.parametrize("name", QUICK)
def test_two_processes_with_half_the_batch_equal_one_with_the_whole(name: str, found: dict[str, Any]) -> None:
    check(found[name])


@pytest.mark.slow
def test_so_do_all_models(tmp_path: Path) -> None:
    for said in train_together(tmp_path, dict.fromkeys(VARIANTS.keys() - QUICK.keys(), 30)).values():
        check(said)


@pytest.mark.slow
def test_networks_are_the_same_in_both_after_a_thousand_steps(tmp_path: Path) -> None:
    said = train_together(tmp_path, dict.fromkeys(("joint", "spectral", "semi-supervised", "vae"), 1000))
    assert all(model["compared"] == model["phases"] >= 1000 for model in said.values())


def test_rows_are_disjoint_and_shuffled_anew_and_noise_is_each_processs_own(
    found: dict[str, Any], digits: Dataset
) -> None:
    first, second = (found["shares"][epoch] for epoch in "01")
    assert [len(part["x"]) for part in first] == [16, 17]
    for kind in ("x", "noise", "prior"):
        rows = [tuple(row) for part in first for row in part[kind]]
        assert len(set(rows)) == (33 if kind != "x" else len(rows)) == 33
    assert first[0]["x"] != second[0]["x"]


def test_what_processes_cannot_share_is_refused(found: dict[str, Any]) -> None:
    said = found["refused"]
    for name, expected in {
        "one row": "ConfigError: a step has 1 rows, and there are 2 processes",
        "batch norm": "ConfigError: 0 normalises over the rows of a step",
        "mixed": "ConfigError: the networks have parameters of float32 and float64",
        "device": "ConfigError: device = cuda:1 is one device",
        "steered": "ConfigError: training in 2 processes cannot be steered",
        "other data": "DataError: process 1 has read other data than process 0",
        "drift": "TrainingError: the processes do not have the same odd any more",
    }.items():
        assert said[name].startswith(expected)
    assert said["the same"] == ""


def test_a_whole_run_is_that_of_one_process(found: dict[str, Any], folder: Path, digits: Dataset) -> None:
    """The history too: the losses of training are over the rows of both, what is measured is measured once."""
    alone = aae.train(tiny(select="best", patience=2, precision="fp32"), folder / "alone", data=digits)
    both = aae.Run.load(folder / "two")
    assert both.finished
    for a, b in zip(alone.history, both.history, strict=True):
        assert a.keys() == b.keys()
        for key in a.keys() - set(CLOCK):
            loss = key.endswith(("_train", "_validation", "_test"))  # others count codes beside a border too
            assert b[key] == pytest.approx(a[key], rel=1e-4 if loss else 0.1, abs=1e-5), key
    assert apart(folder / "alone", folder / "two") < 1e-5
    assert sorted(both.frames) == [0, 1, 2]


@pytest.mark.parametrize("name", ["one-two-one", "sharded"])
def test_a_run_goes_on_with_one_process_two_and_one(
    name: str, found: dict[str, Any], folder: Path, digits: Dataset, tmp_path: Path
) -> None:
    stopped = max(int(path.name[5:14]) for path in (folder / name / "checkpoints").iterdir())
    assert 7 <= stopped < 20  # at the first step at which the processes asked each other
    aae.resume(folder / name, data=digits)
    aae.train(tiny(precision="fp32"), tmp_path / "whole", data=digits)
    assert apart(folder / name, tmp_path / "whole") < TOLERANCE
    if name == "sharded":
        assert apart(folder / "two-sharded", tmp_path / "whole") < TOLERANCE


def test_processes_share_what_optimizers_add_up(found: dict[str, Any]) -> None:
    """Each has half of it where it is sharded, to within a count of steps; else all of it."""
    assert found["sharded"]["held"] == pytest.approx(0.5, abs=0.001)
    assert found["joint-balanced"]["held"] == 1


def test_parts_of_odd_parameters_go_on_from_what_whole_ones_have_added_up() -> None:
    """A number, a transposed matrix, one that is never used; saved and taken over by either kind of optimizer."""

    class Alone:
        rank, size, first = 0, 1, True
        joined = largest = staticmethod(lambda values: values)

    def make(parts: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        return make_optimizer(Config().optimizer.reconstruction, parts)

    def trained(sharded: tuple[bool, bool]) -> list[torch.Tensor]:
        values = [torch.tensor(2.0), torch.arange(6.0).view(2, 3).T, torch.ones(3)]
        parameters, states = [torch.nn.Parameter(value.clone()) for value in values], {}
        for parts in sharded:
            optimizer = Sharded(Alone(), parameters, make) if parts else make(parameters)  # type: ignore[arg-type]
            give_states(optimizer, states)
            for _ in range(3):
                for p in parameters[:2]:
                    p.grad = torch.cos(p.detach())
                optimizer.step()
            states = states_of(optimizer)
        return [p.detach() for p in parameters]

    expected = trained((False, False))
    assert not torch.equal(expected[1], torch.arange(6.0).view(2, 3).T)
    for sharded in ((True, True), (True, False), (False, True)):
        for ours, theirs in zip(trained(sharded), expected, strict=True):
            assert torch.equal(ours, theirs)


def apart(a: Path, b: Path) -> float:
    """The largest difference between weights of two runs."""
    ours, theirs = (load_file(run / "weights.safetensors") for run in (a, b))
    return max((ours[name] - theirs[name]).abs().max().item() for name in ours)


def test_a_mistake_is_told_once(tmp_path: Path) -> None:
    ends = together(["-m", "aae", "train", "--data", str(tmp_path / "none.npy"), "--out", str(tmp_path / "run")])
    assert [code for code, _, _ in ends] == [3, 3]
    said = [errors for _, _, errors in ends if errors]
    assert len(said) == 1
    assert said[0].startswith("aae: --data ")
    assert all(not out for _, out, _ in ends)


def test_other_commands_and_the_live_page_are_for_one_process(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for name, value in environment(0, 2, 1).items():
        monkeypatch.setenv(name, value)
    from aae.cli import main

    assert main(["evaluate", "somewhere"]) == 2
    assert main(["train", "--live"]) == 2
    assert "torchrun started 2" in capsys.readouterr().err
    monkeypatch.delenv("LOCAL_RANK")
    assert main(["train"]) == 2
    monkeypatch.setenv("LOCAL_RANK", "none")
    with pytest.raises(ConfigError, match="LOCAL_RANK = none"):
        ranks.place()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert ranks.place() is None


def test_a_dry_run_is_printed_by_the_first_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from aae.cli import main

    for rank in (1, 0):
        for name, value in environment(rank, 2, 1).items():
            monkeypatch.setenv(name, value)
        assert main(["train", "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert ("parameters" in said) == (rank == 0)


def test_a_share_keeps_its_rows_of_what_is_drawn_for_all() -> None:
    whole = Batch(torch.zeros(5, 2), torch.Generator().manual_seed(0)).normal(5, 3)

    class Second:
        rank, size = 1, 2

    from aae.distributed import Group

    share = Group.share(Second(), 5)  # type: ignore[arg-type]
    batch = Batch(torch.zeros(3, 2), torch.Generator().manual_seed(0), share=share)
    assert (share.first, share.last, share.weight) == (2, 5, 0.6)
    assert torch.equal(batch.normal(3, 3), whole[2:])
    assert batch.weighed(3, 10) == pytest.approx(0.5)


def test_the_message_of_a_lost_process_says_how_to_go_on() -> None:
    said = str(ProcessLost([1], 4, "runs/my run", "Connection closed by peer"))
    assert said.startswith("process 1 (of 0 to 3) has ended or gives no sign of life")
    assert "aae resume 'runs/my run'" in said
    assert ProcessLost.exit_code == 5


def launch(folder: Path, *options: str) -> subprocess.Popen[str]:
    """torchrun with two processes that would train for minutes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port"]
    command += [str(free_port()), "-m", "aae", "train", "--out", str(folder), "--no-compare", *options]
    path = {**environment(0, 1, 0), "WORLD_SIZE": "1"}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        path.pop(name)
    return subprocess.Popen(command, env=path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def started(folder: Path, process: subprocess.Popen[str]) -> None:
    """Waits until two epochs have been trained."""
    for _ in range(600):
        if (folder / "history.csv").exists() and any(folder.glob("checkpoints/step-*")):
            text = (folder / "history.csv").read_text()
            if text.count("\n") > 2:
                return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("it did not begin")


def children(process: subprocess.Popen[str]) -> list[int]:
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True)
    return [int(number) for number in said.stdout.split()]


LONG = ("--epochs", "5000", "--save-every", "0", "--threads", "1")


@pytest.mark.slow
def test_sigterm_to_torchrun_saves_once_and_the_run_goes_on(tmp_path: Path) -> None:
    running = launch(tmp_path / "run", *LONG)
    started(tmp_path / "run", running)
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=60)
    assert errors.count("aae: stopped by SIGTERM at step") == 1
    assert "everything is saved" in errors
    run = aae.Run.load(tmp_path / "run")
    assert not run.finished


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_when_a_process_is_killed_the_others_stop_and_the_run_goes_on(rank: int, tmp_path: Path) -> None:
    running = launch(tmp_path / "run", *LONG)
    started(tmp_path / "run", running)
    of_rank = {rank_of(pid): pid for pid in children(running)}
    os.kill(of_rank[rank], signal.SIGKILL)
    begun = time.monotonic()
    _, errors = running.communicate(timeout=60)
    assert time.monotonic() - begun < 30
    assert errors.count("has ended or gives no sign of life, so the others stop too") == 1
    assert "aae resume" in errors
    saved = max(int(p.name[5:14]) for p in (tmp_path / "run" / "checkpoints").glob("step-*"))
    with pytest.raises(Interrupted):
        aae.resume(tmp_path / "run", listener=stop_at(saved + 3))
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(np.isfinite(values.numpy()).all() for values in weights.values())


def rank_of(pid: int) -> int:
    said = dict(part.split("=", 1) for part in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in part)
    return int(said["RANK"])


@pytest.mark.slow
def test_torchrun_prints_what_one_process_prints(tmp_path: Path) -> None:
    running = launch(tmp_path / "run", "--epochs", "2", "--threads", "1")
    out, errors = running.communicate(timeout=180)
    assert running.returncode == 0, errors
    assert out.count("training: epoch 2/2") == 1
    assert out.count("report:") == 1
    assert "aae:" not in errors
    assert aae.Run.load(tmp_path / "run").finished

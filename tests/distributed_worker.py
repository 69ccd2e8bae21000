"""What each process does in test_distributed.py: train every kind of model together, and say how it went.

    python distributed_worker.py FOLDER VARIANT=STEPS ...

The first process writes FOLDER/found.json, and compares each model with one that it trains alone.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from conftest import tiny

import aae
from aae.config import Config, Data, replace
from aae.data import Dataset, arrays, dataset, load, streaming
from aae.distributed import Group, processes
from aae.errors import AAEError
from aae.game import Game
from aae.pace import sized
from aae.plugins import begun

CPU = torch.device("cpu")
OWN_MODEL = Path(__file__).parents[1] / "examples" / "plugins" / "own_model.py"
JOINT = {"adversarial.phases": "joint", "adversarial.gradient_penalty": 0.1}
VARIANTS = {
    "aae": tiny(),
    "aae-33-rows": tiny(batch_size=33),
    "aae-sgd": tiny(optimizer__reconstruction__kind="sgd", optimizer__generator__kind="sgd"),
    "joint": replace(tiny(), JOINT),
    "joint-balanced": replace(tiny(), {**JOINT, "adversarial.balance": "gradients"}),
    "gaussian-posterior": tiny(model__posterior="gaussian", adversarial__input_noise=0.1),
    "noise-posterior": tiny(model__posterior="noise"),
    "spectral": tiny(adversarial__spectral_norm=True, adversarial__discriminator_steps=2),
    "wasserstein": tiny(
        adversarial__objective="wasserstein", adversarial__penalty="one", adversarial__gradient_penalty=1.0
    ),
    "labels": tiny(prior__kind="swiss-roll", prior__labels=True, data__labelled=100),
    "convolutional": tiny(model__network="conv", model__channels=(4, 8)),
    "denoising": tiny(corruption__noise=0.3, corruption__dropout=0.2),
    "averaged": tiny(average=0.9),
    "sharded": tiny(batch_size=33, shard_optimizers=True),
    "sharded-sgd": tiny(
        shard_optimizers=True, optimizer__reconstruction__kind="sgd", optimizer__discriminator__kind="sgd"
    ),
    "sharded-joint": replace(tiny(average=0.9, schedule="linear"), {**JOINT, "shard_optimizers": True}),
    "sharded-semi-supervised": tiny(model__kind="semi-supervised", shard_optimizers=True),
    "sharded-one-unit": tiny(model__discriminator=(1,), shard_optimizers=True),
    "plugin": begun(replace(tiny(batch_size=33), {"plugin.file": str(OWN_MODEL), "model.kind": "plugin"})),
    "supervised": tiny(model__kind="supervised", adversarial__input_noise=0.1),
    "semi-supervised": tiny(model__kind="semi-supervised", labelled_batch_size=31, corruption__noise=0.3),
    "few-labels": tiny(model__kind="semi-supervised", data__labelled=10),
    "one-label": tiny(model__kind="semi-supervised", labelled_batch_size=1),
    "moved": tiny(model__kind="semi-supervised", consistency__kind="moved", consistency__bend=1.0),
    "adversarial": tiny(model__kind="clustering", model__clusters=4, consistency__kind="adversarial"),
    "informed": tiny(
        model__kind="clustering",
        model__clusters=4,
        consistency__kind="both",
        consistency__information=0.1,
    ),
    "clustering": tiny(model__kind="clustering", model__clusters=4),
    "dimension-reduction": tiny(model__kind="dimension-reduction", labelled_batch_size=31),
    "autoencoder": tiny(model__kind="autoencoder"),
    "wae-mmd": tiny(model__kind="wae-mmd", prior__kind="gaussian", batch_size=33),
    "vae-mixture": tiny(model__kind="vae", prior__kind="mixture", divergence__samples=3),
    "vae": tiny(model__kind="vae", prior__kind="gaussian"),
    "mapped": tiny(data__source="mapped.npy", data__layout="vectors"),
    "gaps": tiny(data__hide=0.2),
    "gaps-sum": tiny(data__hide=0.2, reconstruction__reduction="sum"),
}


@functools.cache
def table(config: Data) -> Dataset:
    """A table with more gaps in its first rows than in its last ones, so that no two shares have as many values."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 6))
    x[rng.random(x.shape) < np.linspace(0.5, 0, 600)[:, None]] = np.nan
    return dataset(x, config=dataclasses.replace(config, source="memory", layout="table"))


rows = functools.cache(load)


@functools.cache
def mapped(config: Data) -> Dataset:
    """Rows that stay in their file, in blocks so small that an epoch has many."""
    streaming.BLOCK, streaming.WINDOW, arrays.MAPPED_FROM = 16, 4, 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / config.source
        np.save(path, np.random.default_rng(0).random((700, 12), dtype=np.float32))
        data = load(dataclasses.replace(config, source=str(path)))
    assert data.file is not None
    return data


def data_for(config: Config) -> Dataset:
    if config.data.source == "mapped.npy":
        return mapped(config.data)
    return table(config.data) if config.data.hide else rows(config.data)


def watched(game: Game, group: Group) -> list[int]:
    """Counts the phases after which the networks were compared, which fails where they differ."""
    seen: list[int] = []
    for name, optimizer in game.optimizers.items():

        def move(*_: Any, before: Any = optimizer.step) -> None:
            before()
            group.check_equal(game.model)
            seen.append(len(seen))

        optimizer.step = move  # type: ignore[method-assign]
        assert name in game.optimizers
    return seen


def run(config: Config, data: Dataset, steps: int, group: Group | None) -> tuple[Game, int]:
    game = Game.new(config, data, CPU, group)
    seen = [] if group is None else watched(game, group)
    for step in range(steps):
        epoch, position = divmod(step, game.steps_per_epoch)
        first = position * config.batch_size
        game.take_step(game.feed.order(epoch)[first : first + config.batch_size], torch.float32)
    return game, len(seen)


def compare(name: str, steps: int, group: Group) -> dict[str, Any]:
    config = VARIANTS[name]
    data = data_for(config)
    config = sized(config, data)
    game, compared = run(config, data, steps, group)
    found: dict[str, Any] = {"compared": compared, "phases": len(game.model.phases) * steps}
    held = sum(
        v.numel() for o in game.optimizers.values() for s in o.state.values() for v in s.values() if v is not None
    )
    momenta = game.momenta()
    if group.first:
        alone, _ = run(config, data, steps, None)
        ours, theirs = game.model.state_dict(), alone.model.state_dict()
        found["apart"] = max((ours[key] - theirs[key]).abs().max().item() for key in ours)
        begun = run(config, data, 0, None)[0].model.state_dict()
        found["moved"] = not all(torch.equal(ours[key], begun[key]) for key in ours)
        found["losses"] = max(abs(v.item() - alone.sums[k].item()) / steps for k, v in game.sums.items())
        expected = alone.momenta()
        found["momenta"] = max(
            (momenta[phase][n][k] - values[k]).abs().max().item()
            for phase, states in expected.items()
            for n, values in states.items()
            for k in values
        )
        found["same momenta"] = {p: {n: list(v) for n, v in s.items()} for p, s in momenta.items()} == {
            p: {n: list(v) for n, v in s.items()} for p, s in expected.items()
        }
        found["held"] = held / sum(v.numel() for s in expected.values() for o in s.values() for v in o.values())
        found["generator"] = torch.equal(game.generator.get_state(), alone.generator.get_state())
    return found


def shares(group: Group) -> dict[str, Any]:
    """Which rows, noise and prior samples each process has in two steps."""
    game = Game.new(tiny(batch_size=33), rows(Config().data), CPU, group)
    found: dict[str, Any] = {}
    for epoch in (0, 1):
        batch = game.feed.shared(game.feed.order(epoch)[:33], game.progress)
        assert batch.share is not None
        drawn = batch.draw(lambda n, _: game.model.prior.sample(n, generator=game.generator))  # type: ignore
        mine = {"x": batch.x.tolist(), "noise": batch.normal(len(batch.x), 2).tolist(), "prior": drawn.tolist()}
        everyones: list[Any] = [None] * group.size
        dist.all_gather_object(everyones, mine)
        found[str(epoch)] = everyones
    return found


def refused(group: Group) -> dict[str, str]:
    """What is said of settings that processes cannot share."""
    data = rows(Config().data)
    found = {}

    def attempt(name: str, work: Any) -> None:
        try:
            work()
            found[name] = ""
        except AAEError as error:
            found[name] = f"{type(error).__name__}: {error}"

    attempt("one row", lambda: Game.new(tiny(batch_size=1), data, CPU, group))
    attempt("batch norm", lambda: group.admit(torch.nn.Sequential(torch.nn.BatchNorm1d(3)), 32))
    mixed = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).double())
    attempt("mixed", lambda: group.admit(mixed, 32))
    attempt("device", lambda: group.device("cuda:1"))
    attempt("steered", lambda: aae.train(tiny(), data=data, steer=lambda *_: False, group=group))
    attempt("other data", lambda: group.same_data(f"{group.rank}" * 20))
    odd = torch.nn.ModuleDict({"same": torch.nn.Linear(2, 2), "odd": torch.nn.Linear(2, 2)})
    group.spread(odd.state_dict())
    attempt("the same", lambda: group.check_equal(odd))
    with torch.no_grad():
        odd["odd"].bias[0] += 1e-6 * group.rank
    attempt("drift", lambda: group.check_equal(odd))
    return found


def whole_runs(group: Group, folder: Path) -> None:
    """One run from begin to end, and one that began alone and is stopped here in its middle."""
    data = rows(Config().data)
    aae.train(tiny(select="best", patience=2, precision="fp32"), folder / "two", data=data, group=group)
    assert group.path == str(folder / "two")
    from test_training import stop_at

    for name in ("one-two-one", "sharded"):
        try:
            aae.resume(folder / name, data=data, listener=stop_at(7), group=group)
            raise AssertionError("it should have been stopped")
        except KeyboardInterrupt:
            pass
    run = aae.train(tiny(precision="fp32", shard_optimizers=True), folder / "two-sharded", data=data, group=group)
    assert run.finished


def main() -> None:
    folder, wanted = Path(sys.argv[1]), dict(argument.split("=") for argument in sys.argv[2:])
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    with processes() as group:
        assert group is not None
        for name, steps in wanted.items():
            found[name] = compare(name, int(steps), group)
        if "aae-33-rows" in wanted:
            found |= {"shares": shares(group), "refused": refused(group)}
            whole_runs(group, folder)
        if group.first:
            (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()

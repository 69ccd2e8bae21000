"""How fast two processes are beside one, what a step's time is made of, and what that predicts for many GPUs.

    python benchmarks/scaling.py [--seconds 3]

Each process works on one thread. Writes the measured part of docs/scaling.md. Predictions follow from the model and
the assumptions that stand beside them; nothing here was run on a GPU.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode

from aae import bench, recipes
from aae.bench.cases import rows
from aae.config import Config, replace
from aae.distributed import Group, processes
from aae.game import Game
from aae.phases import parameters_of

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
CPU = torch.device("cpu")
MIB = 2.0**20
EXCHANGED = (2**10, 2**16, 2**20, 2**22, 2**24)
"""Bytes of the gradients whose average is timed."""


@dataclass(frozen=True)
class Case:
    name: str
    config: Config
    shape: tuple[int, ...]


def cases() -> list[Case]:
    post = replace(recipes.mnist_2d_uniform_post(), {"epochs": 1000, "precision": "fp32"})
    small = dict.fromkeys(("model.encoder", "model.decoder", "model.discriminator"), (128,))
    conv = {"model.network": "conv", "model.encoder": (256,), "model.decoder": (256,)}
    return [
        Case("dense 784-1000-1000-2, 128 rows", post, (28, 28)),
        Case("dense 784-1000-1000-2, 512 rows", replace(post, {"batch_size": 512}), (28, 28)),
        Case("convolutional, 3 x 32 x 32, 128 rows", replace(post, conv), (3, 32, 32)),
        Case("dense 64-128-2, 128 rows", replace(post, small), (8, 8)),
    ]


@dataclass(frozen=True)
class Machine:
    """What a prediction takes for granted of one kind of GPU and of what joins them."""

    gpus: int
    flops: float
    """Products that one GPU is given to do in a second, counted as two operations for each pair of numbers."""
    launch: float
    """Seconds from one operation that the host starts to the next."""
    bandwidth: float
    """Bytes a second at which each GPU sends, and receives, while gradients are summed."""
    latency: float
    """Seconds for a sum of almost nothing."""


ASSUMED = (Machine(1, 50e12, 6e-6, 1, 0), Machine(8, 50e12, 6e-6, 200e9, 30e-6), Machine(64, 50e12, 6e-6, 20e9, 100e-6))


def game_of(case: Case, share: float = 1.0, group: Group | None = None) -> Game:
    config = replace(case.config, {"batch_size": round(case.config.batch_size * share), "threads": 1})
    return Game.new(config, rows(case.shape, 4096), CPU, group)


def steps(game: Game, number: int) -> list[float]:
    """Seconds of each of so many steps."""
    order, found = game.feed.order(0)[: game.config.batch_size], []
    for _ in range(number):
        start = time.perf_counter()
        game.take_step(order, torch.float32)
        found.append(time.perf_counter() - start)
    return found


def per_step(game: Game, seconds: float, group: Group | None = None) -> float:
    """Median seconds of a step. Of processes that work beside each other: of the slower one in each turn."""
    once = statistics.median(steps(game, 5)[2:])
    number = max(5, int(seconds / once))
    if group is None:
        return statistics.median(steps(game, number))
    number = group.same(lambda: number)  # those that exchange gradients have to stop together
    group.wait()
    found = torch.tensor(steps(game, number))
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return float(found.median())


def exchange(group: Group, parameters: list[torch.Tensor]) -> float:
    """Median seconds of an average over the gradients of these parameters."""
    found = []
    for _ in range(15):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        group.wait()
        start = time.perf_counter()
        group.average(parameters, {"loss": torch.zeros(())}, 1 / group.size)
        found.append(time.perf_counter() - start)
    return statistics.median(found[3:])


ADAM = {f"optimizer.{phase}.kind": "adam" for phase in ("reconstruction", "discriminator", "generator")}


def sharded(case: Case, seconds: float, group: Group) -> dict[str, tuple[float, float]]:
    """Seconds of a step, and bytes of what Adam adds up in this process: all of it in each, and in parts."""
    found = {}
    for name, parts in (("whole", False), ("parts", True)):
        config = replace(case.config, ADAM | {"shard_optimizers": parts})
        game = game_of(Case(case.name, config, case.shape), group=group)
        time_of_step = per_step(game, seconds, group)
        states = [state for optimizer in game.optimizers.values() for state in optimizer.state.values()]
        found[name] = time_of_step, float(sum(value.nbytes for state in states for value in state.values()))
    return found


def worker(path: Path, seconds: float) -> None:
    """Measure in this process, or in this one of two."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    with processes() as group:
        for case in cases():
            if group is None:
                found[case.name] = {
                    "whole": per_step(game_of(case), seconds),
                    "half": per_step(game_of(case, 0.5), seconds),
                }
            else:
                game = game_of(case, group=group)
                found[case.name] = {
                    "beside": per_step(game_of(case, 0.5), seconds, group),
                    "shared": per_step(game, seconds, group),
                    "exchange": sum(exchange(group, parameters_of(game.model, phase)) for phase in game.model.phases),
                    "sharded": sharded(case, seconds, group),
                }
        if group is not None:
            found["exchange"] = {str(size): exchange(group, [torch.zeros(size // 4)]) for size in EXCHANGED}
        if group is None or group.first:
            path.write_text(json.dumps(found))


def measured(size: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
        command = [sys.executable, *launcher, __file__, "--worker", str(out), "--seconds", str(seconds)]
        subprocess.run(command, check=True)
        return json.loads(out.read_text())


class Counting(TorchDispatchMode):
    """Counts the operations that a host would launch, and those of matrix products and convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.launches = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        view = func.is_view or "detach" in str(func) or "view" in str(func) or "alias" in str(func)
        self.launches += not view
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Cost:
    """What one step is made of. flops: products for one row; launches; bytes exchanged in each phase."""

    flops: float
    launches: int
    exchanged: list[int]


def cost(case: Case) -> Cost:
    """Counted, not measured: from the networks' sizes and from one step."""
    game = game_of(case)
    for _ in range(2):
        game.take_step(game.feed.order(0)[: game.config.batch_size], torch.float32)
    with Counting() as counting:
        game.take_step(game.feed.order(0)[: game.config.batch_size], torch.float32)
    encoder, decoder, discriminator = (_products(game, name) for name in ("encoder", "decoder", "discriminator"))
    # two operations for each product; a backward pass is two forward ones, or one where only its input needs a gradient
    reconstruct = 3 * (encoder + decoder)
    discriminate = encoder + 2 * 3 * discriminator  # codes once more, then samples and codes past the discriminator
    generate = 2 * discriminator + 2 * encoder
    exchanged = [4 * sum(p.numel() for p in parameters_of(game.model, phase)) for phase in game.model.phases]
    return Cost(2 * (reconstruct + discriminate + generate), counting.launches, exchanged)


def _products(game: Game, name: str) -> float:
    """Multiplications for one row in a forward pass through a network."""
    network, found = game.model.get_submodule(name), [0.0]

    def count(module: torch.nn.Module, _: Any, output: torch.Tensor) -> None:
        places = output[0, 0].numel() if isinstance(module, torch.nn.Conv2d) else 1
        if isinstance(module, torch.nn.ConvTranspose2d):
            places = output[0, 0].numel() // math.prod(module.stride)
        found[0] += module.weight.numel() * places

    hooks = []
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            hooks.append(module.register_forward_hook(count))
        elif isinstance(module, torch.nn.Linear):  # called as a stack, so not through its own forward
            found[0] += module.weight.numel()
    wide = {"encoder": game.data.spec.features, "decoder": 2, "discriminator": 2}[name]
    with torch.no_grad():
        network(torch.zeros(1, wide))
    for hook in hooks:
        hook.remove()
    return found[0]


def terms(cost: Cost, rows: int, machine: Machine) -> dict[str, float]:
    """Seconds of each part of a step of `rows` rows in each process, on assumed GPUs."""
    around = 2 * (machine.gpus - 1) / machine.gpus
    exchanged = sum(machine.latency + around * size / machine.bandwidth for size in cost.exchanged)
    return {
        "launches": cost.launches * machine.launch,
        "products": cost.flops * rows / machine.flops,
        "exchange": exchanged if machine.gpus > 1 else 0.0,
    }


def predicted(parts: Mapping[str, float]) -> float:
    """The host runs ahead of the GPU, so the slower of the two counts; an exchange waits for both."""
    return max(parts["launches"], parts["products"]) + parts["exchange"]


def table(head: list[str], lines: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines]]


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}" if seconds < 0.01 else f"{seconds * 1e3:.1f}"


def page(one: dict[str, Any], two: dict[str, Any], command: str) -> str:
    measured_lines, model_lines, sharded_lines = [], [], []
    for case in cases():
        alone, both, parts = one[case.name], two[case.name], cost(case)
        said = both["beside"] + both["exchange"]
        efficiency = alone["whole"] / (2 * both["shared"])
        b = case.config.batch_size
        measured_lines.append(
            [
                case.name,
                ms(alone["whole"]),
                ms(both["shared"]),
                f"{alone['whole'] / both['shared']:.2f}",
                f"{efficiency:.0%}",
                f"{b / both['shared']:,.0f}",
            ]
        )
        (whole, all_of_it), (in_parts, part) = both["sharded"]["whole"], both["sharded"]["parts"]
        held = [f"{all_of_it / MIB:.2f}", f"{part / MIB:.2f}"]
        sharded_lines.append([case.name, *held, ms(whole), ms(in_parts), f"{in_parts / whole:.2f}"])
        model_lines.append(
            [
                case.name,
                ms(alone["half"]),
                ms(both["beside"]),
                f"{sum(parts.exchanged) / MIB:.2f}",
                ms(both["exchange"]),
                ms(said),
                ms(both["shared"]),
                f"{said / both['shared'] - 1:+.0%}",
            ]
        )
    first = ["case (rows of all processes)", "1 process, ms", "2 processes, ms", "times as fast", "efficiency"]
    second = ["case", "half the rows alone, ms", "beside another process, ms", "exchanged, MiB", "exchange, ms"]
    third = ["MiB", "MiB, sharded", "ms", "ms, sharded", "times as long"]
    sizes = ", ".join(f"{int(size) / 1024:,.0f} KiB {ms(seconds)} ms" for size, seconds in two["exchange"].items())
    return "\n".join(
        [
            f"Made by `{command}` on {bench.machine(CPU)}; fp32, gloo, one thread in each process. Medians.",
            "",
            *table([*first, "rows per second"], measured_lines),
            "| any of them, 2 or more GPUs | not measured | not measured | | | |",
            "",
            "Efficiency is half of how many times as fast two processes are.",
            "",
            "### What a step costs",
            "",
            "    step(N) = work(rows / N) + sum over phases of exchange(bytes of the phase's parameters)",
            "",
            "`work` is the step of one process with its share of the rows while another one works beside it, the",
            "slower of the two: products, optimizers, input (`rows / N` rows in their own type, picked by number),",
            "draws for all rows. An exchange, which overlaps with nothing, is an average of gradients by itself.",
            "",
            *table([*second, "sum: predicted, ms", "measured, ms", "apart"], model_lines),
            "",
            f"One exchange of {sizes}.",
            "",
            "The smallest networks take longer than the sum says: their processes sleep, and are woken three times",
            "a step. Two processes pay where half of the work is longer than the exchange.",
            "",
            "### Sharded optimizers",
            "",
            *table(["case, with Adam in each phase", *third], sharded_lines),
            "",
            "MiB: what the optimizers add up, in one of the two processes; ms: of a step of two processes.",
            "",
            *forecast(),
        ]
    )


def forecast() -> list[str]:
    """The part on GPUs that were not there."""
    lines, bottlenecks = [], []
    for case, scaled in [(c, s) for c in cases()[1:3] for s in (False, True)]:
        parts, b = cost(case), case.config.batch_size
        alone = predicted(terms(parts, b, ASSUMED[0]))
        for machine in ASSUMED:
            each = b if scaled else b / machine.gpus
            found = terms(parts, round(each), machine)
            step = predicted(found)
            speed = (machine.gpus if scaled else 1) * alone / step
            most = max(found, key=lambda name: found[name])
            bottlenecks.append((case.name, scaled, machine.gpus, most))
            lines.append(
                [
                    case.name if machine.gpus == 1 else "",
                    "grows" if scaled else "stays",
                    str(machine.gpus),
                    f"{each:g}",
                    *(f"{found[name] * 1e3:.3f}" for name in ("launches", "products", "exchange")),
                    f"{step * 1e3:.2f}",
                    f"{speed / machine.gpus:.0%}",
                    most,
                ]
            )
    one, eight, many = ASSUMED
    head = ["case", "batch", "GPUs", "rows each", "launches, ms", "products, ms", "exchange, ms", "step, ms"]
    return [
        "### What that predicts for 8 and for 64 GPUs",
        "",
        "Not measured. **Assumed**, not known: "
        f"{one.flops / 1e12:g} TFLOP/s of products on each GPU, a small part of what it could do with large matrices; "
        f"{one.launch * 1e6:g} us from one launched operation to the next, since CUDA graphs are for one process; sums "
        f"at {eight.bandwidth / 1e9:g} GB/s and {eight.latency * 1e6:g} us among 8 GPUs of one machine, at "
        f"{many.bandwidth / 1e9:g} GB/s and {many.latency * 1e6:g} us among 64 of eight machines; rows resident on the "
        "GPU. Counted from the code: operations of a step, products for a row, bytes of each phase.",
        "",
        "    step = max(launches, products) + sum over phases of (latency + 2 (N - 1) / N * bytes / bandwidth)",
        "",
        *table([*head, "efficiency", "largest part"], lines),
        "",
        _named(bottlenecks),
    ]


def _named(found: list[tuple[str, bool, int, str]]) -> str:
    at_8 = {most for _, _, gpus, most in found if gpus == 8}
    at_64 = {most for _, _, gpus, most in found if gpus == 64}
    said = {
        "launches": "the operations that the host has to launch, which no share of the rows makes fewer",
        "products": "the matrix products",
        "exchange": "the exchange of gradients, which overlaps with nothing",
    }
    return (
        f"**The first bottleneck** is, at 8 GPUs, {' or '.join(said[name] for name in sorted(at_8))}; at 64, "
        f"{' or '.join(said[name] for name in sorted(at_64))}. "
        "Networks of this size leave a GPU waiting: more GPUs pay where a step has more rows, or networks are larger."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, help="measurements as JSON; read instead of measured if it is there")
    given = parser.parse_args()
    if given.worker:
        return worker(given.worker, given.seconds)
    torch.set_num_threads(1)
    if given.keep and given.keep.exists():
        one, two = json.loads(given.keep.read_text())
    else:
        one, two = measured(1, given.seconds), measured(2, given.seconds)
        if given.keep:
            given.keep.write_text(json.dumps([one, two]))
    made = page(one, two, f"python benchmarks/scaling.py --seconds {given.seconds:g}")
    text = PAGE.read_text(encoding="utf-8")
    text = re.sub(
        r"<!-- measured -->.*<!-- /measured -->",
        lambda _: f"<!-- measured -->\n{made}\n<!-- /measured -->",
        text,
        flags=re.DOTALL,
    )
    PAGE.write_text(text, encoding="utf-8")
    print(made)


if __name__ == "__main__":
    main()

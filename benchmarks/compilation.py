"""What a compiler would bring on a processor: the step as it is, beside compiled networks and a compiled optimizer.

    python benchmarks/compilation.py [--rounds 7]

Writes docs/compilation.md. Needs a C++ compiler, which `torch.compile` calls.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from aae import bench
from aae.bench import plain
from aae.bench.cases import OURS, PLAIN, Case, mlp, rows
from aae.bench.plain import Networks, Steps

ROOT = Path(__file__).parents[1]
COMPILED, HALF = "plain loop, networks compiled", "the same, in bfloat16 autocast"


class Autocast(nn.Module):
    """A network that works in bfloat16 and gives float32."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.body(x).float()


def compiled(networks: Networks, half: bool) -> Networks:
    found = [Autocast(net) if half else net for net in (networks.encoder, networks.decoder, networks.discriminator)]
    for net in found:
        net.compile()
    return Networks(*found)


def contenders(batch: int) -> Case:
    ours = mlp(batch).contenders[OURS]
    data = rows((28, 28)).x

    def loop(half: bool) -> Callable[[torch.device], Steps]:
        return lambda device: plain.plain_loop(compiled(plain.dense(784), half), data, batch, device)

    return Case(
        f"batch {batch}",
        batch,
        {
            OURS: ours,
            PLAIN: lambda device: plain.plain_loop(plain.dense(784), data, batch, device),
            COMPILED: loop(False),
            HALF: loop(True),
        },
    )


def update(rounds: int) -> tuple[float, float, float]:
    """Milliseconds of one update of an encoder's weights, as it is and compiled, and seconds to compile it.

    The update takes bfloat16 gradients, adds them up with momentum, and leaves a bfloat16 copy of the weights: what the
    project does in three passes over memory, and a compiler can do in one.
    """
    shapes = [(1000, 784), (1000,), (1000, 1000), (1000,), (2, 1000), (2,)]
    weights = [nn.Parameter(torch.randn(*shape)) for shape in shapes]
    gradients = [torch.randn(*shape).bfloat16() for shape in shapes]
    moments = [torch.zeros(*shape) for shape in shapes]
    copies = [weight.detach().bfloat16() for weight in weights]
    fused = torch.optim.SGD(weights, 0.01, momentum=0.9, fused=True)

    def as_it_is() -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.float()
        fused.step()
        for weight in weights:
            weight.detach().bfloat16()

    def in_one(w: list[Tensor], m: list[Tensor], g: list[Tensor], c: list[Tensor], rate: Tensor) -> None:
        for weight, moment, gradient, copy in zip(w, m, g, c, strict=True):
            moment.mul_(0.9).add_(gradient)
            weight.sub_(moment * rate)
            copy.copy_(weight)

    together = torch.compile(in_one, dynamic=False)
    rate, values = torch.tensor(0.01), [weight.detach() for weight in weights]
    start = time.perf_counter()
    with torch.no_grad():
        together(values, moments, gradients, copies, rate)
    took = time.perf_counter() - start
    times: dict[str, list[float]] = {"as": [], "one": []}
    for _ in range(20 * rounds):
        for name, run in (("as", as_it_is), ("one", lambda: together(values, moments, gradients, copies, rate))):
            start = time.perf_counter()
            with torch.no_grad():
                run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return median(times["as"]), median(times["one"]), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    # A cache of its own, or the seconds to compile are those of an earlier run.
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    found = [bench.measure(contenders(batch), torch.device("cpu"), rounds, print) for batch in (128, 512)]
    lines = ["| rows in a step | | ms per step | our step is |", "| --- | --- | --- | --- |"]
    for one in found:
        for name in one.times:
            faster = "" if name == OURS else f"{one.ratio(name, OURS):.2f} x as fast"
            lines.append(f"| {one.case.batch} | {name} | {one.typical(name):.1f} | {faster} |")
    as_it_is, in_one, took = update(rounds)
    share = 4 * (as_it_is - in_one) / found[0].typical(OURS)
    table = "\n".join(lines)
    (ROOT / "docs" / "compilation.md").write_text(
        f"""# Why nothing is compiled on a processor

Made by `python benchmarks/compilation.py --rounds {rounds}` on {bench.machine(torch.device("cpu"))}. Dense networks
784-1000-1000-2, medians of {rounds} rounds in which every contender runs once.

{table}

"Networks compiled" is the plain loop with `module.compile()` on encoder, decoder and discriminator: three phases, but
a DataLoader, every gradient, and optimizers that are not fused. In float32 compiling changes little, for the products
are the library's own either way; most of what is gained comes from bfloat16, and the last row says how little is left
to our step beside a compiled loop that has that too.

What it could do is an optimizer's update in one pass over memory, from the bfloat16 gradient to the bfloat16 copy of
the weights: {as_it_is:.2f} ms become {in_one:.2f} ms for the weights of the encoder, about {share:.0%} of a step of
128 rows, after {took:.0f} s of compiling and with a C++ compiler on the user's machine. That is not worth it for runs
of minutes, so there is no such option. On a CUDA GPU, where a step is many small kernels, the whole step is recorded
once as a graph (`cuda_graphs`).
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()

"""How fast a step is, beside a plain loop, Pythae, and the machine's own matrix products; and how time grows with rows.

    python benchmarks/speed.py [--rounds 7] [--device auto]

Writes benchmarks/README.md; on a GPU benchmarks/gpu.json instead, from which the next page that a processor makes has
its rows for one. `aae bench` prints the second table. Pythae (`pip install pythae==0.1.2`) is left out where it is not
installed. Run it on a machine that does nothing else: contenders run in turn, so that what else happens
befalls all of them, but a busy machine still blurs the ratios.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from aae import bench
from aae.arithmetic import product
from aae.bench.cases import EXACT, OURS, PEER, PLAIN, PRODUCTS, PRODUCTS_EXACT, ours, rows
from aae.config import replace
from aae.hardware import device_of
from aae.recipes import mnist_2d_uniform_post

GOALS = """| case | goal | measured |
| --- | --- | --- |
| dense, batch 128, against Pythae with the same networks (three phases against its one) | at least 3 x | {peer} |
| dense, batch 128, against a plain three-phase loop | at least 4 x | {plain_128} |
| dense, batch 512, against a plain three-phase loop | at least 5 x | {plain_512} |
| share of the rate of the step's own matrix products, batch 128 | at least 60 % | {share_128} |
| the same, batch 512 | at least 75 % | {share_512} |
| fp32, batch 128, against the plain loop | at least 1.8 x | {exact} |
| convolutional, 3 x 32 x 32, against a plain loop | at least 2 x | {conv} |
| encoding, share of the rate of its own matrix products, auto / fp32 | at the same rate | {encoding} |
| ten times the rows | ten times the time within 5 % | {rows}; memory while streaming 20 GB: docs/scaling.md |
| one epoch of MNIST on an H200-class GPU, batch 128 | at most 0.15 s | {gpu} |
| the same against a plain loop on that GPU | at least 15 x | {gpu_plain} |"""
GPU = Path("benchmarks/gpu.json")
STEPS = 468
"""Whole steps of 128 rows in an epoch of MNIST's 60,000."""
LIMIT = """What bounds the first three rows: the plain loop and Pythae multiply by PyTorch's own float32 products, and
on this machine bfloat16 ones run at {ratio:.1f} times their rate (1000 x 1000 by 512 rows: {half:.0f} against
{full:.0f} GFLOP/s; float32 ones by oneDNN, which ours takes: {fast:.0f}).
The rest has to come from work that is left out: codes used twice, gradients that nobody needs, casts and copies. A step
that took no time beside its products would be {best:.1f} times the plain loop's speed at batch 128."""


def growth(device: torch.device, rounds: int) -> tuple[float, list[str]]:
    """Seconds of an epoch over n rows and over ten times as many, in turn."""
    config = replace(mnist_2d_uniform_post(), {"epochs": 100_000, "model.encoder": (256,), "model.decoder": (256,)})
    few, many = (ours(config, rows((28, 28), n), "auto")(device) for n in (12_800, 128_000))
    times: dict[str, list[float]] = {"few": [], "many": []}
    few(20), many(20)
    for _ in range(rounds):
        for name, take, steps in (("few", few, 100), ("many", many, 1000)):
            start = time.perf_counter()
            take(steps)
            times[name].append(time.perf_counter() - start)
    ratio = median(b / a for a, b in zip(times["few"], times["many"], strict=True))
    return ratio, [f"{median(times['few']):.2f} s for 12,800 rows, {median(times['many']):.2f} s for 128,000"]


def rate(kind: torch.dtype, device: torch.device, multiply: Callable[[Tensor, Tensor], Tensor] = torch.matmul) -> float:
    """GFLOP/s of one product of the step's shape, repeated."""
    a, b = (torch.randn(*shape, device=device).to(kind) for shape in ((512, 1000), (1000, 1000)))
    times = []
    for _ in range(100):
        start = time.perf_counter()
        multiply(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * 512 * 1e6 / median(times) / 1e9


def on_gpu(device: torch.device, rounds: int) -> None:
    """The rows for a GPU, kept for the page that a processor makes."""
    found = bench.measure(bench.CASES["dense-128"](), device, rounds, print)
    kept = {
        "epoch": found.typical(OURS) * STEPS / 1e3,
        "plain": found.ratio(PLAIN, OURS),
        "rounds": rounds,
        "machine": bench.machine(device),
    }
    GPU.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(bench.table([found]))


def gpu_rows() -> dict[str, str]:
    if not GPU.exists():
        return {"gpu": "not measured", "gpu_plain": "not measured"}
    kept = json.loads(GPU.read_text(encoding="utf-8"))
    where = f"median of {kept['rounds']} rounds on {kept['machine']}"
    return {"gpu": f"{kept['epoch']:.3f} s, {where}", "gpu_plain": f"{kept['plain']:.1f} x"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    device = device_of(given.device)
    if device.type == "cuda":
        return on_gpu(device, given.rounds)
    half, full = rate(torch.bfloat16, device), rate(torch.float32, device)
    fast = rate(torch.float32, device, product)
    a, b, c, d = found = [bench.measure(make(), device, given.rounds, print) for make in bench.CASES.values()]
    grown, said = growth(device, given.rounds)

    def times(one: bench.Measured, slow: str, fast: str = OURS) -> str:
        return f"{one.ratio(slow, fast):.2f} x" if slow in one.times else f"not measured: {one.missing[slow]}"

    def share(one: bench.Measured) -> str:
        return f"{1 / one.ratio(OURS, PRODUCTS):.0%}"

    goals = GOALS.format(
        peer=times(a, PEER),
        plain_128=times(a, PLAIN),
        plain_512=times(b, PLAIN),
        share_128=share(a),
        share_512=share(b),
        exact=times(a, PLAIN, EXACT),
        conv=times(c, PLAIN),
        encoding=f"{share(d)} / {1 / d.ratio(EXACT, PRODUCTS_EXACT):.0%}; {d.ratio(PLAIN, OURS):.2f} x the plain loop",
        rows=f"{grown:.2f} times ({said[0]})",
        **gpu_rows(),
    )
    limit = LIMIT.format(ratio=half / full, half=half, full=full, fast=fast, best=a.ratio(PLAIN, PRODUCTS))
    parts = [
        "# Benchmarks",
        "One script for each published figure. This page is made by `python benchmarks/speed.py "
        f"--rounds {given.rounds}` (a table like the second one: `aae bench`) on {bench.machine(device)}. Medians of "
        f"{given.rounds} rounds, in each of which every contender runs once; ratios are medians of each round's ratio.",
        "## Against the goals",
        goals,
        limit,
        "## In milliseconds",
        bench.table(found),
        "Encoding takes rows of bytes to codes as `Run.encode` does; `aae` is a run loaded with `precision = auto`, "
        "`aae, fp32` one loaded as it comes. `its matrix products alone` are those of one step, in its order, on as "
        "many matrices as it has, with nothing else. The plain loop is `aae.bench.plain`: the post's algorithm with a "
        "DataLoader, in float32.",
    ]
    Path("benchmarks/README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

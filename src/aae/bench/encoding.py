"""A trained model in use: rows of bytes to codes, beside a plain loop and the encoder's matrix products alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from aae.bench import plain
from aae.bench.cases import EXACT, OURS, PLAIN, PRODUCTS, PRODUCTS_EXACT, Case, rows
from aae.bench.plain import Steps
from aae.bench.products import multiply
from aae.hardware import precision_name, precision_of
from aae.models import build
from aae.passage import BLOCK, Passage
from aae.recipes import mnist_2d_uniform_post

WIDTHS = (784, 1000, 1000)
"""Wide layers of the post's encoder; the code's own is narrow."""


def encode(batch: int = 4096) -> Case:
    """The post's encoder on rows of 784 bytes; a step encodes `batch` of them, in blocks as a run does."""
    data, config = rows((28, 28), batch), mnist_2d_uniform_post()
    images = data.x.numpy().reshape(-1, 28, 28)

    def ours(precision: str) -> Callable[[torch.device], Steps]:
        def make(device: torch.device) -> Steps:
            model = build(config, data.spec).to(device).eval().requires_grad_(False)
            products = precision_name(precision, device)
            passage = Passage(model, config, data.spec, device, "the benchmark", products)

            def steps(n: int) -> None:
                for _ in range(n):
                    passage.over(model.encode, images)

            return steps

        return make

    return Case(
        f"encoding, 784-1000-1000-2, {batch:,} rows a step",
        batch,
        {
            OURS: ours("auto"),
            EXACT: ours("fp32"),
            PLAIN: lambda device: plain_encoding(data.x, device),
            PRODUCTS: lambda device: products(batch, precision_of("auto", device), device),
            PRODUCTS_EXACT: lambda device: products(batch, torch.float32, device),
        },
    )


def plain_encoding(x: Tensor, device: torch.device) -> Steps:
    """The same networks as one would use them: scale a batch, encode it, keep the codes."""
    encoder = plain.dense(x.shape[1]).encoder.to(device).eval()

    @torch.no_grad()
    def steps(n: int) -> None:
        for _ in range(n):
            torch.cat([encoder(some.to(device).float() / 255).cpu() for some in x.split(BLOCK)])

    return steps


def products(batch: int, kind: torch.dtype, device: torch.device) -> Steps:
    """The encoder's wide products for `batch` rows, whole blocks at a time, and nothing else."""
    weights = [torch.randn(b, a, device=device).to(kind) for a, b in itertools.pairwise(WIDTHS)]
    inputs = [torch.randn(BLOCK, a, device=device).to(kind) for a in WIDTHS[:-1]]

    def steps(n: int) -> None:
        for _ in range(n * math.ceil(batch / BLOCK)):
            for x, weight in zip(inputs, weights, strict=True):
                multiply(x, weight)

    return steps

"""The benchmark compares like with like: the plain loop and ours train the same networks in the same way."""

from __future__ import annotations

import pytest
import torch

from aae import cli
from aae.bench import CASES, measure, plain, table
from aae.bench.cases import EXACT, OURS, PEER, PLAIN, PRODUCTS, PRODUCTS_EXACT, Case, conv, mlp, rows
from aae.bench.encoding import encode
from aae.bench.products import dense_products
from aae.config import replace
from aae.game import Game
from aae.recipes import mnist_2d_uniform_post

CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_the_plain_networks_are_ours_weight_for_weight(kind: str) -> None:
    changes = {} if kind == "dense" else {"model.network": "conv", "model.encoder": (256,), "model.decoder": (256,)}
    shape = (28, 28) if kind == "dense" else (3, 32, 32)
    game = Game.new(replace(mnist_2d_uniform_post(), changes | {"batch_size": 8}), rows(shape, 16), CPU)
    networks = plain.dense(784) if kind == "dense" else plain.convolutional()
    for name in ("encoder", "decoder", "discriminator"):
        mine = [tuple(p.shape) for p in getattr(game.model, name).parameters()]
        assert sorted(mine) == sorted(tuple(p.shape) for p in getattr(networks, name).parameters()), name


def test_the_plain_loop_trains_all_three_networks() -> None:
    torch.manual_seed(0)  # with five units a draw of weights may leave a layer without one that fires
    networks = plain.dense(6, hidden=5)
    parts = torch.nn.ModuleList([networks.encoder, networks.decoder, networks.discriminator])
    before = [p.detach().clone() for p in parts.parameters()]
    plain.plain_loop(networks, torch.randint(0, 256, (32, 6), dtype=torch.uint8), 8, CPU)(5)
    after = list(parts.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_products_alone_are_the_arithmetic_of_a_step() -> None:
    """22.5 million products and sums a row, by the sum of the layers' sizes: see the step's phases."""
    encoder, decoder, judge = 784e3 + 1e6, 1e6 + 784e3, 1e6
    reconstruction = 3 * (encoder + decoder) - 784e3  # values, weights, inputs; nobody asks for the rows' gradient
    discriminator = encoder + 2 * 3 * judge
    generator = 2 * judge + 2 * encoder - 784e3
    flops = dense_products(16, CPU).flops  # type: ignore[attr-defined]
    assert flops == 2 * 16 * (reconstruction + discriminator + generator)


def test_a_case_is_measured_in_turn_and_told_as_a_table() -> None:
    case = mlp(4)
    contenders = {name: case.contenders[name] for name in (EXACT, PLAIN)}
    measured = measure(Case("small", 4, {OURS: case.contenders[OURS], **contenders}), CPU, rounds=2)
    assert set(measured.times) == {OURS, EXACT, PLAIN}
    assert all(len(times) == 2 and min(times) > 0 for times in measured.times.values())
    assert f"| small | {PLAIN} |" in table([measured])


def test_encoding_is_measured_beside_the_plain_loop_and_its_products() -> None:
    said = table([measure(encode(256), CPU, rounds=1)])
    assert said.count("| encoding, 784-1000-1000-2, 256 rows a step |") == 5
    assert "of this rate" in said


def test_every_case_names_its_contenders() -> None:
    assert set(mlp(8).contenders) == {OURS, EXACT, PLAIN, PEER, PRODUCTS}
    assert set(conv(8).contenders) == {OURS, EXACT, PLAIN}
    assert set(encode(256).contenders) == {OURS, EXACT, PLAIN, PRODUCTS, PRODUCTS_EXACT}
    assert set(CASES) == {"dense-128", "dense-512", "conv-128", "encode"}


def test_bad_rounds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--rounds", "0"]) == 2
    assert "--rounds must be 1 or more" in capsys.readouterr().err
    for threads in ("-1", "100000"):
        assert cli.main(["bench", "--threads", threads]) == 2
        assert "--threads must be 0 to 1024" in capsys.readouterr().err

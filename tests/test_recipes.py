"""The recipes hold what they promise, found by any spelling of their names."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
import torch
from torch import nn

import aae
from aae import recipes
from aae.config import Config, DataSpec, Prior, check, replace, resolve
from aae.errors import ConfigError
from aae.models import AAE, build
from aae.pace import make_optimizer
from aae.phases import parameters_of

MNIST = DataSpec(
    "mnist", (28, 28), "uint8", scale=(255.0,), minimum=0.0, maximum=255.0, scaling="range", classes=tuple("0123456789")
)
NAMES = list(recipes.RECIPES)
EVERY = pytest.mark.parametrize("name", NAMES)
POST = "mnist-2d-uniform-post"


@EVERY
def test_a_recipe_is_a_configuration_of_its_own_name_that_uses_all_it_sets(name: str) -> None:
    config = recipes.recipe(name)
    assert config.recipe == name
    assert check(config) is config
    assert recipes.recipe(name) == recipes.RECIPES[name]() == config


@EVERY
def test_a_recipe_is_a_function_of_the_same_name(name: str) -> None:
    function = getattr(aae.recipes, name.replace("-", "_"))
    assert function() == recipes.recipe(name)
    assert recipes.recipe(name.replace("-", "_")) == recipes.recipe(name)


@EVERY
@pytest.mark.parametrize("kind", ["aae", "autoencoder", "vae"])
def test_every_model_can_be_built_on_every_recipe(name: str, kind: str) -> None:
    base = recipes.recipe(name)
    small = {"model.kind": kind, "model.encoder": (4,), "model.decoder": (4,)}
    config = resolve(base, replace(base, small), written=small)
    model = build(config, MNIST)
    codes = model.encode(torch.zeros(3, 784))
    assert codes.shape == (3, base.model.latent)
    assert model.decode(codes).shape == (3, 784)
    for phase in model.phases:
        make_optimizer(getattr(config.optimizer, phase.name), parameters_of(model, phase))


def test_what_the_recipes_are_called() -> None:
    assert recipes.DEFAULT == "digits-2d-uniform"
    assert NAMES == [
        "auto",
        "digits-2d-uniform",
        "mnist-2d-uniform",
        "mnist-2d-uniform-post",
        "mnist-2d-gaussian",
        "mnist-2d-mixture",
        "mnist-2d-swiss-roll",
        "mnist-2d-mixture-labels",
        "mnist-2d-swiss-roll-labels",
        "table-8d-gaussian",
        "images-2d-uniform",
        "mnist-8d-gaussian",
        "mnist-8d-gaussian-conv",
        "mnist-style",
        "mnist-clusters-16",
        "mnist-clusters-30",
        "mnist-clusters-16-moved",
        "mnist-clusters-30-moved",
        "mnist-semi-supervised-100",
        "mnist-semi-supervised-100-moved",
        "mnist-8d-wae-mmd",
        "mnist-8d-wae-gan",
        "mnist-2d-reduction-1000",
        "mnist-2d-reduction-100",
        "mnist-10d-reduction-100",
        "mnist-2d-reduction-clusters",
        "mnist-2d-reduction-1000-moved",
        "mnist-2d-reduction-100-moved",
        "mnist-10d-reduction-100-moved",
        "mnist-2d-reduction-clusters-moved",
    ]
    named = NAMES[1:]  # auto is for any data
    assert {name: recipes.recipe(name).data.source for name in named} == {
        name: name.partition("-")[0] for name in named
    }
    for name in (name for name in named if re.search(r"-\d+d-", name)):
        config = recipes.recipe(name)
        (latent,) = re.findall(r"-(\d+)d-", name)
        assert config.model.latent == int(latent)
        if "-reduction-" in name:  # named by what teaches it, not by its prior
            assert config.model.kind == "dimension-reduction"
            taught_by = name.removesuffix("-moved").rpartition("-")[2]
            assert str(config.data.labelled or "clusters") == taught_by
            continue
        if "-wae-" in name:  # named by the method; both have the Gaussian prior of their paper
            assert config.prior.kind == "gaussian"
            continue
        assert name.split("-", 2)[2].startswith(config.prior.kind)
        assert config.prior.labels == name.endswith("-labels")


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-labels")])
def test_a_labelled_recipe_has_the_papers_split(name: str) -> None:
    """10,000 labelled and 40,000 unlabelled of the 60,000 training rows (section 2.3)."""
    data = recipes.recipe(name).data
    train = 60_000 - round(data.validation * 60_000)
    assert (data.labelled, train - (data.labelled or 0)) == (10_000, 40_000)


def test_the_post_is_reproduced_to_its_numbers() -> None:
    """784-1000-1000-2 and mirrored, discriminator 2-1000-1000-1, ReLU, linear code, sigmoid output, MSE, the square
    (-2, 2)^2, batches of 128, three updates: Nesterov 0.01/0.9, then plain SGD 0.1 twice."""
    config = recipes.recipe(POST)
    model = build(config, MNIST)
    assert isinstance(model, AAE)

    def widths(module: nn.Module) -> list[int]:
        layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
        return [layers[0].in_features, *(layer.out_features for layer in layers)]

    assert widths(model.encoder) == [784, 1000, 1000, 2]
    assert widths(model.decoder) == [2, 1000, 1000, 784]
    assert widths(model.discriminator) == [2, 1000, 1000, 1]
    for network in (model.encoder, model.decoder, model.discriminator):
        others = [m for m in network.modules() if not isinstance(m, nn.Linear) and not list(m.children())]
        assert [type(m) for m in others] == [nn.ReLU, nn.ReLU]
    assert model.decoder.sigmoid
    assert not model.stochastic

    assert config.prior == Prior("uniform", 2.0)
    assert config.batch_size == 128
    assert (config.schedule, config.precision) == ("constant", "fp32")
    assert (config.reconstruction.loss, config.reconstruction.weight) == ("mse", 1.0)
    assert config.adversarial.input_noise == config.adversarial.gradient_penalty == 0

    assert [(phase.name, phase.updates) for phase in model.phases] == [
        ("reconstruction", ("encoder", "decoder")),
        ("discriminator", ("discriminator",)),
        ("generator", ("encoder",)),
    ]
    found = {}
    for phase in model.phases:
        optimizer = make_optimizer(getattr(config.optimizer, phase.name), parameters_of(model, phase))
        assert isinstance(optimizer, torch.optim.SGD)
        (group,) = optimizer.param_groups
        found[phase.name] = (group["lr"], group["momentum"], group["nesterov"])
    assert found == {
        "reconstruction": (0.01, 0.9, True),
        "discriminator": (0.1, 0.0, False),
        "generator": (0.1, 0.0, False),
    }


def test_the_semi_supervised_recipe_of_the_paper() -> None:
    """Section 5 and the appendix: phases, rates and momenta, half the sum of squares, 784-1000-1000-(10 + 10)."""
    config = recipes.recipe("mnist-semi-supervised-100")
    model = build(config, dataclasses.replace(MNIST, classes=tuple("0123456789")))
    rates = {p.name: getattr(config.optimizer, p.name) for p in model.phases}
    assert {name: (o.kind, o.learning_rate, o.momentum) for name, o in rates.items()} == {
        "reconstruction": ("sgd", 0.01, 0.9),
        "discriminator": ("sgd", 0.1, 0.1),
        "generator": ("sgd", 0.1, 0.1),
        "classification": ("sgd", 0.1, 0.9),
    }
    weights = [p for p in model.encoder.parameters() if p.ndim == 2]
    assert [tuple(w.shape) for w in weights] == [(1000, 784), (1000, 1000), (20, 1000)]
    assert all(w.std().item() == pytest.approx(0.01, rel=0.05) for w in weights)
    assert (config.reconstruction.loss, config.reconstruction.reduction) == ("mse", "sum")
    assert model.phases[0].weights == {"reconstruction": 0.5}


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("digit-2d-uniform", "digits-2d-uniform"), ("mnist_2d_gausian", "mnist-2d-gaussian"), ("mnist", None)],
)
def test_a_misspelt_recipe_is_answered_with_the_nearest(wrong: str, meant: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        recipes.recipe(wrong)
    said = str(caught.value)
    assert f'unknown recipe "{wrong}"' in said
    assert any(name in said for name in NAMES) or "aae recipes" in said
    if meant:
        assert f'did you mean "{meant}"?' in said


def test_a_name_like_no_other_is_sent_to_the_list() -> None:
    with pytest.raises(ConfigError, match="see `aae recipes`"):
        recipes.recipe("zzzzzz")


def test_every_recipe_is_described_in_one_line_of_its_own() -> None:
    lines = recipes.describe()
    assert list(lines) == NAMES
    for name, line in lines.items():
        assert line == (inspect.getdoc(recipes.RECIPES[name]) or "").splitlines()[0]
        assert 20 < len(line) < 120
        assert line.endswith(".")
    assert len(set(lines.values())) == len(lines)
    assert [name for name, line in lines.items() if "(default)" in line] == [recipes.DEFAULT]


def test_the_default_configuration_is_one_that_trains() -> None:
    config = Config()
    assert check(config) is config
    assert config.data.source == "digits"

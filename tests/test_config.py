"""Every setting has one name, is checked, and is either used or refused."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import math
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aae import recipes
from aae.config import (
    Adversarial,
    Config,
    Corruption,
    Data,
    DataSpec,
    Divergence,
    Heads,
    Model,
    Optimizer,
    Optimizers,
    Plugin,
    Prior,
    Reconstruction,
    check,
    flatten,
    from_dict,
    from_file,
    load_file,
    plain,
    replace,
    resolve,
    to_dict,
    unused,
)
from aae.errors import ConfigError

KINDS = typing.get_args(typing.get_type_hints(Model)["kind"])
POSITIVE = st.floats(1e-6, 1e6)
NOT_NEGATIVE = st.just(0.0) | POSITIVE
WIDTHS = st.lists(st.integers(1, 2000), max_size=4).map(tuple)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)


def choice(cls: type, name: str) -> st.SearchStrategy[Any]:
    """Any of the values that a Literal field allows."""
    return st.sampled_from(typing.get_args(typing.get_type_hints(cls)[name]))


@st.composite
def optimizers(draw: st.DrawFn) -> Optimizer:
    momentum = draw(st.floats(0, 0.999))
    return Optimizer(draw(choice(Optimizer, "kind")), draw(POSITIVE), momentum, momentum > 0 and draw(st.booleans()))


@st.composite
def priors(draw: st.DrawFn) -> Prior:
    kind, file, content = draw(choice(Prior, "kind")), draw(st.none() | TEXT), draw(st.just("") | TEXT)
    if (file and content) or (kind in ("picture", "points") and not (file or content)):
        file, content = (file or "shape.png", "") if draw(st.booleans()) else (None, content or "shape:AAAA")
    return Prior(
        kind,
        draw(POSITIVE),
        draw(st.none() | POSITIVE),
        draw(st.none() | st.integers(1, 1000)),
        draw(st.none() | st.floats(0.1, 20)),
        draw(st.none() | st.floats(2.1, 1e6)),
        draw(st.none() | st.floats(0, 1000)),
        draw(st.lists(POSITIVE, max_size=4).map(tuple)),
        file,
        draw(choice(Prior, "ink")),
        content,
        draw(st.lists(TEXT, max_size=3).map(tuple)),
        draw(st.booleans()),
    )


@st.composite
def adversaries(draw: st.DrawFn) -> Adversarial:
    chosen: dict[str, Any] = {
        name: draw(choice(Adversarial, name)) for name in ("phases", "objective", "balance", "penalty")
    }
    chosen |= {name: draw(NOT_NEGATIVE) for name in ("weight", "final_weight", "input_noise", "gradient_penalty")}
    chosen["label_smoothing"] = draw(st.floats(0, 0.499))
    chosen["spectral_norm"] = chosen["objective"] == "wasserstein" or draw(st.booleans())
    return Adversarial(**chosen, discriminator_steps=draw(st.integers(1, 20)))


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Any configuration that `check` accepts: random values, with those that the model ignores at their defaults."""
    config = Config(
        recipe=draw(TEXT),
        epochs=draw(st.integers(1, 10**6)),
        batch_size=draw(st.integers(1, 10**6)),
        seed=draw(st.integers(0, 2**63 - 1)),
        schedule=draw(choice(Config, "schedule")),
        precision=draw(choice(Config, "precision")),
        threads=draw(st.integers(0, 64)),
        save_every=draw(NOT_NEGATIVE),
        data=Data(
            draw(TEXT),
            draw(st.none() | TEXT),
            draw(choice(Data, "layout")),
            draw(choice(Data, "scaling")),
            draw(st.floats(0, 0.5)),
            draw(st.none() | st.floats(1e-3, 0.5)),
            draw(st.integers(0, 2**40)),
            draw(st.none() | st.integers(1, 10**6)),
            draw(st.integers(0, 2**40)),
        ),
        model=Model(
            draw(choice(Model, "kind")),
            draw(st.integers(1, 64)),
            draw(choice(Model, "posterior")),
            draw(st.integers(1, 64)),
            network=draw(choice(Model, "network")),
            channels=draw(WIDTHS.filter(bool)),
            encoder=draw(WIDTHS),
            decoder=draw(WIDTHS),
            discriminator=draw(WIDTHS),
            init=draw(choice(Model, "init")),
            init_std=draw(POSITIVE),
            normalization=draw(choice(Model, "normalization")),
        ),
        heads=Heads(draw(POSITIVE), draw(NOT_NEGATIVE)),
        divergence=Divergence(draw(POSITIVE), draw(st.integers(1, 1000))),
        prior=draw(priors()),
        reconstruction=Reconstruction(
            draw(choice(Reconstruction, "loss")), draw(choice(Reconstruction, "reduction")), draw(POSITIVE)
        ),
        adversarial=draw(adversaries()),
        corruption=Corruption(draw(NOT_NEGATIVE), draw(st.floats(0, 0.9))),
        plugin=Plugin(draw(st.none() | TEXT), draw(st.just("") | TEXT), draw(TEXT)),
        optimizer=Optimizers(*(draw(optimizers()) for _ in PHASES)),
    )
    if config.model.kind == "vae":
        config = dataclasses.replace(config, prior=Prior("gaussian", config.prior.scale))
    if config.model.kind == "clustering":
        config = replace(config, {"model.clusters": draw(st.integers(2, 64))})
    if config.schedule == "steps":
        at = draw(st.sets(st.integers(1, 100), min_size=1, max_size=3))
        config = replace(config, {"schedule_epochs": tuple(sorted(at))})
    defaults = flatten(Config())
    for _ in range(2):  # a setting put back may leave another one without use
        ignored = unused(config)
        config = replace(config, {k: v for k, v in defaults.items() if covered(k, ignored)})
    return check(config)


def covered(key: str, groups: typing.Iterable[str]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def toml(values: dict[str, Any], prefix: str = "") -> str:
    """Nested settings as TOML, one dotted key to a line; None is left out, because TOML has none."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines.append(toml(value, f"{prefix}{key}."))
        elif value is not None:
            lines.append(f"{prefix}{key} = {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(lines)


def refused(what: Any, *said: str) -> str:
    """The text of the ConfigError that `what()` raises, which must hold every part of `said`."""
    with pytest.raises(ConfigError) as caught:
        what()
    text = str(caught.value)
    for part in said:
        assert part in text, text
    return text


def nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


# Round trips


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_survives_json(name: str) -> None:
    config = recipes.recipe(name)
    assert from_dict(Config, json.loads(json.dumps(to_dict(config), allow_nan=False))) == config


@given(configs())
@settings(max_examples=150, deadline=None)
def test_any_configuration_survives_json(config: Config) -> None:
    written = json.dumps(to_dict(config), allow_nan=False)
    assert from_dict(Config, json.loads(written)) == config
    assert json.dumps(to_dict(from_dict(Config, json.loads(written)))) == written


@given(config=configs())
@settings(max_examples=50, deadline=None)
def test_any_configuration_survives_a_file_on_top_of_any_recipe(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a file says wins over the recipe under it, in TOML as in JSON."""
    folder = tmp_path_factory.getbasetemp()
    as_json, as_toml = folder / "any.json", folder / "any.toml"
    as_json.write_text(json.dumps(to_dict(config)), encoding="utf-8")
    as_toml.write_text(toml(to_dict(config)), encoding="utf-8")
    for make in recipes.RECIPES.values():
        assert from_file(as_json, make()) == config
        before = flatten(make())
        if all(before[k] is None for k, v in flatten(config).items() if v is None):  # TOML cannot say null
            assert from_file(as_toml, make()) == config


@given(configs())
@settings(max_examples=50, deadline=None)
def test_flat_names_rebuild_the_configuration(config: Config) -> None:
    assert replace(Config(), flatten(config)) == config


def test_what_is_left_out_of_a_run_is_what_the_model_ignores() -> None:
    config = check(Config(model=Model(kind="autoencoder")))
    written = to_dict(config)
    assert "prior" not in written
    assert "adversarial" not in written
    assert "generator" not in written["optimizer"]
    assert "discriminator" not in written["model"]
    assert written["optimizer"]["reconstruction"]["learning_rate"] == 1e-3


SPEC = DataSpec(
    name="mine.npz",
    shape=(3, 4, 5),
    dtype="uint8",
    offset=(0.5,),
    scale=tuple(float(i + 1) for i in range(60)),
    minimum=0.0,
    maximum=255.0,
    channels_last=True,
    scaling="range",
    classes=("cat", "dog"),
)


@pytest.mark.parametrize("spec", [SPEC, DataSpec("t", (12,), "float32"), DataSpec("t", (2, 2), "int64", minimum=-1.0)])
def test_a_data_spec_survives_json(spec: DataSpec) -> None:
    assert from_dict(DataSpec, json.loads(json.dumps(plain(spec)))) == spec


def test_a_data_spec_knows_the_shape_that_came_in() -> None:
    assert SPEC.features == 60
    assert SPEC.original_shape == (4, 5, 3)
    assert DataSpec("t", (3, 4, 5), "uint8").original_shape == (3, 4, 5)
    assert DataSpec("t", (4, 5), "uint8", channels_last=True, channel_axis=True).original_shape == (4, 5, 1)
    assert DataSpec("t", (4, 5), "uint8", channel_axis=True).original_shape == (1, 4, 5)
    assert DataSpec("t", (7,), "uint8").original_shape == (7,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": ()}, "shape"),
        ({"shape": (2, 0)}, "shape"),
        ({"shape": (1, 2, 3, 4)}, "shape"),
        ({"offset": (1.0, 2.0, 3.0)}, "offset needs 1 or 60 numbers, got 3"),
        ({"offset": (math.nan,)}, "offset must be finite"),
        ({"scale": (math.inf,)}, "scale must be finite"),
        ({"scale": (0.0,)}, "scale must be above 0"),
    ],
)
def test_an_impossible_data_spec_is_refused(changes: dict[str, Any], said: str) -> None:
    refused(lambda: dataclasses.replace(SPEC, **changes), said)


# Names, types, ranges


@pytest.mark.parametrize(
    ("values", "key", "meant"),
    [
        ({"epoch": 3}, "epoch", '"epochs"'),
        ({"modle": {"latent": 3}}, "modle", '"model"'),
        ({"model": {"latnet": 3}}, "model.latnet", '"model.latent"'),
        ({"optimizer": {"generatr": {}}}, "optimizer.generatr", '"optimizer.generator"'),
        (
            {"optimizer": {"generator": {"learning-rate": 1}}},
            "optimizer.generator.learning-rate",
            '"optimizer.generator.learning_rate"',
        ),
        ({"latent": 3}, "latent", '"model.latent"'),
        ({"prior": {"input_noise": 3}}, "prior.input_noise", '"adversarial.input_noise"'),
        ({"scale": 3}, "scale", '"prior.scale"'),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one(values: dict[str, Any], key: str, meant: str) -> None:
    refused(lambda: from_dict(Config, values), f'unknown setting "{key}"', "did you mean", meant)


def test_an_unknown_key_that_resembles_nothing_lists_its_group_alone() -> None:
    text = refused(lambda: from_dict(Config, {"model": {"qqqq": 1}}), 'unknown setting "model.qqqq"; known here: ')
    assert "latent" in text
    assert "epochs" not in text
    assert "did you mean" not in text


def test_a_setting_at_home_in_several_groups_names_them_all() -> None:
    text = refused(lambda: from_dict(Config, {"learning_rate": 1.0}))
    for phase in PHASES:
        assert f'"optimizer.{phase}.learning_rate"' in text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("epochs", 3.0, "must be int, got 3.0"),
        ("epochs", "3", 'must be int, got "3"'),
        ("epochs", True, "must be int, got true"),
        ("epochs", None, "must be int, got null"),
        ("epochs", {}, "must be int, got {}"),
        ("save_every", "1", 'must be float, got "1"'),
        ("save_every", False, "must be float, got false"),
        ("save_every", 10**400, "must be at most 1.8e308"),
        ("device", 0, "must be str, got 0"),
        ("optimizer.generator.nesterov", 1, "must be bool, got 1"),
        ("model.encoder", 100, "must be a list of int, got 100"),
        ("model.encoder", "100", 'must be a list of int, got "100"'),
        ("model.encoder[1]", [10, 2.5], "must be int, got 2.5"),
        ("data.test", [0.1], "must be float, got [0.1]"),
        ("data.directory", 1, "must be str, got 1"),
        ("schedule", "lineer", 'got "lineer". Did you mean "linear"?'),
        ("prior.kind", 3, "must be one of uniform, gaussian, ball"),
        ("prior.kind", ["uniform"], 'plugin; got ["uniform"]'),
        ("prior.kind", "swis-roll", 'got "swis-roll". Did you mean "swiss-roll"?'),
        ("prior", 3, "expected a group of keys, got 3"),
        ("optimizer.generator", [1], "expected a group of keys, got [1]"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(key: str, value: Any, said: str) -> None:
    text = refused(lambda: from_dict(Config, nested(key.partition("[")[0], value)), said)
    assert text.startswith(key), text


def test_whole_numbers_serve_as_decimals_and_lists_as_tuples() -> None:
    config = from_dict(Config, {"save_every": 5, "model": {"encoder": [3, 4]}, "data": {"test": None}})
    assert (config.save_every, type(config.save_every)) == (5.0, float)
    assert config.model.encoder == (3, 4)
    assert config.data.test is None


def test_settings_that_are_no_group_are_refused() -> None:
    refused(lambda: from_dict(Config, [1, 2]), "expected a group of keys, got [1, 2]")


STILL = ("weight", "information", "balance", "rotation", "shift", "shear", "bend")
PHASES = ("reconstruction", "discriminator", "generator", "classification", "consistency", "other")
NUMBERS = (math.nan, math.inf, -math.inf)
RANGES: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "epochs": ((1, 0, 10**9), (-1,)),
    "batch_size": ((1, 0), (-128,)),
    "labelled_batch_size": ((1,), (0,)),
    "schedule_epochs": (((), (1,), (50, 80)), ((0,), (80, 50), (5, 5))),
    "corruption.noise": ((0.0, 1e9), (-1e-9, *NUMBERS)),
    "corruption.dropout": ((0.0, 0.9), (1.0, -0.1, *NUMBERS)),
    "seed": ((0, 2**63 - 1), (-1, 2**63)),
    "threads": ((0, 64), (-1,)),
    "log": (((), ("tensorboard",), ("wandb", "mlflow")), (("wandb", "wandb"),)),
    "average": ((0.0, 0.999), (-0.1, 1.0, *NUMBERS)),
    "patience": ((0, 7), (-1,)),
    "save_every": ((0.0, 3600.0), (-1.0, *NUMBERS)),
    "data.validation": ((0.0, 0.5), (-0.1, 0.51, *NUMBERS)),
    "data.test": ((1e-9, 0.5, None), (0.0, -0.1, 0.51, *NUMBERS)),
    "data.split_seed": ((0, 7), (-1,)),
    "data.labelled": ((1, 100, None), (0, -10)),
    "data.label_seed": ((0, 7), (-1,)),
    **{f"data.{name}": (((), ("age", "town")), ()) for name in ("columns", "drop", "categories", "condition")},
    "data.image_size": ((1, 4096, None), (0, 4097)),
    "data.hide": ((0.0, 0.9), (-0.1, 1.0, *NUMBERS)),
    "model.latent": ((1,), (0, -2)),
    "model.clusters": ((0, 2), (1, -1)),
    "model.posterior_noise": ((1,), (0,)),
    "model.encoder": (((), (1,)), ((0,), (10, -1))),
    "model.channels": (((1,), (8, 16)), ((), (0,), (10, -1))),
    "model.decoder": (((), (1,)), ((0,), (10, -1))),
    "model.discriminator": (((), (1,)), ((0,), (10, -1))),
    "model.init_std": ((1e-9,), (0.0, -1.0, *NUMBERS)),
    "prior.scale": ((1e-9, 1e9), (0.0, -2.0, *NUMBERS)),
    "prior.width": ((1e-9, 1e9, None), (0.0, -2.0, *NUMBERS)),
    "prior.components": ((1, 1000, None), (0, -1, 1001)),
    "prior.turns": ((0.25, 20.0, None), (0.0, 20.5, *NUMBERS)),
    "prior.degrees": ((2.5, 1e9, None), (2.0, 1.0, *NUMBERS)),
    "prior.concentration": ((0.0, 1000.0, None), (-0.1, 1001.0, *NUMBERS)),
    "prior.covariance": (((), (1.0,), (2.0, -1.0, -1.0, 2.0)), ((math.nan,), (1.0, math.inf))),
    "prior.blocks": (((), ("style=gaussian:2",)), ()),
    "heads.distance": ((1e-9, 5.0), (0.0, -1.0, *NUMBERS)),
    "divergence.weight": ((1e-9, 1e9), (0.0, -1.0, *NUMBERS)),
    "divergence.samples": ((5, 1, 1000), (0, 1001)),
    "heads.weight": ((0.0, 1e9), (-1e-9, *NUMBERS)),
    "reconstruction.weight": ((1e-9, 1e9), (0.0, -1.0, *NUMBERS)),
    "adversarial.label_smoothing": ((0.0, 0.49), (-0.1, 0.5, *NUMBERS)),
    "adversarial.discriminator_steps": ((5, 1), (0, -1)),
    **{
        f"adversarial.{name}": ((0.0, 1e9), (-1e-9, *NUMBERS))
        for name in ("weight", "final_weight", "input_noise", "gradient_penalty")
    },
    **{f"consistency.{name}": ((0.0, 1e9), (-1e-9, *NUMBERS)) for name in STILL},
    **{f"consistency.{name}": ((0.0, 0.99), (-0.1, 1.0, *NUMBERS)) for name in ("confidence", "zoom", "stretch")},
    "consistency.radius": ((1e-9, 1e9), (0.0, *NUMBERS)),
    **{
        f"optimizer.{phase}.{name}": limits
        for phase in PHASES
        for name, limits in {
            "learning_rate": ((1e-12, 1e3), (0.0, -1e-3, *NUMBERS)),
            "momentum": ((0.0, 0.999), (1.0, -0.1, *NUMBERS)),
        }.items()
    },
}


def numeric_settings() -> list[str]:
    """Names of the settings that are numbers, or lists of them."""
    kinds = (int, float, tuple)
    values = flatten(replace(Config(), {key: good[0] for key, (good, _) in RANGES.items() if None in good}))
    return [name for name, value in values.items() if isinstance(value, kinds) and not isinstance(value, bool)]


def test_every_number_has_a_range_in_this_table() -> None:
    assert sorted(RANGES) == sorted(numeric_settings())


@pytest.mark.parametrize("key", RANGES)
def test_the_range_of_a_number(key: str) -> None:
    good, bad = RANGES[key]
    for value in good:
        assert flatten(replace(Config(), {key: value}))[key] == value
    group, _, name = key.rpartition(".")
    for value in bad:
        text = refused(lambda value=value: replace(Config(), {key: value}), f"{name} ")
        assert text.startswith(f"{group}.{name} " if group else f"{name} "), text


def test_nesterov_needs_momentum() -> None:
    changes = {f"optimizer.generator.{k}": v for k, v in {"kind": "sgd", "nesterov": True, "momentum": 0.0}.items()}
    refused(lambda: replace(Config(), changes), "optimizer.generator.nesterov needs a momentum above 0")


def test_nesterov_left_over_from_a_recipe_does_not_stand_in_the_way_of_adam_without_momentum() -> None:
    base = recipes.recipe("mnist-2d-uniform-post")
    changes = {"optimizer.reconstruction.kind": "adam", "optimizer.reconstruction.momentum": 0.0}
    assert resolve(base, replace(base, changes), written=changes).optimizer.reconstruction.nesterov is False


# Settings that the model would ignore

SGD = {"optimizer.reconstruction.kind": "sgd", "optimizer.discriminator.kind": "sgd"}
CASES: dict[str, dict[str, Any]] = {
    "aae": {},
    "aae-joint": {"adversarial.phases": "joint"},
    "aae-gaussian-posterior": {"model.posterior": "gaussian"},
    "aae-noise-posterior": {"model.posterior": "noise"},
    "aae-normal-init": {"model.init": "normal"},
    "aae-sgd": {**SGD, "optimizer.generator.kind": "sgd", "adversarial.phases": "separate"},
    "aae-joint-sgd": {**SGD, "adversarial.phases": "joint"},
    "autoencoder": {"model.kind": "autoencoder"},
    "vae": {"model.kind": "vae", "prior.kind": "gaussian"},
    "vae-mixture": {"model.kind": "vae", "prior.kind": "mixture"},
    "wae-mmd": {"model.kind": "wae-mmd", "model.posterior": "noise"},
    "aae-covariance": {"prior.kind": "gaussian", "prior.covariance": (1.0, 0.5, 0.5, 1.0)},
    "aae-mixture-labels": {"prior.kind": "mixture", "prior.labels": True},
    "aae-mixture-file": {"prior.kind": "mixture", "prior.file": "mixture.json"},
    "aae-ring-labels": {"prior.kind": "ring", "prior.labels": True},
    "aae-student-t": {"prior.kind": "student-t"},
    "aae-torus": {"prior.kind": "torus"},
    "aae-one-hot": {"prior.kind": "one-hot"},
    "aae-picture": {"prior.kind": "picture", "prior.file": "shape.png"},
    "aae-picture-read": {"prior.kind": "picture", "prior.content": "shape:AAAA"},
    "aae-plugin-prior": {"prior.kind": "plugin", "plugin.file": "mine.py"},
    "aae-plugin-networks": {"model.network": "plugin", "plugin.source": "x = 1"},
    "plugin": {"model.kind": "plugin", "plugin.file": "mine.py"},
    "aae-points": {"prior.kind": "points", "prior.file": "cloud.npy"},
    "aae-product": {"prior.kind": "product", "prior.blocks": ("a=gaussian:2",)},
    "supervised": {"model.kind": "supervised", "model.posterior": "noise"},
    "semi-supervised": {"model.kind": "semi-supervised", "optimizer.classification.kind": "sgd"},
    "semi-supervised-few": {"model.kind": "semi-supervised", "data.labelled": 100},
    "clustering": {"model.kind": "clustering", "model.clusters": 4},
    "semi-supervised-moved": {"model.kind": "semi-supervised", "consistency.kind": "moved"},
    "clustering-adversarial": {"model.kind": "clustering", "model.clusters": 4, "consistency.kind": "adversarial"},
    "clustering-informed": {
        "model.kind": "clustering",
        "model.clusters": 4,
        "consistency.kind": "both",
        "consistency.information": 0.1,
    },
    "dimension-reduction": {"model.kind": "dimension-reduction"},
    "dimension-reduction-clusters": {"model.kind": "dimension-reduction", "model.clusters": 4},
    "dimension-reduction-free": {"model.kind": "dimension-reduction", "heads.weight": 0.0},
    "aae-steps": {"schedule": "steps", "schedule_epochs": (3,)},
}
OTHER: dict[str, Any] = {
    **{key: next(v for v in good if v not in (0, 0.0, ())) for key, (good, _) in RANGES.items()},
    "model.posterior": "gaussian",
    "adversarial.phases": "joint",
    "adversarial.objective": "hinge",
    "adversarial.balance": "gradients",
    "adversarial.penalty": "one",
    "adversarial.spectral_norm": True,
    "consistency.kind": "moved",
    "prior.kind": "gaussian",
    "prior.file": "shape.png",
    "prior.ink": "bright",
    "prior.content": "shape:AAAA",
    "prior.labels": True,
    "plugin.file": "mine.py",
    "plugin.name": "mine.py",
    "plugin.source": "x = 1",
    **{f"optimizer.{phase}.kind": "sgd" for phase in PHASES},
    **{f"optimizer.{phase}.nesterov": True for phase in PHASES},
}
"""A value other than the default for every setting that some model ignores, and for every number."""


@pytest.mark.parametrize("case", CASES)
def test_an_ignored_setting_is_refused_when_changed_and_when_written(case: str, tmp_path: Path) -> None:
    """Both ways in: a value that differs from the default, and a line in a file that repeats the default."""
    config = check(replace(Config(), CASES[case]))
    ignored = unused(config)
    assert ignored
    names = [key for key in flatten(config) if covered(key, ignored)]
    for key in names:
        changed = replace(config, {key: OTHER[key]})
        assert changed != config, f"{key} = {OTHER[key]} is the default"
        reason = next(why for group, why in ignored.items() if covered(key, [group]))
        refused(lambda changed=changed: check(changed), f"{key} = ", "would be ignored", reason)
        refused(lambda key=key: resolve(config, config, written=[key]), f"{key} would be ignored", reason)
        file = tmp_path / "ignored.toml"
        default = flatten(config)[key]
        file.write_text(toml(nested(key, OTHER[key] if default is None else default)))  # TOML has no null
        refused(lambda file=file: from_file(file, config), str(file), f"{key} would be ignored", reason)


@pytest.mark.parametrize("case", CASES)
def test_a_used_setting_is_kept(case: str) -> None:
    """The other side of the rule: what is not ignored can be changed, one at a time."""
    config = check(replace(Config(), CASES[case]))
    kept = [key for key in RANGES if not covered(key, unused(config))]
    for key in kept:
        assert check(replace(config, {key: OTHER[key]})) != config or OTHER[key] == flatten(config)[key]
    assert "model.encoder" in kept


def test_settings_that_do_not_go_together_are_refused() -> None:
    for kind in ("picture", "points"):
        refused(lambda kind=kind: check(Config(prior=Prior(kind))), f"prior.kind = {kind} needs prior.file")
    both = Config(prior=Prior("picture", file="a.png", content="a:AAAA"))
    refused(lambda: check(both), "prior.file and prior.content are two shapes")
    refused(lambda: check(Config(model=Model(kind="vae"))), "prior.kind = uniform", "model.kind = vae", "gaussian")
    bce = Config(model=Model(output="linear"), reconstruction=Reconstruction("bce"))
    refused(lambda: check(bce), "reconstruction.loss = bce", "model.output")


# Recipes' leftovers


@pytest.mark.parametrize(("name", "case"), list(itertools.product(recipes.RECIPES, CASES)))
def test_what_a_recipe_set_gives_way_to_what_the_user_asks_for(name: str, case: str) -> None:
    base, changes = recipes.recipe(name), {"model.kind": "aae", **CASES[case]}
    chosen = replace(base, changes)
    config = resolve(base, chosen, written=changes)
    assert check(config) is config
    after, before = flatten(config), flatten(chosen)
    for key, value in after.items():
        if key in changes:
            assert value == changes[key]
        elif covered(key, unused(config)):
            assert value == flatten(Config())[key]
        elif not (case == "vae" and key.startswith("prior.")):
            assert value == before[key], key


def test_a_vae_brings_its_own_prior_unless_the_user_chose_one(tmp_path: Path) -> None:
    base = recipes.recipe("digits-2d-uniform")
    vae = replace(base, {"model.kind": "vae"})
    assert resolve(base, vae, written=["model.kind"]).prior == Prior("gaussian", 1.0)
    wide = resolve(base, replace(vae, {"prior.scale": 3.0}), written=["model.kind", "prior.scale"])
    assert wide.prior == Prior("gaussian", 3.0)
    same = resolve(base, vae, written=["model.kind", "prior.scale"])
    assert same.prior == Prior("gaussian", 2.0), "a scale that was written stays, also when it is the recipe's"
    gaussian = recipes.recipe("mnist-2d-gaussian")
    assert resolve(gaussian, replace(gaussian, {"model.kind": "vae"})).prior == gaussian.prior
    asked = tmp_path / "asked.toml"
    asked.write_text('model.kind = "vae"\nprior.kind = "uniform"\n')
    refused(lambda: from_file(asked, base), str(asked), "prior.kind = uniform does not go with model.kind = vae")


def test_a_setting_that_differs_from_the_recipe_is_the_users() -> None:
    base = recipes.recipe("digits-2d-uniform")
    chosen = replace(base, {"model.kind": "vae", "adversarial.input_noise": 0.3})
    refused(lambda: resolve(base, chosen), "adversarial.input_noise = 0.3 would be ignored", "no discriminator")


# Files


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('epochs = 7\n[model]\nencoder = [64, 32]\n[prior]\nkind = "gaussian"\nscale = 1\n', "utf-8")
    base = recipes.recipe("digits-2d-uniform")
    changes = {"epochs": 7, "model.encoder": (64, 32), "prior.kind": "gaussian", "prior.scale": 1.0}
    assert from_file(file, base) == replace(base, changes)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "epochs = ", "is not valid TOML"),
        ("a.toml", "epochs = 1\nepochs = 2\n", "is not valid TOML"),
        ("a.json", '{"epochs": 1,}', "is not valid JSON"),
        ("a.json", "[1]", "must hold a table of settings, got list"),
        ("a.json", '"epochs"', "must hold a table of settings, got str"),
        ("a.json", '{"epochs": NaN}', "epochs must be int, got NaN"),
        ("a.json", '{"prior": {"scale": NaN}}', "prior.scale must be above 0"),
        ("a.toml", "save_every = inf\n", "save_every must be 0 or more seconds and finite"),
        ("a.toml", "seed = 2020-01-01\n", 'seed must be int, got "2020-01-01"'),
        ("a.toml", "save_every = [2020-01-01]\n", 'save_every must be float, got ["2020-01-01"]'),
        ("a.toml", "[model]\nlatnet = 3\n", 'unknown setting "model.latnet"; did you mean "model.latent"?'),
        ("a.toml", "model.latent = 0\n", "model.latent must be 1 or more, got 0"),
        ("a.toml", 'prior = "gaussian"\n', "prior: expected a group of keys"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name_and_the_key(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    refused(lambda: from_file(file, Config()), str(file), said)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    refused(lambda: load_file(tmp_path / "none.toml"), str(tmp_path / "none.toml"), "No such file")
    refused(lambda: load_file(tmp_path), str(tmp_path), "cannot read")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    refused(lambda: load_file(binary), str(binary), "cannot read", "utf-8")


@given(text=st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_configuration_or_a_config_error(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("any.toml", "any.json"):
        file = tmp_path_factory.getbasetemp() / name
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        said = ""
        try:
            assert isinstance(from_file(file, Config()), Config)
        except ConfigError as error:
            said = str(error)
        assert said == "" or str(file) in said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["latent", "kind", "x"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([f.name for f in dataclasses.fields(Config)]), VALUES, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_values_are_a_configuration_or_a_config_error(values: dict[str, Any]) -> None:
    try:
        config = from_dict(Config, values)
    except ConfigError:
        return
    assert from_dict(Config, plain_of(config)) == config


def plain_of(config: Config) -> dict[str, Any]:
    """Every setting, also those that the model ignores."""
    out: dict[str, Any] = {}
    for key, value in flatten(config).items():
        *groups, last = key.split(".")
        at = out
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = value
    return out


# Help


def settings_classes(cls: type = Config) -> list[type]:
    kinds = typing.get_type_hints(cls).values()
    return [cls, *(inner for kind in kinds if dataclasses.is_dataclass(kind) for inner in settings_classes(kind))]


@pytest.mark.parametrize("cls", sorted(set(settings_classes()), key=lambda cls: cls.__name__))
def test_every_setting_says_what_it_is(cls: type) -> None:
    """The text under a field is its help on the command line, so no field may lack it."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(cls)))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__).body
    texts = {
        field.target.id: after.value.value
        for field, after in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(field.target, ast.Name)
    }
    assert inspect.getdoc(cls)
    for name, kind in typing.get_type_hints(cls).items():
        if not dataclasses.is_dataclass(kind):
            assert name in texts, f"{cls.__name__}.{name} has no help text"
            assert len(texts[name].split()) >= 3, texts[name]
            assert texts[name].rstrip().endswith("."), texts[name]


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Config)])
def test_a_configuration_cannot_be_changed_in_place(name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Config(), name, None)


def test_models_are_told_apart_by_what_they_ignore() -> None:
    """`unused` names groups that exist: a misspelt one would never match a setting."""
    names = list(flatten(Config()))
    for kind, case in itertools.product(KINDS, CASES.values()):
        for group in unused(replace(Config(), {**case, "model.kind": kind})):
            assert any(covered(name, [group]) for name in names), group

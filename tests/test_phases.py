"""One contract for every model: a phase changes exactly what it declares, and the step is the algorithm by hand."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from conftest import tiny

from aae.config import Config, DataSpec
from aae.errors import ConfigError
from aae.game import Game
from aae.models import build
from aae.pace import make_optimizer
from aae.phases import Batch, Model, evaluate, parameters_of, step

SPEC = DataSpec("toy", (12,), "float32", scaling="range", classes=("a", "b", "c"))
FREE = DataSpec("toy", (12,), "float32", scaling="standardize")
MODELS = {
    "aae": tiny(),
    "aae-sum": tiny(reconstruction__reduction="sum"),
    "aae-gaussian-posterior": tiny(model__posterior="gaussian"),
    "aae-noise-posterior": tiny(model__posterior="noise"),
    "aae-joint": tiny(adversarial__phases="joint", adversarial__input_noise=0.1, adversarial__gradient_penalty=0.1),
    "aae-bce": tiny(reconstruction__loss="bce"),
    "aae-l1": tiny(reconstruction__loss="l1"),
    "aae-gaussian-likelihood": tiny(reconstruction__loss="gaussian"),
    "aae-labels": tiny(prior__kind="mixture", prior__labels=True, prior__components=3),
    "aae-labels-joint": tiny(
        prior__kind="swiss-roll",
        prior__labels=True,
        prior__components=3,
        adversarial__phases="joint",
        adversarial__gradient_penalty=0.1,
    ),
    "aae-denoising": tiny(corruption__noise=0.3, corruption__dropout=0.2),
    "aae-normalized": tiny(model__normalization="batch", adversarial__gradient_penalty=0.1),
    "supervised": tiny(model__kind="supervised"),
    "supervised-penalised": tiny(
        model__kind="supervised", model__posterior="gaussian", adversarial__gradient_penalty=0.1
    ),
    "semi-supervised": tiny(model__kind="semi-supervised", prior__kind="gaussian"),
    "semi-supervised-penalised": tiny(
        model__kind="semi-supervised", adversarial__input_noise=0.1, adversarial__gradient_penalty=0.1
    ),
    "semi-supervised-normalized": tiny(model__kind="semi-supervised", model__normalization="batch"),
    "clustering": tiny(model__kind="clustering", model__clusters=4),
    "semi-supervised-consistent": tiny(model__kind="semi-supervised", consistency__kind="adversarial"),
    "clustering-consistent": tiny(model__kind="clustering", model__clusters=4, consistency__kind="adversarial"),
    "dimension-reduction": tiny(model__kind="dimension-reduction", prior__kind="gaussian"),
    "dimension-reduction-clusters": tiny(
        model__kind="dimension-reduction", model__clusters=4, heads__distance=3.0, model__normalization="batch"
    ),
    "autoencoder": tiny(model__kind="autoencoder"),
    "vae": tiny(model__kind="vae", prior__kind="gaussian", reconstruction__reduction="sum"),
    "vae-mean": tiny(model__kind="vae", prior__kind="gaussian"),
    "vae-beta-mixture": tiny(model__kind="vae", prior__kind="mixture", divergence__weight=4.0, divergence__samples=3),
    "wae-mmd": tiny(model__kind="wae-mmd"),
    "wae-mmd-noise-posterior": tiny(model__kind="wae-mmd", model__posterior="noise", divergence__weight=10.0),
}


def made(config: Config, spec: DataSpec = SPEC) -> Model:
    torch.manual_seed(0)
    return build(config, spec)


def batch_of(n: int = 32, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 12, generator=torch.Generator().manual_seed(seed))
    y = torch.arange(n) % 3
    return Batch(x, generator, y, labelled=Batch(x[:6] + 0.1, generator, y[:6]))


def optimizers_of(config: Config, model: Model) -> dict[str, torch.optim.Optimizer]:
    return {
        phase.name: make_optimizer(getattr(config.optimizer, phase.name), parameters_of(model, phase))
        for phase in model.phases
    }


@pytest.mark.parametrize("name", MODELS)
def test_a_phase_updates_exactly_what_it_declares(name: str) -> None:
    model = made(MODELS[name])
    for phase in model.phases:
        before = copy.deepcopy(model.state_dict())
        alone = copy.copy(model)
        alone.phases = (phase,)
        step(alone, optimizers_of(MODELS[name], alone), batch_of())
        changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
        declared = {k for k in before if k.startswith(tuple(f"{part}." for part in phase.updates))}
        if phase.name == "classification":  # a few labelled rows do not count in the statistics of all
            declared &= {k for k, _ in model.named_parameters()}
        assert changed == declared, phase.name


@pytest.mark.parametrize("name", MODELS)
def test_every_network_is_trained_by_some_phase(name: str) -> None:
    model = made(MODELS[name])
    trained = {id(p) for phase in model.phases for p in parameters_of(model, phase)}
    assert trained == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_only_computed_for_what_the_phase_updates(name: str) -> None:
    model = made(MODELS[name])
    last = model.phases[-1]
    alone = copy.copy(model)
    alone.phases = (last,)
    step(alone, optimizers_of(MODELS[name], alone), batch_of())
    mine = {id(p) for p in parameters_of(model, last)}
    assert all((p.grad is not None) == (id(p) in mine) for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_shapes_in_and_out(name: str) -> None:
    model, batch = made(MODELS[name]), batch_of(7)
    assert model.encode(batch.x).shape == (7, 2)
    assert model.sample_codes(batch).shape == (7, 2)
    code = model.encode(batch.x)
    beside = torch.eye(model.beside)[torch.arange(7) % model.beside] if model.beside else torch.empty(7, 0)
    assert model.decode(torch.cat([code, beside], 1)).shape == (7, 12)
    if model.classifies:
        q = model.class_probabilities(batch.x)
        assert q.shape == (7, model.classes)
        torch.testing.assert_close(q.sum(1), torch.ones(7))
    assert torch.equal(model.encode(batch.x), model.encode(batch.x))
    assert model.stochastic == (not torch.equal(model.sample_codes(batch_of(7, 1)), model.encode(batch_of(7, 1).x)))


@pytest.mark.parametrize("name", MODELS)
def test_what_is_minimised_falls(name: str) -> None:
    """Ten steps of the first phase alone on one batch lower what it minimises."""
    model, config = made(MODELS[name]), MODELS[name]
    first = model.phases[0]
    alone = copy.copy(model)
    alone.phases = (first,)
    optimizers = optimizers_of(config, alone)
    before = first.total(evaluate(first, batch_of()), 0.0).item()
    for _ in range(10):
        step(alone, optimizers, batch_of())
    assert first.total(evaluate(first, batch_of()), 0.0).item() < before


@pytest.mark.parametrize("name", MODELS)
def test_bf16_is_close_to_fp32(name: str) -> None:
    model = made(MODELS[name])
    for phase in model.phases:
        exact, rough = evaluate(phase, batch_of()), evaluate(phase, batch_of(), torch.bfloat16)
        for loss in exact:
            assert rough[loss].dtype == torch.float32
            # bfloat16 keeps 8 bits: relative error 2^-8 a product, over a few layers.
            assert rough[loss].item() == pytest.approx(exact[loss].item(), rel=0.03, abs=0.01)


def test_reusing_the_codes_changes_nothing() -> None:
    """The generator phase takes the discriminator phase's codes; a model that computes them again ends the same."""
    config = MODELS["aae"]
    once, twice = made(config), made(config)
    twice.sample_codes = lambda batch: twice.posterior.sample(twice.encoder, batch)  # type: ignore[assignment]
    for model in (once, twice):
        optimizers = optimizers_of(config, model)
        for seed in range(5):
            step(model, optimizers, batch_of(seed=seed))
    assert all(torch.equal(a, b) for a, b in zip(once.parameters(), twice.parameters(), strict=True))


def test_codes_are_forgotten_once_the_encoder_has_moved() -> None:
    batch, calls = batch_of(), []

    def compute() -> torch.Tensor:
        calls.append(1)
        return batch.x

    for _ in range(2):
        batch.once("codes", ("encoder",), compute)
    batch.moved(("discriminator",))
    batch.once("codes", ("encoder",), compute)
    assert len(calls) == 1
    batch.moved(("encoder", "decoder"))
    batch.once("codes", ("encoder",), compute)
    assert len(calls) == 2


def test_library_steps_equal_the_algorithm_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty steps of the package and of examples/aae_in_one_file.py give the same weights to rounding."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "examples"))
    from aae_in_one_file import ByHand

    by_hand = ByHand(features=12, hidden=32, seed=3)
    wide = {f"model__{net}": (32, 32) for net in ("encoder", "decoder", "discriminator")}
    config = tiny(seed=3, **wide)
    torch.manual_seed(3)
    model = build(config, SPEC)
    optimizers = optimizers_of(config, model)
    generator = torch.Generator().manual_seed(3)
    for seed in range(20):
        x = torch.rand(32, 12, generator=torch.Generator().manual_seed(seed))
        losses = step(model, optimizers, Batch(x, generator))
        expected = by_hand.step(x)
        got = [losses[phase][phase].item() for phase in ("reconstruction", "discriminator", "generator")]
        assert got == pytest.approx(expected, rel=1e-5)
    for name in ("encoder", "decoder", "discriminator"):
        ours, theirs = getattr(model, name).parameters(), getattr(by_hand, name).parameters()
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_one_file_imports_nothing_of_ours() -> None:
    text = (Path(__file__).parents[1] / "examples" / "aae_in_one_file.py").read_text()
    assert "import aae" not in text
    assert "from aae" not in text
    assert "aae" in sys.modules  # the check would be vacuous in a tree without the package


def test_default_loss_and_step_do_not_depend_on_the_number_of_features() -> None:
    """The default reduction is a mean, so the error of a constant guess is the same for 12 and for 3,072 features."""
    losses = []
    for features in (12, 784, 3072):
        model = build(
            tiny(model__encoder=(8,), model__decoder=(8,)), DataSpec("toy", (features,), "float32", scaling="range")
        )
        with torch.no_grad():
            for p in model.parameters():
                p.zero_()
        batch = Batch(torch.full((4, features), 0.25), torch.Generator().manual_seed(0))
        losses.append(evaluate(model.phases[0], batch)["reconstruction"].item())
    assert losses == pytest.approx([0.0625] * 3)


def test_a_default_decoder_reaches_standardized_data() -> None:
    """Not a sigmoid that can only give 0 to 1: decoded values must be able to leave the unit interval."""
    model = made(tiny(), FREE)
    with torch.no_grad():
        assert model.decode(torch.randn(200, 2) * 50).min() < 0


@pytest.mark.parametrize("changes", [{"reconstruction__loss": "bce"}, {"model__output": "sigmoid"}])
def test_settings_that_cannot_reach_the_data_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="scal"):
        build(tiny(**changes), FREE)


def test_joint_weight_grows_in_a_straight_line() -> None:
    model = made(tiny(adversarial__phases="joint", adversarial__weight=0.1, adversarial__final_weight=0.5))
    losses = {"reconstruction": torch.tensor(1.0), "generator": torch.tensor(1.0)}
    totals = [model.phases[0].total(losses, progress).item() for progress in (0.0, 0.5, 1.0)]
    assert totals == pytest.approx([1.1, 1.3, 1.5])


def test_same_seed_same_first_weights(digits) -> None:  # type: ignore[no-untyped-def]
    """The seed is set before the weights exist."""
    device = torch.device("cpu")
    torch.manual_seed(123)
    a = Game.new(tiny(seed=5), digits, device).model.state_dict()
    torch.manual_seed(456)
    b = Game.new(tiny(seed=5), digits, device).model.state_dict()
    c = Game.new(tiny(seed=6), digits, device).model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)

"""The doctor names injected faults within an epoch and leaves healthy runs alone; its figures have closed forms."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import aae
from aae import cli, health
from aae.config import Config, replace
from aae.data import Dataset, load
from aae.diagnosis import MEANINGS, blocks, diagnose, score
from aae.game import Game

NO_FAULT = {"healthy", "too-early"}
JOINT = aae.recipes.digits_2d_uniform()
SEPARATE = replace(
    JOINT,
    {"adversarial.phases": "separate", "adversarial.weight": 0.1, "adversarial.final_weight": 0.1}
    | {"optimizer.generator.learning_rate": 1e-3},
)


def play(config: Config, data: Dataset, epochs: int, total: int = 50, spoil: Callable[[Game], None] | None = None):  # type: ignore[no-untyped-def]
    """The verdict after each of the first epochs of a run that would take `total`."""
    game = Game.new(replace(config, {"epochs": total}), data, torch.device("cpu"))
    if spoil is not None:
        spoil(game)
    verdicts, size = [], config.batch_size
    for epoch in range(epochs):
        order = game.feed.order(epoch)
        for i in range(game.steps_per_epoch):
            game.take_step(order[i * size : (i + 1) * size], torch.float32)
        game.check_finite()
        game.end_epoch(torch.float32)
        verdicts.append(diagnose(game.history, config.adversarial.phases == "joint"))
    return verdicts


def faster(name: str) -> dict[str, float]:
    return {f"optimizer.{name}.learning_rate": 100 * getattr(JOINT.optimizer, name).learning_rate}


def freeze(game: Game) -> None:
    game.optimizers["discriminator"].step = lambda: None  # type: ignore[assignment,misc]


def zero(game: Game) -> None:
    for parameter in game.model.get_submodule("discriminator").parameters():
        parameter.data.zero_()


BOTH = ("adversarial.weight", "adversarial.final_weight")
FAULTS = {
    "rate of reconstruction": (JOINT, faster("reconstruction"), None, {"weights-explode"}),
    "rate of the discriminator": (JOINT, faster("discriminator"), None, {"weights-explode"}),
    "separate, rate of reconstruction": (SEPARATE, faster("reconstruction"), None, {"weights-explode"}),
    "separate, rate of the discriminator": (SEPARATE, faster("discriminator"), None, {"weights-explode"}),
    "separate, rate of the generator": (
        SEPARATE,
        {"optimizer.generator.learning_rate": 0.1},
        None,
        {"weights-explode", "codes-explode", "codes-collapse"},
    ),
    "frozen discriminator": (JOINT, {}, freeze, {"discriminator-blind"}),
    "zeroed discriminator": (JOINT, {}, zero, {"discriminator-blind"}),
    "separate, frozen discriminator": (SEPARATE, {}, freeze, {"discriminator-blind"}),
    "separate, zeroed discriminator": (SEPARATE, {}, zero, {"discriminator-blind"}),
    "no adversary": (JOINT, dict.fromkeys(BOTH, 0.0), None, {"encoder-ignores-prior"}),
    "adversary of a million": (JOINT, dict.fromkeys(BOTH, 1e6), None, {"reconstruction-drowned"}),
    "reconstruction of a million": (JOINT, {"reconstruction.weight": 1e6}, None, {"encoder-ignores-prior"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_within_one_epoch(name: str, digits: Dataset) -> None:
    config, changes, spoil, names = FAULTS[name]
    (verdict,) = play(replace(config, changes), digits, 1, spoil=spoil)
    assert verdict.code in names, verdict
    assert verdict.setting


def test_constant_data_is_named_within_one_epoch(tmp_path: Path) -> None:
    for i, values in enumerate((np.full((300, 12), 3, np.float32), np.full((300, 8, 8), 7, np.uint8))):
        np.save(tmp_path / f"{i}.npy", values)
        config = replace(JOINT, {"data.source": str(tmp_path / f"{i}.npy")})
        assert play(config, load(config.data), 1)[0].code == "constant-data"


def false_alarms(bases: dict[str, Config], seeds: range, epochs: int, data: Dataset) -> list[str]:
    """The runs of which any epoch was said to have a fault."""
    found = []
    for (name, base), seed in itertools.product(bases.items(), seeds):
        codes = [verdict.code for verdict in play(replace(base, {"seed": seed}), data, epochs, total=epochs)]
        if not set(codes) <= NO_FAULT:
            found.append(f"{name}, seed {seed}: {codes}")
    return found


GAUSSIAN = replace(JOINT, {"prior.kind": "gaussian"})
EIGHT = replace(JOINT, {"prior.kind": "gaussian", "prior.scale": 1.0, "model.latent": 8})
HEALTHY = {"joint": JOINT, "separate": SEPARATE, "wide Gaussian": GAUSSIAN, "eight dimensions": EIGHT}


def test_healthy_runs_raise_no_alarm(digits: Dataset) -> None:
    """One seed of each; the fifty are slow."""
    assert false_alarms(HEALTHY, range(1), 3, digits) == []


@pytest.mark.slow
def test_fifty_healthy_runs_raise_at_most_one_alarm(digits: Dataset) -> None:
    bases = HEALTHY | {"seldom": replace(JOINT, {"batch_size": 128, "optimizer.reconstruction.learning_rate": 3e-3})}
    alarms = false_alarms(bases, range(10), 8, digits)
    assert len(alarms) <= 1, alarms


# What takes several epochs to see, from figures written by hand.

WELL = {
    "step": 4000,
    "r2": 0.4,
    "data_spread": 0.3,
    "gradient_ratio": 1.0,
    "encoder_growth": 0.01,
    "decoder_growth": 0.01,
    "discriminator_growth": 0.01,
    "told_apart": 0.55,
    "accuracy_real": 0.5,
    "accuracy_fake": 0.55,
    "logit_spread": 0.3,
    "saturation": 0.0,
    "code_mean": 0.1,
    "code_spread": 1.0,
    "code_rank": 1.0,
}
LASTS = {
    "discriminator-wins": {"told_apart": 0.99, "accuracy_real": 0.99, "accuracy_fake": 1.0},
    "discriminator-blind": {"told_apart": 0.95, "accuracy_real": 0.9, "accuracy_fake": 0.1},
    "codes-collapse": {"told_apart": 0.95, "accuracy_real": 0.9, "accuracy_fake": 0.9, "code_rank": 0.5},
    "dead-categories": {"dead_categories": 0.1},
    "reconstruction-drowned": {"r2": 0.001},
    "far-from-prior": {"told_apart": 0.95, "accuracy_real": 0.8, "accuracy_fake": 0.8},
}
AT_ONCE = {
    "constant-data": {"data_spread": 0.0},
    "weights-explode": {"encoder_growth": 5.0},
    "held-out-not-finite": {"reconstruction_validation": math.inf},
    "codes-explode": {"code_spread": 300.0},
    "codes-collapse": {"code_spread": 0.001},
    "reconstruction-drowned": {"gradient_ratio": math.inf},
    "encoder-ignores-prior": {"gradient_ratio": 0.0, "told_apart": 0.99},
    "discriminator-blind": {"logit_spread": 0.0},
}


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("code", LASTS)
def test_what_is_normal_for_a_while_has_to_last(code: str, joint: bool) -> None:
    bad = WELL | LASTS[code]
    assert diagnose([WELL, bad, bad], joint).healthy
    soon = [bad | {"step": i} for i in (10, 20, 30)]
    assert diagnose(soon, joint).code in NO_FAULT  # the first steps are no evidence
    verdict = diagnose([WELL, bad, bad, bad], joint)
    assert verdict.code == code
    assert verdict.setting in aae.config.flatten(Config())


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("code", AT_ONCE)
def test_one_epoch_is_enough(code: str, joint: bool) -> None:
    verdict = diagnose([WELL | {"step": 10} | AT_ONCE[code]], joint)
    assert verdict.code == code
    assert verdict.setting in aae.config.flatten(Config())


def test_every_code_but_one_is_reached_by_a_test_and_has_a_meaning() -> None:
    reached = {*LASTS, *AT_ONCE, "healthy", "not-measured", "too-early"}
    assert reached == set(MEANINGS)
    assert diagnose([]).code == "not-measured"
    assert diagnose([{"epoch": 1}]).code == "not-measured"


@pytest.mark.parametrize("bad", [{"told_apart": 0.9}, {"r2": 0.0}])
def test_a_short_run_that_has_reached_nothing_is_not_called_healthy(bad: dict[str, float]) -> None:
    soon = [WELL | bad | {"step": step} for step in (400, 800)]
    for n in (1, 2):
        verdict = diagnose(soon[:n])
        assert (verdict.code, verdict.setting, verdict.healthy) == ("too-early", "epochs", False)
    assert diagnose([WELL | {"step": 400}]).healthy  # some match within their first steps
    assert diagnose([WELL | {"step": 400}, *([WELL | bad] * 3)]).code not in NO_FAULT


def test_held_out_losses_that_are_not_finite_are_named() -> None:
    verdict = diagnose([WELL | {"reconstruction_validation": 0.1, "generator_test": math.nan}])
    assert verdict.code == "held-out-not-finite"
    assert "generator_test is not finite" in verdict.sentence
    assert "reconstruction_validation" not in verdict.sentence


def test_class_probabilities_start_out_equal_and_that_is_no_collapse() -> None:
    of_a_class = {"dead_categories": 0.0, "code_spread": 0.01}
    assert diagnose([WELL | of_a_class]).healthy
    assert (
        diagnose([WELL | of_a_class | {"told_apart": 1.0, "accuracy_fake": 0.8, "code_rank": 0.4}] * 3).code
        == "codes-collapse"
    )


def test_figures_that_are_not_finite_are_a_fault() -> None:
    for key in ("code_mean", "gradient_ratio", "encoder_growth"):
        assert not diagnose([WELL | {key: math.nan}]).healthy
        assert not diagnose([WELL | {key: math.inf}]).healthy


def test_blocks_are_judged_one_by_one_and_named() -> None:
    keys = ("told_apart", "accuracy_real", "accuracy_fake", "logit_spread", "code_mean", "code_spread", "code_rank")
    two = {k: v for k, v in WELL.items() if k not in keys}
    two |= {f"{block}_{k}": WELL[k] for block in ("style", "class") for k in keys}
    assert blocks(two) == ["style_", "class_"]
    assert diagnose([two]).healthy
    verdict = diagnose([two | {"class_code_spread": 500.0}])
    assert verdict.code == "codes-explode"
    assert "class block" in verdict.sentence


def test_score_needs_both_prior_match_and_reconstruction() -> None:
    assert score(WELL) == pytest.approx(0.4 * 0.9)
    assert score(WELL | {"told_apart": 0.48}) == pytest.approx(0.4)
    assert score(WELL | {"told_apart": 1.0}) == score(WELL | {"r2": -3.0}) == score(WELL | {"r2": math.nan}) == 0
    assert score({"r2": 0.7}) == pytest.approx(0.7)  # no prior to match
    assert score({}) == 0


# The figures.


def two_sets(n: int, shift: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, n, 2, generator=generator).unbind()
    return a, b + shift


def test_told_apart_is_a_half_for_equal_sets_and_one_for_separate_ones() -> None:
    same = [health.told_apart(*two_sets(300, 0.0, seed)) for seed in range(20)]
    assert np.mean(same) == pytest.approx(0.49, abs=0.02)
    assert max(same) < 0.58
    assert health.told_apart(*two_sets(300, 20.0)) == 1
    # The best possible classifier of N(0, 1) and N(s, 1) along the line between them is right Phi(s / 2) of the time.
    best = 0.5 * (1 + math.erf(math.sqrt(2) / 2 / math.sqrt(2)))
    assert health.told_apart(*two_sets(1000, 1.0)) == pytest.approx(best, abs=0.03)


def test_figures_of_codes_that_are_the_prior_moved_and_stretched() -> None:
    real = 3 * torch.randn(1500, 3, generator=torch.Generator().manual_seed(0)) + 1
    figures = health.of_codes(real, 1 + 0.5 * (real - 1) + torch.tensor([6.0, 0.0, 0.0]))
    assert figures["code_mean"] == pytest.approx(2, rel=0.05)
    assert figures["code_spread"] == pytest.approx(0.5)
    assert figures["code_rank"] == pytest.approx(1)
    line = health.of_codes(real, real * torch.tensor([1.0, 0.0, 0.0]))
    assert line["code_rank"] == pytest.approx(1 / 3, rel=0.01)
    assert health.of_codes(real, real * math.nan)["told_apart"] == 1


def test_dead_categories_are_counted() -> None:
    eye, generator = torch.eye(10), torch.Generator().manual_seed(0)
    real = eye[torch.randint(10, (1000,), generator=generator)]
    fake = eye[torch.randint(7, (1000,), generator=generator)]
    assert health.of_codes(real, fake)["dead_categories"] == pytest.approx(0.3)
    assert health.of_codes(real, real)["dead_categories"] == 0
    assert "dead_categories" not in health.of_codes(real + 0.3, fake)  # nothing near one-hot rows


def classes(n: int, sure: float, shares: torch.Tensor, seed: int = 0, noise: float = 0.0) -> torch.Tensor:
    """n rows over len(shares) categories with `sure` on the chosen one and the rest spread over the others."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.multinomial(shares, n, replacement=True, generator=generator)
    z = torch.full((n, len(shares)), (1 - sure) / (len(shares) - 1)).scatter(1, chosen[:, None], sure)
    return z + noise * torch.randn(z.shape, generator=generator)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_class_probabilities_are_told_from_one_hot_rows_by_what_they_say(noise: float) -> None:
    """Not by 0.999 in the place of 1, by which neighbours tell every row of a model that classifies well."""
    even, real = torch.ones(10), classes(1000, 1.0, torch.ones(10), noise=noise)
    good = health.of_codes(real, classes(1000, 0.999, even, 1, noise))
    assert good["told_apart"] == pytest.approx(0.5, abs=0.05)
    assert good["dead_categories"] == 0
    assert health.told_apart(classes(1000, 1.0, even), classes(1000, 0.999, even, 1)) > 0.9
    undecided = health.of_codes(real, classes(1000, 0.3, even, 1, noise))
    assert undecided["told_apart"] > 0.85
    one = torch.zeros(10).index_fill(0, torch.tensor([0]), 1.0)
    assert health.of_codes(real, classes(1000, 0.999, one, 1, noise))["told_apart"] == pytest.approx(0.95, abs=0.02)
    half = torch.tensor([1.0] * 5 + [0.0] * 5)
    assert health.of_codes(real, classes(1000, 0.999, half, 1, noise))["told_apart"] == pytest.approx(0.75, abs=0.04)


def test_priors_that_are_no_one_hot_rows_are_left_to_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    for real in (torch.randn(500, 2, generator=generator), 0.05 * torch.randn(500, 10, generator=generator)):
        assert not health.are_categories(real)
    assert not health.are_categories(torch.ones(500, 1))


def test_measuring_changes_nothing_and_draws_from_its_own_generator(digits: Dataset) -> None:
    game = Game.new(replace(JOINT, {"epochs": 1}), digits, torch.device("cpu"))
    before = {k: v.clone() for k, v in game.model.state_dict().items()}
    state, around = game.generator.get_state(), torch.get_rng_state()
    first = game.held_out.health(1, torch.float32)
    assert first == game.held_out.health(1, torch.float32) != game.held_out.health(2, torch.float32)
    assert all(torch.equal(v, before[k]) for k, v in game.model.state_dict().items())
    assert torch.equal(state, game.generator.get_state())
    assert torch.equal(around, torch.get_rng_state())
    assert game.model.training


def test_gradient_ratio_follows_the_weight(digits: Dataset) -> None:
    ratios = []
    for weight in (0.1, 1.0):
        game = Game.new(replace(JOINT, dict.fromkeys(BOTH, weight)), digits, torch.device("cpu"))
        ratios.append(game.held_out.health(1, torch.float32)["gradient_ratio"])
    assert ratios[1] == pytest.approx(10 * ratios[0], rel=1e-4)


def test_rows_without_a_validation_split_come_from_training(digits: Dataset) -> None:
    none = dataclasses.replace(digits, splits=dataclasses.replace(digits.splits, validation=np.empty(0, np.int64)))
    game = Game.new(replace(JOINT, {"epochs": 1}), none, torch.device("cpu"))
    assert 0.5 < game.held_out.health(1, torch.float32)["told_apart"] <= 1


def test_the_command_says_what_the_run_says(trained: aae.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", str(trained.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    verdict = trained.doctor()
    assert (found["code"], found["sentence"], found["setting"]) == dataclasses.astuple(verdict)
    assert found["epoch"] == 2
    assert found["figures"]["r2"] == trained.history[-1]["r2"]
    assert cli.main(["doctor", str(trained.path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(verdict.code)
    assert "told_apart" in said


def test_every_code_is_explained_to_people() -> None:
    text = (Path(__file__).parents[1] / "docs" / "doctor.md").read_text()
    for code in MEANINGS:
        assert f"`{code}`" in text

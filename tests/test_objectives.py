"""Every loss against a double loop, its gradient against differences, and its extremes against arithmetic by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from torch import Tensor

from aae import objectives
from aae.objectives import Reduction

ROWS, FEATURES = 5, 7
LOG_2 = math.log(2)
LOG_STD = -0.3


def mse(output: float, target: float) -> float:
    return (output - target) ** 2


def l1(output: float, target: float) -> float:
    return abs(output - target)


def bce(logit: float, target: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


def gaussian_nll(output: float, target: float) -> float:
    s = math.exp(LOG_STD)
    density = math.exp(-(((target - output) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi))
    return -math.log(density)


def learnt_gaussian_nll(output: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
    return objectives.gaussian_nll(output, target, torch.tensor(LOG_STD, dtype=target.dtype), reduction)


Loss = Callable[[Tensor, Tensor, Reduction], Tensor]
LOSSES: dict[str, tuple[Loss, Callable[[float, float], float]]] = {
    "mse": (objectives.mse, mse),
    "l1": (objectives.l1, l1),
    "bce": (objectives.bce, bce),
    "gaussian_nll": (learnt_gaussian_nll, gaussian_nll),
}


def tensor(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pair(seed: int = 0, rows: int = ROWS, features: int = FEATURES) -> tuple[Tensor, Tensor]:
    """Outputs of any size and targets in (0, 1)."""
    return tensor(rows, features, seed=seed), torch.sigmoid(tensor(rows, features, seed=seed + 1))


# Reconstruction


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_what_a_double_loop_gives(name: str) -> None:
    loss, by_hand = LOSSES[name]
    output, target = pair()
    rows = [
        [by_hand(o.item(), t.item()) for o, t in zip(*row, strict=True)] for row in zip(output, target, strict=True)
    ]
    summed = sum(sum(row) for row in rows) / ROWS
    meant = sum(sum(row) / FEATURES for row in rows) / ROWS
    assert loss(output, target, "sum").item() == pytest.approx(summed, rel=1e-12)
    assert loss(output, target, "mean").item() == pytest.approx(meant, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@given(rows=st.integers(1, 6), features=st.integers(1, 9), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_sum_is_the_mean_times_the_features(name: str, rows: int, features: int, seed: int) -> None:
    loss = LOSSES[name][0]
    output, target = pair(seed, rows, features)
    summed, meant = loss(output, target, "sum").item(), loss(output, target, "mean").item()
    assert summed == pytest.approx(features * meant, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_repeating_the_rows_of_a_batch_changes_nothing(name: str, reduction: Reduction) -> None:
    """A mean over rows: the step does not grow with the batch."""
    loss = LOSSES[name][0]
    output, target = pair()
    twice = loss(output.repeat(3, 1), target.repeat(3, 1), reduction)
    assert twice.item() == pytest.approx(loss(output, target, reduction).item(), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_gradient_of_a_loss_is_that_of_its_differences(name: str, reduction: Reduction) -> None:
    loss = LOSSES[name][0]
    output, target = pair()
    output.requires_grad_()
    assert torch.autograd.gradcheck(lambda o: loss(o, target, reduction), (output,))


def test_the_learnt_deviation_has_a_gradient_that_vanishes_at_the_true_deviation() -> None:
    output, target = pair()
    log_std = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: objectives.gaussian_nll(output, target, s, "sum"), (log_std,))
    best = (0.5 * (target - output).square().mean().log()).requires_grad_()
    objectives.gaussian_nll(output, target, best, "mean").backward()
    assert best.grad is not None
    assert best.grad.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("logit", "target", "cost"), [(100, 1, 0), (-100, 0, 0), (100, 0, 100), (-100, 1, 100)])
def test_cross_entropy_stays_exact_at_logits_where_the_sigmoid_is_0_or_1(
    logit: float, target: float, cost: float
) -> None:
    logits = torch.tensor([[float(logit)]], requires_grad=True)
    loss = objectives.bce(logits, torch.tensor([[float(target)]]), "mean")
    loss.backward()
    assert loss.item() == pytest.approx(cost, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(float(cost > 0) * (1 - 2 * target), abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_outputs_are_compared_in_float32(name: str) -> None:
    loss = LOSSES[name][0]
    output, target = pair()
    half = output.bfloat16()
    found = loss(half, target.float(), "sum")
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(half.double(), target, "sum").item(), rel=1e-5)


def test_perfect_reconstruction_costs_nothing() -> None:
    _, target = pair()
    assert objectives.mse(target, target, "sum").item() == 0
    assert objectives.l1(target, target, "sum").item() == 0
    flat = torch.tensor(0.0, dtype=torch.float64)
    entropy = 0.5 * math.log(2 * math.pi)
    assert objectives.gaussian_nll(target, target, flat, "mean").item() == pytest.approx(entropy, rel=1e-12)


# The game


def test_the_costs_of_logits_are_cross_entropies() -> None:
    logits = tensor(9) * 3
    says_prior = 1 / (1 + np.exp(-logits.numpy()))
    assert objectives.as_real(logits).item() == pytest.approx(-np.log(says_prior).mean(), rel=1e-12)
    assert objectives.as_fake(logits).item() == pytest.approx(-np.log(1 - says_prior).mean(), rel=1e-12)


def test_a_discriminator_that_cannot_tell_scores_log_2() -> None:
    zeros = torch.zeros(4)
    for cost in (objectives.told_apart(zeros, zeros), objectives.as_real(zeros), objectives.as_fake(zeros)):
        assert cost.item() == pytest.approx(LOG_2, rel=1e-6)


def test_telling_apart_is_the_mean_of_both_sides_however_many_there_are_of_each() -> None:
    real, fake = tensor(3), tensor(30, seed=1)
    expected = (objectives.as_real(real) + objectives.as_fake(fake)) / 2
    assert objectives.told_apart(real, fake).item() == pytest.approx(expected.item(), rel=1e-12)
    assert objectives.told_apart(real + 9, fake - 9) < objectives.told_apart(real, fake)
    assert objectives.told_apart(real - 9, fake + 9) > objectives.told_apart(real, fake)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_what_is_real_for_logits_is_fake_for_their_opposites(values: list[float]) -> None:
    logits = torch.tensor(values, dtype=torch.float64)
    real, fake = objectives.as_real(logits).item(), objectives.as_fake(-logits).item()
    assert real == pytest.approx(fake, rel=1e-12)
    assert math.isfinite(real)
    assert real >= 0
    difference = objectives.as_fake(logits).item() - real  # softplus(l) - softplus(-l) = l
    assert difference == pytest.approx(logits.mean().item(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("cost", [objectives.as_real, objectives.as_fake], ids=["as_real", "as_fake"])
def test_the_costs_of_the_game_have_the_right_gradients(cost: Callable[[Tensor], Tensor]) -> None:
    logits = (tensor(6) * 4).requires_grad_()
    assert torch.autograd.gradcheck(cost, (logits,))
    assert cost(logits.bfloat16()).dtype == torch.float32


def test_the_generator_is_pushed_also_when_it_is_found_out() -> None:
    """The non-saturating form: at logits of -100 the gradient is still 1 in size, not 0."""
    logits = torch.full((1,), -100.0, requires_grad=True)
    objectives.as_real(logits).backward()
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(-1)


# Divergence


@pytest.mark.parametrize("std", [0.5, 1.0, 5.0])
def test_the_divergence_agrees_with_monte_carlo(std: float) -> None:
    """Mean of log q(z) - log p(z) over draws z from q, within five of its own standard errors."""
    mean, log_variance = tensor(3, 2), tensor(3, 2, seed=1)
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    p = torch.distributions.Normal(torch.zeros_like(mean), std)
    z = mean + q.stddev * tensor(200_000, 3, 2, seed=2)
    per_draw = (q.log_prob(z) - p.log_prob(z)).sum(2).mean(1)
    error = per_draw.std().item() / math.sqrt(len(per_draw))
    found = objectives.kl_to_gaussian(mean, log_variance, std).item()
    assert found == pytest.approx(per_draw.mean().item(), abs=5 * error)


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-12, 6)), min_size=1, max_size=4),
    st.floats(0.01, 100),
)
@settings(max_examples=50, deadline=None)
def test_the_divergence_is_never_negative(codes: list[tuple[float, float]], std: float) -> None:
    mean, log_variance = (torch.tensor(column, dtype=torch.float64)[None] for column in zip(*codes, strict=True))
    found = objectives.kl_to_gaussian(mean, log_variance, std).item()
    p, q = (
        torch.distributions.Normal(torch.zeros_like(mean), std),
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()),
    )
    expected = torch.distributions.kl_divergence(q, p).sum().item()
    assert found >= -1e-9
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_divergence_of_the_prior_from_itself_is_nothing() -> None:
    log_variance = torch.full((4, 3), 2 * math.log(2.5), dtype=torch.float64)
    assert objectives.kl_to_gaussian(torch.zeros_like(log_variance), log_variance, 2.5).item() == pytest.approx(0)


def test_the_gradient_of_the_divergence_is_that_of_its_differences() -> None:
    mean, log_variance = tensor(3, 2).requires_grad_(), tensor(3, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, v: objectives.kl_to_gaussian(m, v, 2.0), (mean, log_variance))


# Gradient penalty


def bend(weight: Tensor, z: Tensor) -> Tensor:
    """A smooth discriminator: [n, 2] -> logits [n]."""
    return torch.tanh(z @ weight).sum(1) + (z.square() @ weight[:, 0])


def test_the_gradient_penalty_agrees_with_finite_differences() -> None:
    weight, z, h = tensor(2, 4), tensor(6, 2, seed=1), 1e-5
    slopes = torch.zeros_like(z)
    for row in range(6):
        for axis in range(2):
            step = torch.zeros_like(z)
            step[row, axis] = h
            slopes[row, axis] = (bend(weight, z + step) - bend(weight, z - step))[row] / (2 * h)
    expected = sum(0.5 * (row**2).sum().item() for row in slopes) / 6
    z.requires_grad_()
    assert objectives.gradient_penalty(bend(weight, z), z).item() == pytest.approx(expected, rel=1e-7)


def test_the_gradient_penalty_trains_the_discriminator() -> None:
    """The penalty's own gradient, a second derivative, is right for the weights and for the inputs."""
    weight, z = tensor(2, 4).requires_grad_(), tensor(3, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda w, x: objectives.gradient_penalty(bend(w, x), x), (weight, z))


def test_a_straight_discriminator_is_penalised_by_its_slope_alone() -> None:
    z = tensor(8, 3).requires_grad_()
    slope = torch.tensor([3.0, 0.0, -4.0], dtype=torch.float64)
    assert objectives.gradient_penalty(z @ slope + 7, z).item() == pytest.approx(0.5 * 25)


@given(st.integers(2, 6), st.integers(0, 1000), st.floats(0, 5))
@settings(deadline=None, max_examples=20)
def test_the_loss_of_mutual_information_is_made_of_two_entropies(classes: int, seed: int, balance: float) -> None:
    p = torch.softmax(
        2 * torch.randn(40, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), 1
    )
    expected = entropy(p.numpy(), axis=1).mean() + balance * (math.log(classes) - entropy(p.numpy().mean(0)))
    found = objectives.mutual_information_loss(p, balance).item()
    assert found == pytest.approx(expected, abs=1e-9)
    assert found >= 0


def test_sure_and_equally_frequent_classes_cost_nothing() -> None:
    every = torch.eye(4).repeat(5, 1).requires_grad_()
    found = objectives.mutual_information_loss(every, 4.0)
    assert found.item() == pytest.approx(0, abs=1e-6)
    found.backward()
    assert every.grad is not None
    assert every.grad.isfinite().all()
    one, unsure = torch.eye(4)[:1].repeat(20, 1), torch.full((20, 4), 0.25)
    assert objectives.mutual_information_loss(one, 4.0).item() == pytest.approx(4 * math.log(4), abs=1e-6)
    assert objectives.mutual_information_loss(unsure, 4.0).item() == pytest.approx(math.log(4), abs=1e-6)
